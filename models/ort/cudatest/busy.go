package cudatest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Busy is how much of a run a device computes, in simulated time, from the first kernel of
// the run's first batch to the end of its last batch. What is before that is not part of
// it: loading the model, its checks, and the listing.
type Busy struct {
	Images, Batches int
	// Seconds from the first kernel to the end.
	Seconds float64
	// Busy is the part of Seconds in which the device computes.
	Busy float64
	// Processor is the processor time that the program takes in that time, in seconds.
	Processor float64
	// Gaps are the times between batches in which the device waits, in microseconds, if
	// the first kernel of a batch takes all of its time.
	Gaps []int64
}

// Busy returns how busy the one device of a log was while n images were scored, which the
// batches at the end of the log are.
func (l Log) Busy(n int) (Busy, error) {
	batches := l.Of("batch")
	first, images := len(batches), 0
	for first > 0 && images < n {
		first--
		images += batches[first].Images
	}
	if images < n || first == 0 {
		return Busy{}, fmt.Errorf("%d batches with %d images in the log, want %d images and a batch before them", len(batches), images, n)
	}
	before, last := batches[first-1], batches[len(batches)-1]
	from, to := int64(math.MaxInt64), int64(0)
	for _, e := range batches[first:] {
		from, to = min(from, e.FromMicros), max(to, e.ToMicros)
	}
	seconds := float64(to-from) / 1e6
	b := Busy{Images: images, Batches: len(batches) - first, Seconds: seconds,
		Busy:      float64(last.BusyMicros-before.BusyMicros) / 1e6 / seconds,
		Processor: float64(last.ProcessorMicros-before.ProcessorMicros) / 1e6}
	each := (last.BusyMicros - before.BusyMicros) / int64(b.Batches)
	inOrder := slices.SortedFunc(slices.Values(batches[first:]), func(a, b Event) int { return cmp.Compare(a.FromMicros, b.FromMicros) })
	for i := range inOrder[1:] {
		if gap := inOrder[i+1].FromMicros - inOrder[i].FromMicros - each; gap > 0 {
			b.Gaps = append(b.Gaps, gap)
		}
	}
	return b, nil
}
