package row

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Classification is the answer of Classify: the best class of an image, and the
// best ones.
type Classification struct {
	Label   string
	ClassID int             // -1 for an image that failed
	Score   float32         // of Label, from 0 to 1
	TopK    []Class         // highest score first
	Tile    preprocess.Tile // that decided, where Settings.TileBox
}

// second returns the second-best class. It is false for an image that failed, and where
// only the best class was kept.
func (a *Classification) second() (Class, bool) {
	if len(a.TopK) < 2 {
		return Class{}, false
	}
	return a.TopK[1], true
}

// Margin returns how far the best class is ahead of the second-best: from 0, where the
// model could not tell them apart, to 1. It is false where there is no second-best.
func (a *Classification) Margin() (float32, bool) {
	c, ok := a.second()
	return a.Score - c.Score, ok
}

// Classify gives an image the class that the model scores highest.
var Classify Task = &task[Classification]{
	name: models.Classify,
	columns: []column[Classification]{
		wordColumn("label", func(a *Classification) *string { return &a.Label }),
		integerColumn("class_id", func(a *Classification) *int { return &a.ClassID }),
		floatColumn("score", func(a *Classification) *float32 { return &a.Score }),
		impliedWordColumn("label_2", func(a *Classification) (string, bool) { c, ok := a.second(); return c.Label, ok }),
		impliedFloatColumn("score_2", func(a *Classification) (float32, bool) { c, ok := a.second(); return c.Score, ok }),
		impliedFloatColumn("margin", (*Classification).Margin),
		classesColumn("topk", func(a *Classification) *[]Class { return &a.TopK }),
	},
	derived: []derived[Classification]{
		{name: Certainty, kind: Number, of: certainty},
	},
	none: Classification{ClassID: -1},
	bind: func(t *task[Classification], s models.Settings, _ int) {
		if s.TileBox {
			t.columns = append(slices.Clone(t.columns), tileColumns(func(a *Classification) *preprocess.Tile { return &a.Tile })...)
		}
	},
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
		if activation == "" || activation == models.Probabilities || models.IsScore(a.Score) {
			return nil
		}
		return fmt.Errorf("the score %v is not from 0 to 1, as those of %s are", a.Score, activation)
	},
	counted:  func(a *Classification, count func(string)) { count(a.Label) },
	describe: func(a *Classification) string { return fmt.Sprintf("class %d", a.ClassID) },
	headings: []string{"LABEL", "SCORE"},
	cells: func(a *Classification) []string {
		return []string{a.Label, strconv.FormatFloat(float64(a.Score), 'f', 4, 64)}
	},
	caption: func(a *Classification) string { return a.Label },
}

// certainty returns how sure the answer is. Where an image has one class, that is by
// how much the best score leads, or the score itself if the answer lists one class
// only. Where each class is decided independently, at a score of 0.5, it is that of
// the class that is closest to the decision: the distance from 0.5, doubled so that
// it is 1 at a score of 0 or 1. For a model of two classes both are the same. It is
// unknown if the answer lists only classes above 0.5: one that it does not list may be
// closer. Below 0.5 there is none, because the classes are listed in order.
func certainty(a *Classification, activation models.Activation) Value {
	if activation != models.Sigmoid && activation != models.Independent {
		if margin, ok := a.Margin(); ok {
			return Value{Number: float64(margin)}
		}
		return Value{Number: float64(a.Score)}
	}
	if last := a.TopK[max(len(a.TopK)-1, 0):]; len(last) == 0 || last[0].Score > 0.5 {
		return Value{Unknown: true}
	}
	closest := max(2*a.Score-1, 1-2*a.Score)
	for _, c := range a.TopK {
		closest = min(closest, max(2*c.Score-1, 1-2*c.Score))
	}
	return Value{Number: float64(closest)}
}

// classify turns scores into those that rows have, and takes the best.
func classify(a *Classification, b *binding, scores []float32, at preprocess.Placement) error {
	var pair [2]float32
	scores, err := activated(b, scores, &pair)
	if err != nil {
		return err
	}
	best(a.TopK, scores, b.labels)
	top := &a.TopK[0]
	a.ClassID, a.Label, a.Score, a.Tile = top.ClassID, top.Label, top.Score, at.Tile
	return nil
}

// activated returns the scores of all classes, in the memory of those that the model gave,
// or in pair if it gave one for two classes.
func activated(b *binding, scores []float32, pair *[2]float32) ([]float32, error) {
	tiled := b.contract.Preprocess.Tile != 0 // and the scores made of those of tiles
	switch output := b.contract.Output; {
	case output == models.Logits && !tiled:
		softmax(scores)
	case output == models.Sigmoid && !tiled:
		sigmoid(scores)
	case output == models.Independent:
		for _, s := range scores {
			if !models.IsScore(s) {
				return nil, fmt.Errorf("holds a score outside of 0 to 1, and the contract says %s; "+
					"if its scores are raw, run with --activation %s", models.Independent, models.Sigmoid)
			}
		}
	}
	if b.contract.Binary() {
		*pair = [2]float32{1 - scores[0], scores[0]}
		return pair[:], nil
	}
	return scores, nil
}

// tileColumns returns the columns of the tile that an answer is of, in pixels of the upright
// image.
func tileColumns[A any](of func(a *A) *preprocess.Tile) []column[A] {
	return []column[A]{
		integerColumn("tile_x", func(a *A) *int { return &of(a).X }),
		integerColumn("tile_y", func(a *A) *int { return &of(a).Y }),
		integerColumn("tile_width", func(a *A) *int { return &of(a).Width }),
		integerColumn("tile_height", func(a *A) *int { return &of(a).Height }),
	}
}
