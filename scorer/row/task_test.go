package row

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// colour is the answer of meanColour, a task without labels and lists.
type colour struct{ Red, Green, Blue float32 }

var meanColour Task = &task[colour]{
	name: "mean_colour",
	columns: []column[colour]{
		floatColumn("red", func(a *colour) *float32 { return &a.Red }),
		floatColumn("green", func(a *colour) *float32 { return &a.Green }),
		floatColumn("blue", func(a *colour) *float32 { return &a.Blue }),
	},
	width: func(*models.Contract) int { return 3 },
	fill: func(a *colour, _ *binding, mean []float32, _ preprocess.Placement) error {
		*a = colour{Red: mean[0], Green: mean[1], Blue: mean[2]}
		return nil
	},
	describe: func(a *colour) string { return "mean colour" },
	headings: []string{"RED"},
	cells:    func(a *colour) []string { return []string{strconv.FormatFloat(float64(a.Red), 'f', 2, 32)} },
	caption:  func(*colour) string { return "a colour" },
}

// of returns the row that a task makes of numbers.
func of(t *testing.T, s Schema, c models.Contract, numbers ...float32) Row {
	t.Helper()
	r := Row{Path: "a", Size: 1, Status: StatusOK}
	answers := s.NewAnswers(&c, 2)
	answers.Grow(1)
	if err := answers.Fill(0, slices.Clone(numbers), preprocess.Placement{}, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestTaskWithColumnsOfItsOwn(t *testing.T) {
	c := models.Contract{Task: "mean_colour", Classes: 3}
	failed := Row{Path: "b", Size: 2, Status: "empty", Error: "no bytes"}
	want := map[Format]map[bool]string{ // by whether the job is simulated
		JSONL: {
			false: `{"path":"a","path_base64":"","size":1,"status":"ok","red":0.5,"green":1.0,"blue":0.0,"error":""}
{"path":"b","path_base64":"","size":2,"status":"empty","red":null,"green":null,"blue":null,"error":"no bytes"}
`,
			true: `{"path":"a","path_base64":"","size":1,"status":"ok","red":0.5,"green":1.0,"blue":0.0,"precision":"simulated","error":""}
{"path":"b","path_base64":"","size":2,"status":"empty","red":null,"green":null,"blue":null,"precision":"simulated","error":"no bytes"}
`,
		},
		CSV: {
			false: "path,path_base64,size,status,red,green,blue,error\na,,1,ok,0.5,1.0,0.0,\nb,,2,empty,,,,no bytes\n",
			true: "path,path_base64,size,status,red,green,blue,precision,error\n" +
				"a,,1,ok,0.5,1.0,0.0,simulated,\nb,,2,empty,,,,simulated,no bytes\n",
		},
	}
	for _, format := range []Format{JSONL, CSV, Parquet} {
		for _, simulated := range []bool{false, true} {
			t.Run(string(format)+" simulated "+strconv.FormatBool(simulated), func(t *testing.T) {
				s := Schema{Task: meanColour, Format: format, Form: Newest, Simulated: simulated}
				rows := []Row{of(t, s, c, 0.5, 1, 0), failed}
				body := encode(t, rows, s)
				if want, ok := want[format][simulated]; ok && string(body) != want {
					t.Errorf("Encode() =\n%s\nwant\n%s", body, want)
				}
				got, err := s.Decode(body, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got[0], rows[0]) || !s.Equal(&got[1], &failed) {
					t.Errorf("Decode() = %+v, want %+v", got, rows)
				}
				for i := range got {
					if err := s.Check(&got[i]); err != nil {
						t.Errorf("Check() of row %d = %v", i, err)
					}
				}
				if got, want := strings.Join(s.Shown().Cells(&rows[0]), " "), "0.50"+map[bool]string{true: " simulated"}[simulated]; got != want {
					t.Errorf("Cells() = %q, want %q", got, want)
				}
				cells := s.Shown().Cells(&failed)
				if got := strings.Join(cells, ""); got != "-" || len(cells) != len(s.Shown().Headings()) {
					t.Errorf("Cells() of a failed row = %q, want a dash below the last heading", cells)
				}
				if got := strings.HasPrefix(s.Shown().Caption(&rows[0]), "simulated:"); got != simulated {
					t.Errorf("Caption() = %q", s.Shown().Caption(&rows[0]))
				}
				other := s
				other.Simulated = !simulated
				if _, err := other.Decode(body, 1<<20); !errors.Is(err, ErrDamaged) {
					t.Errorf("Decode() in a job that is simulated %v = %v, want ErrDamaged", other.Simulated, err)
				}
			})
		}
	}
}

// TestSimulatedRowsAreMarked: rows of a simulated job cannot be taken for those of
// another, nor the other way round.
func TestSimulatedRowsAreMarked(t *testing.T) {
	c := models.Contract{Classes: 3, Output: models.Probabilities, Labels: []string{"cat", "dog", "cow"}}
	unlabelled := models.Contract{Classes: 3, Output: models.Probabilities}
	inEach(t, func(t *testing.T, s Schema) {
		simulated := s
		simulated.Simulated = true
		rows := []Row{of(t, simulated, c, 0.25, 0.5, 0.25), of(t, simulated, unlabelled, 0.25, 0.5, 0.25), {Path: "b", Status: "empty", Error: "e"}}
		for i, want := range []string{"simulated:dog", "simulated:1"} {
			if got := rows[i].Answer.(*Classification).Label; got != want {
				t.Errorf("the label is %q, want %q", got, want)
			}
			if got := s.Task.Caption(&rows[i]); got != want {
				t.Errorf("Caption() = %q, want %q", got, want)
			}
		}
		body := encode(t, rows, simulated)
		if got, err := simulated.Decode(body, 1<<20); err != nil || len(got) != len(rows) {
			t.Errorf("Decode() = %d rows, %v, want %d", len(got), err, len(rows))
		}
		computed := []Row{of(t, s, c, 0.25, 0.5, 0.25)}
		for _, test := range []struct {
			name   string
			schema Schema // of the job
			from   Schema // of the job that wrote the rows
			rows   []Row
			want   string // in the error; empty if there is none
		}{
			{name: "simulated in its job", schema: simulated, from: simulated, rows: rows},
			{name: "computed in its job", schema: s, from: s, rows: computed},
			{name: "simulated in another job", schema: s, from: simulated, rows: rows, want: `row 0 has label "simulated:dog" of a simulated device`},
			{name: "computed in a simulated job", schema: simulated, from: s, rows: computed, want: `row 0 has label "dog", and the job is simulated`},
		} {
			t.Run(test.name, func(t *testing.T) {
				got, err := test.schema.Decode(encode(t, test.rows, test.from), 1<<20)
				if err != nil || len(got) != len(test.rows) {
					t.Fatalf("Decode() = %d rows, %v, want %d: parsing does not depend on the labels", len(got), err, len(test.rows))
				}
				err = test.schema.CheckMark(got)
				if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
					t.Errorf("CheckMark() = %v, want %q", err, test.want)
				}
			})
		}
	})
}

func TestNamed(t *testing.T) {
	for name, want := range map[string]Task{"": Classify, "classify": Classify} {
		if got, err := Named(name); got != want || err != nil {
			t.Errorf("Named(%q) = %v, %v", name, got, err)
		}
	}
	if _, err := Named("poetry"); err == nil || !strings.Contains(err.Error(), "classify") {
		t.Errorf("Named(poetry) = %v, want an error that names classify", err)
	}
	if got := RecordedName(Classify); got != "" {
		t.Errorf("RecordedName(Classify) = %q, want none", got)
	}
	if got := RecordedName(meanColour); got != "mean_colour" {
		t.Errorf("RecordedName(meanColour) = %q", got)
	}
}

// TestTaskNamesAndColumns: names are unique, and no column has a name that every
// row has.
func TestTaskNamesAndColumns(t *testing.T) {
	names := map[string]bool{}
	for _, task := range tasks {
		if names[task.Name()] {
			t.Errorf("two tasks are called %q", task.Name())
		}
		names[task.Name()] = true
		columns := []string{"path", "path_base64", "size", "status", "precision", "error"}
		for _, c := range task.columnNames() {
			if slices.Contains(columns, c) {
				t.Errorf("two columns of %s are called %q", task.Name(), c)
			}
			columns = append(columns, c)
		}
	}
}

func TestForContract(t *testing.T) {
	for _, tt := range []struct {
		name     string
		contract models.Contract
		says     string // empty if the contract is accepted
	}{
		{name: "classify", contract: models.Contract{Classes: 7, Output: models.Logits}},
		{name: "unknown", contract: models.Contract{Task: "poetry", Classes: 7}, says: "unknown task"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ForContract(&tt.contract)
			if tt.says == "" && err != nil || tt.says != "" && (!errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("ForContract() = %v, want %q", err, tt.says)
			}
		})
	}
	if err := meanColour.accepts(&models.Contract{Classes: 4}); err == nil || !strings.Contains(err.Error(), "takes 3 numbers") {
		t.Errorf("accepts(4 numbers) = %v, want an error that says how many the task takes", err)
	}
}

