package row

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/row/arrow"
)

// kind is a contract of a task, and what rows of it say.
type kind struct {
	name     string
	contract models.Contract
	numbers  []float32 // of an image
	at       preprocess.Placement
	json     string // the columns of the answer
	csv      string
	failed   string // the same in JSON for an image that failed
	cells    string
	caption  string
}

func plain(task string, classes int, s models.Settings) models.Contract {
	c := models.Contract{Task: task, Classes: classes, Settings: s}
	c.Preprocess.Width, c.Preprocess.Height = 100, 100
	return c
}

func kinds() []kind {
	labels := plain(models.MultiLabel, 3, models.Settings{Threshold: 0.5, Thresholds: []float32{0.5, 0.25, 0.5}})
	labels.Output, labels.Labels = models.Independent, []string{"cat", "dog", "cow"}
	vector := plain(models.Embed, 3, models.Settings{Normalize: true})
	half := plain(models.Embed, 3, models.Settings{Element: models.ElementFloat16})
	whole := plain(models.Embed, 3, models.Settings{Element: models.ElementInt8})
	raw := plain(models.Raw, 2, models.Settings{Columns: []string{"age", "beauty"}})
	detector := plain(models.Detect, 2, models.Settings{Detector: models.Boxes, Threshold: 0.5, MaxBoxes: 3})
	detector.Output, detector.Labels = models.Independent, []string{"cat", "dog"}
	detector.Outputs = []models.Output{{Name: "o", Shape: []int{3, 6}}}
	return []kind{
		{
			name: "several labels", contract: labels, numbers: []float32{0.125, 0.5, 0.75},
			json: `"labels":[{"class_id":2,"label":"cow","score":0.75},{"class_id":1,"label":"dog","score":0.5}],"label_count":2,` +
				`"best":"cow","best_id":2,"best_score":0.75,"certainty":0.33333334`,
			csv: `"[{""class_id"":2,""label"":""cow"",""score"":0.75},{""class_id"":1,""label"":""dog"",""score"":0.5}]",2,` +
				`cow,2,0.75,0.33333334`,
			failed: `"labels":[],"label_count":null,"best":"","best_id":null,"best_score":null,"certainty":null`,
			cells:  "cow, dog|0.7500", caption: "cow and 1 more",
		},
		{
			name: "no label", contract: labels, numbers: []float32{0.25, 0, 0},
			json: `"labels":[],"label_count":0,"best":"cat","best_id":0,"best_score":0.25,"certainty":0.5`,
			csv:  `[],0,cat,0,0.25,0.5`, failed: `"labels":[],"label_count":null,"best":"","best_id":null,"best_score":null,"certainty":null`,
			cells: "-|0.2500", caption: "no label",
		},
		{
			name: "vector", contract: vector, numbers: []float32{3, 0, -4}, json: `"vector":[0.6,0.0,-0.8]`, csv: `"[0.6,0.0,-0.8]"`,
			failed: `"vector":null`, cells: "0.6000 0.0000 -0.8000", caption: "vector",
		},
		{
			name: "float16", contract: half, numbers: []float32{0.1, 65504, 1e-9},
			json: `"vector":[0.099975586,65504.0,0.0]`, csv: `"[0.099975586,65504.0,0.0]"`,
			failed: `"vector":null`, cells: "0.1000 65504.0000 0.0000", caption: "vector",
		},
		{
			name: "int8", contract: whole, numbers: []float32{0.5, -127, 63.5}, json: `"vector":[0,-127,64],"scale":1.0`, csv: `"[0,-127,64]",1.0`,
			failed: `"vector":null,"scale":null`, cells: "0.0000 -127.0000 64.0000", caption: "vector",
		},
		{
			name: "numbers", contract: raw, numbers: []float32{41.5, -2}, json: `"age":41.5,"beauty":-2.0`, csv: `41.5,-2.0`,
			failed: `"age":null,"beauty":null`, cells: "41.5000|-2.0000", caption: "numbers",
		},
		{
			name: "boxes", contract: detector, numbers: []float32{10, 10, 60, 60, 0.5, 1, 0, 0, 0, 0, 0, 0, 50, 50, 90, 120, 0.75, 0},
			// The picture has 200 x 100 pixels, with bars of 25 pixels above and below it in the input.
			at: preprocess.Placement{Width: 200, Height: 100, StepX: 2, StepY: 2, OffsetY: -50},
			json: `"boxes":[{"class_id":0,"label":"cat","score":0.75,"x":100.0,"y":50.0,"width":80.0,"height":50.0},` +
				`{"class_id":1,"label":"dog","score":0.5,"x":20.0,"y":0.0,"width":100.0,"height":70.0}],` +
				`"box_count":2,"image_width":200,"image_height":100`,
			csv: `"[{""class_id"":0,""label"":""cat"",""score"":0.75,""x"":100.0,""y"":50.0,""width"":80.0,""height"":50.0},` +
				`{""class_id"":1,""label"":""dog"",""score"":0.5,""x"":20.0,""y"":0.0,""width"":100.0,""height"":70.0}]",2,200,100`,
			failed: `"boxes":[],"box_count":null,"image_width":null,"image_height":null`,
			cells:  "1 cat, 1 dog|0.7500", caption: "cat and 1 more",
		},
	}
}

