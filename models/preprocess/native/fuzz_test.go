package native

import (
	"bytes"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// fuzz decodes anything with a library in its helper. Whatever the library does, the image has
// pixels or a failure, the same as with a new helper, which takes no more memory than Need says,
// and a good image after it has the pixels that it has alone. Under AddressSanitizer no report may be of this package's code.
func fuzz(f *testing.F, l *Library, format codec.Format, good string) {
	need(f, l)
	for _, src := range codectest.Seeds(f, format, "testdata") {
		if len(src) < 3000 {
			f.Add(src)
		}
	}
	seconds = func(header) int { return 1 }
	whole := codectest.File(f, "testdata", good)
	d, ok := codectest.New(f, format, codec.Config{}).(*decoder)
	if !ok {
		f.Fatal("another type of decoder")
	}
	want := func(tb testing.TB) []byte {
		c, fail := codectest.DecodeWith(tb, d, codectest.Bounds, whole)
		if fail != nil {
			tb.Fatal(fail)
		}
		return c.RGB()
	}
	pixels := want(f)
	calls := 0
	f.Fuzz(func(t *testing.T, src []byte) {
		canvas := &codectest.Canvas{}
		fail, err := d.Decode(src, codectest.Small, canvas)
		if err != nil {
			t.Fatal(err)
		}
		if calls++; calls%16 == 0 || fail == nil || fail.Status == codec.StatusPanic {
			if !bytes.Equal(want(t), pixels) {
				t.Error("a good image after it has other pixels")
			}
		}
		if fail != nil && fail.Status != codec.StatusPanic {
			return
		}
		again := &codectest.Canvas{Noise: 1}
		other, ok := codectest.New(t, format, codec.Config{}).(*decoder)
		if !ok {
			t.Fatal("another type of decoder")
		}
		grown := growth(t, other)
		fail2, err := other.Decode(src, codectest.Small, again)
		const slack = 4 << 20 // what a library takes for any image
		if need := other.Need(src, codectest.Small); !sanitized && fail2 == nil && grown() > need.Bytes+slack {
			t.Errorf("takes %d bytes, and Need says %d", grown(), need.Bytes)
		}
		switch {
		case err != nil:
			t.Fatal(err)
		case (fail == nil) != (fail2 == nil) || fail != nil && *fail != *fail2:
			t.Errorf("%v, and %v by a new helper", fail, fail2)
		case fail == nil && !bytes.Equal(canvas.RGB(), again.RGB()):
			t.Error("other pixels by a new helper")
		}
		if report := lastReport.Swap(nil); report != nil && strings.Contains(*report, "models/preprocess/native/") {
			t.Errorf("of this package:\n%s", *report)
		}
	})
}

func FuzzHEIC(f *testing.F) { fuzz(f, HEIF, heic, "420.heic") }
func FuzzAVIF(f *testing.F) { fuzz(f, AVIF, avif, "420.avif") }
func FuzzJXL(f *testing.F)  { fuzz(f, JXL, jxl, "lossy.jxl") }
func FuzzJP2(f *testing.F)  { fuzz(f, JP2, jp2, "lossy.jp2") }

// FuzzHeaders tests that the readers of headers, which run in this process, neither panic
// nor find a picture without pixels or beyond the bounds.
func FuzzHeaders(f *testing.F) {
	for _, format := range []codec.Format{heic, avif, jxl, jp2} {
		for _, src := range codectest.Seeds(f, format, "testdata") {
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, read := range []func([]byte, codec.Bounds) (header, *codec.Failure){readHEIF, readAVIF, readJXL, readJP2} {
			h, fail := read(src, codectest.Small)
			if fail == nil && (h.width < 1 || h.height < 1 || int64(h.width)*int64(h.height) > codectest.Small.MaxPixels || h.memory < 1) {
				t.Errorf("%+v", h)
			}
		}
	})
}
