package ort

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/ort/rowcheck"
)

// Row 32 of the faults without a GPU: ONNX Runtime reaches a real limit on the CPU, the
// error says so, and half of the batch still fits.
func TestOutOfMemory(t *testing.T) {
	const n, limit = 128, 8 << 20
	e := open(t, tiny(t, graphtest.Options{Size: 64, Work: 2}), Options{Lanes: 1})
	info, err := onnx.GetMemoryInfo()
	if err != nil {
		t.Fatal(err)
	}
	arena, err := onnx.NewArenaCfg(limit, 1, 1<<20, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer arena.Destroy()
	if err := onnx.CreateAndRegisterAllocator(info, arena); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := onnx.UnregisterAllocator(info); err != nil {
			t.Error(err)
		}
	}()
	if err := e.session.Destroy(); err != nil {
		t.Fatal(err)
	}
	s := settingsFor(CPU, 0, Options{})
	s.config["session.use_env_allocators"] = "1"
	if err := e.createSession(s, nil); err != nil {
		t.Fatal(err)
	}

	b := newBatch(t, e, n)
	for i := range n {
		fill(b, &e.model.Contract, i, i)
	}
	size := n
	err = e.Score(t.Context(), b, 0, size)
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
