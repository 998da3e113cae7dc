package shard

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// checkShares asserts what Share promises for one plan.
func checkShares(t interface{ Fatalf(string, ...any) }, c Chunks, world int) {
	next, images := 0, 0
	least, most := c.Count()+1, -1
	fewest, largest := c.Entries+1, -1
	for rank := range world {
		lo, hi := c.Share(rank, world)
		if lo != next || hi < lo {
			t.Fatalf("%+v, rank %d of %d: share %d to %d, want it to begin at %d", c, rank, world, lo, hi, next)
		}
		next = hi
		n := 0
		for i := lo; i < hi; i++ {
			first, last := c.Range(i)
			n += last - first
		}
		if got := c.ShareImages(rank, world); got != n {
			t.Fatalf("%+v, rank %d of %d: ShareImages %d, its chunks hold %d", c, rank, world, got, n)
		}
		images += n
		least, most = min(least, hi-lo), max(most, hi-lo)
		fewest, largest = min(fewest, n), max(largest, n)
	}
	if next != c.Count() || images != c.Entries {
		t.Fatalf("%+v on %d ranks: %d chunks of %d, %d images", c, world, next, c.Count(), images)
	}
	if most-least > 1 || largest-fewest > c.Size {
		t.Fatalf("%+v on %d ranks: shares of %d to %d chunks, %d to %d images", c, world, least, most, fewest, largest)
	}
}

// The recipe gave every rank images/ranks entries and dropped one more, so
// that 100,000 images on 32 ranks left 32 without a label, and more ranks than
// images labelled some twice or never.
func TestRecipeLosesNoImageForAnyImagesAndRanks(t *testing.T) {
	for _, size := range []int{1, 2, 7, 8, 64, 128, 300} {
		for images := range 201 {
			c := Chunks{Entries: images, Size: size}
			for ranks := 1; ranks <= 40; ranks++ {
				checkShares(t, c, ranks)
			}
		}
	}
}

func TestRecipe100000ImagesOn32Ranks(t *testing.T) {
	c := Chunks{Entries: 100_000, Size: 1}
	for rank := range 32 {
		if got := c.ShareImages(rank, 32); got != 3125 {
			t.Errorf("rank %d needs to process %d images, want 3125 (the recipe made it 3124)", rank, got)
		}
	}
}

func TestRecipe366111NamesOn32Ranks(t *testing.T) {
	const images, ranks = 366_111, 32
	for _, size := range []int{DefaultChunk(images, 4), DefaultChunk(images, 32), 1, 8, 16, 32, 64, 128, 1000} {
		checkShares(t, Chunks{Entries: images, Size: size}, ranks)
	}
	if got := DefaultChunk(images, 4); got != 128 {
		t.Errorf("DefaultChunk(%d) = %d, want 128", images, got)
	}
}

func TestSharesOfAnySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Chunks{
			Entries: rapid.IntRange(0, 1<<24).Draw(t, "entries"),
			Size:    rapid.IntRange(1, 1<<14).Draw(t, "size"),
		}
		world := rapid.IntRange(1, 1000).Draw(t, "world")
		rank := rapid.IntRange(0, world-1).Draw(t, "rank")
		lo, hi := c.Share(rank, world)
		if rank == 0 && lo != 0 || rank == world-1 && hi != c.Count() {
			t.Fatalf("the shares do not span the chunks: %d to %d of %d", lo, hi, c.Count())
		}
		if rank > 0 {
			if _, before := c.Share(rank-1, world); before != lo {
				t.Fatalf("rank %d ends at %d, rank %d begins at %d", rank-1, before, rank, lo)
			}
		}
		if n := hi - lo; n < c.Count()/world || n > (c.Count()+world-1)/world {
			t.Fatalf("%d chunks of %d for one of %d ranks", n, c.Count(), world)
		}
	})
}

func TestDefaultChunk(t *testing.T) {
	for _, tt := range []struct{ images, batch, want int }{
		{
			images: 0,
			batch:  0,
			want:   16,
		}, {
			images: 1,
			batch:  0,
			want:   16,
		}, {
			images: 16_384,
			batch:  4,
			want:   16,
		}, {images: 16_385, batch: 4, want: 16}, {images: 32_768, batch: 1, want: 16}, {images: 32_769, batch: 1, want: 32},
		{images: 100_000, batch: 0, want: 64}, {images: 131_073, batch: 4, want: 128},
		{images: 65_536 * 128, batch: 8, want: 128}, {images: 65_536*128 + 1, batch: 8, want: 256}, {images: 50_000_000, batch: 8, want: 1024},
		// Whole batches, two at least, and four large ones.
		{
			images: 10,
			batch:  32,
			want:   128,
		}, {images: 100_000, batch: 64, want: 256}, {images: 131_072, batch: 32, want: 128}, {images: 131_073, batch: 32, want: 256},
		{images: 262_145, batch: 32, want: 512}, {images: 10_000_000, batch: 32, want: 512},
		{images: 50_000_000, batch: 32, want: 1024}, {images: 100_000, batch: 24, want: 72},
		{images: 10, batch: 24, want: 48}, {images: 366_111, batch: 256, want: 1024},
	} {
		if got := DefaultChunk(tt.images, tt.batch); got != tt.want {
			t.Errorf("DefaultChunk(%d, %d) = %d, want %d", tt.images, tt.batch, got, tt.want)
		}
	}
}

