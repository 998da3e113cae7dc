package page

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"html/template"
	"iter"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/review/evaluate"
	"github.com/batchscore/batchscore/scorer/row"
)

// functions are what the templates call.
var functions = template.FuncMap{
	"show": show, "lines": lines, "sentence": sentence, "things": things, "size": size, "binary": binary, "percent": percent, "of": of, "score": score,
	"exact": exact, "duration": duration, "rate": rate, "when": when, "machine": machine,
	"count": func(n any) string {
		if wide, ok := n.(int64); ok {
			return count(wide)
		}
		return count(n.(int))
	},
	"style": Style, "script": Script, "policy": func() string { return Policy() }, "galleryID": galleryID,
	"histogram": histogram, "small": small, "gallery": newGallery, "sub": func(a, b int) int { return a - b },
	"plus": func(a, b int) int { return a + b }, "group": newGroup, "figure": figure, "atLeast": atLeast,
	"value": value, "valuePercent": valuePercent, "bounds": bounds, "sortable": sortable, "whisker": whisker, "heat": newHeat, "reliability": reliability,
	"threshold": func(f float32) string { return strconv.FormatFloat(float64(f), 'f', 4, 32) }, "scoreBars": scoreBars, "points": points, "psi": psi,
	"wanted": func(f float64) string { return strconv.FormatFloat(math.Round(1e6*f)/1e4, 'f', -1, 64) + "%" },
	"change": func(v evaluate.Value) string { return exact(float64(v)) }, "seconds": seconds,
	"decimal":  func(f float64) string { return strconv.FormatFloat(f, 'f', digits(f), 64) },
	"decimal4": func(f float64) string { return strconv.FormatFloat(f, 'f', 4, 64) },
}

// StatusList returns how many images have each status: ok first, then those of most images.
func (p *Page) StatusList() []StatusCount {
	var all []StatusCount
	for _, status := range slices.Collect(maps.Keys(p.Statuses)) {
		n := p.Statuses[status]
		all = append(all, StatusCount{Status: status, Images: n, Share: share(n, p.Images), Meaning: meaning[status], OK: status == row.StatusOK})
	}
	slices.SortFunc(all, func(a, b StatusCount) int {
		if a.OK != b.OK {
			return map[bool]int{true: -1, false: 1}[a.OK]
		}
		return cmp.Or(b.Images-a.Images, strings.Compare(a.Status, b.Status))
	})
	x := 0.0
	for i := range all {
		w := all[i].Share * 100
		all[i].X, all[i].W, all[i].Class = short(x), short(w), fmt.Sprintf("s%d", min(i, 5))
		if !all[i].OK && i == 0 {
			all[i].Class = "s1"
		}
		x += w
	}
	return all
}

// StatusCount is how many images have a status.
type StatusCount struct {
	Status  string
	Images  int
	Share   float64
	Meaning Meaning
	OK      bool
	// X and W are where its part of a bar of width 100 begins, and how wide it is.
	X, W, Class string
}

// Meaning is what a status says of an image, and what to do about it.
type Meaning struct{ What, Do string }

// meaning explains the statuses.
var meaning = map[string]Meaning{
	"ok":            {What: "has a label", Do: ""},
	"empty":         {What: "has zero bytes", Do: "Upload it again; the upload broke off."},
	"not_image":     {What: "is not in any image format that batchscore recognises", Do: "Remove it from the collection, or leave it out when listing."},
	"unsupported":   {What: "is in a format that is recognised but not decoded", Do: "Convert it to JPEG or PNG."},
	"truncated":     {What: "ends before its last pixel", Do: "Upload it again, then run with --retry truncated."},
	"corrupt":       {What: "is damaged", Do: "Get it from its source again, then run with --retry corrupt."},
	"too_large":     {What: "exceeds a limit on pixels, bytes or memory", Do: "Raise the limit that the error names, or make the image smaller."},
	"decoder_panic": {What: "made a decoder panic", Do: "Report it: this is a fault of batchscore."},
	"not_found":     {What: "was deleted after the listing", Do: "Nothing, if that was intended."},
	"changed":       {What: "was replaced after the listing", Do: "Score its new version: run with --retry changed."},
	"unreadable":    {What: "could not be read, while others in the same place could", Do: "Check its permissions, then run with --retry unreadable."},
	"quarantined":   {What: "killed two workers that processed it alone", Do: "Look at it on a machine of its own; it may be made to harm."},
	"out_of_range":  {What: "has an answer with a number that is too large", Do: "Embed with element float32, or see whether the model is for such pictures."},
	"not_finite":    {What: "makes the model compute NaN or infinity", Do: "Look at it; if there are many, take a model of float32."},
}