// TestAnswersOfAModel: activations are applied, the best classes come first, and
// output that is not a valid answer is ErrModel.
func TestAnswersOfAModel(t *testing.T) {
	labels := []string{"cat", "dog", "cow"}
	nan := float32(math.NaN())
	for _, tt := range []struct {
		name     string
		contract models.Contract
		numbers  []float32
		want     []Class // nil for an error
	}{
		{
			name:     "probabilities",
			contract: models.Contract{Classes: 3, Output: models.Probabilities, Labels: labels}, numbers: []float32{0.25, 0.5, 0.25},
			want: []Class{{ClassID: 1, Label: "dog", Score: 0.5}, {ClassID: 0, Label: "cat", Score: 0.25}},
		},
		{
			name:     "logits",
			contract: models.Contract{Classes: 2, Output: models.Logits, Labels: labels[:2]}, numbers: []float32{3, 3},
			want: []Class{{ClassID: 0, Label: "cat", Score: 0.5}, {ClassID: 1, Label: "dog", Score: 0.5}},
		},
		{
			name:     "sigmoid",
			contract: models.Contract{Classes: 2, Output: models.Sigmoid, Labels: labels[:2]}, numbers: []float32{-100, 0},
			want: []Class{{ClassID: 1, Label: "dog", Score: 0.5}, {ClassID: 0, Label: "cat", Score: 3.783506e-44}},
		},
		{
			name:     "one score for two labels",
			contract: models.Contract{Classes: 1, Output: models.Independent, Labels: labels[:2]}, numbers: []float32{0.25},
			want: []Class{{ClassID: 0, Label: "cat", Score: 0.75}, {ClassID: 1, Label: "dog", Score: 0.25}},
		},
		{
			name:     "independent beyond 1",
			contract: models.Contract{Classes: 2, Output: models.Independent, Labels: labels[:2]}, numbers: []float32{0.5, 1.2},
		},
		{
			name:     "not a number",
			contract: models.Contract{Classes: 2, Output: models.Probabilities, Labels: labels[:2]}, numbers: []float32{0.5, nan},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answers := schemas["jsonl"].NewAnswers(&tt.contract, 2)
			answers.Grow(2)
			r := Row{Path: "a.jpg", Status: StatusOK}
			err := answers.Fill(1, tt.numbers, preprocess.Placement{}, &r)
			if tt.want == nil {
				if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "a.jpg") || r.Answer != nil {
					t.Errorf("Fill() = %v, want ErrModel that names the image", err)
				}
				return
			}
			want := &Classification{Label: tt.want[0].Label, ClassID: tt.want[0].ClassID, Score: tt.want[0].Score, TopK: tt.want}
			if err != nil || !reflect.DeepEqual(r.Answer, want) {
				t.Errorf("Fill() made %+v, %v, want %+v", r.Answer, err, want)
			}
		})
	}
}

