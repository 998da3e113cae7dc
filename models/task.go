package models

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The tasks: what is made of a model's numbers for an image. Package row makes the
// answers.
const (
	// Classify gives an image the class that the model scores highest.
	Classify = "classify"
	// MultiLabel gives an image every label whose score reaches its threshold.
	MultiLabel = "multi_label"
	// Embed gives an image the numbers themselves, as a vector.
	Embed = "embed"
	// Raw gives an image the numbers themselves, each as a column with a name.
	Raw = "raw"
	// Detect gives an image boxes, each with a class and a score.
	Detect = "detect"
)

// Tasks returns the names of all tasks, as contracts, flags and sidecars spell them.
func Tasks() []string { return []string{Classify, MultiLabel, Embed, Raw, Detect} }

// Element is the type of the numbers of a vector.
type Element string

// The elements of vectors. The first is the default.
const (
	ElementFloat32 Element = "float32"
	ElementFloat16 Element = "float16" // rounded to the nearest, halfway cases to even
	ElementInt8    Element = "int8"    // -127 to 127, and a scale for each vector
)

// Elements returns all of them.
func Elements() []string { return spelled(ElementFloat32, ElementFloat16, ElementInt8) }

// Detector is how a detector's numbers for an image are arranged.
type Detector string

// The arrangements. C is the number of classes, M that of the boxes that a model
// proposes for each image.
const (
	// YOLOv8 is [4+C,M]: the centre of a box, its width and height, and a score for each
	// class. It is that of YOLOv8, v9, v11 and v12.
	YOLOv8 Detector = "yolov8"
	// YOLOv5 is [M,5+C]: the centre, width, height, how likely there is an object, and a
	// score for each class if there is. It is that of YOLOv5 and v7.
	YOLOv5 Detector = "yolov5"
	// YOLOX is YOLOv5's, with centres in cells of grids of 8, 16 and 32 pixels and
	// logarithms of width and height in such cells.
	YOLOX Detector = "yolox"
	// DETR is two outputs: scores [M,C], or [M,C+1] where the last is "no object", and
	// boxes [M,4] of centre, width and height, from 0 to 1.
	DETR Detector = "detr"
	// Boxes is [M,6]: left, top, right, bottom, score and the number of the class, as
	// graphs give them that choose among the boxes themselves. Rows of score 0 are
	// padding.
	Boxes Detector = "boxes"
	// BoxesLabelsScores is three outputs, as torchvision's detectors have them: boxes [M,4]
	// of left, top, right and bottom, the numbers of their classes [M], and scores [M].
	BoxesLabelsScores Detector = "boxes-labels-scores"
)

// Detectors returns all of them.
func Detectors() []string {
	return spelled(YOLOv8, YOLOv5, YOLOX, DETR, Boxes, BoxesLabelsScores)
}

// Suppresses reports whether boxes that overlap a better one are left out, which other
// detectors have done themselves.
func (d Detector) Suppresses() bool { return d == YOLOv8 || d == YOLOv5 || d == YOLOX }

// NumbersOfBox is how many numbers a box of a picture in tiles has, of which an engine for tiles makes
// its row: left, top, right and bottom in pixels of the picture, score and class.
const NumbersOfBox = 6

// IsScore reports whether a number can be a score from 0 to 1, give or take what an 8-bit model
// rounds.
func IsScore(s float32) bool { return s >= -0.05 && s <= 1.05 }

// Units say what the coordinates of a detector's boxes are measured in.
type Units string

// The units.
const (
	Pixels Units = "pixels" // of the input, from its left upper corner
	Parts  Units = "parts"  // of the input's width and height, from 0 to 1
)

// AllUnits returns all of them.
func AllUnits() []string { return spelled(Pixels, Parts) }

