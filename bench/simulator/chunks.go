package simulator

import (
	"math/bits"

	"github.com/batchscore/batchscore/shard"
)

// state of a chunk.
const (
	free uint8 = iota
	taken
	committed
	abandoned // the rank that held it is gone
)

// table records which rank has which chunk. The free chunks of a share are consecutive:
// its owner takes from the front, others from the back.
type table struct {
	shard.Chunks
	ranks       int
	state       []uint8
	owner       []int32
	since       []float64 // of the claim
	doubled     []bool
	front, back []int // of the free chunks of each share
	// stealable is, as bits, the shares with free chunks by depth, which is how many
	// chunks were taken from the back of a share.
	stealable [][]uint64
	depth     int // the lowest depth of a share with free chunks
	held      *set
	left      *set // abandoned chunks
	done      int
}

func newTable(c shard.Chunks, ranks int) *table {
	n := c.Count()
	t := &table{Chunks: c, ranks: ranks, state: make([]uint8, n), owner: make([]int32, n), since: make([]float64, n),
		doubled: make([]bool, n), front: make([]int, ranks), back: make([]int, ranks), held: newSet(n), left: newSet(n)}
	t.stealable = [][]uint64{make([]uint64, (ranks+63)/64)}
	for r := range ranks {
		t.front[r], t.back[r] = c.Share(r, ranks)
		if t.front[r] < t.back[r] {
			t.stealable[0][r/64] |= 1 << (r % 64)
		}
	}
	return t
}

// images returns the number of images in a chunk.
func (t *table) images(chunk int) int {
	first, last := t.Range(chunk)
	return last - first
}

// ownNext takes the next free chunk of the rank's own share. It returns -1 if there is
// none.
func (t *table) ownNext(rank int) int {
	if t.front[rank] == t.back[rank] {
		return -1
	}
	t.front[rank]++
	if t.front[rank] == t.back[rank] {
		t.exhausted(rank)
	}
	return t.front[rank] - 1
}

// exhausted removes a share from the shares with free chunks.
func (t *table) exhausted(share int) {
	_, hi := t.Share(share, t.ranks)
	t.stealable[hi-t.back[share]][share/64] &^= 1 << (share % 64)
}

// steal takes the free chunk of another share that is first in
// shard.Chunks.StealOrder. It returns -1 if there is none.
func (t *table) steal(rank int) int {
	for d := t.depth; d < len(t.stealable); d++ {
		share := after(t.stealable[d], rank, t.ranks)
		if share < 0 {
			if d == t.depth && after(t.stealable[d], -1, t.ranks) < 0 {
				t.depth++
			}
			continue
		}
		t.stealable[d][share/64] &^= 1 << (share % 64)
		t.back[share]--
		if t.front[share] < t.back[share] {
			if d+1 == len(t.stealable) {
				t.stealable = append(t.stealable, make([]uint64, (t.ranks+63)/64))
			}
			t.stealable[d+1][share/64] |= 1 << (share % 64)
		}
		return t.back[share]
	}
	return -1
}

// after returns the first bit that is set after rank, cyclically; -1 if none is.
func after(words []uint64, rank, n int) int {
	for _, span := range [][2]int{{rank + 1, n}, {0, rank}} {
		for i := span[0]; i < span[1]; {
			w := words[i/64] >> (i % 64)
			if w != 0 {
				if i += bits.TrailingZeros64(w); i < span[1] {
					return i
				}
				break
			}
			i += 64 - i%64
		}
	}
	return -1
}

// share returns the rank whose share a chunk is in.
func (t *table) share(chunk int) int {
	r := chunk * t.ranks / t.Count()
	for {
		lo, hi := t.Share(r, t.ranks)
		switch {
		case chunk < lo:
			r--
		case chunk >= hi:
			r++
		default:
			return r
		}
	}
}

// order returns a chunk's position in the order in which rank tries chunks of others.
func (t *table) order(rank, chunk int) int {
	owner := t.share(chunk)
	_, hi := t.Share(owner, t.ranks)
	return (hi-1-chunk)*t.ranks + (owner-rank+t.ranks)%t.ranks
}

// set is a set of chunks that can be iterated.
type set struct {
	all []int32
	at  []int32 // index in all, plus 1
}

func newSet(n int) *set { return &set{at: make([]int32, n)} }

func (s *set) add(c int) {
	if s.at[c] == 0 {
		s.all = append(s.all, int32(c))
		s.at[c] = int32(len(s.all))
	}
}

func (s *set) remove(c int) {
	i := s.at[c]
	if i == 0 {
		return
	}
	last := s.all[len(s.all)-1]
	s.all[i-1], s.at[last] = last, i
	s.all, s.at[c] = s.all[:len(s.all)-1], 0
}
