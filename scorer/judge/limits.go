package judge

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
)

// Limits are how many images of a job may fail: in all, and of a status that has a limit
// of its own. Images with such a status do not count for the limit of the others. The
// zero value is the default of the job: the share that its record names of at least
// leastImages, and in smaller jobs all images but one. A job begun before there was this
// default fails only if every image fails.
type Limits struct {
	text    string
	rest    limit
	classes map[string]limit // by status; nil for none
	ignored string           // a status that counts for no limit; empty for none
	// increment reports whether they are for the new and changed images of an increment.
	increment bool
}

// Ignoring returns the limits without those on a status, which may have any number of
// images.
func (l Limits) Ignoring(status string) Limits {
	l.ignored = status
	return l
}

// OfIncrement returns the limits for the new and changed images of an increment. If there are
// fewer than leastImages of them, shares do not apply: on a night with few new images, one that
// is broken would be a large share, and wake somebody.
func (l Limits) OfIncrement() Limits {
	l.increment = true
	return l
}

// sparing reports whether shares of that many images do not apply.
func (l Limits) sparing(images int) bool { return l.increment && images < leastImages }

// limit is one number or share.
type limit struct {
	kind    kind
	text    string
	count   int
	percent float64
}

type kind int

const (
	ofTheJob      kind = iota
	ofCount            // count images
	ofShare            // percent of the images
	allButOneFail      // all images but one
)

var (
	// UnlessAllFail are Limits that a job exceeds only if every image fails.
	UnlessAllFail = Limits{rest: limit{kind: allButOneFail}}
	// None are Limits that no job exceeds.
	None = Limits{text: "100%", rest: limit{kind: ofShare, text: "100%", percent: 100}}
)

// leastImages is how many images a job has before its default counts: in a smaller
// one, a few bad images are a large share.
const leastImages = 20

// ParseLimits reads limits with commas between them: "N", a number of images, or "P%", a
// share of the manifest from 0 to 100, for all failures, and "STATUS=N" or "STATUS=P%" for
// those of one status. The empty text is the zero value.
func ParseLimits(text string) (Limits, error) {
	l := Limits{text: text}
	if text == "" {
		return l, nil
	}
	general := false
	for word := range strings.SplitSeq(text, ",") {
		status, number, named := strings.Cut(strings.TrimSpace(word), "=")
		if !named {
			status, number = "", status
		}
		status = strings.TrimSpace(status)
		one, err := parseLimit(strings.TrimSpace(number))
		switch _, twice := l.classes[status]; {
		case err != nil:
			return l, err
		case !named && general:
			return l, fmt.Errorf("%q has two limits for all failures; name a status before the other, such as truncated=%s", text, number)
		case !named:
			l.rest, general = one, true
		case !slices.Contains(row.FailureStatuses(), status):
			return l, fmt.Errorf("%q is not one of %s", status, strings.Join(row.FailureStatuses(), ", "))
		case twice:
			return l, fmt.Errorf("%q has two limits for %s", text, status)
		default:
			if l.classes == nil {
				l.classes = map[string]limit{}
			}
			l.classes[status] = one
		}
	}
	return l, nil
}

func parseLimit(text string) (limit, error) {
	l := limit{text: text}
	if number, ok := strings.CutSuffix(text, "%"); ok {
		p, err := strconv.ParseFloat(number, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return l, fmt.Errorf("%q is not a percentage from 0%% to 100%%", text)
		}
		l.kind, l.percent = ofShare, p
		return l, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return l, fmt.Errorf("%q is neither a number of images nor a percentage", text)
	}
	l.kind, l.count = ofCount, n
	return l, nil
}

// String returns the text that was read; empty for the zero value.
func (l Limits) String() string { return l.text }

