package models

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess"
)

// TestContractOfAnotherTask: only a contract of Classify must say what the scores
// are, and one that names no task is written as it was before there were tasks.
func TestContractOfAnotherTask(t *testing.T) {
	for _, tt := range []struct {
		name  string
		task  string
		out   Activation
		valid bool
	}{
		{name: "no task", task: "", out: Logits, valid: true},
		{name: "no task and no output", task: "", out: "", valid: false},
		{name: "classify", task: Classify, out: Logits, valid: true},
		{name: "classify and no output", task: Classify, out: "", valid: false},
		{name: "another task", task: "embed", out: "", valid: true},
		{name: "another task and an output", task: "embed", out: Independent, valid: true},
		{name: "another task and an unknown output", task: "embed", out: "loud", valid: false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := Contract{Task: tt.task, Output: tt.out, Classes: 3, Preprocess: preprocess.Spec{
				DType: preprocess.Float32, Layout: preprocess.CHW, Width: 8, Height: 8,
				Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch,
			}}
			if err := c.Validate(); (err == nil) != tt.valid {
				t.Errorf("Validate() = %v, want valid: %v", err, tt.valid)
			}
			text, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(string(text), `"task"`); got != (tt.task != "") {
				t.Errorf("the contract is %s", text)
			}
		})
	}
}
