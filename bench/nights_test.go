package bench

import (
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
	"testing"

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

// asked reports whether make nightly-check runs.
func asked() bool { return os.Getenv("BATCHSCORE_NIGHTLY_CHECK") != "" }

// TestNightsCostWhatChanges plays 20 nights of 10,000 images, of which 1% change, and counts calls
// and bytes. It is the short form of make nightly-check.
func TestNightsCostWhatChanges(t *testing.T) {
	const images, replaced, added, last = 10_000, 100, 10, 20
	n := newNights(t, inMemory(), images)
	full := n.play(t)
	rows := 0
	for n.n < last {
		collection := n.collectionBytes(t)
		n.change(replaced, added)
		n.add(added)
		c := n.play(t)
		i := n.last.Increment
		if i == nil || i.Changed > replaced || i.New != added || i.Images != images || c.images != i.New+i.Changed {
			t.Fatalf("night %d: %+v, %d images opened", n.n, i, c.images)
		}
		if most := 1 + bits.Len(uint(n.n)); i.Outputs > most {
			t.Errorf("night %d: the rows are in %d outputs, want %d at most", n.n, i.Outputs, most)
		}
		// What is copied is read in its source, and all own rows are read at the end.
		own := int64(n.last.Images) * full.parts.written / images
		if c.parts.written > own*3/2 || c.parts.read > 3*own {
			t.Errorf("night %d: %d bytes of parts written and %d read, for %d own rows of some %d bytes",
				n.n, c.parts.written, c.parts.read, n.last.Images, own)
		}
		// The collection of the night before is read once, and the new one is written once.
		if lists := c.read - c.parts.read; lists > collection*21/20+200*int64(n.last.Images) {
			t.Errorf("night %d: %d bytes of lists and records read, and the collection has %d", n.n, lists, collection)
		}
		if most := 100 + 8*n.last.Chunks + 20*i.Outputs; c.calls > most {
			t.Errorf("night %d: %d calls with %d chunks, want %d at most", n.n, c.calls, n.last.Chunks, most)
		}
		rows += n.last.Images
	}
	// Each row is copied a few times at most.
	if most := (replaced + added) * last * bits.Len(last); rows > most {
		t.Errorf("%d rows were written in %d nights, want %d at most", rows, last-1, most)
	}
	n.reading(t)
}

// collectionBytes returns how large the list of all images is.
func (n *nights) collectionBytes(t testing.TB) int64 {
	t.Helper()
	m, err := n.last.Collection(t.Context(), n.at(n.name()))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var text counter
	if err := m.Encode(&text); err != nil {
		t.Fatal(err)
	}
	return int64(text)
}

// TestNightlyMillion compares nights in which 1% of a million images have changed with the job that
// scored all, in memory.
func TestNightlyMillion(t *testing.T) {
	if !asked() {
		return
	}
	n := newNights(t, inMemory(), million)
	full := n.play(t)
	t.Logf("full: %v", full)
	var least float64
	for n.n < 6 {
		n.changePercent(million)
		night := n.play(t)
		ratio := (night.cpu - night.listedCPU).Seconds() / (full.cpu - full.listedCPU).Seconds()
		t.Logf("night %d: %v, %d outputs", n.n, night, n.sources())
		t.Logf("night %d takes of the full job, without listing, %.2f%% of the time of a processor and %.2f%% of the time; with it %.0f%% and %.0f%%",
			n.n, 100*ratio, 100*(night.wall-night.listed).Seconds()/(full.wall-full.listed).Seconds(),
			100*night.cpu.Seconds()/full.cpu.Seconds(), 100*night.wall.Seconds()/full.wall.Seconds())
		if least == 0 || ratio < least {
			least = ratio
		}
	}
	if least > 0.03 {
		t.Errorf("without listing, a night takes %.4f of the full job, want 0.03 at most", least)
	}
}

// changePercent changes 1% of a collection of that many images, and adds and removes 0.1%.
func (n *nights) changePercent(images int) {
	n.change(images/100, images/1000)
	n.add(images / 1000)
}

// TestNightlyMemory reports the peak of the resident memory of a full job of a million images, of two
// nights, and of reading the last, in a folder.
func TestNightlyMemory(t *testing.T) {
	if !asked() {
		return
	}
	n := newNights(t, inFolder(t, t.TempDir()), million)
	for n.n < 3 {
		resetPeak(t)
		began := status(t, "VmRSS")
		c := n.play(t)
		t.Logf("night %d: %v; resident memory %.0f MB before, %.0f MB at its peak", n.n, c, began, status(t, "VmHWM"))
		n.changePercent(million)
	}
	resetPeak(t)
	verify, merge := n.reading(t)
	t.Logf("verify: %v", verify)
	t.Logf("merge: %v; resident memory %.0f MB at its peak", merge, status(t, "VmHWM"))
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
		n.changePercent(images)
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
		{name: "s", of: func(c cost) float64 { return c.wall.Seconds() }},
		{name: "s without listing", of: func(c cost) float64 { return (c.wall - c.listed).Seconds() }},
		{name: "s of a processor", of: func(c cost) float64 { return c.cpu.Seconds() }},
		{name: "calls", of: func(c cost) float64 { return float64(c.calls) }},
		{name: "MB read", of: func(c cost) float64 { return float64(c.read) / 1e6 }},
		{name: "MB written", of: func(c cost) float64 { return float64(c.written) / 1e6 }},
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
