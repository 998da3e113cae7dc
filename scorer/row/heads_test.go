package row

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// manyHeads is a contract with a head of each task.
func manyHeads() *models.Contract {
	return &models.Contract{
		Preprocess: preprocess.Spec{Width: 8, Height: 8, Layout: preprocess.HWC, DType: preprocess.Uint8,
			Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch},
		Output: models.Probabilities, Classes: 3, Labels: []string{"cat", "dog", "cow"}, HeadName: "kind",
		Heads: []models.Head{
			{Name: "tags", Task: models.MultiLabel, Output: models.Independent, Classes: 2, Labels: []string{"wet", "old"},
				Settings: models.Settings{Threshold: 0.5}},
			{Name: "look", Task: models.Embed, Classes: 4, Settings: models.Settings{Element: models.ElementInt8}},
			{Name: "pose", Task: models.Raw, Classes: 2, Settings: models.Settings{Columns: []string{"pitch", "yaw"}}},
			{Name: "box", Task: models.Detect, Output: models.Independent, Classes: 1, Labels: []string{"face"},
				Outputs:  []models.Output{{Name: "dets", Shape: []int{2, 6}}},
				Settings: models.Settings{Threshold: 0.25, Detector: models.Boxes, MaxBoxes: 5}},
		},
	}
}