// filled returns the row that a contract's task makes of numbers.
func filled(t *testing.T, s Schema, c *models.Contract, numbers []float32, at preprocess.Placement) Row {
	t.Helper()
	r := Row{Path: "a", Size: 1, Status: StatusOK}
	answers := s.NewAnswers(c, 2)
	answers.Grow(1)
	if err := answers.Fill(0, slices.Clone(numbers), at, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func bound(t *testing.T, c *models.Contract, f Format) Schema {
	t.Helper()
	task, err := ForContract(c)
	if err != nil {
		t.Fatal(err)
	}
	return Schema{Task: task, Format: f, Form: Newest, Activation: c.Output, TopK: c.Listed(5)}
}

// TestKinds: every task writes what it says, and reads it again, in every format.
func TestKinds(t *testing.T) {
	for _, k := range kinds() {
		for _, format := range Formats {
			t.Run(k.name+" "+string(format), func(t *testing.T) {
				s := bound(t, &k.contract, format)
				rows := []Row{filled(t, s, &k.contract, k.numbers, k.at), {Path: "b", Status: "empty", Error: "no bytes"}}
				rows = append(rows, rows[0])
				body := encode(t, rows, s)
				head := csvHeader(s.written())
				want := map[Format]string{
					JSONL: `{"path":"a","path_base64":"","size":1,"status":"ok",` + k.json + `,"error":""}` + "\n" +
						`{"path":"b","path_base64":"","size":0,"status":"empty",` + k.failed + `,"error":"no bytes"}` + "\n",
					CSV: head + "a,,1,ok," + k.csv + ",\n",
				}[format]
				if !strings.HasPrefix(string(body), want) {
					t.Errorf("Encode() =\n%s\nwant\n%s", body, want)
				}
				got, err := s.Decode(body, len(rows))
				if err != nil {
					t.Fatal(err)
				}
				for i := range rows {
					if !s.Equal(&got[i], &rows[i]) {
						t.Errorf("Decode() of row %d = %+v, want %+v", i, got[i].Answer, rows[i].Answer)
					}
					if err := s.Check(&got[i]); err != nil {
						t.Errorf("Check() of row %d = %v", i, err)
					}
				}
				if _, err := s.Decode(body, len(rows)-1); !errors.Is(err, ErrDamaged) {
					t.Errorf("Decode() of too many rows = %v", err)
				}
				if got := strings.Join(s.Shown().Cells(&rows[0]), "|"); got != k.cells {
					t.Errorf("Cells() = %q, want %q", got, k.cells)
				}
				if got := s.Shown().Caption(&rows[0]); got != k.caption {
					t.Errorf("Caption() = %q, want %q", got, k.caption)
				}
				simulated := s
				simulated.Simulated = true
				marked := []Row{filled(t, simulated, &k.contract, k.numbers, k.at)}
				read, err := simulated.Decode(encode(t, marked, simulated), 1)
				if err == nil {
					err = simulated.CheckMark(read)
				}
				if err != nil {
					t.Errorf("rows of a simulated job: %v", err)
				}
				if read, err = s.Decode(encode(t, marked, simulated), 1); err == nil && s.CheckMark(read) == nil {
					t.Error("rows of a simulated job pass for others")
				}
			})
		}
	}
}

// TestKindsAllocateNothing: in steady state, answers of every task cost no memory each.
func TestKindsAllocateNothing(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			s := bound(t, &k.contract, JSONL)
			answers := s.NewAnswers(&k.contract, 2)
			answers.Grow(4)
			r, numbers := Row{Status: StatusOK}, make([]float32, len(k.numbers))
			fill := func() {
				for i := range 4 {
					copy(numbers, k.numbers)
					if err := answers.Fill(i, numbers, k.at, &r); err != nil {
						t.Fatal(err)
					}
				}
			}
			fill()
			least := testing.AllocsPerRun(1, fill)
			for range 50 { // the race detector has pools forget some memory
				least = min(least, testing.AllocsPerRun(1, fill))
			}
			if least > 0 {
				t.Errorf("Fill() made %v allocations, want 0", least)
			}
		})
	}
}

