package claim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestLedger has two workers claim, renew, give up, take over and race for chunks, and tests
// what the claims say of that later, under both kinds of names.
func TestLedger(t *testing.T) {
	for _, names := range []Names{Named, Numbered(9)} {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		st := &mem.Store{Now: func() time.Time { at = at.Add(time.Second); return at }}
		claims := func(id string, rank int) *Claims {
			return New(Config{Store: st, Worker: Worker{ID: id, Rank: rank, World: 2}, Lease: time.Nanosecond, Names: names})
		}
		a, b := claims("a", 0), claims("b", 1)
		must := func(ok bool, err error) {
			t.Helper()
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		ctx := t.Context()
		must(a.TryAcquire(ctx, OnChunk(2))) // and nothing more
		must(a.TryAcquire(ctx, OnChunk(3)))
		for range 3 {
			must(a.Renew(ctx, OnChunk(3)))
		}
		must(a.TryAcquire(ctx, OnChunk(5))) // is silent, and loses it
		must(b.TryAcquire(ctx, OnChunk(5)))
		must(b.Renew(ctx, OnChunk(5)))
		a.Leave()
		must(a.TryAcquire(ctx, OnChunk(6)))
		must(true, a.Release(ctx, OnChunk(6)))
		must(b.TryAcquire(ctx, OnChunk(6)))
		must(b.TryAcquire(ctx, OnDouble(2)))
		must(b.TryAcquire(ctx, OnEnd))

		l, err := ReadLedger(ctx, st, names)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Chunks(); !slices.Equal(got, []int{2, 3, 5, 6}) {
			t.Errorf("claimed: %v", got)
		}
		for _, chunk := range l.Chunks() {
			if l.Plain(chunk) {
				t.Errorf("chunk %d is plain", chunk)
			}
		}
		got := map[int]string{}
		err = l.Histories(ctx, []int{2, 3, 5, 6, 8}, func(h History) {
			var links []string
			for _, one := range h.Links {
				text := one.Worker.ID
				if one.Leaving {
					text += " leaving"
				}
				if one.Released {
					text += " released"
				}
				links = append(links, text)
			}
			if h.Race != nil {
				links = append(links, "raced by "+h.Race.Worker.ID)
			}
			if !slices.IsSortedFunc(h.Links, func(a, b Link) int { return a.At.Compare(b.At) }) {
				t.Errorf("chunk %d: out of order: %v", h.Chunk, h.Links)
			}
			got[h.Chunk] = strings.Join(links, ", ")
		})
		want := map[int]string{2: "a, raced by b", 3: "a, a", 5: "a, b, b", 6: "a leaving, a leaving released, b"}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("histories: %v, %v, want %v", got, err, want)
		}
		if last, err := l.Last(ctx, OnEnd); err != nil || last == nil || last.Worker.ID != "b" {
			t.Errorf("the end: %v, %v, want that of b", last, err)
		}
		if last, err := l.Last(ctx, OnDelivery); err != nil || last != nil {
			t.Errorf("the delivery: %v, %v, want none", last, err)
		}
	}
}