// Of returns how many failed images a job with that many images may have, as it was
// given, or as N or P%. byDefault is the share that the job's record names. Where shares do not
// apply, it has only the numbers, and is empty if there are none.
func (l Limits) Of(byDefault string, images int) string {
	switch {
	case l.sparing(images):
		return l.numbers()
	case l.text != "" && l.rest.text != "":
		return l.text
	case l.text != "":
		return l.rest.of(byDefault, images) + "," + l.text
	}
	return l.rest.of(byDefault, images)
}

// numbers returns the limits that are counts, not shares.
func (l Limits) numbers() string {
	var all []string
	if l.rest.kind == ofCount {
		all = append(all, l.rest.text)
	}
	for _, status := range slices.Sorted(maps.Keys(l.classes)) {
		if one := l.classes[status]; one.kind == ofCount {
			all = append(all, status+"="+one.text)
		}
	}
	return strings.Join(all, ",")
}

func (l limit) of(byDefault string, images int) string {
	switch {
	case l.text != "":
		return l.text
	case byDefault != "" && l.kind == ofTheJob && images >= leastImages:
		return byDefault
	}
	return strconv.Itoa(max(images-1, 0))
}

// group is the statuses that count for one limit.
type group struct {
	// status is the only one of the group; empty for the group of all that have no limit
	// of their own.
	status string
	// name is equal for groups of the same statuses.
	name string
	// allowed is how many images may fail, and says that in words.
	allowed int
	says    string
	has     func(status string) bool
}

// groups returns the groups of a job with that many images, that of the statuses without
// a limit of their own first.
func (l Limits) groups(byDefault string, images int) []group {
	named := slices.Sorted(maps.Keys(l.classes))
	allowed := func(one limit) (int, string) {
		if one.kind != ofCount && l.sparing(images) {
			return images, "any number is allowed"
		}
		return one.allowed(byDefault, images)
	}
	rest := group{name: strings.Join(append([]string{"failed"}, named...), "-"),
		has: func(status string) bool {
			return status != row.StatusOK && status != l.ignored && !slices.Contains(named, status)
		}}
	rest.allowed, rest.says = allowed(l.rest)
	all := []group{rest}
	for _, status := range named {
		g := group{status: status, name: status, has: func(s string) bool { return s == status && s != l.ignored }}
		g.allowed, g.says = allowed(l.classes[status])
		all = append(all, g)
	}
	return all
}

// allowed returns how many of those images may fail, and says so in words.
func (l limit) allowed(byDefault string, images int) (most int, says string) {
	switch l.kind {
	case ofCount:
		return l.count, "at most " + l.text + " are allowed"
	case ofShare:
		return int(math.Floor(l.percent * float64(images) / 100)), "at most " + l.text + " are allowed"
	case ofTheJob:
		if share, err := parseLimit(byDefault); err == nil && images >= leastImages {
			most, _ := share.allowed("", images)
			return most, "at most " + byDefault + " are allowed unless --max-errors says more"
		}
	}
	return max(images-1, 0), "fewer than all are allowed"
}

// count returns how many of those images, counted by status, are of the group.
func (g *group) count(statuses map[string]int) int {
	n := 0
	for status, images := range statuses {
		if g.has(status) {
			n += images
		}
	}
	return n
}

// Exceeded returns what a complete job exceeds, in words; empty if it exceeds nothing.
func (l Limits) Exceeded(byDefault string, images int, statuses map[string]int) string {
	for _, g := range l.groups(byDefault, images) {
		if n := g.count(statuses); n > g.allowed {
			return fmt.Sprintf("%d of %d (%s), %s", n, images, row.TallyFailures(g.only(statuses)), g.of())
		}
	}
	return ""
}

// of returns what the limit of the group is, in words.
func (g *group) of() string {
	if g.status != "" {
		return g.says + " for " + g.status
	}
	return g.says
}

// only returns those of the images, counted by status, that are of the group.
func (g *group) only(statuses map[string]int) map[string]int {
	some := map[string]int{}
	for status, n := range statuses {
		if g.has(status) {
			some[status] = n
		}
	}
	return some
}