func share(n, all int) float64 {
	if all == 0 {
		return 0
	}
	return float64(n) / float64(all)
}

// Chart is a histogram of values from 0 to 1.
type Chart struct {
	ID, Title, Why string
	Of             string // what is counted: images
	*review.Histogram
	Path string
	Peak int
	Bins []ChartBin
}

// ChartBin is a bar of a Chart.
type ChartBin struct {
	From, To string
	Images   int
	Share    float64
}

// histogram returns the chart of a histogram.
func histogram(id, title, why string, h *review.Histogram) Chart {
	c := Chart{ID: id, Title: title, Why: why, Of: "images", Histogram: h}
	values := make([]float64, len(h.Counts))
	for i, n := range h.Counts {
		c.Peak, values[i] = max(c.Peak, n), float64(n)
		c.Bins = append(c.Bins, ChartBin{From: fmt.Sprintf("%.2f", float64(i)/review.Bins), To: fmt.Sprintf("%.2f", float64(i+1)/review.Bins), Images: n,
			Share: share(n, h.N)})
	}
	c.Path = bars(values, float64(c.Peak))
	return c
}

// Under returns how many values are below a bound, which is the edge of a bin.
func (c Chart) Under(bound float64) int { return c.N - atLeast(c.Histogram, bound) }

// atLeast returns how many values are at least a bound, which is the edge of a bin.
func atLeast(h *review.Histogram, bound float64) int {
	n := h.Above
	for _, bin := range h.Counts[int(math.Round(bound*review.Bins)):] {
		n += bin
	}
	return n
}

// small returns the bars of a histogram, for a drawing in a line of a table.
func small(h *review.Histogram) string {
	if h == nil {
		return ""
	}
	values, most := make([]float64, len(h.Counts)), 0.0
	for i, n := range h.Counts {
		values[i], most = float64(n), max(most, float64(n))
	}
	return bars(values, most)
}

// SizeChart returns the bars of the sizes of files.
func (p *Page) SizeChart() Chart {
	c := Chart{ID: "chart-sizes", Of: "images"}
	values := make([]float64, len(p.Sizes))
	for i, b := range p.Sizes {
		c.Peak, values[i] = max(c.Peak, b.Images), float64(b.Images)
	}
	c.Path = bars(values, float64(c.Peak))
	return c
}

// listed is how many labels are listed before the others are folded.
const listed = 30

// LabelRow is a line of the table of labels.
type LabelRow struct {
	review.Label
	// Tail reports whether the line is folded at first. Gallery is the ID of the pictures with
	// the label; empty if there are none.
	Tail           bool
	Gallery        string
	ShareWidth     string
	Scores1, Marg1 string
}

// LabelRows returns the lines of the table of labels.
func (p *Page) LabelRows() []LabelRow {
	galleries := map[string]string{}
	for _, g := range p.Galleries {
		if strings.HasPrefix(g.ID, "label-") && len(g.Pictures) > 0 {
			galleries[g.Pictures[0].Label] = galleryID(g.ID)
		}
	}
	var all []LabelRow
	for i, l := range p.Labels {
		all = append(all, LabelRow{Label: l, Tail: i >= listed, Gallery: galleries[l.Label],
			ShareWidth: short(100 * min(l.Share, 1)), Scores1: small(&p.Labels[i].Scores), Marg1: small(l.Margins)})
	}
	return all
}

// Certain reports whether the margin is what row.Certainty holds, under which name other
// commands show it: not where each class is decided by itself.
func (p *Page) Certain() bool {
	a := models.Activation(p.Job.Activation)
	return p.Margins != nil && a != models.Sigmoid && a != models.Independent
}

// ScoresAre says how scores come from what the model calls its output; empty if it is not
// known what that is.
func (p *Page) ScoresAre() string {
	return map[models.Activation]string{
		models.Probabilities: "its scores are used as they are, and should sum to 1",
		models.Logits:        "a softmax makes scores of them that sum to 1",
		models.Sigmoid:       "a sigmoid makes of each a score from 0 to 1",
		models.Independent:   "its scores are used as they are, each from 0 to 1",
	}[models.Activation(p.Job.Activation)]
}