// Settings are what a task needs to know besides the model's numbers. They decide what
// rows say. Those of other tasks are zero.
type Settings struct {
	// Threshold is the score from which a label of MultiLabel applies, or a box of Detect
	// counts; from 0 to 1.
	Threshold float32 `json:"threshold,omitempty"`
	// Thresholds are those of MultiLabel for each class, [Classes]; nil if all are
	// Threshold.
	Thresholds []float32 `json:"thresholds,omitempty"`
	// Normalize says that vectors of Embed are scaled to a length of 1.
	Normalize bool `json:"normalize,omitempty"`
	// Element is the type of the numbers of vectors of Embed; empty is ElementFloat32.
	Element Element `json:"element,omitempty"`
	// TileBox says that an answer of Classify or MultiLabel is that of one tile of the image, whose
	// place the row has.
	TileBox bool `json:"tile_box,omitempty"`
	// Columns are the names of the columns of Raw, [Classes].
	Columns []string `json:"columns,omitempty"`

	// Detector is the arrangement of the numbers of Detect.
	Detector Detector `json:"detector,omitempty"`
	// Background says that the scores of DETR have one for "no object" after those of the
	// classes.
	Background bool `json:"background,omitempty"`
	// FirstClass is the number that Boxes and BoxesLabelsScores have for the first class: 0,
	// or 1 where 0 is the background.
	FirstClass int `json:"first_class,omitempty"`
	// Units are those of the boxes; empty is Pixels.
	Units Units `json:"units,omitempty"`
	// Overlap is the intersection over union, from 0 to 1, above which a box is left out for
	// a better one; only where the Detector suppresses.
	Overlap float32 `json:"overlap,omitempty"`
	// Agnostic says that a box is also left out for a better one of another class.
	Agnostic bool `json:"agnostic,omitempty"`
	// MaxBoxes is how many boxes an answer has at most, the best ones.
	MaxBoxes int `json:"max_boxes,omitempty"`
}

// Defaults of the settings, which are those of the tools that models come from.
const (
	DefaultThreshold = 0.5  // of MultiLabel
	DefaultDetection = 0.25 // the threshold of Detect
	DefaultOverlap   = 0.45
	DefaultMaxBoxes  = 300
)

// Bounds of the settings.
const (
	// MaxColumns is how many columns of their own rows of Raw can have. More numbers are
	// a vector.
	MaxColumns = 256
	// maxVector is more numbers than any embedding has.
	maxVector = 1 << 16
	// maxBoxes bounds the length of a row.
	maxBoxes = 10_000
)

// AnswerWidth returns how many numbers an answer is made of that has a place for each of
// them, as vectors have, or how many classes an answer chooses from.
func (c *Contract) AnswerWidth() int {
	if c.Task == Embed || c.Task == Raw {
		return c.HeadNumbers(0)
	}
	return c.Labelled()
}

// validateTask returns an error that says which setting of the task is impossible.
func (c *Contract) validateTask() error {
	if c.Task != "" && !slices.Contains(Tasks(), c.Task) {
		return nil // package row says which tasks there are
	}
	s := &c.Settings
	part := func(v float32) bool { return v >= 0 && v <= 1 }
	switch {
	case !part(s.Threshold):
		return fmt.Errorf("contract: the threshold %v is not from 0 to 1", s.Threshold)
	case s.Thresholds != nil && len(s.Thresholds) != c.Labelled():
		return fmt.Errorf("contract: %d thresholds for %d classes", len(s.Thresholds), c.Labelled())
	case slices.ContainsFunc(s.Thresholds, func(v float32) bool { return !part(v) }):
		return fmt.Errorf("contract: a threshold is not from 0 to 1")
	case s.Element != "" && !slices.Contains(Elements(), string(s.Element)):
		return fmt.Errorf("contract: invalid element %q: want one of %s", s.Element, strings.Join(Elements(), ", "))
	case !part(s.Overlap):
		return fmt.Errorf("contract: the overlap %v is not from 0 to 1", s.Overlap)
	}
	switch c.Task {
	case MultiLabel:
		if !c.independent() {
			return fmt.Errorf("contract: the scores of several labels are independent of one another: their output is %s or %s, not %s",
				Sigmoid, Independent, c.Output)
		}
	case Embed:
		if n := c.AnswerWidth(); n > maxVector {
			return fmt.Errorf("contract: a vector of %d numbers has more than %d", n, maxVector)
		}
	case Raw:
		return c.validateColumns()
	case Detect:
		return c.validateDetector()
	}
	return nil
}