// TestUnrecordedChunk: the chunks of jobs begun by older releases do not change.
func TestUnrecordedChunk(t *testing.T) {
	for _, test := range []struct{ images, batch, want int }{
		{images: 10, batch: 0, want: 16},
		{images: 100_000, batch: 32, want: 64},
		{images: 366_111, batch: 32, want: 128},
		{images: 366_111, batch: 256, want: 512},
		{images: 50_000_000, batch: 8, want: 1024},
	} {
		if got := UnrecordedChunk(test.images, test.batch); got != test.want {
			t.Errorf("UnrecordedChunk(%d, %d) = %d, want %d", test.images, test.batch, got, test.want)
		}
	}
}

func TestRange(t *testing.T) {
	c := Chunks{Entries: 10, Size: 4}
	var got []string
	for i := range c.Count() {
		first, last := c.Range(i)
		got = append(got, fmt.Sprintf("%d-%d", first, last))
	}
	if want := []string{"0-4", "4-8", "8-10"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, bad := range []func(){
		func() { c.Range(-1) }, func() { c.Range(3) },
		func() { c.Share(2, 2) }, func() { c.Share(-1, 2) }, func() { Chunks{Entries: 1}.Count() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a call that has no answer did not panic")
				}
			}()
			bad()
		}()
	}
}

func TestStealOrder(t *testing.T) {
	c := Chunks{Entries: 10, Size: 1} // shares: 0-2, 3-5, 6-9
	for rank, want := range [][]int{
		{0, 1, 2, 5, 9, 4, 8, 3, 7, 6},
		{3, 4, 5, 9, 2, 8, 1, 7, 0, 6},
		{6, 7, 8, 9, 2, 5, 1, 4, 0, 3},
	} {
		if got := slices.Collect(c.StealOrder(rank, 3)); !slices.Equal(got, want) {
			t.Errorf("rank %d: %v, want %v", rank, got, want)
		}
	}
	for i := range c.StealOrder(1, 3) {
		if i == 4 {
			break // a range that ends early ends the sequence
		}
	}
}

// Every rank must come to every chunk in the end, or the chunks of a dead rank
// could wait for ever.
func TestStealOrderReachesEveryChunkOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Chunks{Entries: rapid.IntRange(0, 500).Draw(t, "entries"), Size: rapid.IntRange(1, 20).Draw(t, "size")}
		world := rapid.IntRange(1, 50).Draw(t, "world")
		rank := rapid.IntRange(0, world-1).Draw(t, "rank")
		seen := make([]int, c.Count())
		at := 0
		lo, hi := c.Share(rank, world)
		for i := range c.StealOrder(rank, world) {
			if seen[i]++; seen[i] > 1 {
				t.Fatalf("chunk %d twice", i)
			}
			if at < hi-lo && i != lo+at {
				t.Fatalf("chunk %d at place %d of the own share %d to %d", i, at, lo, hi)
			}
			at++
		}
		if at != c.Count() {
			t.Fatalf("%d chunks of %d", at, c.Count())
		}
	})
}

// With many thieves and one slow rank, the first chunk that each thief tries
// differs.
func TestStealOrderSpreadsThieves(t *testing.T) {
	c := Chunks{Entries: 320, Size: 1}
	first := map[int]int{}
	for rank := range 32 {
		order := slices.Collect(c.StealOrder(rank, 32))
		first[order[10]]++
	}
	if len(first) != 32 {
		t.Errorf("32 thieves begin at %d different chunks, want 32", len(first))
	}
}

func TestDefaultFetchers(t *testing.T) {
	for batch, want := range map[int]int{0: 64, 4: 64, LargeBatch - 1: 64, LargeBatch: 512, 256: 512} {
		if got := DefaultFetchers(batch); got != want {
			t.Errorf("batches of %d: %d fetchers, want %d", batch, got, want)
		}
	}
}
