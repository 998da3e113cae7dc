package evaluate

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// OK is the status of an image that has an answer.
const OK = "ok"

// Answer is what an output says of an image. Its zero value says that the output has no row of
// the image.
type Answer struct {
	Status string
	Label  string  // of the best class, if Status is OK
	Score  float32 // of Label
}

// Comparison collects how the rows of two outputs differ. Its zero value is ready.
type Comparison struct {
	here, there, both, compared, same int

	labels   names
	counts   [][2]int // answers here and there, by label
	beyond   [2]int   // answers with a label beyond
	inBeyond int      // images with such a label

	moves    pairs // from there to here
	statuses map[[2]string]int

	scores       [ScoreBins][2]int
	noScore      int
	moved        int     // compared images of which both have a score
	change, size float64 // sums over those
}

// Add adds what this output and the other one say of one image. Strings are copied where they
// are kept.
func (c *Comparison) Add(here, there Answer) {
	if here.Status != "" {
		c.here++
	}
	if there.Status != "" {
		c.there++
	}
	i, j := c.answer(here, 0), c.answer(there, 1)
	if i == folded || j == folded {
		c.inBeyond++
	}
	if here.Status == "" || there.Status == "" {
		return
	}
	c.both++
	if here.Status != there.Status {
		c.status(there.Status, here.Status)
	}
	if here.Status != OK || there.Status != OK {
		return
	}
	c.compared++
	if here.Label == there.Label {
		c.same++
	}
	if i != folded && j != folded {
		c.moves.add(j, i)
	}
	if finite(here.Score) && finite(there.Score) {
		by := float64(here.Score) - float64(there.Score)
		c.moved++
		c.change += by
		c.size += math.Abs(by)
	}
}

// answer counts the label and the score of an answer, and returns the number of the label. That
// is 0 if there is no answer.
func (c *Comparison) answer(a Answer, side int) int32 {
	if a.Status != OK {
		return 0
	}
	if finite(a.Score) {
		c.scores[BinOf(a.Score, ScoreBins)][side]++
	} else {
		c.noScore++
	}
	i := c.labels.number(a.Label)
	if i == folded {
		c.beyond[side]++
		return i
	}
	if int(i) == len(c.counts) {
		c.counts = append(c.counts, [2]int{})
	}
	c.counts[i][side]++
	return i
}

// maxStatuses is how many changes of status are told apart, of outputs that someone made up.
const maxStatuses = 1000

func (c *Comparison) status(from, to string) {
	if c.statuses == nil {
		c.statuses = map[[2]string]int{}
	}
	key := [2]string{from, to}
	if _, ok := c.statuses[key]; !ok {
		if len(c.statuses) >= maxStatuses {
			key = [2]string{"other", "other"}
		} else {
			key = [2]string{strings.Clone(from), strings.Clone(to)}
		}
	}
	c.statuses[key]++
}

// Drift returns the figures of the images so far.
func (c *Comparison) Drift() *Drift {
	flipped := c.compared - c.same
	d := &Drift{
		Here: c.here, There: c.there, Both: c.both, OnlyHere: c.here - c.both, OnlyThere: c.there - c.both,
		Compared: c.compared, Same: c.same, Flipped: flipped, FlipShare: Wilson(flipped, c.compared),
		Flips: []Flip{}, Matrix: matrix(c.labels.all, &c.moves), StatusChanges: []StatusChange{},
		Labels: []LabelDrift{}, New: []string{}, Vanished: []string{},
		MeanScoreChange: None, MeanScoreMoved: None, NoScore: c.noScore, Folded: Folded{Labels: c.inBeyond, Pairs: c.moves.beyond},
	}
	for _, cell := range cells(c.labels.all, &c.moves) {
		if cell.Truth != cell.Predicted {
			d.Flips = append(d.Flips, Flip{From: cell.Truth, To: cell.Predicted, Images: cell.Images})
		}
	}
	for pair, n := range c.statuses {
		d.StatusChanges = append(d.StatusChanges, StatusChange{From: pair[0], To: pair[1], Images: n})
	}
	slices.SortFunc(d.StatusChanges, func(a, b StatusChange) int {
		return cmp.Or(cmp.Compare(b.Images, a.Images), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	c.shares(d)
	for i, n := range c.scores {
		d.Scores = append(d.Scores, ScoreBin{From: edge(i, ScoreBins), To: edge(i+1, ScoreBins), Here: n[0], There: n[1]})
	}
	d.Score = between(c.scores[:])
	if c.moved > 0 {
		d.MeanScoreChange, d.MeanScoreMoved = Value(c.change/float64(c.moved)), Value(c.size/float64(c.moved))
	}
	return d
}

// shares adds what concerns the shares of labels.
func (c *Comparison) shares(d *Drift) {
	counts := slices.Clip(c.counts)
	if c.beyond != [2]int{} {
		counts = append(counts, c.beyond) // as if it were one label
	}
	d.Label = between(counts)
	answers := [2]int{}
	for _, n := range counts {
		answers[0] += n[0]
		answers[1] += n[1]
	}
	for i, n := range c.counts {
		label := c.labels.all[i]
		d.Labels = append(d.Labels, LabelDrift{
			Label: label, Here: n[0], There: n[1], HereShare: ratio(n[0], answers[0]), ThereShare: ratio(n[1], answers[1]),
		})
		switch {
		case n[1] == 0:
			d.New = append(d.New, label)
		case n[0] == 0:
			d.Vanished = append(d.Vanished, label)
		}
	}
	slices.SortFunc(d.Labels, func(a, b LabelDrift) int {
		return cmp.Or(cmp.Compare(b.Here+b.There, a.Here+a.There), cmp.Compare(a.Label, b.Label))
	})
	slices.Sort(d.New)
	slices.Sort(d.Vanished)
}

// between returns the distance of counts here and there.
func between(counts [][2]int) Distance {
	here, there := make([]int, len(counts)), make([]int, len(counts))
	for i, n := range counts {
		here[i], there[i] = n[0], n[1]
	}
	return distance(here, there)
}
