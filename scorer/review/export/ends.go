package export

import (
	"context"
	"strings"

	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/shard"
)

// mostEnds is how many images of a label may be the first and the last one in the order of their
// hashes: as many as that may be lost without another look for others.
const mostEnds = 8

// endImage is an image that may be the first or the last one of its label.
type endImage struct {
	hash  uint64 // its splitHash
	entry shard.Entry
}

func endOf(e *shard.Entry) endImage {
	return endImage{hash: splitHash(e.Path), entry: shard.Entry{Path: e.Path, Size: e.Size, ETag: e.ETag}}
}

// kept returns a copy that keeps nothing of the row that it is from.
func (e endImage) kept() endImage {
	e.entry.Path, e.entry.ETag = strings.Clone(e.entry.Path), strings.Clone(e.entry.ETag)
	return e
}

// labelEnds are the first and the last images of one label.
type labelEnds struct{ first, last choose.First[endImage] }

func newLabelEnds() *labelEnds {
	return &labelEnds{first: choose.First[endImage]{N: mostEnds, Less: func(a, b endImage) bool { return a.hash < b.hash }},
		last: choose.First[endImage]{N: mostEnds, Less: func(a, b endImage) bool { return a.hash > b.hash }}}
}

func (l *labelEnds) add(one endImage) {
	for _, end := range []*choose.First[endImage]{&l.first, &l.last} {
		if end.Takes(one) {
			end.Add(one.kept())
		}
	}
}

// endsWithout returns the first and the last image of each label that is not lost. A label that has
// none is not in it.
func (p *plan) endsWithout(lost map[string]bool) map[string][2]endImage {
	found := map[string][2]endImage{}
	remains := func(all *choose.First[endImage]) (endImage, bool) {
		for _, one := range all.Sorted() {
			if !lost[one.entry.Path] {
				return one, true
			}
		}
		return endImage{}, false
	}
	for label, l := range p.candidates {
		first, ok := remains(&l.first)
		last, _ := remains(&l.last)
		if ok && last.entry.Path != "" {
			found[label] = [2]endImage{first, last}
		}
	}
	return found
}

// settle finds out which of the images cannot be read that would be the first and the last one of
// their labels. Otherwise a label would be without an image for validation because one is gone.
func (p *plan) settle(ctx context.Context, unreadable func(context.Context, []shard.Entry) ([]bool, error)) error {
	known := map[string]bool{}
	p.lost = map[string]bool{}
	for {
		var ask []shard.Entry
		for _, ends := range p.endsWithout(p.lost) {
			for _, one := range ends {
				if !known[one.entry.Path] {
					known[one.entry.Path] = true
					ask = append(ask, one.entry)
				}
			}
		}
		if len(ask) == 0 {
			return nil
		}
		lost, err := unreadable(ctx, ask)
		if err != nil {
			return err
		}
		for i, e := range ask {
			if lost[i] {
				p.lost[e.Path] = true
			}
		}
	}
}

// settled returns the collection once the first and the last image of each label are known that can
// be read.
func (p *plan) settled(ctx context.Context, r *Request, b *batch, c Collection) (Collection, error) {
	each := r.Format.EachSplit && !r.Boxes // boxes have the numbers of the model's classes in both
	if each {                              // before anything is read
		if err := c.checkLabels(""); err != nil {
			return c, err
		}
	}
	if err := p.settle(ctx, b.unreadable); err != nil {
		return c, err
	}
	c = p.collection(r)
	if each {
		return c, c.checkLabels(" of those that can be read")
	}
	return c, nil
}
