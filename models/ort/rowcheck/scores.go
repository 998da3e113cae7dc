package rowcheck

import (
	"fmt"
	"math"

	"github.com/batchscore/batchscore/models"
)

// rowTolerance is how far the sum of a row of probabilities may be from 1: an
// 8-bit softmax rounds every score to a multiple of 1/256 or so.
const rowTolerance = 0.05

// Scores compares rows of scores, [images][Numbers], with what the contract says
// about them.
func Scores(c *models.Contract, scores []float32) error {
	width, at := c.Numbers(), 0
	for i := range c.HeadCount() {
		h, n := c.Head(i), c.HeadNumbers(i)
		own := scores
		if n < width {
			own = nil
			for rest := scores; len(rest) >= width; rest = rest[width:] {
				own = append(own, rest[at:at+n]...)
			}
		}
		if err := headScores(h, n, own); err != nil && h.HeadName != "" {
			return fmt.Errorf("head %s: %w", h.HeadName, err)
		} else if err != nil {
			return err
		}
		at += n
	}
	return nil
}

// headScores is Scores for one head with n numbers for each image.
func headScores(c *models.Contract, n int, scores []float32) error {
	if c.Output == "" || len(c.Outputs) > 0 || !c.Classifies() && c.Task != models.MultiLabel {
		return finite(n, scores)
	}
	r := summarize(c.Classes, scores)
	switch {
	case r.broken >= 0:
		return fmt.Errorf("the score of class %d is %v; the weights are damaged or the input is scaled wrongly", r.broken, r.value)
	case c.Output == models.Probabilities && !r.probabilities(rowTolerance):
		return fmt.Errorf("a row sums to %.4g, but the contract says %s: %s", r.worst, c.Output, r.advice())
	case c.Output == models.Independent && !r.unit():
		return fmt.Errorf("a score is %.4g, but the contract says %s, from 0 to 1: %s", r.furthest(), c.Output, r.advice())
	case applied[c.Output] != "" && c.Classes > 1 && r.probabilities(exact) && r.spread > 1e-6:
		return fmt.Errorf("every row sums to 1, but the contract says %s: these look like probabilities, which a %s would flatten;"+
			" say --activation %s", c.Output, applied[c.Output], models.Probabilities)
	}
	return nil
}

// finite returns an error if one of the numbers is none.
func finite(width int, numbers []float32) error {
	for i, v := range numbers {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("number %d of its output is %v; the weights are damaged or the input is scaled wrongly", i%width, v)
		}
	}
	return nil
}

// applied names the function that is applied to scores of an activation.
var applied = map[models.Activation]string{models.Logits: "softmax", models.Sigmoid: "sigmoid"}

// exact is how close to 1 the sums of float32 probabilities are.
const exact = 1e-4

// summary is what rows of scores have in common.
type summary struct {
	classes, n int
	broken     int     // a class whose score is not a number; -1 if there is none
	value      float32 // that score
	least      float64 // of all scores
	most       float64
	sums       [2]float64 // the smallest and the largest sum of a row
	logSums    [2]float64 // the same for e to the power of the scores
	worst      float64    // the sum that is furthest from 1
	spread     float64    // the largest distance between two scores of a row
	whole      bool       // every score is a whole number
	columns    bool       // every class sums to 1 over the rows
}

func summarize(classes int, scores []float32) summary {
	inf := math.Inf(1)
	r := summary{classes: classes, n: len(scores) / classes, broken: -1, least: inf, most: -inf, whole: true,
		sums: [2]float64{inf, -inf}, logSums: [2]float64{inf, -inf}, worst: 1}
	columns := make([]float64, classes)
	for i := 0; i+classes <= len(scores); i += classes {
		var sum, logs float64
		least, most := inf, -inf
		for class, score := range scores[i : i+classes] {
			v := float64(score)
			if math.IsNaN(v) || math.IsInf(v, 0) {
				r.broken, r.value = class, score
				return r
			}
			sum += v
			logs += math.Exp(v)
			least, most = min(least, v), max(most, v)
			columns[class] += v
			r.whole = r.whole && v == math.Trunc(v)
		}
		r.least, r.most, r.spread = min(r.least, least), max(r.most, most), max(r.spread, most-least)
		r.sums = [2]float64{min(r.sums[0], sum), max(r.sums[1], sum)}
		r.logSums = [2]float64{min(r.logSums[0], logs), max(r.logSums[1], logs)}
		if math.Abs(sum-1) >= math.Abs(r.worst-1) {
			r.worst = sum
		}
	}
	r.columns = r.n > 1
	for _, sum := range columns {
		r.columns = r.columns && math.Abs(sum-1) <= exact
	}
	return r
}

// unit reports whether all scores are from 0 to 1, except for rounding.
func (r summary) unit() bool { return r.least >= -rowTolerance && r.most <= 1+rowTolerance }

func (r summary) probabilities(tolerance float64) bool {
	return r.unit() && r.sums[0] >= 1-tolerance && r.sums[1] <= 1+tolerance
}

// furthest returns the score that is furthest from the range 0 to 1.
func (r summary) furthest() float64 {
	if -r.least > r.most-1 {
		return r.least
	}
	return r.most
}

// advice says what rows look like that contradict the contract, and what to do.
func (r summary) advice() string {
	const say = "say --activation "
	switch {
	case r.columns:
		return "each class sums to 1 over the images: the softmax is over the batch instead of the classes." +
			" No --activation corrects that; export the model with the softmax over axis 1"
	case r.classes > 1 && r.probabilities(rowTolerance):
		return "these look like probabilities; " + say + string(models.Probabilities)
	case r.whole && r.most > 1:
		return "these look like numbers of classes, or counts, and not like scores." +
			" No --activation fits; export the model without its last operator"
	case r.unit():
		return fmt.Sprintf("these look like independent scores, as a sigmoid gives them, and a softmax would spoil them; %s%s", say, models.Independent)
	case r.least >= 0 && r.sums[1]-r.sums[0] <= rowTolerance*r.sums[1]:
		return fmt.Sprintf("these look like probabilities times %.4g. No --activation corrects that; divide them in the graph", r.sums[1])
	case r.most <= exact && r.logSums[0] >= 1-rowTolerance && r.logSums[1] <= 1+rowTolerance:
		return "these look like logarithms of probabilities; " + say + string(models.Logits)
	case r.classes == 1:
		return fmt.Sprintf("this looks like a raw score; %s%s, which applies a sigmoid", say, models.Sigmoid)
	}
	return fmt.Sprintf("these look like logits, or like no scores at all; %s%s, which applies a softmax, for one class per image,"+
		" or --activation %s for classes that are independent", say, models.Logits, models.Sigmoid)
}
