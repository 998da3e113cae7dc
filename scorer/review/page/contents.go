package page

import (
	"strings"

	"github.com/batchscore/batchscore/scorer/review"
)

// Section is a part of the page that has a heading and can be linked to. The Where of a
// review.Remark is the ID of one, or of a gallery.
type Section struct{ ID, Title string }

// sections are all there may be, in order.
var sections = []struct {
	Section
	has func(p *Page) bool
}{
	{Section: Section{ID: "overview", Title: "Overview"}, has: func(*Page) bool { return true }},
	{Section: Section{ID: "labels", Title: "Labels"}, has: func(p *Page) bool { return len(p.Labels) > 0 }},
	{Section: Section{ID: "certainty", Title: "How sure"}, has: func(p *Page) bool { return p.Scores != nil }},
	{Section: Section{ID: "failures", Title: "Failures"}, has: func(p *Page) bool { return p.Failed > 0 }},
	{Section: Section{ID: "galleries", Title: "Pictures"}, has: func(p *Page) bool { return len(p.Galleries) > 0 }},
	{Section: Section{ID: "sizes", Title: "Sizes"}, has: func(p *Page) bool { return len(p.Sizes) > 0 }},
	{Section: Section{ID: "provenance", Title: "Provenance"}, has: func(*Page) bool { return true }},
}

// Sections returns those that the page has.
func (p *Page) Sections() []Section {
	var all []Section
	for _, s := range sections {
		if s.has(p) {
			all = append(all, s.Section)
		}
	}
	return all
}

// Target returns the ID of the element that the Where of a remark means; empty if the page has
// none.
func (p *Page) Target(where string) string {
	for _, g := range p.Galleries {
		if g.ID == where {
			return galleryID(g.ID)
		}
	}
	for _, s := range p.Sections() {
		if s.ID == where {
			return s.ID
		}
	}
	return ""
}

// galleryID is the ID of the element of a gallery.
func galleryID(id string) string { return "pictures-" + id }

// Group is galleries of one kind.
type Group struct {
	ID, Title string
	Galleries []review.Gallery
}

// Groups returns the galleries by kind: those that are about the whole result first.
func (p *Page) Groups() []Group {
	all := []Group{{ID: "chosen", Title: "Chosen"}, {ID: "by-label", Title: "By label"}, {ID: "by-failure", Title: "Failed, by reason"}}
	for _, g := range p.Galleries {
		switch {
		case strings.HasPrefix(g.ID, "label-"):
			all[1].Galleries = append(all[1].Galleries, g)
		case strings.HasPrefix(g.ID, "status-"):
			all[2].Galleries = append(all[2].Galleries, g)
		default:
			all[0].Galleries = append(all[0].Galleries, g)
		}
	}
	var full []Group
	for _, g := range all {
		if len(g.Galleries) > 0 {
			full = append(full, g)
		}
	}
	return full
}
