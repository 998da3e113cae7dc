package evaluate

import (
	"cmp"
	"math"
	"slices"
)

// Scored is one class of an answer.
type Scored struct {
	Label string
	Score float32
}

// Truth collects how well answers agree with what is known to be right. Its zero value is ready.
type Truth struct {
	// Wanted are the precisions for which Result finds thresholds; nil is 0.9, 0.95, 0.99 and
	// 0.999.
	Wanted []float64

	noTruth, noAnswer, judged, correct int

	ranks    [10]int // judged images by the place of the first right class in the list
	shortest int     // length of the shortest list, if any image is judged

	labels names
	// classes has an entry for each label. beyond is that of all others.
	classes  []class
	beyond   class
	inBeyond int // judged images with a label beyond

	confusion   pairs
	calibration calibration
}

// class is what is known of one label.
type class struct {
	truth, predicted, correct, noAnswer int
	scored, scoredRight                 int // of those predicted, with a score
	scores                              judged
}

// ks are the lengths of lists of which there is a figure.
var ks = []int{1, 2, 3, 5, 10}

// class returns that of a label, and its number.
func (t *Truth) class(label string) (*class, int32) {
	i := t.labels.number(label)
	if i == folded {
		return &t.beyond, i
	}
	if int(i) == len(t.classes) {
		t.classes = append(t.classes, class{})
	}
	return &t.classes[i], i
}

// Add adds one row. Of labels, any one is right; none means that the truth is not known. ranked
// are the classes of the answer, the best one first; none means that the image failed.
//
// If none of several labels is the answer, the first one counts as the truth in classes and in
// the confusion. Strings are copied where they are kept.
func (t *Truth) Add(labels []string, ranked []Scored) {
	if len(labels) == 0 {
		t.noTruth++
		return
	}
	if len(ranked) == 0 {
		t.noAnswer++
		c, _ := t.class(labels[0])
		c.noAnswer++
		return
	}
	if t.judged == 0 || len(ranked) < t.shortest {
		t.shortest = len(ranked)
	}
	t.judged++
	best := ranked[0]
	if at := slices.IndexFunc(ranked, func(s Scored) bool { return slices.Contains(labels, s.Label) }); at >= 0 && at < len(t.ranks) {
		t.ranks[at]++
	}
	is, right := labels[0], slices.Contains(labels, best.Label)
	if right {
		is = best.Label
		t.correct++
	}
	t.place(is, best, right)
}

// place adds a judged image to its classes.
func (t *Truth) place(is string, best Scored, right bool) {
	// A pointer to a class ends with the next class.
	of, i := t.class(is)
	of.truth++
	if right {
		of.correct++
	}
	said, j := t.class(best.Label)
	said.predicted++
	if i == folded || j == folded {
		t.inBeyond++
	} else {
		t.confusion.add(i, j)
	}
	if !finite(best.Score) {
		t.calibration.noScore++
		return
	}
	said.scored++
	if right {
		said.scoredRight++
	}
	said.scores.add(best.Score, right)
	t.calibration.add(best.Score, right)
}

// Result returns the figures of the rows so far.
func (t *Truth) Result() *Result {
	withTruth := t.judged + t.noAnswer
	r := &Result{
		Images: withTruth + t.noTruth, NoTruth: t.noTruth, NoAnswer: t.noAnswer, Judged: t.judged,
		Accuracy: Wilson(t.correct, t.judged), Coverage: Wilson(t.judged, withTruth), AccuracyOfAll: Wilson(t.correct, withTruth),
		TopK: []TopAccuracy{}, Classes: []ClassResult{},
		Folded: Folded{Labels: t.inBeyond + t.beyond.noAnswer, Pairs: t.confusion.beyond},
	}
	hits, from := 0, 0
	for _, k := range ks {
		if t.judged == 0 || k > t.shortest {
			break
		}
		for ; from < k; from++ {
			hits += t.ranks[from]
		}
		r.TopK = append(r.TopK, TopAccuracy{K: k, Accuracy: Wilson(hits, t.judged)})
	}
	wanted := t.Wanted
	if wanted == nil {
		wanted = defaultWanted
	}
	var right, wrong int
	r.Calibration, right, wrong = t.calibration.result()
	everything := []*judged{&t.beyond.scores}
	for i := range t.classes {
		c := &t.classes[i]
		everything = append(everything, &c.scores)
		r.Classes = append(r.Classes, c.result(t.labels.all[i], wanted))
	}
	r.Thresholds = thresholds(wanted, 1, t.judged, right, wrong, everything...)
	slices.SortFunc(r.Classes, func(a, b ClassResult) int {
		return cmp.Or(cmp.Compare(b.Truth, a.Truth), cmp.Compare(b.Predicted, a.Predicted), cmp.Compare(a.Label, b.Label))
	})
	r.Macro, r.Weighted, r.Micro = averages(r.Classes)
	r.Confusion = Confusion{Cells: cells(t.labels.all, &t.confusion), Matrix: matrix(t.labels.all, &t.confusion)}
	return r
}

func (c *class) result(label string, wanted []float64) ClassResult {
	f1 := None
	if c.truth+c.predicted > 0 {
		f1 = Value(2 * float64(c.correct) / float64(c.truth+c.predicted))
	}
	return ClassResult{
		Label: label, Truth: c.truth, Predicted: c.predicted, Correct: c.correct, NoAnswer: c.noAnswer,
		Precision: Wilson(c.correct, c.predicted), Recall: Wilson(c.correct, c.truth), F1: f1,
		Thresholds: thresholds(wanted, LeastAbove, c.predicted, c.scoredRight, c.scored-c.scoredRight, &c.scores),
	}
}

// averages returns those over the classes of judged images.
func averages(classes []ClassResult) (macro, weighted, micro Averages) {
	macro, weighted, micro = Averages{None, None, None}, Averages{None, None, None}, Averages{None, None, None}
	var sum, weighed [3]float64
	n, truth, predicted, correct := 0, 0, 0, 0
	for _, c := range classes {
		if c.Truth+c.Predicted == 0 {
			continue // all of its images failed
		}
		n++
		truth += c.Truth
		predicted += c.Predicted
		correct += c.Correct
		for i, v := range []Value{c.Precision.Value, c.Recall.Value, c.F1} {
			if math.IsNaN(float64(v)) {
				continue
			}
			sum[i] += float64(v)
			weighed[i] += float64(v) * float64(c.Truth)
		}
	}
	mean := func(sum [3]float64, n int) Averages {
		v := func(i int) Value { return Value(sum[i] / float64(n)) }
		return Averages{Precision: v(0), Recall: v(1), F1: v(2)}
	}
	if n > 0 {
		macro = mean(sum, n)
		micro = Averages{
			Precision: ratio(correct, predicted), Recall: ratio(correct, truth), F1: Value(2 * float64(correct) / float64(truth+predicted)),
		}
	}
	if truth > 0 {
		weighted = mean(weighed, truth)
	}
	return macro, weighted, micro
}
