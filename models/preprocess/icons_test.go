package preprocess

import (
	"bytes"
	"image/png"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// TestFault19_ManyFormats decodes pictures of many formats at their own size, and compares each
// with Pillow's. Those in containers, such as icons, need decoders of other packages.
func TestFault19_ManyFormats(t *testing.T) {
	files := codectest.Archive(t, "testdata/formats.zip")
	found := map[string]int{}
	for name, src := range files {
		reference, ok := files[name+".ref.png"]
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			img, err := png.Decode(bytes.NewReader(reference))
			if err != nil {
				t.Fatal(err)
			}
			s := smallSpec
			s.Width, s.Height = img.Bounds().Dx(), img.Bounds().Dy()
			d := newDecoder(t, s, Options{})
			need, row := d.Need(src), make([]byte, s.RowBytes())
			if err := d.Decode(row, src); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(row, codectest.RGB(img)) {
				t.Error("other pixels than the reference")
			}
			if need.Width != s.Width || need.Height != s.Height {
				t.Errorf("Need says %dx%d, want %dx%d", need.Width, need.Height, s.Width, s.Height)
			}
			i, _ := sniff(src)
			found[formats[i].Name]++
			for n := 0; n < len(src); n += 11 {
				err := d.Decode(make([]byte, s.RowBytes()), bytes.Clone(src[:n]))
				if s := status(t, err); s == codec.StatusPanic || s == codec.StatusUnsupported && !strings.Contains(err.Error(), "icon") {
					t.Fatalf("cut at %d of %d: %v", n, len(src), err)
				}
			}
		})
	}
	for _, name := range strings.Fields("PPM PGM PBM PAM PFM QOI TGA ICO CUR PCX DCX SGI DDS PSD ICNS XBM XPM") {
		if found[name] == 0 {
			t.Errorf("no picture of %s", name)
		}
	}
}

// TestFault17_Icons tests icons whose picture is in no format that is decoded, or is not there.
func TestFault17_Icons(t *testing.T) {
	entry := func(at byte) string {
		return "\x10\x10\x00\x00\x01\x00\x18\x00\x00\x01\x00\x00" + string([]byte{at, 0, 0, 0})
	}
	for _, c := range []struct {
		name, src string
		want      codec.Status
	}{
		{name: "ICO of no pictures", src: "\x00\x00\x01\x00\x00\x00" + entry(22), want: codec.StatusCorrupt},
		{name: "ICO cut before its picture", src: "\x00\x00\x01\x00\x01\x00" + entry(22), want: codec.StatusTruncated},
		{name: "ICO cut within its entries", src: "\x00\x00\x01\x00\x01\x00\x10", want: codec.StatusTruncated},
		{name: "ICO with a text", src: "\x00\x00\x01\x00\x01\x00" + entry(22) + strings.Repeat("text", 20), want: codec.StatusCorrupt},
		{name: "ICNS without pictures", src: "icns\x00\x00\x00\x08", want: codec.StatusUnsupported},
		{name: "ICNS cut", src: "icns\x00\x00\x01\x00ic07\x00\x00\x00\xf0\x89PNG\r\n\x1a\n", want: codec.StatusTruncated},
		{name: "ICNS with a text", src: "icns\x00\x00\x00\x14ic07\x00\x00\x00\x0ctext", want: codec.StatusCorrupt},
		{name: "ICNS of run lengths beyond it", src: "icns\x00\x00\x00\x12is32\x00\x00\x00\x0a\xff\x01", want: codec.StatusTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDecoder(t, smallSpec, Options{})
			wantStatus(t, decodeInto(t, d, []byte(c.src)), c.want)
			d.Need([]byte(c.src))
		})
	}
}
