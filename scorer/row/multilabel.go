package row

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Labelling is the answer of MultiLabel: the labels that apply to an image, if any.
type Labelling struct {
	Labels []Class // whose scores reach their thresholds, highest first
	// Best is the class of the highest score, whether or not that reaches its threshold.
	Best      string
	BestID    int // -1 for an image that failed
	BestScore float32
	// Certainty says how far the score of the closest class is from its threshold, as a part
	// of how far it could be: from 0 to 1.
	Certainty float32
	Tile      preprocess.Tile // that decided, where Settings.TileBox
}

// MultiLabel gives an image every label whose score reaches its threshold.
var MultiLabel Task = &task[Labelling]{
	name: models.MultiLabel,
	columns: []column[Labelling]{
		classesColumn("labels", func(a *Labelling) *[]Class { return &a.Labels }),
		impliedWholeColumn("label_count", func(a *Labelling) int { return len(a.Labels) }),
		wordColumn("best", func(a *Labelling) *string { return &a.Best }),
		integerColumn("best_id", func(a *Labelling) *int { return &a.BestID }),
		floatColumn("best_score", func(a *Labelling) *float32 { return &a.BestScore }),
		floatColumn(Certainty, func(a *Labelling) *float32 { return &a.Certainty }),
	},
	none:    Labelling{BestID: -1},
	labelOf: func(a *Labelling) *string { return &a.Best },
	bind: func(t *task[Labelling], s models.Settings, classes int) {
		classes = max(classes, len(s.Thresholds))
		t.most = func(int) (int, int) { return max(classes, 2), classMost } // one score may stand for two classes
		t.inRange = func(a *Labelling, _ models.Activation) error { return checkLabels(a, &s) }
		if s.TileBox {
			t.columns = append(slices.Clone(t.columns), tileColumns(func(a *Labelling) *preprocess.Tile { return &a.Tile })...)
		}
	},
	fill:  labelled,
	valid: func(a *Labelling) bool { return a.BestID >= 0 },
	counted: func(a *Labelling, count func(string)) {
		for _, c := range a.Labels {
			count(c.Label)
		}
	},
	describe: func(a *Labelling) string { return fmt.Sprintf("class %d and %d labels", a.BestID, len(a.Labels)) },
	headings: []string{"LABELS", "SCORE"},
	cells: func(a *Labelling) []string {
		return []string{cmp.Or(labelsOf(a), "-"), strconv.FormatFloat(float64(a.BestScore), 'f', 4, 64)}
	},
	caption: func(a *Labelling) string {
		if len(a.Labels) == 0 {
			return "no label"
		}
		return andMore(a.Labels[0].Label, len(a.Labels)-1)
	},
}

// andMore names the first of several labels, and how many more there are. Rows are counted by
// it, so it does not name all.
func andMore(label string, more int) string {
	if more > 0 {
		label += fmt.Sprintf(" and %d more", more)
	}
	return label
}

func labelsOf(a *Labelling) string {
	var all []string
	for _, c := range a.Labels {
		all = append(all, c.Label)
	}
	return strings.Join(all, ", ")
}

// threshold returns that of a class.
func threshold(s *models.Settings, class int) float32 {
	if class < len(s.Thresholds) {
		return s.Thresholds[class]
	}
	return s.Threshold
}

// checkLabels returns an error if an answer contradicts itself or the thresholds.
func checkLabels(a *Labelling, s *models.Settings) error {
	for i, c := range a.Labels {
		switch {
		case c.Score < threshold(s, c.ClassID):
			return fmt.Errorf("the label %q has the score %v, below its threshold %v", c.Label, c.Score, threshold(s, c.ClassID))
		case !models.IsScore(c.Score):
			return fmt.Errorf("the score %v is not from 0 to 1", c.Score)
		case i > 0 && c.Score > a.Labels[i-1].Score:
			return fmt.Errorf("label %d has a higher score than the one before", i)
		}
	}
	if len(a.Labels) > 0 && a.Labels[0].Score > a.BestScore {
		return fmt.Errorf("the label %q has a higher score than the best class", a.Labels[0].Label)
	}
	return nil
}

// labelled takes the labels that apply.
func labelled(a *Labelling, b *binding, scores []float32, at preprocess.Placement) error {
	var pair [2]float32
	scores, err := activated(b, scores, &pair)
	if err != nil {
		return err
	}
	label := func(class int) string {
		if class < len(b.labels) {
			return b.labels[class]
		}
		return ""
	}
	*a = Labelling{Labels: a.Labels[:0], Certainty: 1, Tile: at.Tile}
	for class, s := range scores {
		t := threshold(&b.contract.Settings, class)
		if s >= t {
			a.Labels = append(a.Labels, Class{ClassID: class, Label: label(class), Score: s})
		}
		if class == 0 || s > a.BestScore {
			a.BestID, a.BestScore = class, s
		}
		a.Certainty = min(a.Certainty, distance(s, t))
	}
	a.Best = label(a.BestID)
	slices.SortStableFunc(a.Labels, func(x, y Class) int { return cmp.Compare(y.Score, x.Score) })
	return nil
}

// distance returns how far a score is from a threshold, as a part of how far a score on its
// side could be.
func distance(score, threshold float32) float32 {
	far, room := score-threshold, 1-threshold
	if far < 0 {
		far, room = -far, threshold
	}
	if far >= room {
		return 1
	}
	return far / room
}
