package export

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/row"
)

// Selection says which images of a result are exported: those for which all conditions
// hold, and of these a fair sample.
type Selection struct {
	// Match holds conditions on a row; nil takes every row.
	Match func(r *row.Row) bool
	// Labels are the labels that are taken, as Item.Has has them; nil takes all.
	Labels []string
	// Score and Margin are ranges with both ends; nil takes all. An image that failed has no
	// score, and one with a single class no margin.
	Score, Margin *Range
	// Wrong takes images whose label is not one of their truth. Those without a truth are
	// not taken.
	Wrong bool
	// Differing takes images that differ in another output.
	Differing bool
	// PerClass is how many images of each label are taken at most, and Sample how many of
	// all; 0 takes all. They are those whose names have the lowest hashes with Seed.
	PerClass, Sample int
	Seed             uint64
}

// Range is a range of numbers with both ends.
type Range struct{ From, To float64 }

// has reports whether a number of 32 bits is in the range. The ends are numbers as people
// write them: 0.3 is in a range from 0.3.
func (r *Range) has(v float32) bool {
	return v >= float32(r.From) && v <= float32(r.To) && !math.IsNaN(float64(v))
}

// matches reports whether the conditions hold for an image.
func (s *Selection) matches(it *Item) bool {
	if s.Match != nil && !s.Match(&it.Row) || s.Differing && !it.Differs {
		return false
	}
	label, score, ok := it.Label()
	if s.Labels != nil && !it.Has(s.Labels) {
		return false
	}
	if s.Score != nil && (!ok || !s.Score.has(score)) {
		return false
	}
	if s.Margin != nil {
		if !ok {
			return false
		}
		a, classified := it.Row.Answer.(*row.Classification)
		if !classified {
			return false
		}
		margin, known := a.Margin()
		if !known || !s.Margin.has(margin) {
			return false
		}
	}
	if s.Wrong && (!ok || len(it.Truth) == 0 || slices.Contains(it.Truth, label)) {
		return false
	}
	return true
}

// sampled reports whether only some of the images are taken for which the conditions hold.
func (s *Selection) sampled() bool { return s.PerClass > 0 || s.Sample > 0 }

// key orders images for a fair sample.
type key [16]byte

func (s *Selection) key(it *Item) key {
	sum := choose.Hash(it.Entry.Path, s.Seed)
	return key(sum[:16])
}

// plan is what the first pass over the rows finds: which images are taken, and what they
// have in common.
type plan struct {
	rows    int // seen
	fitting int // for which the conditions hold
	taken   int
	failed  int   // fitting, without an answer, that the format cannot take
	keys    []key // of the taken ones, sorted, if they are a sample

	classes map[string]modelClass // of all rows, by label
	labels  map[string]bool       // of the taken images

	// candidates are images that may be the first and the last of a label, and lost those of
	// them that cannot be read. There are none without validation.
	candidates map[string]*labelEnds
	lost       map[string]bool
}

// modelClass is a class of the model.
type modelClass struct {
	label string
	id    int // the lowest, where several are called so
}

// picked is an image that may be in a sample.
type picked struct {
	key   key
	label string
	ok    bool // it has a label
	truth []string
	end   endImage
}

func before(a, b picked) bool { return bytes.Compare(a.key[:], b.key[:]) < 0 }

