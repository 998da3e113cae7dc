package tiff

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// Data that do not say how long they are, as libtiff's do not, are decoded at once if they are good
// and as long as the block, and otherwise up to the block's end or the damage.
func TestZstdWithoutSize(t *testing.T) {
	pixels := make([]uint8, 3000)
	for i := range pixels {
		pixels[i] = uint8(i * i >> 8)
	}
	var coded bytes.Buffer
	z, err := zstd.NewWriter(&coded)
	if err != nil {
		t.Fatal(err)
	}
	for _, half := range [][]uint8{pixels[:1500], pixels[1500:]} {
		if _, err := z.Write(half); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	good := coded.Bytes()
	var h zstd.Header
	if err := h.Decode(good); err != nil || h.HasFCS {
		t.Fatalf("a frame with its size, or error %v", err)
	}
	wrong := bytes.Clone(good)
	wrong[len(wrong)-1]++ // of the checksum
	for _, c := range []struct {
		name            string
		data            []uint8
		n, read         int
		whole, sum, end bool // decoded at once, refused at its end, ends early
	}{
		{name: "good", data: good, n: 3000, read: 3000, whole: true},
		{name: "shorter than the block", data: good, n: 4000, read: 3000, whole: true, end: true},
		{name: "longer than the block", data: good, n: 1000, read: 1000},
		{name: "followed by other bytes", data: append(bytes.Clone(good), "other"...), n: 3000, read: 3000},
		{name: "wrong checksum", data: wrong, n: 3000, read: 3000, sum: true},
		{name: "cut", data: good[:len(good)-30], n: 3000, read: 1500, end: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newExpander(&picture{compression: zstandard})
			defer e.free()
			e.open(c.data, 1, c.n)
			got := make([]uint8, c.n)
			err := e.read(got, c.n)
			if e.whole != c.whole || e.n < c.read || !bytes.Equal(got[:c.read], pixels[:c.read]) || (err != nil) != c.end {
				t.Errorf("%d bytes, error %v, at once: %v", e.n, err, e.whole)
			}
			if err == nil && (e.close() != nil) != c.sum {
				t.Errorf("checksum refused: %v", !c.sum)
			}
		})
	}
}

// A decoder keeps its decoder of zstd for the next picture, unless that may hold a large window.
func TestZstdIsKept(t *testing.T) {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	pixels := bytes.Repeat([]uint8{1, 2, 3, 4}, 1<<16)
	coded := z.EncodeAll(pixels, nil)
	d := &decoder{}
	defer d.Close()
	var first *zstd.Decoder
	for i, c := range []struct {
		n    int // bytes of the block
		kept bool
	}{{n: len(pixels), kept: true}, {n: len(pixels), kept: true}, {n: len(pixels) - 1, kept: false}, {n: len(pixels), kept: true}} {
		e := newExpander(&picture{compression: zstandard})
		d.lend(e)
		e.open(coded, 1, c.n)
		got := make([]uint8, c.n)
		if err := e.read(got, c.n); err != nil || !bytes.Equal(got, pixels[:c.n]) {
			t.Errorf("picture %d: other pixels, or error %v", i, err)
		}
		d.takeBack(e)
		if (d.zstd != nil) != c.kept || i == 1 && d.zstd != first {
			t.Errorf("picture %d: kept: %v", i, d.zstd != nil)
		}
		first = d.zstd
	}
}