// TestFillAllocatesNothing: rows of a chunk cost no memory each.
func TestFillAllocatesNothing(t *testing.T) {
	c := models.Contract{Classes: 3, Output: models.Logits, Labels: []string{"cat", "dog", "cow"}}
	answers := schemas["jsonl"].NewAnswers(&c, 2)
	r, numbers := Row{Status: StatusOK}, []float32{1, 2, 3}
	answers.Grow(8)
	n := testing.AllocsPerRun(100, func() {
		answers.Grow(8)
		for i := range 8 {
			if err := answers.Fill(i, numbers, preprocess.Placement{}, &r); err != nil {
				t.Fatal(err)
			}
		}
	})
	if n != 0 {
		t.Errorf("Fill() of a chunk made %v allocations, want 0", n)
	}
}

func TestCheck(t *testing.T) {
	class := func(score float32) *Classification { return &Classification{ClassID: 1, Label: "x", Score: score} }
	for _, tt := range []struct {
		name       string
		row        Row
		activation models.Activation
		says       string // empty if the row is valid
	}{
		{name: "ok", row: Row{Status: StatusOK, Answer: class(0.5)}},
		{name: "failed", row: Row{Status: "empty", Error: "no bytes"}},
		{name: "failed as read", row: Row{Status: "empty", Error: "no bytes", Answer: &Classification{ClassID: -1}}},
		{name: "ok without a class", row: Row{Status: StatusOK}, says: `status "ok" with class -1 and error ""`},
		{name: "ok with an error", row: Row{Status: StatusOK, Answer: class(0.5), Error: "e"}, says: `and error "e"`},
		{name: "failed with a class", row: Row{Status: "empty", Answer: class(0.5), Error: "e"}, says: `status "empty" with class 1`},
		{name: "failed without an error", row: Row{Status: "empty"}, says: `and error ""`},
		{name: "failed with a label", row: Row{Status: "empty", Error: "e", Answer: &Classification{ClassID: -1, Label: "x"}}, says: `status "empty"`},
		{name: "probability beyond 1", row: Row{Status: StatusOK, Answer: class(1.5)}, activation: models.Probabilities},
		{name: "score beyond 1", row: Row{Status: StatusOK, Answer: class(1.5)}, activation: models.Sigmoid, says: "the score 1.5 is not from 0 to 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := schemas["jsonl"]
			s.Activation = tt.activation
			err := s.Check(&tt.row)
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Check() = %v, want %q", err, tt.says)
			}
		})
	}
}

