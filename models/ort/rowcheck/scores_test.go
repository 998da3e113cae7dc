package rowcheck

import (
	"math"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
)

func TestScores(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name       string
		activation models.Activation
		classes    int
		scores     []float32
		says       string // in the error; empty for no error
	}{
		{name: "probabilities", activation: models.Probabilities, classes: 2, scores: []float32{0.25, 0.75, 1, 0}},
		{name: "rounded probabilities", activation: models.Probabilities, classes: 2, scores: []float32{0.27, 0.75}},
		{name: "logits", activation: models.Logits, classes: 2, scores: []float32{-3, 7, 0, 1}},
		{name: "independent", activation: models.Independent, classes: 2, scores: []float32{0.9, 0.8, 0, 0}},
		{name: "raw scores", activation: models.Sigmoid, classes: 2, scores: []float32{-3, 7, 0, 1}},
		{name: "one raw score", activation: models.Sigmoid, classes: 1, scores: []float32{-3, 7}},
		{name: "not a number", activation: models.Logits, classes: 2, scores: []float32{1, nan}, says: "the score of class 1 is NaN"},
		{name: "logits called probabilities", activation: models.Probabilities, classes: 2, scores: []float32{-3, 7, 1.5, 2}, says: "these look like logits"},
		{name: "sigmoids called probabilities", activation: models.Probabilities, classes: 2, scores: []float32{0.9, 0.8}, says: "--activation independent"},
		{name: "logarithms called probabilities", activation: models.Probabilities, classes: 2,
			scores: []float32{-0.6931472, -0.6931472, -0.1053605, -2.302585}, says: "logarithms of probabilities"},
		{name: "percent called probabilities", activation: models.Probabilities, classes: 2, scores: []float32{25.5, 74.5, 99, 1}, says: "probabilities times 100"},
		{name: "class numbers called probabilities", activation: models.Probabilities, classes: 2, scores: []float32{7, 3, 12, 4}, says: "numbers of classes"},
		{name: "softmax over the batch", activation: models.Probabilities, classes: 2,
			scores: []float32{0.25, 0.75, 0.75, 0.25, 0, 0}, says: "softmax is over the batch"},
		{name: "raw score called independent", activation: models.Independent, classes: 1, scores: []float32{-3.5}, says: "this looks like a raw score"},
		{name: "probabilities called logits", activation: models.Logits, classes: 2, scores: []float32{0.25, 0.75, 1, 0}, says: "a softmax would flatten"},
		{name: "probabilities called raw scores", activation: models.Sigmoid, classes: 2, scores: []float32{0.25, 0.75, 1, 0}, says: "a sigmoid would flatten"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Scores(&models.Contract{Output: c.activation, Classes: c.classes}, c.scores)
			switch {
			case c.says == "" && err != nil:
				t.Errorf("Scores(%s, %v) = %v, want no error", c.activation, c.scores, err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("Scores(%s, %v) = %v, want an error about %q", c.activation, c.scores, err, c.says)
			}
		})
	}
}