// TopLabels returns the first labels, for the overview.
func (p *Page) TopLabels() []LabelRow {
	all := p.LabelRows()
	return all[:min(len(all), 6)]
}

// MoreLabels is how many labels there are beyond TopLabels.
func (p *Page) MoreLabels() int { return max(0, len(p.Labels)-6) + p.OtherLabels }

// Folded is how many labels are folded.
func (p *Page) Folded() int { return max(0, len(p.Labels)-listed) }

// GroupView is a group with the views of its galleries, which are made one at a time.
type GroupView struct {
	Group
	page *Page
}

func newGroup(p *Page, g Group) GroupView { return GroupView{Group: g, page: p} }

// Views returns the galleries one after another.
func (g GroupView) Views() iter.Seq[GalleryView] {
	return func(yield func(GalleryView) bool) {
		for _, one := range g.Galleries {
			if !yield(newGallery(g.page, one)) {
				return
			}
		}
	}
}

// GalleryView is a gallery with what its pictures need.
type GalleryView struct {
	review.Gallery
	Element  string // the ID of its element
	Bare     bool   // the page has no pictures at all
	Pictures []PictureView
}

// PictureView is one picture of a gallery.
type PictureView struct {
	*review.Picture
	ID            string
	Base          string // the last part of its name
	Name          FileName
	Why           string // why it has no picture, unless the page has none at all
	Src           any    // a template.URL of data, or an address, which is checked
	Large         string
	Width, Height int // of the small picture
	Bars          []ClassBar
	Wrong         bool // the truth is known and is not the label
	Flip          bool // another output says otherwise
}

// FileName is a name in two parts: a screen without room for both shortens Head, so that the
// number and the ending of the name, which tell it from others, stay.
type FileName struct{ Head, End string }

// endRunes is how many characters of a long name are its End.
const endRunes = 9

func newFileName(base string) FileName {
	all := []rune(show(base))
	at := len(all) - endRunes
	for at > 0 && at < len(all) && (unicode.Is(unicode.M, all[at]) || unicode.Is(unicode.Cf, all[at])) {
		at-- // a mark stays with its letter
	}
	if at < 4 {
		return FileName{Head: string(all)}
	}
	return FileName{Head: string(all[:at]), End: string(all[at:])}
}

// ClassBar is a class with the width of its bar, of 100.
type ClassBar struct {
	review.Class
	W string
}

// newGallery returns the view of a gallery.
func newGallery(p *Page, g review.Gallery) GalleryView {
	v := GalleryView{Gallery: g, Element: galleryID(g.ID), Bare: p.NoPictures != ""}
	for i := range g.Pictures {
		v.Pictures = append(v.Pictures, p.picture(fmt.Sprintf("%s-%d", v.Element, i+1), &g.Pictures[i]))
	}
	return v
}

func (p *Page) picture(id string, pic *review.Picture) PictureView {
	v := PictureView{Picture: pic, ID: id, Base: path.Base(pic.Path)}
	v.Name = newFileName(v.Base)
	v.source(p, pic)
	if p.NoPictures == "" && v.Src == nil {
		v.Why = cmp.Or(pic.NoThumb, "no picture")
	}
	for _, c := range pic.Classes {
		v.Bars = append(v.Bars, ClassBar{Class: c, W: short(100 * min(max(c.Score, 0), 1))})
	}
	v.Wrong = len(pic.Truth) > 0 && !slices.Contains(pic.Truth, pic.Label)
	v.Flip = pic.Other != nil && (pic.Other.Status != pic.Status || pic.Other.Label != pic.Label)
	return v
}

// source finds where the picture comes from.
func (v *PictureView) source(p *Page, pic *review.Picture) {
	if p.Options.Large != nil {
		v.Large = p.Options.Large(pic)
	}
	switch {
	case p.Options.Source != nil:
		if src := p.Options.Source(pic); src != "" {
			v.Src = src
		}
	case p.Options.Thumb != nil && pic.Thumb >= 0:
		body, w, h := p.Options.Thumb(pic.Thumb)
		if body == nil {
			return
		}
		// The type says that the address is safe: it is made of base64 alone.
		v.Src, v.Width, v.Height = template.URL("data:image/jpeg;base64,"+base64.StdEncoding.EncodeToString(body)), w, h
	}
}