// TestAlteredAnswers: verify notices answers that cannot be those of the model.
func TestAlteredAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		kind   int
		change func(answer any)
		says   string
	}{
		{name: "a label below its threshold", kind: 0, change: func(a any) { a.(*Labelling).Labels[1].Score = 0.2 }, says: "below its threshold"},
		{name: "labels out of order", kind: 0, change: func(a any) { slices.Reverse(a.(*Labelling).Labels) }, says: "higher score than the one before"},
		{name: "a short vector", kind: 2, change: func(a any) { a.(*Embedding).Vector = a.(*Embedding).Vector[:2] }, says: "a vector of 2 numbers"},
		{name: "a number that is not float16", kind: 3, change: func(a any) { a.(*Embedding).Vector[0] = 0.1 }, says: "not float16"},
		{name: "a number that is not int8", kind: 4, change: func(a any) { a.(*Embedding).Vector[0] = 0.5 }, says: "not int8"},
		{name: "a box outside", kind: 6, change: func(a any) { a.(*Detection).Boxes[0].X = 150 }, says: "not within"},
		{name: "a box below the threshold", kind: 6, change: func(a any) { a.(*Detection).Boxes[1].Score = 0.4 }, says: "the threshold is 0.5"},
		{name: "no picture", kind: 6, change: func(a any) { a.(*Detection).Width = 0 }, says: "0x100 pixels"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := kinds()[test.kind]
			s := bound(t, &k.contract, JSONL)
			r := filled(t, s, &k.contract, k.numbers, k.at)
			test.change(r.Answer)
			if err := s.Check(&r); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("Check() = %v, want %q", err, test.says)
			}
		})
	}
}

// TestNMSAsOpenCV: of the boxes that YOLOv8 proposes, those are kept that OpenCV keeps.
func TestNMSAsOpenCV(t *testing.T) {
	f, err := os.Open("testdata/nms.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Classes            int
		Threshold, Overlap float32
		Most               int
		Numbers            []float32
		Keep               map[string][]int
	}
	if err := json.NewDecoder(text).Decode(&cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		m := len(c.Numbers) / (4 + c.Classes)
		for name, want := range c.Keep {
			contract := plain(models.Detect, c.Classes, models.Settings{Detector: models.YOLOv8, Threshold: c.Threshold, Overlap: c.Overlap,
				MaxBoxes: c.Most, Agnostic: name == "agnostic"})
			contract.Output = models.Independent
			s := bound(t, &contract, JSONL)
			r := filled(t, s, &contract, c.Numbers, preprocess.Placement{Width: 2000, Height: 2000, StepX: 1, StepY: 1, OffsetX: 500, OffsetY: 500})
			got := r.Answer.(*Detection).Boxes
			if len(got) != len(want) {
				t.Errorf("%d classes, overlap %v, %s: %d boxes, OpenCV keeps %d", c.Classes, c.Overlap, name, len(got), len(want))
				continue
			}
			for i, k := range want {
				b := got[i]
				have := [4]float64{float64(b.X), float64(b.Y), float64(b.Width), float64(b.Height)}
				w, h := float64(c.Numbers[2*m+k]), float64(c.Numbers[3*m+k])
				ref := [4]float64{float64(c.Numbers[k]) - w/2 + 500, float64(c.Numbers[m+k]) - h/2 + 500, w, h}
				for n := range ref {
					if math.Abs(have[n]-ref[n]) > 1e-3 {
						t.Fatalf("%s: box %d is %v, OpenCV's is %v", name, i, have, ref)
					}
				}
			}
		}
	}
}

