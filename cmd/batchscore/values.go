package main

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/scorer/row"
)

// byteSize is the value of a flag that takes a number of bytes, with or without
// a unit.
type byteSize int64

// byteUnits are the units that byteSize takes, in any case. A unit that ends with
// another comes before it.
var byteUnits = []struct {
	name  string
	bytes float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"b", 1}, {"", 1},
}

func (b *byteSize) Set(text string) error {
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(strings.ToLower(strings.TrimSpace(text)), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if n *= u.bytes; err != nil || !(n >= 0 && n < 1<<62) {
			break
		}
		*b = byteSize(n)
		return nil
	}
	return errors.New("want a number of bytes, or one with a unit: 800MB, 2GiB")
}

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Type names the value in the help.
func (b *byteSize) Type() string { return "SIZE" }

// amount is the value of a flag that takes a number above zero, or "auto". Its
// zero value is the default: neither.
type amount struct {
	n    int
	auto bool
}

func (a *amount) Set(text string) error {
	if text == "auto" {
		*a = amount{auto: true}
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return errors.New("want a number above zero, or auto")
	}
	*a = amount{n: n}
	return nil
}

func (a *amount) String() string {
	switch {
	case a.auto:
		return "auto"
	case a.n > 0:
		return strconv.Itoa(a.n)
	}
	return ""
}

// Type names the value in the help.
func (a *amount) Type() string { return "N|auto" }

// finite reports whether v is a finite number from zero up.
func finite(v float64) bool { return v >= 0 && !math.IsInf(v, 1) }

// asWords returns names as strings.
func asWords[T ~string](names []T) []string {
	var all []string
	for _, name := range names {
		all = append(all, string(name))
	}
	return all
}

// parseStatuses parses the value of a flag that takes statuses of rows, separated by
// commas.
func parseStatuses(flag, text string, known []string) (row.Selection, error) {
	s, err := row.ParseSelection(text, known)
	if err == nil {
		return s, nil
	}
	hint := ""
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); hint == "" && word != row.AnyFailure && !slices.Contains(known, word) {
			hint = didYouMean(word, append(slices.Clone(known), row.AnyFailure))
		}
	}
	return nil, usagef("--%s: %v%s", flag, err, hint)
}

// taskFlag lets --task complete the tasks, and be spelled --inference, as older
// scripts do.
func taskFlag(cmd *cobra.Command) {
	chooseOne(cmd, "task", library.Tasks())
	cmd.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "inference" {
			name = "task"
		}
		return pflag.NormalizedName(name)
	})
}
