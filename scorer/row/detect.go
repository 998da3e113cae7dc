package row

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/batchscore/batchscore/models"
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
		return []string{boxesText(a), strconv.FormatFloat(float64(a.Boxes[0].Score), 'f', 4, 64)}
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

// boxesText says how many boxes of each label there are, such as "2 cat, 1 dog".
func boxesText(a *Detection) string {
	text := ""
	a.Labels(func(label string) {
		n := 0
		for _, b := range a.Boxes {
			if b.Label == label {
				n++
			}
		}
		if text != "" {
			text += ", "
		}
		text += strconv.Itoa(n) + " " + label
	})
	return text
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
		case b.Score < s.Threshold || !within(b.Score):
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

// candidate is a box that a model proposes, in the coordinates of its input.
type candidate struct {
	left, top, right, bottom float32
	score                    float32
	class                    int
}

// area returns that of the box; 0 if it is turned inside out.
func (c *candidate) area() float32 { return max(c.right-c.left, 0) * max(c.bottom-c.top, 0) }

// overlap returns the intersection of two boxes over their union.
func (c *candidate) overlap(o *candidate) float32 {
	width := min(c.right, o.right) - max(c.left, o.left)
	height := min(c.bottom, o.bottom) - max(c.top, o.top)
	if width <= 0 || height <= 0 {
		return 0
	}
	both := width * height
	return both / (c.area() + o.area() - both)
}

// mostSuppressed is how many candidates are compared with one another, the best ones: as
// many as Ultralytics does.
const mostSuppressed = 30_000

// detectWork is the memory of detect for one image.
type detectWork struct{ candidates, kept []candidate }

// detect takes the boxes that count.
func detect(a *Detection, b *binding, numbers []float32, at preprocess.Placement) error {
	w, _ := b.work.Get().(*detectWork)
	if w == nil {
		w = new(detectWork)
	}
	defer b.work.Put(w)
	s := &b.contract.Settings
	all, err := candidates(w.candidates[:0], b.contract, numbers)
	if err != nil {
		return err
	}
	w.candidates = all
	for i := range all {
		if c := &all[i]; !finite(c.left) || !finite(c.top) || !finite(c.right) || !finite(c.bottom) || !finite(c.area()) {
			return &Unanswerable{StatusOutOfRange, fmt.Sprintf("has a box from %v,%v to %v,%v, which is too large", c.left, c.top, c.right, c.bottom)}
		}
	}
	slices.SortStableFunc(all, func(x, y candidate) int { return cmp.Compare(y.score, x.score) })
	kept := all[:min(len(all), s.MaxBoxes)]
	if s.Detector.Suppresses() {
		kept = suppress(w.kept[:0], all[:min(len(all), mostSuppressed)], s)
		w.kept = kept
	}
	a.Boxes = a.Boxes[:0]
	a.Width, a.Height = at.Width, at.Height
	for i := range kept {
		if box, ok := placed(&kept[i], b, at); ok {
			a.Boxes = append(a.Boxes, box)
		}
	}
	return nil
}

// suppress appends the boxes that overlap none that is better and kept, at most MaxBoxes, to
// kept. all are sorted by their scores.
func suppress(kept, all []candidate, s *models.Settings) []candidate {
	for i := range all {
		if len(kept) == s.MaxBoxes {
			break
		}
		if !slices.ContainsFunc(kept, func(k candidate) bool {
			return (s.Agnostic || k.class == all[i].class) && k.overlap(&all[i]) > s.Overlap
		}) {
			kept = append(kept, all[i])
		}
	}
	return kept
}

// placed returns a box in the picture, cut off at its edges; false if nothing of it is there.
func placed(c *candidate, b *binding, at preprocess.Placement) (Box, bool) {
	spec := &b.contract.Preprocess
	width, height := 1.0, 1.0
	if b.contract.Settings.Units == models.Parts {
		width, height = float64(spec.Width), float64(spec.Height)
	}
	left, top := at.Picture(float64(c.left)*width, float64(c.top)*height)
	right, bottom := at.Picture(float64(c.right)*width, float64(c.bottom)*height)
	left, right = max(left, 0), min(right, float64(at.Width))
	top, bottom = max(top, 0), min(bottom, float64(at.Height))
	box := Box{Class: Class{ClassID: c.class, Score: c.score}, X: float32(left), Y: float32(top),
		Width: float32(right - left), Height: float32(bottom - top)}
	if c.class < len(b.labels) {
		box.Label = b.labels[c.class]
	}
	return box, box.Width > 0 && box.Height > 0
}

// candidates appends the boxes whose scores reach the threshold.
func candidates(all []candidate, c *models.Contract, numbers []float32) ([]candidate, error) {
	switch s := &c.Settings; s.Detector {
	case models.YOLOv8:
		return yolov8(all, c, numbers)
	case models.YOLOv5, models.YOLOX:
		return yolov5(all, c, numbers)
	case models.DETR:
		return detr(all, c, numbers)
	case models.Boxes:
		return chosenBoxes(all, c, numbers)
	case models.BoxesLabelsScores:
		return boxesLabelsScores(all, c, numbers)
	default:
		return nil, fmt.Errorf("is of the detector %q, which this program does not know", s.Detector)
	}
}

// centred returns a box with that centre, width and height.
func centred(x, y, width, height float32) candidate {
	return candidate{left: x - width/2, top: y - height/2, right: x + width/2, bottom: y + height/2}
}

// sigmoidOf is sigmoid for one score.
func sigmoidOf(s float32) float32 { return float32(1 / (1 + math.Exp(-float64(s)))) }

// scoreOf returns the score that a number of the model is.
func scoreOf(c *models.Contract, s float32) (float32, error) {
	if c.Output == models.Sigmoid {
		return sigmoidOf(s), nil
	}
	if !within(s) {
		return 0, fmt.Errorf("holds a score of %v, which is not from 0 to 1; if its scores are raw, run with --activation %s", s, models.Sigmoid)
	}
	return s, nil
}

// yolov8 reads [4+C,M].
func yolov8(all []candidate, c *models.Contract, numbers []float32) ([]candidate, error) {
	m := len(numbers) / (4 + c.Classes)
	for i := range m {
		best, class := numbers[4*m+i], 0
		for k := 1; k < c.Classes; k++ {
			if s := numbers[(4+k)*m+i]; s > best {
				best, class = s, k
			}
		}
		score, err := scoreOf(c, best)
		if err != nil {
			return nil, err
		}
		if score >= c.Settings.Threshold {
			box := centred(numbers[i], numbers[m+i], numbers[2*m+i], numbers[3*m+i])
			box.score, box.class = score, class
			all = append(all, box)
		}
	}
	return all, nil
}

// yolov5 reads [M,5+C], and YOLOX, whose boxes are relative to the cells of grids.
func yolov5(all []candidate, c *models.Contract, numbers []float32) ([]candidate, error) {
	width := 5 + c.Classes
	g := grids{width: c.Preprocess.Width, height: c.Preprocess.Height}
	for ; len(numbers) >= width; numbers = numbers[width:] {
		x, y, w, h := numbers[0], numbers[1], numbers[2], numbers[3]
		if c.Settings.Detector == models.YOLOX {
			var err error
			if x, y, w, h, err = g.next(x, y, w, h); err != nil {
				return nil, err
			}
		}
		best, class := numbers[5], 0
		for k, s := range numbers[6:width] {
			if s > best {
				best, class = s, k+1
			}
		}
		object, err := scoreOf(c, numbers[4])
		if err != nil {
			return nil, err
		}
		score, err := scoreOf(c, best)
		if err != nil {
			return nil, err
		}
		if score *= object; score >= c.Settings.Threshold {
			box := centred(x, y, w, h)
			box.score, box.class = score, class
			all = append(all, box)
		}
	}
	return all, nil
}

// grids are those of YOLOX over an input: cells of 8 pixels, of 16 and of 32, row by row.
type grids struct {
	width, height int // of the input
	stride        int // of the present grid; 0 before the first
	cell, cells   int // the next one, and how many the grid has
}

// next returns the box of the next cell, which has its centre at x, y cells from it and the
// logarithms of its sides.
func (g *grids) next(x, y, width, height float32) (_, _, _, _ float32, err error) {
	for g.cell == g.cells {
		if g.stride = max(2*g.stride, 8); g.stride > 32 {
			return 0, 0, 0, 0, fmt.Errorf("has more boxes than the grids of an input of %dx%d pixels have cells", g.width, g.height)
		}
		g.cell, g.cells = 0, (g.width/g.stride)*(g.height/g.stride)
	}
	side, columns := float32(g.stride), g.width/g.stride
	x, y = (x+float32(g.cell%columns))*side, (y+float32(g.cell/columns))*side
	width, height = float32(math.Exp(float64(width)))*side, float32(math.Exp(float64(height)))*side
	g.cell++
	return x, y, width, height, nil
}

// detr reads scores [M,C] or [M,C+1] and then boxes [M,4].
func detr(all []candidate, c *models.Contract, numbers []float32) ([]candidate, error) {
	width := c.Classes
	if c.Settings.Background {
		width++
	}
	m := len(numbers) / (width + 4)
	boxes := numbers[m*width:]
	for i := range m {
		scores := numbers[i*width:][:width]
		if c.Output == models.Logits {
			softmax(scores)
		}
		best, class := scores[0], 0
		for k, s := range scores[:c.Classes] {
			if s > best {
				best, class = s, k
			}
		}
		if c.Output != models.Logits {
			var err error
			if best, err = scoreOf(c, best); err != nil {
				return nil, err
			}
		}
		if best >= c.Settings.Threshold {
			b := boxes[i*4:][:4]
			w, h := float32(c.Preprocess.Width), float32(c.Preprocess.Height)
			if c.Settings.Units == models.Parts {
				w, h = 1, 1
			}
			box := centred(b[0]*w, b[1]*h, b[2]*w, b[3]*h)
			box.score, box.class = best, class
			all = append(all, box)
		}
	}
	return all, nil
}

// chosenBox appends a box that the graph has chosen.
func chosenBox(all []candidate, c *models.Contract, corners []float32, score, number float32) ([]candidate, error) {
	score, err := scoreOf(c, score)
	if err != nil || score < c.Settings.Threshold {
		return all, err
	}
	class := int(number) - c.Settings.FirstClass
	switch {
	case number != float32(int(number)):
		return nil, fmt.Errorf("holds a class %v, which is not a whole number", number)
	case class == -1: // the background
		return all, nil
	case class < 0 || class >= c.Classes:
		return nil, fmt.Errorf("holds the class %v, and the classes are numbered %d to %d; say first_class, or give all labels",
			number, c.Settings.FirstClass, c.Settings.FirstClass+c.Classes-1)
	}
	return append(all, candidate{corners[0], corners[1], corners[2], corners[3], score, class}), nil
}

// chosenBoxes reads [M,6].
func chosenBoxes(all []candidate, c *models.Contract, numbers []float32) (_ []candidate, err error) {
	for ; len(numbers) >= 6; numbers = numbers[6:] {
		if numbers[4] == 0 {
			continue // padding
		}
		if all, err = chosenBox(all, c, numbers[:4], numbers[4], numbers[5]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// boxesLabelsScores reads boxes [M,4], classes [M] and scores [M].
func boxesLabelsScores(all []candidate, c *models.Contract, numbers []float32) (_ []candidate, err error) {
	m := len(numbers) / 6
	boxes, classes, scores := numbers[:4*m], numbers[4*m:5*m], numbers[5*m:]
	for i := range m {
		if scores[i] == 0 {
			continue // padding
		}
		if all, err = chosenBox(all, c, boxes[i*4:][:4], scores[i], classes[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
