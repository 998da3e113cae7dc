package row

import (
	"fmt"
	"strconv"

	"github.com/batchscore/batchscore/models"
)

// Classification is the answer of Classify: the best class of an image, and the
// best ones.
type Classification struct {
	Label   string
	ClassID int     // -1 for an image that failed
	Score   float32 // of Label, from 0 to 1
	TopK    []Class // highest score first
}

// Classify gives an image the class that the model scores highest.
var Classify Task = &task[Classification]{
	name: models.Classify,
	columns: []column[Classification]{
		wordColumn("label", func(a *Classification) *string { return &a.Label }),
		integerColumn("class_id", func(a *Classification) *int { return &a.ClassID }),
		floatColumn("score", func(a *Classification) *float32 { return &a.Score }),
		classesColumn("topk", func(a *Classification) *[]Class { return &a.TopK }),
	},
	none:    Classification{ClassID: -1},
	labelOf: func(a *Classification) *string { return &a.Label },
	reserve: func(answers []Classification, b *binding) {
		all := make([]Class, len(answers)*b.topK)
		for i := range answers {
			answers[i].TopK, all = all[:b.topK:b.topK], all[b.topK:]
		}
	},
	fill:  classify,
	valid: func(a *Classification) bool { return a.ClassID >= 0 },
	inRange: func(a *Classification, activation models.Activation) error {
		// Probabilities are the model's own. All other scores were made to be from
		// 0 to 1, or were checked, when the row was made.
		if activation == "" || activation == models.Probabilities || within(a.Score) {
			return nil
		}
		return fmt.Errorf("the score %v is not from 0 to 1, as those of %s are", a.Score, activation)
	},
	describe: func(a *Classification) string { return fmt.Sprintf("class %d", a.ClassID) },
	headings: []string{"LABEL", "SCORE"},
	cells: func(a *Classification) []string {
		return []string{a.Label, strconv.FormatFloat(float64(a.Score), 'f', 4, 64)}
	},
	caption: func(a *Classification) string { return a.Label },
}

// classify turns scores into those that rows have, in place, and takes the best.
func classify(a *Classification, b *binding, scores []float32) error {
	switch b.contract.Output {
	case models.Logits:
		softmax(scores)
	case models.Sigmoid:
		sigmoid(scores)
	case models.Independent:
		for _, s := range scores {
			if !within(s) {
				return fmt.Errorf("holds a score outside of 0 to 1, and the contract says %s; "+
					"if its scores are raw, run with --activation %s", models.Independent, models.Sigmoid)
			}
		}
	}
	var pair [2]float32
	if b.contract.Binary() {
		pair = [2]float32{1 - scores[0], scores[0]}
		scores = pair[:]
	}
	best(a.TopK, scores, b.labels)
	top := &a.TopK[0]
	a.ClassID, a.Label, a.Score = top.ClassID, top.Label, top.Score
	return nil
}
