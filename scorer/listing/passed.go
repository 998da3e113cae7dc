package listing

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// PassedOver counts the objects that a listing did not take for images: by reason, and
// then by the ending of the name, or for folders by the name.
type PassedOver map[string]map[string]int

const (
	// NotAPicture is the reason for files without the ending of a picture.
	NotAPicture = "not the ending of a picture"

	// noEnding and otherEndings are counted in place of an ending.
	noEnding     = "none"
	otherEndings = "others"
)

const (
	// mostEndings is how many endings are counted separately for each reason.
	mostEndings = 100
	// longestEnding is in bytes. A longer suffix is hardly an ending.
	longestEnding = 12
	// mostNamed is how many counts String names.
	mostNamed = 5
)

// Add counts one file under the reason and the ending of its name.
func (p *PassedOver) Add(reason, name string) { p.count(reason, ending(name)) }

// AddFolder counts one folder under the reason and its name.
func (p *PassedOver) AddFolder(reason, name string) {
	p.count(reason, fit(name[strings.LastIndexByte(name, '/')+1:], 4*longestEnding))
}

func (p *PassedOver) count(reason, of string) {
	if *p == nil {
		*p = PassedOver{}
	}
	counts := (*p)[reason]
	if counts == nil {
		counts = map[string]int{}
		(*p)[reason] = counts
	}
	if counts[of] == 0 && len(counts) >= mostEndings {
		of = otherEndings
	}
	counts[of]++
}

// ending returns the ending of a name, in lower case and with its dot. If the name
// has a query, it is the ending before that, with a question mark.
func ending(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	name, _, query := strings.Cut(name, "?")
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || dot == len(name)-1 {
		return noEnding
	}
	end := strings.ToLower(fit(name[dot:], longestEnding))
	if query {
		end += "?"
	}
	return end
}

// fit returns text if it has at most that many bytes and is printable, and
// otherEndings if not.
func fit(text string, most int) string {
	if len(text) > most || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return otherEndings
	}
	return text
}

// Files returns how many files and folders were passed over.
func (p PassedOver) Files() int {
	n := 0
	for _, counts := range p {
		for _, of := range counts {
			n += of
		}
	}
	return n
}

// String returns how many files were passed over, with the most frequent endings and
// reasons, such as "12 files passed over (9 .heic, 2 without an ending, 1 device)". It
// is empty if there are none.
func (p PassedOver) String() string {
	type group struct {
		what string
		n    int
	}
	var groups []group
	for reason, counts := range p {
		if reason != NotAPicture {
			n := 0
			for _, of := range counts {
				n += of
			}
			groups = append(groups, group{reason, n})
			continue
		}
		for end, n := range counts {
			switch end {
			case noEnding:
				end = "without an ending"
			case otherEndings:
				end = "of other endings"
			}
			groups = append(groups, group{end, n})
		}
	}
	slices.SortFunc(groups, func(a, b group) int { return cmp.Or(b.n-a.n, strings.Compare(a.what, b.what)) })
	var parts []string
	rest := 0
	for i, g := range groups {
		if i < mostNamed || len(groups) == mostNamed+1 { // one more is named rather than counted
			parts = append(parts, fmt.Sprintf("%d %s", g.n, g.what))
			continue
		}
		rest += g.n
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("%d more", rest))
	}
	switch n := p.Files(); n {
	case 0:
		return ""
	case 1:
		return "1 file passed over (" + parts[0] + ")"
	default:
		return fmt.Sprintf("%d files passed over (%s)", n, strings.Join(parts, ", "))
	}
}

// Clone returns a copy that shares nothing with p.
func (p PassedOver) Clone() PassedOver {
	c := maps.Clone(p)
	for reason, counts := range c {
		c[reason] = maps.Clone(counts)
	}
	return c
}
