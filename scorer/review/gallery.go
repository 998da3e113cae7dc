package review

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/review/embedding"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/shard"
)

const (
	// galleryLabels is how many labels have a gallery of their own: those of most images.
	galleryLabels = 24
	// galleryFlips is how many kinds of changed answers have a gallery: those of most images.
	galleryFlips = 6
	// candidateLabels is of how many labels images are kept while rows are read, those that
	// come first: which labels have most images is known only at the end.
	candidateLabels = 2000
	// candidates is how many pictures are kept for galleries of labels at most, and as many for
	// those of changed answers: of larger galleries fewer labels have any.
	candidates = 100_000
	// shownClasses is how many classes a Picture has at most.
	shownClasses = 5
)

// candidate is an image that may come into a gallery.
type candidate struct {
	// key orders the images of a gallery, the lowest first. hash decides among equals, and
	// makes samples fair.
	key     float64
	hash    [32]byte
	picture Picture
	entry   shard.Entry
}

func (c candidate) before(o candidate) bool {
	return c.key < o.key || c.key == o.key && string(c.hash[:]) < string(o.hash[:])
}

// shelf collects the images of one gallery.
type shelf struct {
	choose.First[candidate]
	of int
}

func newShelf(n int) *shelf {
	return &shelf{First: choose.First[candidate]{N: n, Less: candidate.before}}
}

// subject is one image, as it is offered to the shelves.
type subject struct {
	entry  *shard.Entry
	row    *row.Row
	answer *row.Classification // nil if there is none
	hash   [32]byte
	truth  []string
	other  *Other
}

// offer takes an image into a gallery if it is among the first by key.
func (s *shelf) offer(g *galleries, sub *subject, key float64) {
	s.of++
	c := candidate{key: key, hash: sub.hash}
	if !s.Takes(c) {
		return
	}
	c.picture, c.entry = g.picture(sub), kept(sub.entry)
	s.Add(c)
}

// kept returns what is needed to read an image. It keeps nothing of the part that the entry is in.
func kept(e *shard.Entry) shard.Entry {
	return shard.Entry{Path: strings.Clone(e.Path), Size: e.Size, ETag: strings.Clone(e.ETag)}
}

// galleries are all shelves.
type galleries struct {
	n         int // images of a gallery
	seed      uint64
	threshold float64
	address   func(name string) string
	certainty func(*row.Row) row.Value

	random, surest, leastSure, atThreshold, mistakes, biggest *shelf
	flips                                                     map[string]*shelf // by here and there
	labels, statuses                                          map[string]*shelf
	sample                                                    *choose.First[candidate] // without pictures
	// outliers and duplicates are the images of these galleries, each with its place there.
	outliers, duplicates *shelf
	wanted               map[string]places
}

func newGalleries(n int) *galleries {
	return &galleries{n: n, random: newShelf(n), surest: newShelf(n), leastSure: newShelf(n), atThreshold: newShelf(n), mistakes: newShelf(n),
		biggest: newShelf(n), flips: map[string]*shelf{}, labels: map[string]*shelf{}, statuses: map[string]*shelf{}}
}

// add offers an image to each gallery that it suits.
func (g *galleries) add(sub *subject) {
	sub.hash = choose.Hash(sub.entry.Path, g.seed)
	if c := (candidate{hash: sub.hash}); g.sample.Takes(c) {
		c.entry = kept(sub.entry)
		g.sample.Add(c)
	}
	if at, ok := g.wanted[sub.entry.Path]; ok {
		if at.outlier > 0 {
			g.outliers.offer(g, sub, float64(at.outlier))
		}
		if at.duplicate > 0 {
			g.duplicates.offer(g, sub, float64(at.duplicate))
		}
	}
	g.random.offer(g, sub, 0)
	g.biggest.offer(g, sub, -float64(sub.row.Size))
	kinds := min(candidateLabels, max(candidates/g.n, galleryLabels))
	if sub.answer == nil {
		g.shelfOf(g.statuses, sub.row.Status, math.MaxInt).offer(g, sub, 0)
	} else {
		if s := g.shelfOf(g.labels, sub.answer.Label, kinds); s != nil {
			s.offer(g, sub, 0)
		}
		if v := g.certainty(sub.row); !v.Unknown {
			g.leastSure.offer(g, sub, v.Number)
			g.surest.offer(g, sub, -v.Number)
		}
		score := float64(sub.answer.Score)
		g.atThreshold.offer(g, sub, math.Abs(score-g.threshold))
		if len(sub.truth) > 0 && !slices.Contains(sub.truth, sub.answer.Label) {
			g.mistakes.offer(g, sub, -score)
		}
	}
	if o := sub.other; o != nil && differs(sub, o) {
		if s := g.shelfOf(g.flips, flipOf(sub, o), kinds); s != nil {
			s.offer(g, sub, 0)
		}
	}
}

// places are where an image is among outliers and among near duplicates, from 1; 0 if it is not.
type places struct{ outlier, duplicate int }

// want says which images are outliers and near duplicates. The latter come in pairs, the most
// similar first.
func (g *galleries) want(v *embedding.Result) {
	g.outliers, g.duplicates, g.wanted = newShelf(g.n), newShelf(g.n), map[string]places{}
	if v == nil {
		return
	}
	for i, o := range v.Outliers {
		g.wanted[o.Path] = places{outlier: i + 1}
	}
	n := 0
	for _, pair := range v.Duplicates {
		for _, path := range []string{pair.A, pair.B} {
			if at := g.wanted[path]; at.duplicate == 0 {
				n++
				at.duplicate = n
				g.wanted[path] = at
			}
		}
	}
}

