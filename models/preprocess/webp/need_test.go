package webp

import (
	"bytes"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// TestNeed_Lossless compares what Need says of lossless pictures with what decoding them
// allocates: never less, and not much more.
func TestNeed_Lossless(t *testing.T) {
	for _, path := range []string{
		filepath.Join("testdata", "cat.webp"),
		filepath.Join("..", "testdata", "webp-lossless.webp"),
		filepath.Join("..", "testdata", "webp-lossless-alpha.webp"),
		filepath.Join("..", "testdata", "webp-lossy-alpha.webp"),
	} {
		src := codectest.File(t, path)
		d := &decoder{}
		need := d.Need(src, codectest.Bounds)
		c := &codectest.Canvas{}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		fail := d.decode(src, codectest.Bounds, c)
		runtime.ReadMemStats(&after)
		if fail != nil {
			t.Fatal(fail)
		}
		if fail != nil {
			t.Fatal(fail)
		}
		got := int64(after.TotalAlloc-before.TotalAlloc) - int64(len(c.Bytes))
		const slack = 32 << 10 // buffers of bufio, and what is small
		if got > need.Bytes+slack || need.Bytes > got+got/8 {
			t.Errorf("%s: allocates %d bytes, and Need says %d", path, got, need.Bytes)
		}
		t.Logf("%s: allocates %d bytes, and Need says %d", path, got, need.Bytes)
	}
	cat := codectest.File(t, "testdata", "cat.webp")
	for at := range 2000 { // no damage and no cut makes it panic
		b := bytes.Clone(cat)
		b[21+at] ^= 1 << (at % 8)
		(&decoder{}).Need(b, codectest.Bounds)
		(&decoder{}).Need(cat[:21+at], codectest.Bounds)
	}
}
