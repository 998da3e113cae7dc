package preprocess

import (
	"errors"
	"path/filepath"
	"runtime/metrics"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// FuzzNeed tests that decoding anything takes no more than Need says, in Go's heap and for the
// canvas, that the canvas has the sides it says, and that nothing panics.
func FuzzNeed(f *testing.F) {
	for _, pattern := range []string{"*.png", "*.gif", "*.bmp", "*.tif", "*.webp", "jpeg-*.jpg"} {
		paths, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(paths) == 0 {
			f.Fatalf("no %s: %v", pattern, err)
		}
		for _, path := range paths {
			if filepath.Ext(path[:len(path)-len(filepath.Ext(path))]) != ".ref" {
				f.Add(readFixture(f, filepath.Base(path)))
			}
		}
	}
	for name, src := range codectest.Archive(f, "testdata/formats.zip") {
		if filepath.Ext(name) != ".png" {
			f.Add(src)
		}
	}
	f.Add(flatBMP(300, 20, 8, true))
	f.Add(flatTIFF(f, 2560, 3, 1, 1, 3))
	f.Add(flatTIFF(f, 300, 300, 16, 4, 5))
	f.Add(flatPNG(f, 300, 300, 16, 6, 1))
	f.Add(webpFile(webpHead(0x10, 30, 20), webpChunk("ALPH", append([]byte{1}, flatVP8L(30, 20, true, false)...)), webpChunk("VP8 ", flatVP8(30, 20))))
	allocated := func() int64 {
		s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(s)
		return int64(s[0].Value.Uint64())
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, portable := range []bool{false, true} {
			d := newDecoder(t, smallSpec, Options{MaxPixels: 1 << 20, ForcePortable: portable})
			row := make([]byte, smallSpec.RowBytes())
			need := d.Need(src)
			before := allocated()
			err := d.Decode(row, src)
			took := allocated() - before + d.canvas.held()
			const slack = 1 << 20 // chunks of it are counted at once, and what Need leaves out
			if took > need.Bytes+slack+8*int64(len(src)) {
				t.Errorf("takes %d bytes (%v), and Need says %d of %d", took, err, need.Bytes, len(src))
			}
			if fail := (*codec.Failure)(nil); errors.As(err, &fail) && fail.Status == codec.StatusPanic {
				t.Error(err)
			}
			if err == nil && (need.Width != int(d.canvas.job.width) || need.Height != int(d.canvas.job.height)) {
				t.Errorf("%dx%d pixels, and Need says %dx%d", d.canvas.job.width, d.canvas.job.height, need.Width, need.Height)
			}
			d.Close()
		}
	})
}