// headNumbers are what the model of manyHeads gives for two images.
var headNumbers = [][]float32{
	{0.1, 0.7, 0.2, 0.9, 0.1, 1, -2, 0.5, 0, 0.25, -1.5, 1, 2, 11, 22, 0.75, 0, 0, 0, 0, 0, 0, 0},
	{0.5, 0.25, 0.25, 0.2, 0.1, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
}

// TestHeadNotFinite tests that the error of an image says in which answer the numbers are not finite.
func TestHeadNotFinite(t *testing.T) {
	c := manyHeads()
	answers := headSchema(t, c, JSONL).NewAnswers(c, 2)
	answers.Grow(1)
	for number, name := range map[int]string{0: "kind", 2: "kind", 3: "tags", 4: "tags", 5: "look", 8: "look", 9: "pose", 10: "pose", 11: "box", 22: "box"} {
		numbers := slices.Clone(headNumbers[0])
		numbers[number] = float32(math.NaN())
		r := Row{Path: "a.jpg", Status: StatusOK}
		err := answers.Fill(0, numbers, preprocess.Placement{Width: 10, Height: 10, StepX: 1, StepY: 1}, &r)
		none := (*Unanswerable)(nil)
		if !errors.As(err, &none) || none.Status != StatusNotFinite || none.Reason != "contains NaN or infinity (answer "+name+")" {
			t.Errorf("number %d: %v, want that it is in the answer %s", number, err, name)
		}
	}
}

func headRows(t *testing.T, s Schema, c *models.Contract) []Row {
	t.Helper()
	answers := s.NewAnswers(c, 2)
	answers.Grow(2)
	rows := []Row{{Path: "a.jpg", Size: 5, Status: StatusOK}, {Path: "b.jpg", Size: 6, Status: StatusOK},
		{Path: "c.jpg", Size: 7, Status: "corrupt", Error: "no picture"}}
	at := preprocess.Placement{Width: 100, Height: 50, StepX: 1, StepY: 1}
	for i := range headNumbers {
		if err := answers.Fill(i, slices.Clone(headNumbers[i])[:c.Numbers()], at, &rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

func headSchema(t *testing.T, c *models.Contract, f Format) Schema {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	task, err := ForContract(c)
	if err != nil {
		t.Fatal(err)
	}
	return Schema{Task: task, Format: f, Form: Newest, Activation: c.Output, TopK: 2}
}

// Rows of several heads have the columns of each, and are read back as they were written,
// in every format.
func TestHeads(t *testing.T) {
	c := manyHeads()
	for _, f := range Formats {
		for _, simulated := range []bool{false, true} {
			s := headSchema(t, c, f)
			s.Simulated = simulated
			rows := headRows(t, s, c)
			body, err := s.Encode(rows)
			if err != nil {
				t.Fatal(f, err)
			}
			back, err := s.Decode(body, 10)
			if err != nil {
				t.Fatal(f, err)
			}
			for i := range rows {
				if !s.Equal(&rows[i], &back[i]) {
					t.Errorf("%s: row %d is %+v, want %+v", f, i, back[i], rows[i])
				}
				if err := s.Check(&back[i]); err != nil {
					t.Errorf("%s: row %d: %v", f, i, err)
				}
			}
			if err := s.CheckMark(back); err != nil {
				t.Errorf("%s: %v", f, err)
			}
			again, err := s.Encode(back)
			if err != nil || !bytes.Equal(again, body) {
				t.Errorf("%s: written again: %v, %q, want %q", f, err, again, body)
			}
			if f != JSONL {
				continue
			}
			line, _, _ := strings.Cut(string(body), "\n")
			mark := ""
			if simulated {
				mark = labelMark
			}
			for _, want := range []string{`"kind_label":"` + mark + `dog","kind_class_id":1,"kind_score":0.7`,
				`"look_vector":[64,-127,32,0],"look_scale":0.015748`,
				`"pose_pitch":0.25,"pose_yaw":-1.5`, `"box_boxes":[`} {
				if !strings.Contains(line, want) {
					t.Errorf("%s has no %s", line, want)
				}
			}
			other := s
			other.Simulated = !simulated
			if other.CheckMark(back) == nil {
				t.Error("rows of another device are accepted")
			}
		}
	}
}

// Every head is what a job with that answer alone has.
func TestHeadsAreAnswersOfTheirOwn(t *testing.T) {
	c := manyHeads()
	s := headSchema(t, c, JSONL)
	rows := headRows(t, s, c)
	columns := map[string]Column{}
	for _, one := range s.Columns() {
		columns[one.Name] = one
	}
	at := 0
	for i := range c.HeadCount() {
		alone := *c.Head(i)
		name := alone.HeadName
		alone.HeadName = ""
		own := headSchema(t, &alone, JSONL)
		n := alone.Numbers()
		answers := own.NewAnswers(&alone, alone.Listed(2))
		answers.Grow(2)
		for image := range headNumbers {
			r := Row{Path: rows[image].Path, Size: rows[image].Size, Status: StatusOK}
			place := preprocess.Placement{Width: 100, Height: 50, StepX: 1, StepY: 1}
			if err := answers.Fill(image, slices.Clone(headNumbers[image][at:at+n]), place, &r); err != nil {
				t.Fatal(err)
			}
			for _, column := range own.Columns() {
				mine, ok := columns[name+"_"+column.Name]
				if slices.Contains([]string{"path", "path_base64", "size", "status", "error"}, column.Name) {
					continue
				}
				if !ok {
					t.Errorf("there is no column %s_%s", name, column.Name)
					continue
				}
				if got, want := mine.Field(&rows[image]), column.Field(&r); got != want {
					t.Errorf("%s of image %d is %q, want %q", mine.Name, image, got, want)
				}
			}
		}
		at += n
	}
}

// TestHeadsWithoutNumbers: NaN anywhere in the numbers of one head leaves no answer of any.
func TestHeadsWithoutNumbers(t *testing.T) {
	c := manyHeads()
	s := headSchema(t, c, JSONL)
	for i := range c.Numbers() {
		answers := s.NewAnswers(c, 2)
		answers.Grow(1)
		numbers := slices.Clone(headNumbers[0])[:c.Numbers()]
		numbers[i] = float32(math.NaN())
		r := Row{Path: "a.jpg", Status: StatusOK}
		var none *Unanswerable
		err := answers.Fill(0, numbers, preprocess.Placement{Width: 100, Height: 50, StepX: 1, StepY: 1}, &r)
		if !errors.As(err, &none) || none.Status != StatusNotFinite || r.Answer != nil {
			t.Errorf("number %d of %d is NaN: %v, and the answer %v", i, c.Numbers(), err, r.Answer)
		}
	}
}

func TestHeadsWithColumnsOfOneName(t *testing.T) {
	for _, c := range []struct {
		name  string
		heads []Head
		want  string
	}{
		{name: "a name that another begins with", heads: []Head{{Name: "a"}, {Name: "a_b", Task: models.Raw, Settings: models.Settings{Columns: []string{"x"}}},
			{Name: "A", Task: models.Raw, Settings: models.Settings{Columns: []string{"b_x"}}}}, want: `two columns would be called "A_b_x"`},
		{name: "a column too long", heads: []Head{{Name: strings.Repeat("a", 40), Task: models.Raw,
			Settings: models.Settings{Columns: []string{strings.Repeat("x", 40)}}}},
			want: "cannot be the name of a column"},
		{name: "no such task", heads: []Head{{Name: "a", Task: "paint"}}, want: `head a: unknown task "paint"`},
		{name: "none", want: "there are no heads"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Several(c.heads); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestHeadsListTheirOwn: the first answer lists no classes, and the second lists as many as its
// record says, whatever the first one does.
func TestHeadsListTheirOwn(t *testing.T) {
	c := manyHeads()
	task, err := Several([]Head{
		{Name: "tags", Task: models.MultiLabel, Settings: models.Settings{Threshold: 0.5}, Width: 2, Activation: models.Independent},
		{Name: "kind", Task: models.Classify, Width: 3, Activation: models.Probabilities, TopK: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Task, c.HeadName, c.Output, c.Classes = models.MultiLabel, "tags", models.Independent, 2
	c.Labels, c.Settings = []string{"wet", "old"}, models.Settings{Threshold: 0.5}
	c.Heads = []models.Head{{Name: "kind", Output: models.Probabilities, Classes: 3, Labels: []string{"cat", "dog", "cow"}}}
	answers := Schema{Task: task, Form: Newest}.NewAnswers(c, 0)
	answers.Grow(1)
	r := Row{Path: "a.jpg", Status: StatusOK}
	if err := answers.Fill(0, []float32{0.9, 0.1, 0.1, 0.7, 0.2}, preprocess.Placement{}, &r); err != nil {
		t.Fatal(err)
	}
	if kind := r.Answer.(*answerOfHeads).answers[1].(*Classification); kind.Label != "dog" || len(kind.TopK) != 2 {
		t.Errorf("%+v, want dog first of 2", kind)
	}
}
