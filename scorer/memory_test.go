package scorer

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestLargeBodies scores images whose encoded bytes exceed what may be read ahead, among
// ordinary ones, with few decoders and many fetchers: none waits for ever for memory that
// another image holds which waits for a decoder.
func TestLargeBodies(t *testing.T) {
	for _, decoders := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d decoders", decoders), func(t *testing.T) {
			images, out := new(mem.Store), new(mem.Store)
			const n = 30
			for i := range n {
				body := picture(t, i)
				if i%3 == 0 {
					body = append(body, make([]byte, 2<<20)...)
				}
				images.Put(pictureName(i), body)
			}
			o := options(t, images, out)
			o.DecodeMemory, o.ReadAheadBytes = budget.Least, 1<<20
			o.Decoders, o.Fetchers = decoders, 8
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s, err := Run(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			verified(t, out)
			if s.Statuses[row.StatusOK] != n {
				t.Errorf("statuses are %v, want %d ok: %+v", s.Statuses, n, rows(t, out)[pictureName(0)].Error)
			}
		})
	}
}

// TestResizedBodies scores images again as they are, of which every second one has become too
// large to be read ahead since it was listed, or small enough for that. Their decoder reads
// them, and must not wait for what is read ahead: that waits for the decoder.
func TestResizedBodies(t *testing.T) {
	for _, grows := range []bool{true, false} {
		t.Run(fmt.Sprintf("grows %t", grows), func(t *testing.T) {
			images, out := new(mem.Store), new(mem.Store)
			const n = 60
			put := func(i int, large bool) {
				body := picture(t, i)
				if large {
					body = append(body, make([]byte, 6000)...)
				}
				images.Put(pictureName(i), body)
			}
			for i := range n {
				put(i, i%2 == 1 && !grows)
			}
			o := options(t, images, out)
			o.DecodeMemory, o.ReadAheadBytes = budget.Least, int64(len(picture(t, 0))+len(picture(t, 2)))
			o.Decoders, o.Fetchers, o.Rescore = 1, 8, true
			var once sync.Once
			o.hook = func(point string, _ int) {
				if point == "before-read" {
					once.Do(func() {
						for i := 1; i < n; i += 2 {
							put(i, grows)
						}
					})
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of a deadlock
			defer cancel()
			s, err := Run(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			if s.Statuses[row.StatusOK] != n {
				t.Errorf("statuses are %v, want %d ok", s.Statuses, n)
			}
		})
	}
}

// TestLargeBodyOfLargerMachine continues a job of a larger machine whose image takes more
// than this machine gives to one: it is decoded while no other is.
func TestLargeBodyOfLargerMachine(t *testing.T) {
	images, out := collection(t, 20), new(mem.Store)
	put(t, images, "large.jpg", append(picture(t, 20), make([]byte, 8<<20)...))
	o := options(t, images, out)
	o.DecodeMemory, o.ReadAheadBytes = budget.Least, 1<<20
	o.Decode.MaxMemory = 1 << 30
	s := mustRun(t, o)
	verified(t, out)
	if s.Statuses[row.StatusOK] != 21 {
		t.Errorf("statuses are %v, want 21 ok", s.Statuses)
	}
}

// TestTuneWithinMemory tests that measuring reads and chooses no more than the memory for
// decoding allows.
func TestTuneWithinMemory(t *testing.T) {
	images, out := new(mem.Store), new(mem.Store)
	for i := range 10 {
		put(t, images, pictureName(i), append(picture(t, i), make([]byte, 3<<20)...))
	}
	o := options(t, images, out)
	o.DecodeMemory = budget.Least
	o.Job.AutoBatch = 4
	o = o.withDefaults()
	p := &participant{opt: o, halt: newHalt()}
	w, err := p.join(t.Context(), newFakeEngine())
	if err != nil {
		t.Fatal(err)
	}
	defer w.manifest.Close()
	bodies, _, err := w.sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(bodies) != 1 {
		t.Errorf("%d images of 3 MiB are read at once, where 4 MiB may be", len(bodies))
	}
	w.opt.Tune = &Tuning{Cores: 1, Budget: time.Millisecond}
	if err := w.tuneHost(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	if w.opt.ReadAheadBytes != 4<<20 {
		t.Errorf("%d bytes are read ahead, want 4 MiB", w.opt.ReadAheadBytes)
	}
}
