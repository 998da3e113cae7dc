package budget

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestLimits tests that the parts for all ranks and decoders of a machine are no more than
// its memory for decoding, and that the largest image does not depend on them.
func TestLimits(t *testing.T) {
	for _, memory := range []int64{1, Least, 512 << 20, 8<<30 + 1, 1 << 40} {
		for _, ranks := range []int{0, 1, 2, 3, 16, 64} {
			l := limits(memory, "a test", ranks)
			n := int64(max(ranks, 1))
			taken := n * (l.Share + l.Kept)
			if n > 1 {
				taken += l.Largest // one on the machine
			}
			if taken > l.Memory || l.Memory != max(memory, Least) {
				t.Errorf("%d ranks take %d of %d bytes: %+v", ranks, taken, memory, l)
			}
			if l.Largest != l.Memory/2 || l.Share < 1 || l.Kept < 1 || l.ReadAhead < 1 {
				t.Errorf("%d ranks, %d bytes: %+v", ranks, memory, l)
			}
			b := New(l, nil)
			for range 16 {
				b.Open()
			}
			if 16*b.Keep() > l.Kept {
				t.Errorf("16 decoders keep %d bytes each of %d", b.Keep(), l.Kept)
			}
		}
	}
}

// TestTake takes parts of every size from many goroutines: at no time do they exceed the
// share, or the share and the largest image, and none waits for ever.
func TestTake(t *testing.T) {
	for _, ranks := range []int{1, 4} {
		l := limits(1<<30, "a test", ranks)
		b := New(l, nil)
		most := l.Share
		if ranks > 1 {
			most += l.Largest
		}
		var held, highest atomic.Int64
		var workers sync.WaitGroup
		for seed := range uint64(16) {
			workers.Go(func() {
				random := rand.New(rand.NewPCG(seed, 1))
				for range 50 {
					n := 1 + random.Int64N(l.Share/large)
					if random.IntN(10) == 0 {
						n = 1 + random.Int64N(l.Largest)
					}
					p, err := b.Take(t.Context(), n)
					if err != nil {
						t.Error(err)
						return
					}
					if now := held.Add(n); now > most {
						t.Errorf("%d bytes are taken of %d", now, most)
					} else if now > highest.Load() {
						highest.Store(now)
					}
					held.Add(-n)
					b.Give(p)
				}
			})
		}
		workers.Wait()
		if highest.Load() == 0 {
			t.Error("nothing was taken")
		}
	}
}

// TestTakeInOrder tests that small images which come later do not starve a large one.
func TestTakeInOrder(t *testing.T) {
	l := limits(1<<30, "a test", 1)
	b := New(l, nil)
	small, err := b.Take(t.Context(), l.Share-l.Largest+1)
	if err != nil {
		t.Fatal(err)
	}
	order := make(chan string, 2)
	var waiting sync.WaitGroup
	take := func(name string, n int64) {
		waiting.Go(func() {
			p, err := b.Take(t.Context(), n)
			if err != nil {
				t.Error(err)
			}
			order <- name
			b.Give(p)
		})
	}
	take("large", l.Largest)
	for b.sharing.TryAcquire(1) { // until the large one waits
		b.sharing.Release(1)
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := b.Take(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a later image goes first: %v", err)
	}
	b.Give(small)
	waiting.Wait()
	if got := <-order; got != "large" {
		t.Errorf("%s was first", got)
	}
}

// TestTakeNothing tests that a Take that fails, whatever it waits for, takes nothing: what it
// returns can be given back, and everything can be taken afterwards.
func TestTakeNothing(t *testing.T) {
	const memory = 1 << 30
	for _, test := range []struct {
		name     string
		ranks    int
		held, of int64 // bytes: what is held while the other is asked for
	}{
		{name: "the share", ranks: 1, held: memory * 3 / 4, of: memory / 2},
		{name: "the share of several ranks", ranks: 2, held: memory / 8, of: 1},
		{name: "the turn", ranks: 2, held: memory / 2, of: memory / 2},
		{name: "the share after the turn", ranks: 1, held: memory / 2, of: memory},
		{name: "the turn for more than the largest", ranks: 2, held: memory / 2, of: memory},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := limits(memory, "a test", test.ranks)
			b := New(l, nil)
			b.free = func() int64 { return memory }
			held, err := b.Take(t.Context(), test.held)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			p, err := b.Take(ctx, test.of)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v, want that of the context", err)
			}
			if p.Bytes != 0 {
				t.Errorf("%d bytes of it are said to be taken", p.Bytes)
			}
			b.Give(p)
			b.Give(held)
			for _, n := range []int64{l.Share, l.Largest, memory} {
				if p, err = b.Take(t.Context(), n); err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
				b.Give(p)
			}
		})
	}
}

// TestTooSmall tests an image that the job allows and that is larger than the limit of this
// machine: it is decoded with nothing else, or not at all.
func TestTooSmall(t *testing.T) {
	l := limits(1<<30, "a test", 1)
	b := New(l, nil)
	b.free = func() int64 { return 1 << 30 }
	p, err := b.Take(t.Context(), 900<<20)
	if err != nil {
		t.Fatalf("900 MiB of 1 GiB that are free: %v", err)
	}
	if b.sharing.TryAcquire(1) {
		t.Error("something else is decoded next to an image that is larger than the limit")
	}
	b.Give(p)
	_, err = b.Take(t.Context(), 2<<30)
	var small *TooSmall
	if !errors.As(err, &small) || small.Need != 2<<30 {
		t.Fatalf("2 GiB of 1 GiB that are free: %v", err)
	}
	for _, text := range []string{"2048 MiB", "1024 MiB left", "--max-image-memory 512MiB", "too_large"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q lacks %q", err, text)
		}
	}
	if p, err := b.Take(t.Context(), l.Share); err != nil { // nothing is held
		t.Error(err)
	} else {
		b.Give(p)
	}
}
