package increment

import (
	"math/bits"
	"testing"

	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/scorer/output"
)

// TestFold plays nights of any size: there are few sources, and few rows are copied.
func TestFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.IntRange(1, 1000).Draw(t, "images")
		sources := []output.Source{{Images: all}}
		scored, written := all, all
		most := rapid.IntRange(1, all).Draw(t, "a night at most")
		for range rapid.IntRange(1, 60).Draw(t, "nights") {
			own := rapid.IntRange(0, most).Draw(t, "own")
			before := len(sources)
			size := fold(sources, own, all)
			kept := sources
			for len(kept) > 0 && kept[len(kept)-1].Folded {
				kept = kept[:len(kept)-1]
			}
			newer, rows := size, size
			for i := len(kept) - 1; i >= 0; i-- {
				if kept[i].Folded || kept[i].Images <= newer && size < all {
					t.Fatalf("source %d of %d stays with %d rows, and those after it have %d", i, before, kept[i].Images, newer)
				}
				newer += kept[i].Images
				rows += kept[i].Images
			}
			if rows > 3*all || len(kept) > bits.Len(uint(2*all)) {
				t.Fatalf("%d sources stay, with %d rows of %d images", len(kept), rows, all)
			}
			scored += own
			written += size
			sources = append(kept, output.Source{Images: size})
		}
		if most := scored * bits.Len(uint(2*scored)); written > most {
			t.Fatalf("%d rows were written for %d that were scored, want %d at most", written, scored, most)
		}
	})
}

// TestFoldOfLessEveryNight has each night a little smaller than the one before.
func TestFoldOfLessEveryNight(t *testing.T) {
	sources := []output.Source{{Images: 10_000}}
	for own := 100; own > 0; own-- {
		size := fold(sources, own, 10_000)
		var kept []output.Source
		for _, s := range sources {
			if !s.Folded {
				kept = append(kept, s)
			}
		}
		if sources = append(kept, output.Source{Images: size}); len(sources) > 9 {
			t.Fatalf("%d outputs have rows", len(sources))
		}
	}
}
