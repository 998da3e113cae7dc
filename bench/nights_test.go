package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/scale"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
)

// nights plays nights of a collection, each of which continues the last.
type nights struct {
	*album
	*outputs
	n    int
	last output.Success
}

func newNights(t testing.TB, o *outputs, images int) *nights {
	return &nights{album: newAlbum(t, images, o), outputs: o}
}

// play plays the next night and returns what it cost.
func (n *nights) play(t testing.TB) cost {
	t.Helper()
	n.n++
	return n.spend(func() {
		contract := pixelContract()
		s, err := scorer.Run(t.Context(), measure.Worker(scorer.Options{
			Images: n.album, Out: n.at(n.name()), Contract: contract, Job: output.Job{TopK: contract.Classes},
			OpenEngine: func() (scorer.Engine, error) { return timeless{contract}, nil },
			After:      &scorer.After{Place: outputsPlace},
		}))
		if err != nil || s.Failed > 0 {
			t.Fatalf("night %d: %d failed, %v", n.n, s.Failed, err)
		}
		n.last = s
	})
}

func (n *nights) name() string { return fmt.Sprintf("night-%04d", n.n) }

func pixelContract() models.Contract {
	contract := scale.Contract()
	contract.Preprocess.Width, contract.Preprocess.Height = 1, 1
	contract.Labels = []string{"a", "b", "c", "d", "e"}
	contract.Classes = len(contract.Labels)
	return contract
}

// sources returns the number of outputs that rows of the collection are in.
func (n *nights) sources() int {
	if n.last.Increment == nil {
		return 1
	}
	return n.last.Increment.Outputs
}

// reading returns what verifying and merging the last output cost.
func (n *nights) reading(t testing.TB) (verify, merge cost) {
	t.Helper()
	st := n.at(n.name())
	verify = n.spend(func() {
		report, err := output.Verify(t.Context(), st)
		if err != nil || !report.OK() || !report.Complete {
			t.Fatal(report.String(), err)
		}
	})
	merge = n.spend(func() {
		if err := output.Merge(t.Context(), st, io.Discard, output.MergeOptions{}); err != nil {
			t.Fatal(err)
		}
	})
	return verify, merge
}

func (c cost) String() string {
	return fmt.Sprintf("%.3f s (%.3f s without listing; of a processor %.3f s and %.3f s), %d calls, %.3f MB read, %.3f MB written, %d images opened",
		c.wall.Seconds(), (c.wall - c.listed).Seconds(), c.cpu.Seconds(), (c.cpu - c.listedCPU).Seconds(), c.calls,
		float64(c.read)/1e6, float64(c.written)/1e6, c.images)
}

// heapPeak samples the heap until the function that it returns is called, which returns the peak in
// megabytes.
func heapPeak() func() float64 {
	runtime.GC()
	end, peak := make(chan bool), make(chan float64)
	go func() {
		most := uint64(0)
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			metrics.Read(s)
			most = max(most, s[0].Value.Uint64())
			select {
			case <-end:
				peak <- float64(most) / 1e6
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() float64 {
		close(end)
		return <-peak
	}
}

// asked reports whether make nightly-check runs.
func asked() bool { return os.Getenv("BATCHSCORE_NIGHTLY_CHECK") != "" }

// TestNightlyMillion compares a night in which 1% of a million images have changed with the job that
// scored all.
func TestNightlyMillion(t *testing.T) {
	if !asked() {
		return
	}
	n := newNights(t, inMemory(), million)
	peak := heapPeak()
	full := n.play(t)
	t.Logf("full: %v, heap %.0f MB", full, peak())
	var least float64
	for range 3 {
		n.change(million/100, million/1000)
		n.add(million / 1000)
		peak = heapPeak()
		night := n.play(t)
		ratio := float64(night.wall-night.listed) / float64(full.wall-full.listed)
		t.Logf("night %d: %v, heap %.0f MB, %d outputs: %.4f of the full job without listing, %.4f of a processor, %.4f in all",
			n.n, night, peak(), n.sources(), ratio, float64(night.cpu-night.listedCPU)/float64(full.cpu-full.listedCPU), float64(night.wall)/float64(full.wall))
		if least == 0 || ratio < least {
			least = ratio
		}
		if i := n.last.Increment; i == nil || i.Changed+i.New > million/80 || i.Images != million {
			t.Errorf("the increment is %+v", i)
		}
	}
	if least > 0.03 {
		t.Errorf("without listing, a night takes %.4f of the full job, want 0.03 at most", least)
	}
}

// TestNightlyYear plays 365 nights of 10,000 images, of which 1% change.
func TestNightlyYear(t *testing.T) {
	if !asked() {
		return
	}
	const images = 10_000
	n := newNights(t, inMemory(), images)
	var all []cost
	sources := 0
	t.Logf("night 1: %v", n.play(t))
	all = append(all, cost{})
	for n.n < 365 {
		n.change(images/100, images/1000)
		n.add(images / 1000)
		c := n.play(t)
		all = append(all, c)
		sources = max(sources, n.sources())
		if n.n == 2 || n.n == 365 {
			verify, merge := n.reading(t)
			t.Logf("night %d verify: %v", n.n, verify)
			t.Logf("night %d merge: %v", n.n, merge)
		}
	}
	early, late := all[1:21], all[344:365]
	t.Logf("at most %d outputs", sources)
	report(t, "nights 2 to 21", early)
	report(t, "nights 345 to 365", late)
}

// report logs the medians and the largest of nights.
func report(t *testing.T, what string, all []cost) {
	t.Helper()
	for _, f := range []struct {
		name string
		of   func(c cost) float64
	}{
		{"s", func(c cost) float64 { return c.wall.Seconds() }},
		{"s without listing", func(c cost) float64 { return (c.wall - c.listed).Seconds() }},
		{"s of a processor", func(c cost) float64 { return c.cpu.Seconds() }},
		{"calls", func(c cost) float64 { return float64(c.calls) }},
		{"MB read", func(c cost) float64 { return float64(c.read) / 1e6 }},
		{"MB written", func(c cost) float64 { return float64(c.written) / 1e6 }},
	} {
		var values []float64
		for _, c := range all {
			values = append(values, f.of(c))
		}
		slices.Sort(values)
		t.Logf("%s: median %.4f, at most %.4f %s", what, values[len(values)/2], values[len(values)-1], f.name)
	}
}

// TestNightlyGrowth plays 60 nights of a collection to which 10,000 images are added every night.
func TestNightlyGrowth(t *testing.T) {
	if !asked() {
		return
	}
	n := newNights(t, inMemory(), 10_000)
	for n.n < 60 {
		c := n.play(t)
		t.Logf("night %d, %d images in %d outputs: %v", n.n, n.last.CollectionSize(), n.sources(), c)
		n.add(10_000)
	}
}
