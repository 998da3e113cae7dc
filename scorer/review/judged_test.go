package review

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/review/evaluate"
)

// remarks returns the texts of what Conclude says.
func remarks(f *Findings) string {
	f.Conclude()
	var all []string
	for _, r := range f.Remarks {
		all = append(all, r.Text)
	}
	return strings.Join(all, "\n")
}

// TestSurerThanRight: a model is called too sure only if its mean score is outside of the interval of
// the accuracy.
func TestSurerThanRight(t *testing.T) {
	t.Parallel()
	for images, want := range map[int]bool{17: false, 1700: true} {
		var truth evaluate.Truth
		for i := range images {
			label := "right"
			if i%2 == 0 {
				label = "wrong"
			}
			truth.Add([]string{"right"}, []evaluate.Scored{{Label: label, Score: 0.65}})
		}
		f := &Findings{Scores: &Histogram{}, Truth: &Judgement{Result: truth.Result()}}
		if text := remarks(f); strings.Contains(text, "more sure than it is right") != want {
			t.Errorf("%d images: %s", images, text)
		}
	}
}

// TestDriftOfFewImages: a great index of few images is not called a change.
func TestDriftOfFewImages(t *testing.T) {
	t.Parallel()
	for images, want := range map[int]string{10: "cannot be told from so few images", 1000: "have changed much"} {
		var c evaluate.Comparison
		for i := range images {
			here, there := "a", "a"
			if i%10 < 4 {
				here = "b"
			}
			if i%10 < 2 {
				there = "b"
			}
			c.Add(evaluate.Answer{Status: evaluate.OK, Label: here, Score: 0.5}, evaluate.Answer{Status: evaluate.OK, Label: there, Score: 0.5})
		}
		f := &Findings{Against: &Against{Drift: c.Drift()}}
		if f.Against.Label.PSI < 0.19 {
			t.Fatalf("the index is %v", f.Against.Label.PSI)
		}
		f.Against.Label.PSI = max(f.Against.Label.PSI, muchDrift)
		if text := remarks(f); !strings.Contains(text, want) {
			t.Errorf("%d images, %+v: %s", images, f.Against.Label, text)
		}
	}
}

// TestDoubtfulTruth: labels that are the model's, and labels that may be misspelled, are named.
func TestDoubtfulTruth(t *testing.T) {
	t.Parallel()
	var truth evaluate.Truth
	truth.Add([]string{"cta"}, []evaluate.Scored{{Label: "cat", Score: 1}})
	f := &Findings{Truth: &Judgement{Result: truth.Result(), OfModel: 3, Misspelled: []Misspelled{{Label: "cta", Images: 1, Near: "cat"}}}}
	text := remarks(f)
	for _, want := range []string{`No answer is "cta", which 1 image of the truth should be`, `Is "cat" meant?`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	truth.Add([]string{"cat"}, []evaluate.Scored{{Label: "cat", Score: 1}})
	f.Truth.Result = truth.Result()
	if text := remarks(f); !strings.Contains(text, "3 labels of the truth are those that the model gave") {
		t.Error(text)
	}
}
