package page

import (
	"slices"
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
	{Section: Section{ID: "truth", Title: "Truth"}, has: func(p *Page) bool { return p.Truth != nil }},
	{Section: Section{ID: "against", Title: "Other output"}, has: func(p *Page) bool { return p.Against != nil }},
	{Section: Section{ID: "failures", Title: "Failures"}, has: func(p *Page) bool { return p.Failed > 0 }},
	{Section: Section{ID: "galleries", Title: "Pictures"}, has: func(p *Page) bool { return len(p.Galleries) > 0 }},
	{Section: Section{ID: "vectors", Title: "Duplicates, outliers"}, has: func(p *Page) bool { return p.Vectors != nil }},
	{Section: Section{ID: "sizes", Title: "Sizes"}, has: func(p *Page) bool { return len(p.Sizes) > 0 || p.Pixels != nil }},
	{Section: Section{ID: "ranks", Title: "Ranks"}, has: func(p *Page) bool { return p.Timeline != nil || p.NoTimeline != "" }},
	{Section: Section{ID: "throughput", Title: "Throughput"}, has: func(p *Page) bool { return p.Timeline != nil }},
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
		if s.ID == where || slices.Contains(within[s.ID](p), where) {
			return where
		}
	}
	return ""
}

// within are the IDs of what can be linked to in a section.
var within = map[string]func(p *Page) []string{
	"overview": none, "labels": none, "certainty": none, "failures": none, "galleries": none, "provenance": none,
	"truth": func(p *Page) []string {
		if p.Truth.Result == nil {
			return nil
		}
		return []string{"classes", "confusion", "reliability", "thresholds"}
	},
	"against": func(p *Page) []string {
		if p.Against.Drift == nil {
			return nil
		}
		return []string{"flips", "drift"}
	},
	"vectors": func(p *Page) []string {
		var all []string
		if len(p.Vectors.Duplicates) > 0 {
			all = append(all, "duplicates")
		}
		if len(p.Vectors.Outliers) > 0 {
			all = append(all, "outliers")
		}
		return all
	},
	"sizes": func(p *Page) []string {
		if p.PixelChart() == nil {
			return nil
		}
		return []string{"pixels"}
	},
	"ranks": func(p *Page) []string {
		var all []string
		if p.Timeline != nil && len(p.Timeline.Slowest) > 0 {
			all = append(all, "slowest")
		}
		if p.Timeline != nil && len(p.Timeline.Retries) > 0 {
			all = append(all, "retries")
		}
		return all
	},
	"throughput": none,
}

func none(*Page) []string { return nil }

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
