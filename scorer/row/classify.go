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
	derived: []derived[Classification]{
		{name: "label_2", kind: Word, of: func(a *Classification, _ models.Activation) Value {
			return second(a, func(c Class) Value { return Value{Text: c.Label} })
		}},
		{name: "score_2", kind: Number, of: func(a *Classification, _ models.Activation) Value {
			return second(a, func(c Class) Value { return Value{Number: float64(c.Score)} })
		}},
		{name: "margin", kind: Number, of: func(a *Classification, _ models.Activation) Value { return lead(a) }},
		{name: Certainty, kind: Number, of: certainty},
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

// second returns what of says of the second best class; unknown if the answer lists
// one class only.
func second(a *Classification, of func(Class) Value) Value {
	if len(a.TopK) < 2 {
		return Value{Unknown: true}
	}
	return of(a.TopK[1])
}

// lead returns the best score less the second best.
func lead(a *Classification) Value {
	return second(a, func(c Class) Value { return Value{Number: float64(a.Score - c.Score)} })
}

// certainty returns how sure the answer is. Where an image has one class, that is by
// how much the best score leads, or the score itself if the answer lists one class
// only. Where each class is decided independently, at a score of 0.5, it is that of
// the class that is closest to the decision: the distance from 0.5, doubled so that
// it is 1 at a score of 0 or 1. For a model of two classes both are the same.
func certainty(a *Classification, activation models.Activation) Value {
	if activation != models.Sigmoid && activation != models.Independent {
		v := lead(a)
		if v.Unknown {
			return Value{Number: float64(a.Score)}
		}
		return v
	}
	closest := max(2*a.Score-1, 1-2*a.Score)
	for _, c := range a.TopK {
		closest = min(closest, max(2*c.Score-1, 1-2*c.Score))
	}
	return Value{Number: float64(closest)}
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
