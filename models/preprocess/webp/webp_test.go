package webp

import (
	"bytes"
	"encoding/binary"
	"image"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// animatedWebP returns an animation whose one frame is a still.
func animatedWebP(canvasW, canvasH, x, y, w, h int, still []byte) []byte {
	uint24 := func(v int) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16)} }
	frame := bytes.Join([][]byte{uint24(x / 2), uint24(y / 2), uint24(w - 1), uint24(h - 1), uint24(100), {0}, still[12:]}, nil)
	body := bytes.Join([][]byte{
		newChunk("VP8X", bytes.Join([][]byte{{2, 0, 0, 0}, uint24(canvasW - 1), uint24(canvasH - 1)}, nil)),
		newChunk("ANIM", []byte{255, 0, 0, 255, 0, 0}), newChunk("ANMF", frame), newChunk("ANMF", frame[:16]),
	}, nil)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body))), append([]byte("WEBP"), body...)...)
}

// TestFault17_AnimatedWebP tests that the first frame is shown on a canvas that is black
// around it. The background colour is a hint that neither libwebp nor Pillow follows.
func TestFault17_AnimatedWebP(t *testing.T) {
	const w, h = 41, 31
	for _, file := range []string{"webp-lossless.webp", "webp-lossy.webp"} {
		t.Run(file, func(t *testing.T) {
			still := codectest.File(t, "..", "testdata", file)
			c, fail := codectest.Decode(t, Format, codectest.Bounds, still)
			if fail != nil {
				t.Fatal(fail)
			}
			want := c.RGB()
			codectest.WantPixels(t, Format, animatedWebP(w, h, 0, 0, w, h, still), w, h, want)
			canvas := image.Rect(0, 0, w+6, h+9)
			around := make([]byte, 3*canvas.Dx()*canvas.Dy())
			for y := range h {
				copy(around[3*((y+8)*canvas.Dx()+4):], want[3*y*w:][:3*w])
			}
			codectest.WantPixels(t, Format, animatedWebP(canvas.Dx(), canvas.Dy(), 4, 8, w, h, still), canvas.Dx(), canvas.Dy(), around)
		})
	}
	still := codectest.File(t, "..", "testdata", "webp-lossless.webp")
	lossy := codectest.File(t, "..", "testdata", "webp-lossy.webp")
	for _, c := range []struct {
		name string
		src  []byte
		want codec.Status
	}{
		{name: "a frame past the canvas", src: animatedWebP(w, h, 2, 0, w, h, still), want: codec.StatusCorrupt},
		{name: "a frame of another size than its pixels", src: animatedWebP(w, h, 0, 0, w, h-1, still), want: codec.StatusOK},
		{name: "a frame whose pixels are larger than the canvas", src: animatedWebP(w, h-1, 0, 0, w, h-1, still), want: codec.StatusCorrupt},
		{name: "a still of 0x0", src: append(bytes.Clone(lossy[:26]), append(make([]byte, 4), lossy[30:]...)...), want: codec.StatusCorrupt},
		{name: "a frame without pixels", src: animatedWebP(w, h, 0, 0, w, h, still[:12]), want: codec.StatusCorrupt},
		{name: "a canvas of 16 million squared", src: animatedWebP(1<<24, 1<<24, 0, 0, w, h, still), want: codec.StatusTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) { codectest.WantStatus(t, Format, c.src, c.want) })
	}
}

// TestFault19_References compares the pixels with Pillow's.
func TestFault19_References(t *testing.T) {
	codectest.References(t, Format, filepath.Join("..", "testdata"), 1)
}

// TestFault35_Orientations tests that the orientation is found where Pillow finds it.
func TestFault35_Orientations(t *testing.T) {
	codectest.Orientations(t, Format, filepath.Join("..", "testdata", "orientation.zip"))
}

// TestFault17_Prefixes cuts a file everywhere.
func TestFault17_Prefixes(t *testing.T) {
	codectest.Prefixes(t, Format, codectest.File(t, "..", "testdata", "webp-lossy.webp"))
}

// newChunk returns a chunk with its padding.
func newChunk(kind string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(body)))
	b = append(b, body...)
	return append(b, make([]byte, len(body)&1)...)
}
