package evaluate

// defaultWanted are the precisions for which thresholds are found.
var defaultWanted = []float64{0.9, 0.95, 0.99, 0.999}

// LeastAbove is how many answers the threshold of a single class has above it at least: with fewer,
// a precision says nothing.
const LeastAbove = 20

// thresholds returns the lowest score for each wanted precision, with least or more answers above it.
// of is how many images the shares are of, right and wrong are how many of them have a score.
func thresholds(wanted []float64, least, of, right, wrong int, all ...*judged) []Threshold {
	found := make([]Threshold, len(wanted))
	for i, w := range wanted {
		found[i] = Threshold{Wanted: w, Precision: Wilson(0, 0)}
	}
	left := len(found)
	for r := range runs(all...) {
		if right+wrong < least {
			break
		}
		// right and wrong are those with this score or a higher one.
		for i := range found {
			t := &found[i]
			if t.Reached || float64(right)/float64(right+wrong) < t.Wanted {
				continue
			}
			*t = Threshold{
				Wanted: t.Wanted, Reached: true, Score: r.score, Precision: Wilson(right, right+wrong),
				Remain: right + wrong, Share: float64(right+wrong) / float64(of),
			}
			left--
		}
		if left == 0 {
			break
		}
		right -= r.right
		wrong -= r.wrong
	}
	return found
}