// TestDetectors: every arrangement of the same two boxes gives the same answer.
func TestDetectors(t *testing.T) {
	want := []Box{
		{Class: Class{ClassID: 1, Label: "dog", Score: 0.75}, X: 10, Y: 20, Width: 30, Height: 20},
		{Class: Class{ClassID: 0, Label: "cat", Score: 0.5}, X: 40, Y: 40, Width: 40, Height: 40},
	}
	ln := func(v float64) float32 { return float32(math.Log(v)) }
	cells := make([]float32, (12*12+6*6+3*3)*7) // of an input of 100 x 100
	copy(cells[(3*12+3)*7:], []float32{25.0/8 - 3, 30.0/8 - 3, ln(30.0 / 8), ln(20.0 / 8), 0.75, 0, 1})
	copy(cells[(144+3*6+3)*7:], []float32{60.0/16 - 3, 60.0/16 - 3, ln(40.0 / 16), ln(40.0 / 16), 1, 0.5, 0})
	for _, test := range []struct {
		name     string
		settings models.Settings
		output   models.Activation
		numbers  []float32
	}{
		{name: "yolov8", settings: models.Settings{Detector: models.YOLOv8}, output: models.Independent,
			numbers: []float32{60, 25, 60, 30, 40, 30, 40, 20, 0.5, 0.1, 0.2, 0.75}},
		{name: "yolov8 in parts", settings: models.Settings{Detector: models.YOLOv8, Units: models.Parts}, output: models.Independent,
			numbers: []float32{.60, .25, .60, .30, .40, .30, .40, .20, 0.5, 0.1, 0.2, 0.75}},
		{name: "yolov5", settings: models.Settings{Detector: models.YOLOv5}, output: models.Independent,
			numbers: []float32{60, 60, 40, 40, 0.625, 0.8, 0.1, 25, 30, 30, 20, 1, 0.1, 0.75}},
		{name: "yolox", settings: models.Settings{Detector: models.YOLOX}, output: models.Independent, numbers: cells},
		{name: "detr with a class for nothing", settings: models.Settings{Detector: models.DETR, Background: true}, output: models.Logits,
			numbers: []float32{ln(0.5), ln(0.25), ln(0.25), ln(0.125), ln(0.75), ln(0.125), 0.1, 0.1, 0.8, .6, .6, .4, .4, .25, .3, .3, .2, .1, .1, .1, .1}},
		{name: "detr with sigmoids", settings: models.Settings{Detector: models.DETR}, output: models.Sigmoid,
			numbers: []float32{0, -3, -3, ln(3), .6, .6, .4, .4, .25, .3, .3, .2}},
		{name: "boxes", settings: models.Settings{Detector: models.Boxes}, output: models.Independent,
			numbers: []float32{10, 20, 40, 40, 0.75, 1, 40, 40, 80, 80, 0.5, 0, 0, 0, 0, 0, 0, 0}},
		{name: "boxes-labels-scores", settings: models.Settings{Detector: models.BoxesLabelsScores, FirstClass: 1}, output: models.Independent,
			numbers: []float32{10, 20, 40, 40, 40, 40, 80, 80, 2, 1, 0.75, 0.5}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := plain(models.Detect, 2, test.settings)
			c.Settings.Threshold, c.Settings.MaxBoxes, c.Settings.Overlap = 0.3, 10, 0.45
			c.Output, c.Labels = test.output, []string{"cat", "dog"}
			s := bound(t, &c, JSONL)
			r := filled(t, s, &c, test.numbers, preprocess.Placement{Width: 100, Height: 100, StepX: 1, StepY: 1})
			got := r.Answer.(*Detection).Boxes
			round := slices.Clone(got)
			for i := range round {
				b := &round[i]
				for _, v := range []*float32{&b.Score, &b.X, &b.Y, &b.Width, &b.Height} {
					*v = float32(math.Round(float64(*v)*1e4) / 1e4)
				}
			}
			if !reflect.DeepEqual(round, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestRefusedNumbers: numbers that are not what the contract says stop the run.
func TestRefusedNumbers(t *testing.T) {
	box := plain(models.Detect, 1, models.Settings{Detector: models.Boxes, Threshold: 0.5, MaxBoxes: 3})
	box.Output = models.Independent
	labels := plain(models.MultiLabel, 1, models.Settings{Threshold: 0.5})
	labels.Output = models.Independent
	for _, test := range []struct {
		name     string
		contract models.Contract
		numbers  []float32
		says     string
	}{
		{name: "a class that the model does not have", contract: box, numbers: []float32{1, 1, 2, 2, 0.9, 1}, says: "numbered 0 to 0"},
		{name: "half a class", contract: box, numbers: []float32{1, 1, 2, 2, 0.9, 0.5}, says: "not a whole number"},
		{name: "a score that is raw", contract: box, numbers: []float32{1, 1, 2, 2, 9, 0}, says: "not from 0 to 1"},
		{name: "a raw score of a label", contract: labels, numbers: []float32{4}, says: "outside of 0 to 1"},
		{name: "not a number", contract: labels, numbers: []float32{float32(math.NaN())}, says: "NaN"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := bound(t, &test.contract, JSONL)
			answers := s.NewAnswers(&test.contract, 1)
			answers.Grow(1)
			r := Row{Path: "a.jpg", Status: StatusOK}
			err := answers.Fill(0, test.numbers, preprocess.Placement{Width: 10, Height: 10, StepX: 1, StepY: 1}, &r)
			if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), test.says) || r.Answer != nil {
				t.Errorf("Fill() = %v, want %q", err, test.says)
			}
		})
	}
}

// TestOutOfRange: numbers that are too large for an answer, or none, are the image's own fault.
func TestOutOfRange(t *testing.T) {
	half := plain(models.Embed, 1, models.Settings{Element: models.ElementFloat16})
	detector := func(d models.Detector, classes int) models.Contract {
		c := plain(models.Detect, classes, models.Settings{Detector: d, Threshold: 0.5, MaxBoxes: 3})
		c.Output, c.Preprocess.Width, c.Preprocess.Height = models.Independent, 8, 8
		return c
	}
	for _, test := range []struct {
		name     string
		contract models.Contract
		numbers  []float32
		status   string // StatusOutOfRange if empty
		says     string // empty if it has an answer
	}{
		{name: "beyond float16", contract: half, numbers: []float32{65520}, says: "too large for float16"},
		{name: "not a number", contract: half, numbers: []float32{float32(math.NaN())}, status: StatusNotFinite, says: "NaN or infinity"},
		{name: "infinity", contract: half, numbers: []float32{float32(math.Inf(-1))}, status: StatusNotFinite, says: "NaN or infinity"},
		{name: "the largest float16", contract: half, numbers: []float32{65519}},
		{name: "a box that is none", contract: detector(models.YOLOX, 1), numbers: []float32{0, float32(math.NaN()), 1, 1, 0.9, 0.9},
			status: StatusNotFinite, says: "NaN or infinity"},
		{name: "one that is none and does not count", contract: detector(models.Boxes, 1), numbers: []float32{0, 0, float32(math.Inf(1)), 1, 0.1, 0},
			status: StatusNotFinite, says: "NaN or infinity"},
		{name: "a score of a box", contract: detector(models.Boxes, 1), numbers: []float32{0, 0, 1, 1, float32(math.NaN()), 0},
			status: StatusNotFinite, says: "NaN or infinity"},
		{name: "a box without end", contract: detector(models.YOLOX, 1), numbers: []float32{0, 0, 200, 0, 0.9, 0.9}, says: "has a box from -Inf"},
		{name: "one that does not count", contract: detector(models.YOLOX, 1), numbers: []float32{0, 0, 200, 0, 0.9, 0.1}},
		{name: "an area without end", contract: detector(models.Boxes, 1), numbers: []float32{0, 0, 1e30, 1e30, 0.9, 0}, says: "has a box from 0,0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := bound(t, &test.contract, JSONL)
			answers := s.NewAnswers(&test.contract, 1)
			answers.Grow(1)
			r := Row{Path: "a.jpg", Status: StatusOK}
			err := answers.Fill(0, test.numbers, preprocess.Placement{Width: 10, Height: 10, StepX: 1, StepY: 1}, &r)
			if beyond := (*Unanswerable)(nil); errors.As(err, &beyond) != (test.says != "") || beyond != nil && (!strings.Contains(beyond.Reason, test.says) ||
				beyond.Status != cmp.Or(test.status, StatusOutOfRange)) || beyond == nil && err != nil {
				t.Errorf("Fill() = %v, want %q", err, test.says)
			}
		})
	}
}

