package judge

import "math"

// Least is how many images of a job must have their rows, and how many must be left,
// for a judgement while it runs. A few images say little, and a job that is nearly done
// is worth finishing.
const Least = 500

// doubt is how likely it is at most that one sample ever claims more failures than
// there are.
const doubt = 1e-6

// facts are what is known of a job that runs.
type facts struct {
	done, left int            // images that have their rows, and others
	failed     map[string]int // images that are known to have failed, by status
	shares     []share
}

// share is what is known of the rest of one rank's share.
type share struct {
	size int // images per chunk
	left int // chunks of the share that nobody has committed
	Sample
}

// Sample is what became of chunks that were taken at random from the rest of a share.
type Sample struct {
	Chunks int            `json:"chunks"`
	Failed map[string]int `json:"failed"` // images, by status
}

// excess is a group of which more images fail than may.
type excess struct {
	group
	failed   int // so far
	expected int // at the end of the job, at least
}

// judge returns the first group of which more images fail than may, or than will with
// all but certainty; nil if there is none.
func (f *facts) judge(groups []group) *excess {
	if f.done < Least || f.left < Least {
		return nil
	}
	return f.judgeRest(groups)
}

// judgeRest is judge, whether or not it is the time for that.
func (f *facts) judgeRest(groups []group) *excess {
	for _, g := range groups {
		failed, expected := g.count(f.failed), f.expected(&g)
		if expected > g.allowed {
			return &excess{group: g, failed: failed, expected: expected}
		}
	}
	return nil
}

// expected returns how many images of a group will have failed at the end, at least:
// those that have failed, and in the rest of each share as many as there are if its rate
// of failures is the lowest that its sample allows.
func (f *facts) expected(g *group) int {
	n := float64(g.count(f.failed))
	for _, s := range f.shares {
		seen := float64(g.count(s.Failed))
		if s.Chunks == 0 || seen == 0 || s.size < 1 {
			continue
		}
		rate := lowest(seen/float64(s.Chunks*s.size), s.Chunks)
		n += max(0, rate*float64((s.Chunks+s.left)*s.size)-seen)
	}
	return int(n)
}

// lowest returns the lowest mean that values from 0 to 1 may have if k of them, drawn at
// random without replacement, have the given mean. The values are the shares of the
// images of chunks that failed. Nothing is assumed of them: failures may lie together, so
// that whole chunks fail or none. That the true mean is below the result has the
// probability doubt at most, over all k together (Hoeffding 1963, theorem 1, which by
// section 6 holds without replacement, too).
func lowest(mean float64, k int) float64 {
	mean = min(max(mean, 0), 1)
	if k < 1 || mean == 0 {
		return 0
	}
	// Of k+1, k+2 and so on these sum up to doubt.
	evidence := math.Log(float64(k)*float64(k+1)/doubt) / float64(k)
	low, high := 0.0, mean
	for range 60 {
		if middle := (low + high) / 2; divergence(mean, middle) > evidence {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// divergence is that of Kullback and Leibler, of a coin that shows heads with
// probability p from one that does with probability q.
func divergence(p, q float64) float64 {
	term := func(p, q float64) float64 {
		if p == 0 {
			return 0
		}
		if q == 0 {
			return math.Inf(1)
		}
		return p * math.Log(p/q)
	}
	return term(p, q) + term(1-p, 1-q)
}
