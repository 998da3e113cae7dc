package row

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/boxes"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Detection is the answer of Detect: the objects that were found in an image.
type Detection struct {
	Boxes []Box // highest score first
	// Width and Height are the sides of the picture as it is seen, in pixels; 0 for an
	// image that failed.
	Width, Height int
}

// Labels calls yield with each label of the boxes once, that of the best box first.
func (a *Detection) Labels(yield func(label string)) {
	for i, b := range a.Boxes {
		if !slices.ContainsFunc(a.Boxes[:i], func(o Box) bool { return o.Label == b.Label }) {
			yield(b.Label)
		}
	}
}

// Detect gives an image boxes, each with a class and a score.
var Detect Task = &task[Detection]{
	name: models.Detect,
	columns: []column[Detection]{
		boxesColumn("boxes", func(a *Detection) *[]Box { return &a.Boxes }),
		impliedWholeColumn("box_count", func(a *Detection) int { return len(a.Boxes) }),
		integerColumn("image_width", func(a *Detection) *int { return &a.Width }),
		integerColumn("image_height", func(a *Detection) *int { return &a.Height }),
	},
	derived: []derived[Detection]{
		{name: "best_score", kind: Number, of: func(a *Detection, _ models.Activation) Value {
			if len(a.Boxes) == 0 {
				return Value{Unknown: true}
			}
			return Value{Number: float64(a.Boxes[0].Score)}
		}},
	},
	bind: func(t *task[Detection], s models.Settings, _ int) {
		t.most = func(int) (int, int) { return s.MaxBoxes, classMost }
		t.inRange = func(a *Detection, _ models.Activation) error { return checkBoxes(a, &s) }
	},
	fill:    detect,
	valid:   func(a *Detection) bool { return a.Width > 0 && a.Height > 0 },
	counted: func(a *Detection, count func(string)) { a.Labels(count) },
	describe: func(a *Detection) string {
		return fmt.Sprintf("%d boxes in %dx%d pixels", len(a.Boxes), a.Width, a.Height)
	},
	headings: []string{"BOXES", "SCORE"},
	cells: func(a *Detection) []string {
		if len(a.Boxes) == 0 {
			return []string{"none", "-"}
		}
		return []string{a.brief(), strconv.FormatFloat(float64(a.Boxes[0].Score), 'f', 4, 64)}
	},
	caption: func(a *Detection) string {
		if len(a.Boxes) == 0 {
			return "no box"
		}
		labels := 0
		a.Labels(func(string) { labels++ })
		return andMore(a.Boxes[0].Label, labels-1)
	},
}

// Counts says how many boxes of each label there are, such as "2 cat, 1 dog", the label of the best
// box first.
func (a *Detection) Counts() string {
	text, _, _ := a.counts(len(a.Boxes))
	return text
}

// briefLabels is how many labels a line on a screen has of one image.
const briefLabels = 5

// brief is Counts of the labels of the best boxes, and how many boxes have others.
func (a *Detection) brief() string {
	text, boxes, labels := a.counts(briefLabels)
	if labels > 0 {
		text += fmt.Sprintf(", %d of %d more labels", boxes, labels)
	}
	return text
}

// counts is Counts of at most so many labels, and how many boxes of how many labels are left.
func (a *Detection) counts(most int) (text string, boxes, labels int) {
	n := map[string]int{}
	for i := range a.Boxes {
		n[a.Boxes[i].Label]++
	}
	shown := 0
	a.Labels(func(label string) {
		if shown == most {
			boxes, labels = boxes+n[label], labels+1
			return
		}
		if shown++; text != "" {
			text += ", "
		}
		text += strconv.Itoa(n[label]) + " " + label
	})
	return text, boxes, labels
}

// checkBoxes returns an error if an answer contradicts itself or the settings.
func checkBoxes(a *Detection, s *models.Settings) error {
	if s.MaxBoxes > 0 && len(a.Boxes) > s.MaxBoxes {
		return fmt.Errorf("there are %d boxes, and the model gives at most %d", len(a.Boxes), s.MaxBoxes)
	}
	for i := range a.Boxes {
		b := &a.Boxes[i]
		const slack = 1e-3 // of rounding, relative to the sides of the picture
		width, height := float64(a.Width), float64(a.Height)
		switch {
		case b.Score < s.Threshold || !models.IsScore(b.Score):
			return fmt.Errorf("box %d has the score %v, and the threshold is %v", i, b.Score, s.Threshold)
		case i > 0 && b.Score > a.Boxes[i-1].Score:
			return fmt.Errorf("box %d has a higher score than the one before", i)
		case b.X < 0 || b.Y < 0 || b.Width <= 0 || b.Height <= 0 ||
			float64(b.X)+float64(b.Width) > width*(1+slack) || float64(b.Y)+float64(b.Height) > height*(1+slack):
			return fmt.Errorf("box %d at %v,%v of %vx%v is not within the %dx%d pixels of the picture", i, b.X, b.Y, b.Width, b.Height, a.Width, a.Height)
		}
	}
	return nil
}

// detect takes the boxes that count.
func detect(a *Detection, b *binding, numbers []float32, at preprocess.Placement) error {
	w, _ := b.work.Get().(*boxes.Work)
	if w == nil {
		w = new(boxes.Work)
	}
	defer b.work.Put(w)
	found, err := w.Take(b.contract, numbers)
	if err != nil {
		if large := (*boxes.TooLarge)(nil); errors.As(err, &large) {
			return &Unanswerable{StatusOutOfRange, large.Error()}
		}
		return err
	}
	a.Boxes = a.Boxes[:0]
	a.Width, a.Height = at.Width, at.Height
	for i := range found {
		if p, ok := boxes.Placed(&found[i], at); ok {
			box := Box{Class: Class{ClassID: p.Class, Score: p.Score}, X: p.Left, Y: p.Top, Width: p.Right - p.Left, Height: p.Bottom - p.Top}
			if p.Class < len(b.labels) {
				box.Label = b.labels[p.Class]
			}
			a.Boxes = append(a.Boxes, box)
		}
	}
	return nil
}