// TestMatrix: vectors are written as NumPy's format has them, and images that failed as NaN.
func TestMatrix(t *testing.T) {
	header := func(kind, shape string) string {
		text := "{'descr': '" + kind + "', 'fortran_order': False, 'shape': " + shape + ", }"
		text += strings.Repeat(" ", 117-len(text)) + "\n"
		return "\x93NUMPY\x01\x00\x76\x00" + text
	}
	for _, test := range []struct {
		kind int // of kinds
		want string
	}{
		{kind: 2, want: header("<f4", "(2, 3)") + "\x9a\x99\x19\x3f\x00\x00\x00\x00\xcd\xcc\x4c\xbf" + strings.Repeat("\x00\x00\xc0\x7f", 3)},
		{kind: 3, want: header("<f2", "(2, 3)") + "\x66\x2e\xff\x7b\x00\x00" + strings.Repeat("\x00\x7e", 3)},
		{kind: 4, want: header("|i1", "(2, 3)") + "\x00\x81\x40" + strings.Repeat("\x80", 3)},
		{kind: 5, want: header("<f4", "(2, 2)") + "\x00\x00\x26\x42\x00\x00\x00\xc0" + strings.Repeat("\x00\x00\xc0\x7f", 2)},
	} {
		k := kinds()[test.kind]
		t.Run(k.name, func(t *testing.T) {
			s := bound(t, &k.contract, JSONL)
			rows := []Row{filled(t, s, &k.contract, k.numbers, k.at), {Path: "b", Status: "empty", Error: "no bytes"}}
			var out strings.Builder
			w, err := s.NewVectorWriter(&out, 2)
			if err == nil {
				err = errors.Join(w.Write(rows[:1]), w.Write(rows[1:]), w.Close())
			}
			if err != nil || out.String() != test.want {
				t.Errorf("got %q, %v, want %q", out.String(), err, test.want)
			}
			w, _ = s.NewVectorWriter(&out, 3)
			if err := errors.Join(w.Write(rows), w.Close()); err == nil {
				t.Error("a matrix with too few rows was written")
			}
			s.Bare = true
			if head := csvHeader(s.written()); strings.Contains(head, "vector") {
				t.Errorf("without vectors the columns are %s", head)
			}
		})
	}
	labels := kinds()[0].contract
	if _, err := bound(t, &labels, JSONL).NewVectorWriter(&strings.Builder{}, 1); !errors.Is(err, ErrNoVector) {
		t.Errorf("labels as a matrix: %v", err)
	}
}

