package deploy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cronField is a field of a cron expression: its bounds, and the names that numbers
// have, the first that of the least.
type cronField struct {
	name        string
	least, most int
	names       []string
}

var cronFields = []cronField{
	{name: "a minute", least: 0, most: 59},
	{name: "an hour", least: 0, most: 23},
	{name: "a day of the month", least: 1, most: 31},
	{name: "a month", least: 1, most: 12, names: []string{
		"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
	}},
	// Both 0 and 7 are Sunday.
	{name: "a day of the week", least: 0, most: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

// checkSchedule checks a cron expression of five fields, as crontab(5) describes
// them: lists of *, numbers and ranges, each with /STEP or without.
func checkSchedule(text string) error {
	fields := strings.Fields(text)
	if len(fields) != len(cronFields) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
		return fmt.Errorf("schedule %s: want a cron expression of five fields, such as '0 2 * * *'", Shown(text))
	}
	for i, f := range cronFields {
		for item := range strings.SplitSeq(fields[i], ",") {
			if !f.takes(item) {
				return fmt.Errorf("schedule %s: %s is not %s: want *, a number from %d to %d, a range such as %d-%d, or one of these with a step, such as */2",
					Shown(text), Shown(item), f.name, f.least, f.most, f.least, f.most)
			}
		}
	}
	return nil
}

func (f cronField) takes(item string) bool {
	item, step, stepped := strings.Cut(item, "/")
	if n, err := strconv.ParseUint(step, 10, 16); stepped && (err != nil || n < 1) {
		return false
	}
	if item == "*" {
		return true
	}
	from, to, ranged := strings.Cut(item, "-")
	least, ok := f.number(from)
	if !ranged {
		return ok
	}
	most, okMost := f.number(to)
	return ok && okMost && least <= most
}

// number returns the number that a word of the field stands for.
func (f cronField) number(word string) (int, bool) {
	if i := slices.Index(f.names, strings.ToLower(word)); i >= 0 {
		return f.least + i, true
	}
	n, err := strconv.ParseUint(word, 10, 8) // which takes no sign
	return int(n), err == nil && int(n) >= f.least && int(n) <= f.most
}
