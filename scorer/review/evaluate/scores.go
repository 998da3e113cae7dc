package evaluate

import (
	"container/heap"
	"iter"
	"slices"
)

// block is how many scores are allocated together.
const block = 2048

// scores keeps scores exactly, at 4 bytes each, in blocks so that growing copies none of them.
type scores struct{ blocks [][]float32 }

func (s *scores) add(v float32) {
	last := len(s.blocks) - 1
	if last < 0 || len(s.blocks[last]) == block {
		s.blocks = append(s.blocks, nil)
		last++
	}
	b := s.blocks[last]
	if len(b) == cap(b) {
		b = append(make([]float32, 0, min(max(8, 2*cap(b)), block)), b...)
	}
	s.blocks[last] = append(b, v)
}

// judged keeps the scores of right and of wrong answers.
type judged struct{ right, wrong scores }

func (j *judged) add(score float32, right bool) {
	if right {
		j.right.add(score)
	} else {
		j.wrong.add(score)
	}
}

// run is how many answers have one score.
type run struct {
	score        float32
	right, wrong int
}

// cursor is what is left of a sorted block.
type cursor struct {
	left  []float32
	right bool
}

// cursors is a heap with the lowest score on top.
type cursors []cursor

func (c cursors) Len() int           { return len(c) }
func (c cursors) Less(i, j int) bool { return c[i].left[0] < c[j].left[0] }
func (c cursors) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)        { *c = append(*c, x.(cursor)) }
func (c *cursors) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// runs returns the scores of all, each once, from the lowest to the highest. It sorts each block
// in place and merges them, so that the memory does not grow.
func runs(all ...*judged) iter.Seq[run] {
	return func(yield func(run) bool) {
		var h cursors
		for _, j := range all {
			for _, b := range j.right.blocks {
				slices.Sort(b)
				h = append(h, cursor{b, true})
			}
			for _, b := range j.wrong.blocks {
				slices.Sort(b)
				h = append(h, cursor{b, false})
			}
		}
		heap.Init(&h)
		for len(h) > 0 {
			r := run{score: h[0].left[0]}
			for len(h) > 0 && h[0].left[0] == r.score {
				top := &h[0]
				n := 1
				for n < len(top.left) && top.left[n] == r.score {
					n++
				}
				if top.right {
					r.right += n
				} else {
					r.wrong += n
				}
				if top.left = top.left[n:]; len(top.left) > 0 {
					heap.Fix(&h, 0)
				} else {
					heap.Pop(&h)
				}
			}
			if !yield(r) {
				return
			}
		}
	}
}
