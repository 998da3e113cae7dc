package ort

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	onnx "github.com/yalue/onnxruntime_go"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/ort/rowcheck"
)

// limited opens an engine whose memory on the CPU is an arena of that many bytes, as a
// GPU's is.
func limited(t *testing.T, limit, lanes int) *Engine {
	t.Helper()
	e := open(t, tiny(t, graphtest.Options{Size: 64, Work: 2}), Options{Lanes: lanes})
	info, err := onnx.GetMemoryInfo()
	if err != nil {
		t.Fatal(err)
	}
	const asRequested = 1
	arena, err := onnx.NewArenaCfg(limit, asRequested, 1<<20, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer arena.Destroy()
	if err := onnx.CreateAndRegisterAllocator(info, arena); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := onnx.UnregisterAllocator(info); err != nil {
			t.Error(err)
		}
	})
	if err := e.session.Destroy(); err != nil {
		t.Fatal(err)
	}
	s := settingsFor(CPU, 0, Options{})
	s.config["session.use_env_allocators"] = "1"
	if err := e.createSession(s, nil); err != nil {
		t.Fatal(err)
	}
	return e
}

// Row 32 of the faults without a GPU: ONNX Runtime reaches a real limit on the CPU, the
// error says so, and half of the batch still fits.
func TestOutOfMemory(t *testing.T) {
	const n, limit = 128, 8 << 20
	e := limited(t, limit, 1)
	b := newBatch(t, e, n)
	for i := range n {
		fill(b, &e.model.Contract, i, i)
	}
	size := n
	err := e.Score(t.Context(), b, 0, size)
	if !errors.Is(err, models.ErrOutOfMemory) {
		t.Fatalf("%d images within %d bytes: %v", size, limit, err)
	}
	for ; errors.Is(err, models.ErrOutOfMemory) && size > 1; err = e.Score(t.Context(), b, 0, size) {
		size /= 2
	}
	if err != nil {
		t.Fatalf("%d images: %v", size, err)
	}
	t.Logf("%d of %d images fit", size, n)
	for i, row := range rows(b, e.model.Contract.Classes)[:size] {
		if err := rowcheck.Scores(&e.model.Contract, row); err != nil {
			t.Errorf("image %d: %v", i, err)
		}
	}
}

// What fits into empty memory fits after any other batch sizes, whose memory ONNX Runtime
// keeps, and while other lanes need as much.
func TestMemoryIsGivenBack(t *testing.T) {
	const most, limit = 64, 8 << 20
	fits := 0
	t.Run("empty", func(t *testing.T) {
		e := limited(t, limit, 1)
		b := newBatch(t, e, most)
		for size := most; size > 0 && fits == 0; size-- {
			if e.Score(t.Context(), b, 0, size) == nil {
				fits = size
			}
		}
		if fits < 4 || fits == most {
			t.Fatalf("%d images fit, which does not suit the test", fits)
		}
		t.Logf("%d images fit", fits)
	})
	t.Run("after others", func(t *testing.T) {
		e := limited(t, limit, 1)
		b := newBatch(t, e, most)
		for size := 1; size <= fits; size++ {
			if err := e.Score(t.Context(), b, 0, size); err != nil {
				t.Errorf("%d images after fewer: %v", size, err)
			}
		}
	})
	t.Run("with others", func(t *testing.T) {
		e := limited(t, limit, 3)
		var g errgroup.Group
		for i := range e.Lanes() {
			b := newBatch(t, e, most)
			g.Go(func() error {
				for range 20 {
					if err := e.Score(t.Context(), b, 0, fits-i%2); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatalf("%d images in %d lanes: %v", fits, e.Lanes(), err)
		}
	})
}

// Batches come from an allocator of ONNX Runtime, as in a GPU's engine, here from that of
// the CPU.
func TestMemoryOfASession(t *testing.T) {
	m := tiny(t, graphtest.Options{Batch: 2})
	want := scoresOf(t, open(t, m, Options{}), 1, 2, 3)
	e := open(t, m, Options{})
	// The probe's batch was mapped and must not be returned to the allocator.
	for _, b := range e.batches {
		if err := b.free(); err != nil {
			t.Fatal(err)
		}
	}
	e.batches = nil
	e.memory.lock(e, "Cpu", 0, zerolog.Nop())
	if e.memory.locked.native == nil {
		t.Fatal("the session has no allocator for CPU memory")
	}
	for i, got := range scoresOf(t, e, 1, 2, 3) {
		if !equalBits(got, want[i]) {
			t.Errorf("image %d: %v, in mapped memory %v", i, got, want[i])
		}
	}
}

// A GPU's engine without page-locked memory logs that and uses ordinary memory.
func TestNoPageLockedMemory(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{}), Options{})
	var log bytes.Buffer
	e.memory.lock(e, pageLocked, 0, zerolog.New(&log))
	if e.memory.locked.native != nil || !strings.Contains(log.String(), "page-locked") {
		t.Errorf("allocator %v, log %q", e.memory.locked.native, &log)
	}
	scoresOf(t, e, 1)
}