// makePlan passes over the rows.
func makePlan(ctx context.Context, r *Request) (*plan, error) {
	p := &plan{classes: map[string]modelClass{}, labels: map[string]bool{}}
	if r.Options.Validation > 0 {
		p.candidates = map[string]*labelEnds{}
	}
	groups := map[string]*choose.First[picked]{}
	err := r.Rows(ctx, func(it *Item) error {
		p.rows++
		p.see(it)
		if !r.Select.matches(it) {
			return nil
		}
		label, _, ok := it.Label()
		if !ok && !r.Format.Failed {
			p.failed++
			return nil
		}
		p.fitting++
		if !r.Select.sampled() {
			p.taken++
			p.have(picked{label: label, ok: ok, truth: it.Truth, end: p.end(it)})
			return nil
		}
		group := ""
		n := r.Select.Sample
		if r.Select.PerClass > 0 {
			if group = "ok " + label; !ok {
				group = it.Row.Status
			}
			if n == 0 || r.Select.PerClass < n {
				n = r.Select.PerClass
			}
		}
		first := groups[group]
		if first == nil {
			first = &choose.First[picked]{N: n, Less: before}
			groups[strings.Clone(group)] = first
		}
		if one := (picked{key: r.Select.key(it), ok: ok, truth: it.Truth, end: p.end(it)}); first.Takes(one) {
			one.end = one.end.kept()
			if ok {
				one.label = p.classes[label].label
			}
			first.Add(one)
		}
		return nil
	})
	if err != nil || !r.Select.sampled() {
		return p, err
	}
	all := choose.First[picked]{N: r.Select.Sample, Less: before}
	for _, group := range groups {
		for _, one := range group.Items {
			all.Add(one)
		}
	}
	for _, one := range all.Items {
		p.keys = append(p.keys, one.key)
		p.have(one)
	}
	p.taken = len(p.keys)
	slices.SortFunc(p.keys, func(a, b key) int { return bytes.Compare(a[:], b[:]) })
	return p, nil
}

// see notes the classes of a row.
func (p *plan) see(it *Item) {
	if it.Row.Status != row.StatusOK {
		return
	}
	note := func(label string, id int) {
		was, ok := p.classes[label]
		if !ok {
			label = strings.Clone(label)
			p.classes[label] = modelClass{label, id}
		} else if id < was.id {
			p.classes[was.label] = modelClass{was.label, id}
		}
	}
	switch a := it.Row.Answer.(type) {
	case *row.Classification:
		note(a.Label, a.ClassID)
		for _, c := range a.TopK {
			note(c.Label, c.ClassID)
		}
	case *row.Detection:
		for i := range a.Boxes {
			note(a.Boxes[i].Label, a.Boxes[i].ClassID)
		}
	}
}

// have notes the labels of an image that is taken.
func (p *plan) have(one picked) {
	note := func(label string) {
		if !p.labels[label] {
			p.labels[strings.Clone(label)] = true
		}
	}
	if _, known := p.classes[one.label]; one.ok && known { // it may be without a box
		note(one.label)
	}
	for _, label := range one.truth {
		note(label)
	}
	switch {
	case len(one.truth) > 0:
		p.mayEnd(one.truth[0], one.end)
	case one.ok:
		p.mayEnd(one.label, one.end)
	}
}

// end returns an image as one that may be the first or the last of its label.
func (p *plan) end(it *Item) endImage {
	if p.candidates == nil {
		return endImage{}
	}
	return endOf(&it.Entry)
}

// mayEnd notes an image that may be the first or the last of a label.
func (p *plan) mayEnd(label string, one endImage) {
	if p.candidates == nil {
		return
	}
	l := p.candidates[label]
	if l == nil {
		l = newLabelEnds()
		p.candidates[strings.Clone(label)] = l
	}
	l.add(one)
}

// takes reports whether an image is taken.
func (p *plan) takes(r *Request, it *Item) bool {
	if !r.Select.matches(it) {
		return false
	}
	if _, _, ok := it.Label(); !ok && !r.Format.Failed {
		return false
	}
	if p.keys == nil {
		return !r.Select.sampled()
	}
	k := r.Select.key(it)
	_, ok := slices.BinarySearchFunc(p.keys, k, func(a, b key) int { return bytes.Compare(a[:], b[:]) })
	return ok
}

// collection returns what the taken images have in common.
func (p *plan) collection(r *Request) Collection {
	c := Collection{Job: r.Job, Images: p.taken, HasTruth: r.HasTruth, Options: r.Options, ends: map[string]ends{}}
	for label, two := range p.endsWithout(p.lost) {
		c.ends[label] = ends{two[0].hash, two[1].hash}
	}
	seen := map[string]bool{}
	for label := range p.labels {
		c.Labels = append(c.Labels, label)
		seen[label] = true
	}
	c.Classes = slices.Clone(c.Labels)
	for label := range p.classes {
		if !seen[label] {
			c.Classes = append(c.Classes, label)
		}
	}
	slices.Sort(c.Labels)
	slices.Sort(c.Classes)
	for _, label := range c.Labels {
		id := -1
		if class, ok := p.classes[label]; ok {
			id = class.id
		}
		c.ClassIDs = append(c.ClassIDs, id)
	}
	return c
}
