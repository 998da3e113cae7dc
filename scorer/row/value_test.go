package row

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
)

// valueOf returns what a column says of a row: in a table, in CSV and in JSON.
func valueOf(t *testing.T, s Schema, name string, r *Row) (cell, field, json string) {
	t.Helper()
	for _, c := range s.Columns() {
		if c.Name == name {
			return c.Cell(r), c.Field(r), string(c.AppendJSON(nil, r))
		}
	}
	t.Fatalf("there is no column %q", name)
	return "", "", ""
}

func TestColumns(t *testing.T) {
	c := models.Contract{Classes: 3, Output: models.Probabilities, Labels: []string{"cat", "dog", "cow"}}
	s := Schema{Task: Classify, Format: JSONL, Activation: models.Probabilities}
	ok := of(t, s, c, 0.25, 0.5, 0.125)
	failed := Row{Path: "b\xff", Size: 2, Status: "empty", Error: "no bytes", Answer: &Classification{ClassID: -1}}
	for _, test := range []struct {
		column, cell, field, json           string // of an image with an answer
		failedCell, failedField, failedJSON string // of one that failed
	}{
		{column: "path", cell: "a", field: "a", json: `"a"`, failedCell: "b\xff", failedField: "b\ufffd", failedJSON: "\"b\ufffd\""},
		{column: "size", cell: "1", field: "1", json: "1", failedCell: "2", failedField: "2", failedJSON: "2"},
		{column: "status", cell: "ok", field: "ok", json: `"ok"`, failedCell: "empty", failedField: "empty", failedJSON: `"empty"`},
		{column: "label", cell: "dog", field: "dog", json: `"dog"`, failedCell: "-", failedJSON: "null"},
		{column: "class_id", cell: "1", field: "1", json: "1", failedCell: "-", failedJSON: "null"},
		{column: "score", cell: "0.5000", field: "0.5", json: "0.5", failedCell: "-", failedJSON: "null"},
		{column: "label_2", cell: "cat", field: "cat", json: `"cat"`, failedCell: "-", failedJSON: "null"},
		{column: "score_2", cell: "0.2500", field: "0.25", json: "0.25", failedCell: "-", failedJSON: "null"},
		{column: "margin", cell: "0.2500", field: "0.25", json: "0.25", failedCell: "-", failedJSON: "null"},
		{column: "certainty", cell: "0.2500", field: "0.25", json: "0.25", failedCell: "-", failedJSON: "null"},
		{
			column: "topk", cell: "dog 0.5000, cat 0.2500", field: `[{"class_id":1,"label":"dog","score":0.5},{"class_id":0,"label":"cat","score":0.25}]`,
			json: `[{"class_id":1,"label":"dog","score":0.5},{"class_id":0,"label":"cat","score":0.25}]`, failedCell: "-", failedJSON: "null",
		},
		{column: "error", json: `""`, failedCell: "no bytes", failedField: "no bytes", failedJSON: `"no bytes"`},
	} {
		t.Run(test.column, func(t *testing.T) {
			if cell, field, json := valueOf(t, s, test.column, &ok); cell != test.cell || field != test.field || json != test.json {
				t.Errorf("with an answer: %q, %q, %s; want %q, %q, %s", cell, field, json, test.cell, test.field, test.json)
			}
			if cell, field, json := valueOf(t, s, test.column, &failed); cell != test.failedCell || field != test.failedField || json != test.failedJSON {
				t.Errorf("failed: %q, %q, %s; want %q, %q, %s", cell, field, json, test.failedCell, test.failedField, test.failedJSON)
			}
		})
	}
}

// TestCertainty: what it means depends on how the model's output is interpreted.
func TestCertainty(t *testing.T) {
	for _, test := range []struct {
		name       string
		activation models.Activation
		scores     []float32 // best first
		want       string
	}{
		{name: "one class", activation: models.Logits, scores: []float32{0.75, 0.25}, want: "0.5000"},
		{name: "before activations were recorded", scores: []float32{0.75, 0.25}, want: "0.5000"},
		{name: "one class kept", activation: models.Probabilities, scores: []float32{0.75}, want: "0.7500"},
		{name: "independent", activation: models.Independent, scores: []float32{0.875, 0.75, 0.125}, want: "0.5000"},
		{name: "independent, none of them", activation: models.Sigmoid, scores: []float32{0.25, 0.125}, want: "0.5000"},
		{name: "independent, all that are kept above the decision", activation: models.Sigmoid, scores: []float32{0.625}, want: "-"},
		{name: "two classes in one score", activation: models.Sigmoid, scores: []float32{0.75, 0.25}, want: "0.5000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := &Classification{Score: test.scores[0]}
			for i, s := range test.scores {
				a.TopK = append(a.TopK, Class{ClassID: i, Score: s})
			}
			s := Schema{Task: Classify, Activation: test.activation}
			if got, _, _ := valueOf(t, s, Certainty, &Row{Status: StatusOK, Answer: a}); got != test.want {
				t.Errorf("the certainty is %s, want %s", got, test.want)
			}
		})
	}
}

// TestColumnsOfAnotherTask: a task has its own columns, and a certainty only if it
// says what that is.
func TestColumnsOfAnotherTask(t *testing.T) {
	s := Schema{Task: meanColour, Simulated: true}
	var names []string
	for _, c := range s.Columns() {
		names = append(names, c.Name)
	}
	if got, want := strings.Join(names, " "), "path path_base64 size status red green blue precision error"; got != want {
		t.Errorf("columns: %s, want %s", got, want)
	}
	r := of(t, s, models.Contract{Task: "mean_colour", Classes: 3}, 0.5, 1, 0)
	if cell, _, _ := valueOf(t, s, "red", &r); cell != "0.5000" {
		t.Errorf("red: %s", cell)
	}
}
