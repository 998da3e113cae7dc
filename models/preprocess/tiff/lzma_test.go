package tiff

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// lzmaStreams returns the blocks of all pictures of the archives that are coded with LZMA.
func lzmaStreams(tb testing.TB) [][]byte {
	tb.Helper()
	var all [][]byte
	for _, c := range tiffCases(tb) {
		p, fail := (&decoder{}).walk(c.file, codectest.Bounds)
		if fail != nil || p.compression != lzma {
			continue
		}
		for i := range p.planes() * p.across * p.down {
			if data, fail := p.block(i); fail == nil {
				all = append(all, newExpander(p).turn(data))
			}
		}
	}
	if len(all) < 50 {
		tb.Fatalf("only %d blocks of LZMA", len(all))
	}
	return all
}

// expandBoth expands n bytes with C and with Go alone, step bytes at a time, and returns what
// differs, and how many bytes were expanded. What matters afterwards is compared as well.
func expandBoth(data []byte, n, step int) (string, int) {
	fast, slow := &xzReader{}, &xzReader{}
	slow.goOnly = true
	got, want := make([]uint8, step), make([]uint8, step)
	fail, wantFail := fast.open(data, n), slow.open(data, n)
	at := 0
	for fail == nil && wantFail == nil && at < n {
		var m, wantM int
		m, fail = fast.read(got)
		wantM, wantFail = slow.read(want)
		if m != wantM || !bytes.Equal(got[:m], want[:m]) {
			return fmt.Sprintf("%d bytes, not %d, or others from %d on", m, wantM, at), at
		}
		if at += m; m < step {
			break
		}
	}
	switch {
	case fail != wantFail:
		return fmt.Sprintf("error %v, not %v, at %d", fail, wantFail, at), at
	case fast.coded.rc != slow.coded.rc || fast.model != slow.model:
		return fmt.Sprintf("another state at %d", at), at
	case len(fast.src) != len(slow.src) || fast.left != slow.left:
		return fmt.Sprintf("another place at %d", at), at
	}
	return "", at
}

// C decodes as Go does, whatever the damage.
func TestLZMAInC(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	total := 0
	for i, good := range lzmaStreams(t) {
		differs, n := expandBoth(good, 1<<20, 1<<(4+i%12))
		if differs != "" {
			t.Fatalf("block %d: %s", i, differs)
		}
		total += n
		if len(good) <= 32 {
			continue
		}
		for range 40 {
			bad := bytes.Clone(good[:len(good)-rng.IntN(2)*rng.IntN(len(good)-24)])
			for range rng.IntN(4) { // often past the header, which has a checksum
				bad[24+rng.IntN(len(bad)-24)] ^= 1 << rng.IntN(8)
			}
			if differs, _ := expandBoth(bad, 1<<20, 1<<(4+rng.IntN(12))); differs != "" {
				t.Fatalf("block %d, damaged: %s", i, differs)
			}
		}
	}
	if total < 1<<16 {
		t.Errorf("only %d bytes were compared", total)
	}
}

// FuzzLZMA compares C with Go for any bytes.
func FuzzLZMA(f *testing.F) {
	for i, data := range lzmaStreams(f) {
		if i%8 == 0 && len(data) < 4<<10 {
			f.Add(data, uint16(i))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint16) {
		if differs, _ := expandBoth(data, 1<<17, int(step)+1); differs != "" {
			t.Error(differs)
		}
	})
}