// TestArrowSchema: a whole file in which every row has its vector says that these are lists of fixed
// size, and no other file does. The schema is that of the columns.
func TestArrowSchema(t *testing.T) {
	for _, test := range []struct {
		name  string
		kind  int // of kinds
		part  bool
		fails bool // an image
		want  []arrow.Field
	}{
		{name: "vectors", kind: 2, want: []arrow.Field{{Name: "vector", Kind: arrow.FixedSizeList, Size: 3, Nullable: true,
			Children: []arrow.Field{{Name: "element", Kind: arrow.Float32}}}}},
		{name: "int8", kind: 4, want: []arrow.Field{{Name: "vector", Kind: arrow.FixedSizeList, Size: 3, Nullable: true,
			Children: []arrow.Field{{Name: "element", Kind: arrow.Int, Bits: 8}}}, {Name: "scale", Kind: arrow.Float32, Nullable: true}}},
		{name: "a part", kind: 2, part: true},
		{name: "an image failed", kind: 2, fails: true},
		{name: "labels", kind: 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := kinds()[test.kind]
			s := bound(t, &k.contract, Parquet)
			rows := []Row{filled(t, s, &k.contract, k.numbers, k.at)}
			if test.fails {
				rows = append(rows, Row{Path: "b", Status: "empty", Error: "no bytes"})
			}
			var out strings.Builder
			w, err := s.newWriter(&out, !test.part)
			if err == nil {
				err = errors.Join(w.Write(rows), w.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			f, err := parquet.OpenFile(strings.NewReader(out.String()), int64(out.Len()))
			if err != nil {
				t.Fatal(err)
			}
			got, found := f.Lookup(arrow.Key)
			if found != (test.want != nil) {
				t.Fatalf("a schema of Arrow: %v", found)
			}
			text := func(name string) arrow.Field { return arrow.Field{Name: name, Kind: arrow.UTF8} }
			all := append([]arrow.Field{text("path"), text("path_base64"), {Name: "size", Kind: arrow.Int, Bits: 64}, text("status")}, test.want...)
			if found && got != arrow.Metadata(append(all, text("error"))) {
				t.Errorf("the schema of Arrow is %s", got)
			}
			if back, err := s.Decode([]byte(out.String()), 2); err != nil || len(back) != len(rows) {
				t.Errorf("%d rows are read, %v", len(back), err)
			}
		})
	}
}
