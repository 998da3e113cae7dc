package codectest_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// toy is a format of "TOY", an orientation, a width and a height of a byte each, and pixels
// of three bytes.
var toy = codec.Format{
	Name: "toy", Extensions: "toy", Signatures: []string{"TOY"},
	New: codec.Stateless(func(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
		if len(src) < 6 {
			return codec.Fail(codec.StatusTruncated, "no header")
		}
		w, h := int(src[4]), int(src[5])
		if fail := bounds.CheckSize(w, h); fail != nil {
			return fail
		}
		rgb := src[6:]
		if len(rgb) < 3*w*h {
			return codec.Fail(codec.StatusTruncated, "no pixels")
		}
		px := to.Prepare(w, h, codec.Orientation(src[3]), nil)
		for i := range w * h {
			codec.Set(px.Row(i/w), i%w, rgb[3*i], rgb[3*i+1], rgb[3*i+2])
		}
		return nil
	}, func([]byte, codec.Bounds) codec.Need { return codec.Need{} }),
}

// file returns a toy of the pixels 0, 1, 2 and so on.
func file(o, w, h byte) []byte {
	b := []byte{'T', 'O', 'Y', o, w, h}
	for i := range w * h {
		b = append(b, i, i, i)
	}
	return b
}

// grey returns pixels of these values.
func grey(values ...byte) (rgb []byte) {
	for _, v := range values {
		rgb = append(rgb, v, v, v)
	}
	return rgb
}

func TestPixels(t *testing.T) {
	for o, want := range map[byte][]byte{
		1: {0, 1, 2, 3, 4, 5}, 2: {2, 1, 0, 5, 4, 3}, 3: {5, 4, 3, 2, 1, 0}, 4: {3, 4, 5, 0, 1, 2},
		5: {0, 3, 1, 4, 2, 5}, 6: {3, 0, 4, 1, 5, 2}, 7: {5, 2, 4, 1, 3, 0}, 8: {2, 5, 1, 4, 0, 3},
	} {
		t.Run(fmt.Sprintf("orientation %d", o), func(t *testing.T) {
			w, h := 3, 2
			if o >= 5 {
				w, h = h, w
			}
			codectest.WantPixels(t, toy, file(o, 3, 2), w, h, grey(want...))
		})
	}
	c, fail := codectest.Decode(t, toy, codectest.Bounds, file(6, 3, 2))
	if fail != nil || !bytes.Equal(c.RGB(), grey(0, 1, 2, 3, 4, 5)) {
		t.Errorf("RGB() = %v (%v), want the pixels as stored", c.RGB(), fail)
	}
	codectest.Prefixes(t, toy, file(1, 4, 4))
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		name   string
		src    []byte
		want   codec.Status
		reason string
	}{
		{name: "whole", src: file(1, 1, 1), want: codec.StatusOK},
		{name: "cut", src: []byte("TOY"), want: codec.StatusTruncated, reason: "no header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if reason := codectest.WantStatus(t, toy, c.src, c.want); reason != c.reason {
				t.Errorf("WantStatus() = %q, want %q", reason, c.reason)
			}
		})
	}
}

// TestSuites runs the suites over a folder with a reference, and over an archive.
func TestSuites(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ref := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	copy(ref.Pix, []byte{1, 1, 1, 255, 0, 0, 0, 255})
	var b bytes.Buffer
	if err := png.Encode(&b, ref); err != nil {
		t.Fatal(err)
	}
	write("a.toy", file(2, 2, 1))
	write("a.toy.ref.png", b.Bytes())
	codectest.References(t, toy, folder, 0)

	b.Reset()
	z := zip.NewWriter(&b)
	cases, err := json.Marshal(map[string][3]int{"a.toy": {7, 5, 4}, "b.other": {1, 1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"a.toy": file(7, 5, 4), "b.other": nil, "cases.json": cases} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	write("archive.zip", b.Bytes())
	codectest.Orientations(t, toy, filepath.Join(folder, "archive.zip"))
}

// TestBuilders tests that what the builders make can be read.
func TestBuilders(t *testing.T) {
	raw := append([]byte{0}, grey(7, 9)...)
	src := bytes.Join([][]byte{codectest.PNGHeader(2, 1), codectest.PNGChunk("IDAT", codectest.Deflate(t, raw)), codectest.PNGChunk("IEND", nil)}, nil)
	img, err := png.Decode(bytes.NewReader(src))
	if err != nil || !bytes.Equal(codectest.RGB(img), grey(7, 9)) {
		t.Errorf("image/png: %v, or other pixels than the builder's", err)
	}
	if got, want := string(codectest.TIFF([4]uint32{256, 4, 1, 3})),
		"II*\x00\x08\x00\x00\x00\x01\x00\x00\x01\x04\x00\x01\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00"; got != want {
		t.Errorf("TIFF() = %q, want %q", got, want)
	}
	if a, b := codectest.Picture(20, 10, 1), codectest.Picture(20, 10, 2); a.Rect != image.Rect(0, 0, 20, 10) || bytes.Equal(a.Pix, b.Pix) {
		t.Error("Picture() has another size, or the same pixels for two seeds")
	}
}