func TestParseSelection(t *testing.T) {
	known := append(FailureStatuses(), StatusOK)
	for _, tt := range []struct {
		text string
		want Selection // nil for an error
	}{
		{text: "empty", want: Selection{"empty"}},
		{text: "truncated, empty,empty", want: Selection{"empty", "truncated"}},
		{text: "empty,failed", want: Selection{AnyFailure}},
		{text: "ok,failed", want: Selection{AnyFailure, StatusOK}},
		{text: ""},
		{text: "lost"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			got, err := ParseSelection(tt.text, known)
			if (err == nil) != (tt.want != nil) || !slices.Equal(got, tt.want) {
				t.Errorf("ParseSelection(%q) = %v, %v, want %v", tt.text, got, err, tt.want)
			}
		})
	}
	statuses := map[string]int{"ok": 5, "empty": 2, "truncated": 1}
	for _, tt := range []struct {
		selection Selection
		want      int
	}{
		{selection: Selection{"empty"}, want: 2}, {selection: Selection{AnyFailure}, want: 3},
		{selection: Selection{AnyFailure, StatusOK}, want: 8}, {selection: Selection{"changed"}, want: 0},
	} {
		if got := tt.selection.Count(statuses); got != tt.want {
			t.Errorf("Count() of %v = %d, want %d", tt.selection, got, tt.want)
		}
	}
}

func TestTally(t *testing.T) {
	for _, tt := range []struct {
		statuses map[string]int
		want     string
	}{
		{statuses: nil, want: "0 images: 0 ok, 0 failed"},
		{statuses: map[string]int{"ok": 1}, want: "1 image: 1 ok, 0 failed"},
		{statuses: map[string]int{"ok": 3}, want: "3 images: 3 ok, 0 failed"},
		{statuses: map[string]int{"ok": 10, "truncated": 1, "not_found": 9, "empty": 1, "changed": 0},
			want: "21 images: 10 ok, 11 failed (not_found 9, empty 1, truncated 1)"},
	} {
		if got := Tally(tt.statuses); got != tt.want {
			t.Errorf("Tally(%v) = %q, want %q", tt.statuses, got, tt.want)
		}
	}
}