// shelfOf returns the shelf of that name; nil if it does not exist and there are as many as there may be.
func (g *galleries) shelfOf(all map[string]*shelf, name string, most int) *shelf {
	s := all[name]
	if s == nil && len(all) < most {
		s = newShelf(g.n)
		all[strings.Clone(name)] = s
	}
	return s
}

// picture returns what a gallery shows of an image. It keeps nothing of the part that the row is in.
func (g *galleries) picture(sub *subject) Picture {
	r := sub.row
	p := Picture{Path: strings.Clone(r.Path), Address: g.address(sub.entry.Path), Size: r.Size, Status: strings.Clone(r.Status), Error: strings.Clone(r.Error),
		Margin: -1, Thumb: -1}
	for _, label := range sub.truth {
		p.Truth = append(p.Truth, strings.Clone(label))
	}
	if sub.other != nil {
		o := *sub.other
		o.Status, o.Label = strings.Clone(o.Status), strings.Clone(o.Label)
		p.Other = &o
	}
	if a := sub.answer; a != nil {
		p.Label, p.Score = strings.Clone(a.Label), float64(a.Score)
		if margin, ok := a.Margin(); ok {
			p.Margin = float64(margin)
		}
		for _, c := range a.TopK[:min(len(a.TopK), shownClasses)] {
			p.Classes = append(p.Classes, Class{Label: strings.Clone(c.Label), Score: float64(c.Score)})
		}
	}
	return p
}

// How the images of each gallery are chosen.
const (
	whyMistakes   = "Images whose label is not the right one, the highest score first."
	whyFlip       = "A fair sample of the images whose answer differs from that of the other output in this way."
	whyLeastSure  = "Images between whose best answers the model could hardly tell, the most doubtful first."
	whyThreshold  = "Images that a threshold at this score would just keep, or just leave out."
	whySurest     = "Images of which the model is most sure. A mistake here is not a matter of a threshold."
	whyRandom     = "A fair sample of all images: the same whenever the report is made."
	whyFailed     = "A fair sample of the images without an answer, with the reason."
	whyLabel      = "A fair sample of the images with this label."
	whyOutliers   = "Images whose vectors are farthest from the mean of their label, the farthest first: often a wrong label, or another kind of picture."
	whyDuplicates = "Images whose vectors are nearly the same, the most similar pair first, its two images side by side."
	whyBiggest    = "The largest images in bytes, the largest first."
)

// list returns the galleries in the order of the report, and for each thumbnail the entry of its
// image. labels are those with most images, in order.
func (g *galleries) list(labels []Label) ([]Gallery, []shard.Entry) {
	c := collector{numbers: map[string]int{}}
	c.put("mistakes", "Most confident mistakes", whyMistakes, g.mistakes)
	for i, name := range byCount(g.flips, galleryFlips) {
		c.put(fmt.Sprintf("flip-%d", i+1), "Changed: "+name, whyFlip, g.flips[name])
	}
	c.put("least-sure", "Least sure", whyLeastSure, g.leastSure)
	c.put("threshold", fmt.Sprintf("Nearest to a score of %g", g.threshold), whyThreshold, g.atThreshold)
	c.put("surest", "Surest", whySurest, g.surest)
	c.put("random", "Random", whyRandom, g.random)
	for _, status := range byCount(g.statuses, galleryLabels) {
		c.put("status-"+status, "Failed: "+status, whyFailed, g.statuses[status])
	}
	for i, l := range labels[:min(len(labels), galleryLabels)] {
		c.put(fmt.Sprintf("label-%d", i+1), l.Label, whyLabel, g.labels[l.Label])
	}
	c.put("outliers", "Unlike others of their label", whyOutliers, g.outliers)
	c.put("duplicates", "Near duplicates", whyDuplicates, g.duplicates)
	c.put("biggest", "Biggest files", whyBiggest, g.biggest)
	return c.galleries, c.entries
}

// byCount returns the names of the shelves that were offered most images, at most n of them.
func byCount(all map[string]*shelf, n int) []string {
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(all[b].of-all[a].of, strings.Compare(a, b))
	})
	return names[:min(len(names), n)]
}

// collector makes the list of galleries. An image that is in several has one thumbnail.
type collector struct {
	galleries []Gallery
	entries   []shard.Entry
	numbers   map[string]int // of thumbnails, by path
}

func (c *collector) put(id, title, why string, s *shelf) {
	if s == nil || len(s.Items) == 0 {
		return
	}
	one := Gallery{ID: id, Title: title, Why: why, Of: s.of}
	for _, item := range s.Sorted() {
		p := item.picture
		n, ok := c.numbers[item.entry.Path]
		if !ok {
			n = len(c.entries)
			c.numbers[item.entry.Path] = n
			c.entries = append(c.entries, item.entry)
		}
		p.Thumb = n
		one.Pictures = append(one.Pictures, p)
	}
	c.galleries = append(c.galleries, one)
}

// EachPicture calls fn for each picture of each gallery.
func (f *Findings) EachPicture(fn func(*Picture)) {
	for i := range f.Galleries {
		for j := range f.Galleries[i].Pictures {
			fn(&f.Galleries[i].Pictures[j])
		}
	}
}

// DropThumbs says of all pictures why they have no thumbnail.
func (f *Findings) DropThumbs(why string) {
	f.EachPicture(func(p *Picture) { p.Thumb, p.NoThumb = -1, why })
}
