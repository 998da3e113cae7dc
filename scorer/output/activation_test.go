package output

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestVerifyComparesScoresWithTheActivation: a score that the activation cannot have
// given is reported as altered.
func TestVerifyComparesScoresWithTheActivation(t *testing.T) {
	for activation, refused := range map[string]bool{"": false, "probabilities": false, "logits": true, "sigmoid": true, "independent": true} {
		t.Run(activation, func(t *testing.T) {
			st := new(mem.Store)
			want := testJob(row.JSONL)
			want.Activation = activation
			r := begin(t, st, want, numbered(1))
			e, err := r.m.At(0)
			if err != nil {
				t.Fatal(err)
			}
			part, err := r.j.Schema().Encode([]row.Row{{Path: e.Path, Size: e.Size, Status: row.StatusOK, Answer: &row.Classification{
				Label: "cat", Score: 1.5, TopK: []row.Class{{Label: "cat", Score: 1.5}},
			}}})
			if err != nil {
				t.Fatal(err)
			}
			st.Put(PartNames{format: row.JSONL}.Name(0), part)
			r.finish(t)
			if s, err := ReadSuccess(t.Context(), st); err != nil || s.Activation != activation {
				t.Errorf("_SUCCESS has the activation %q, %v, want %q", s.Activation, err, activation)
			}
			report, err := Verify(t.Context(), st)
			if err != nil {
				t.Fatal(err)
			}
			said := false
			for _, p := range report.Problems {
				said = said || p.Kind == Altered && strings.Contains(p.Detail, "the score 1.5 is not from 0 to 1")
			}
			if said != refused {
				t.Errorf("Verify() reports the score: %v, want %v: %v", said, refused, report.Problems)
			}
		})
	}
}