func (c *Contract) validateColumns() error {
	names, n := c.Settings.Columns, c.AnswerWidth()
	if n > MaxColumns {
		return fmt.Errorf("contract: %d numbers are more than the %d columns that a row can have; take them as a vector, with the task %s",
			n, MaxColumns, Embed)
	}
	if len(names) != n {
		return fmt.Errorf("contract: %d names of columns for %d numbers", len(names), n)
	}
	seen := map[string]bool{}
	for _, name := range names {
		if err := CheckColumn(name); err != nil {
			return fmt.Errorf("contract: %w", err)
		}
		if seen[strings.ToLower(name)] {
			return fmt.Errorf("contract: two columns are called %q", name)
		}
		seen[strings.ToLower(name)] = true
	}
	return nil
}

// takenColumns are those that rows of every task have.
var takenColumns = []string{"path", "path_base64", "size", "status", "precision", "error"}

// CheckColumn returns an error if a column cannot have that name: letters, digits and
// underscores, at most 64, and no digit first.
func CheckColumn(name string) error {
	plain := name != "" && len(name) <= 64 && (name[0] < '0' || name[0] > '9')
	for _, r := range name {
		plain = plain && (r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
	}
	switch {
	case !plain:
		return fmt.Errorf("%q cannot be the name of a column: that has letters, digits and underscores, at most 64, and no digit first", name)
	case slices.Contains(takenColumns, strings.ToLower(name)):
		return fmt.Errorf("%q cannot be the name of a column: all rows have one of that name", name)
	}
	return nil
}

func (c *Contract) validateDetector() error {
	s := &c.Settings
	switch {
	case !slices.Contains(Detectors(), string(s.Detector)):
		return fmt.Errorf("contract: invalid detector %q: want one of %s", s.Detector, strings.Join(Detectors(), ", "))
	case s.MaxBoxes < 1 || s.MaxBoxes > maxBoxes:
		return fmt.Errorf("contract: at most %d boxes in an answer: that is not within 1..%d", s.MaxBoxes, maxBoxes)
	case s.Units != "" && !slices.Contains(AllUnits(), string(s.Units)):
		return fmt.Errorf("contract: invalid units %q: want one of %s", s.Units, strings.Join(AllUnits(), ", "))
	case s.FirstClass < 0 || s.FirstClass > 1:
		return fmt.Errorf("contract: the first class has the number 0 or 1, not %d", s.FirstClass)
	case c.Output != Sigmoid && c.Output != Independent && !(s.Detector == DETR && c.Output == Logits):
		return fmt.Errorf("contract: the scores of a detector are %s or %s, not %q", Independent, Sigmoid, c.Output)
	}
	return c.checkArrangement()
}

// arrangement returns the shapes of the outputs of a detector of so many classes; -1 is a
// size that is the same in all of them, the number of boxes.
func (s *Settings) arrangement(classes int) [][]int {
	switch s.Detector {
	case YOLOv8:
		return [][]int{{4 + classes, -1}}
	case YOLOv5, YOLOX:
		return [][]int{{-1, 5 + classes}}
	case DETR:
		if s.Background {
			classes++
		}
		return [][]int{{-1, classes}, {-1, 4}}
	case Boxes:
		return [][]int{{-1, 6}}
	}
	return [][]int{{-1, 4}, {-1}, {-1}}
}

// checkArrangement returns an error if the outputs are not those of the detector.
func (c *Contract) checkArrangement() error {
	want := c.Settings.arrangement(c.Classes)
	boxes, fits := 0, len(c.Outputs) == len(want)
	for i := range want {
		fits = fits && len(c.Outputs[i].Shape) == len(want[i])
		for k := 0; fits && k < len(want[i]); k++ {
			have := c.Outputs[i].Shape[k]
			if want[i][k] < 0 {
				boxes = cmp.Or(boxes, have)
				fits = have == boxes
			} else {
				fits = have == want[i][k]
			}
		}
	}
	if fits {
		return nil
	}
	var texts []string
	for _, shape := range want {
		texts = append(texts, strings.ReplaceAll(fmt.Sprint(shape), "-1", "M"))
	}
	have := []string{}
	for _, o := range c.Outputs {
		have = append(have, fmt.Sprint(o.Shape))
	}
	return fmt.Errorf("contract: a detector of the kind %s with %d classes has outputs of the shapes %s for each image, and this model has %s",
		c.Settings.Detector, c.Classes, strings.Join(texts, ", "), strings.Join(have, ", "))
}
