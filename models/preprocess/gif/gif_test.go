package gif

import (
	"bytes"
	"compress/lzw"
	"encoding/binary"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// gifOf returns a GIF of one frame, of one byte an index.
func gifOf(tb testing.TB, screenW, screenH, x, y, w, h uint16, table []byte, data []byte) []byte {
	tb.Helper()
	b := binary.LittleEndian.AppendUint16([]byte("GIF89a"), screenW)
	b = binary.LittleEndian.AppendUint16(b, screenH)
	b = append(b, 0, 0, 0)
	if table != nil {
		b[10] = 0x80
		for 6<<b[10]&7 < len(table) && 3<<(b[10]&7+1) < len(table) {
			b[10]++
		}
		b = append(b, table...)
	}
	b = append(b, ',')
	for _, v := range []uint16{x, y, w, h} {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	b = append(b, 0, 8)
	var coded bytes.Buffer
	l := lzw.NewWriter(&coded, lzw.LSB, 8)
	if _, err := l.Write(data); err != nil {
		tb.Fatal(err)
	}
	if err := l.Close(); err != nil {
		tb.Fatal(err)
	}
	for c := coded.Bytes(); len(c) > 0; {
		n := min(len(c), 255)
		b = append(append(b, byte(n)), c[:n]...)
		c = c[n:]
	}
	return append(b, 0, ';')
}

// TestFault17_ShownGIF tests that a GIF whose first frame is there is shown, on a screen that
// is large enough for it.
func TestFault17_ShownGIF(t *testing.T) {
	table := []byte("\x00\x00\x00\xff\x00\x00\x00\xff\x00\x00\x00\xff")
	colours := func(indices ...byte) []byte {
		var out []byte
		for _, i := range indices {
			out = append(out, table[3*i:][:3]...)
		}
		return out
	}
	data := []byte{1, 2, 3, 3, 2, 1}
	surplus := append(bytes.Clone(data), 1, 1, 1, 1, 1, 1)
	clean := gifOf(t, 3, 2, 0, 0, 3, 2, table, data)
	insert := func(b []byte, at int, what string) []byte {
		return append(append(bytes.Clone(b[:at]), what...), b[at:]...)
	}
	frame := 13 + len(table)
	for _, c := range []struct {
		name          string
		src           []byte
		width, height int
		want          []byte
	}{
		{name: "clean", src: clean, width: 3, height: 2, want: colours(data...)},
		{name: "6 pixels too many", src: gifOf(t, 3, 2, 0, 0, 3, 2, table, surplus), width: 3, height: 2, want: colours(data...)},
		{name: "an extra block of data", src: insert(clean, len(clean)-2, "\x03abc"), width: 3, height: 2, want: colours(data...)},
		{name: "no end", src: clean[:len(clean)-1], width: 3, height: 2, want: colours(data...)},
		{name: "no end of the data", src: clean[:len(clean)-2], width: 3, height: 2, want: colours(data...)},
		{name: "a screen one smaller", src: gifOf(t, 2, 1, 0, 0, 3, 2, table, data), width: 3, height: 2, want: colours(data...)},
		{
			name:   "a frame past the screen",
			src:    gifOf(t, 3, 2, 1, 1, 3, 2, table, data),
			width:  4,
			height: 3,
			want:   colours(0, 0, 0, 0, 0, 1, 2, 3, 0, 3, 2, 1),
		},
		{name: "a screen of 0x0", src: gifOf(t, 0, 0, 0, 0, 3, 2, table, data), width: 3, height: 2, want: colours(data...)},
		{name: "a frame of 0x0", src: gifOf(t, 3, 2, 0, 0, 0, 0, table, data), width: 3, height: 2, want: colours(data...)},
		{name: "junk before the frame", src: insert(clean, frame, "\x00junk"), width: 3, height: 2, want: colours(data...)},
		{name: "no colours", src: gifOf(t, 3, 2, 0, 0, 3, 2, nil, []byte{0, 9, 255, 7, 8, 9}), width: 3, height: 2,
			want: []byte("\x00\x00\x00\x09\x09\x09\xff\xff\xff\x07\x07\x07\x08\x08\x08\x09\x09\x09")},
		{name: "an index beyond the colours", src: gifOf(t, 3, 2, 0, 0, 3, 2, table, []byte{1, 2, 3, 3, 2, 200}), width: 3, height: 2,
			want: append(colours(1, 2, 3, 3, 2), 0, 0, 0)},
	} {
		t.Run(c.name, func(t *testing.T) { codectest.WantPixels(t, Format, c.src, c.width, c.height, c.want) })
	}
	broken := bytes.Clone(clean)
	broken[frame+12] = 0xff // the first code
	for _, c := range []struct {
		name string
		src  []byte
		want codec.Status
	}{
		{name: "a pixel missing", src: gifOf(t, 3, 2, 0, 0, 3, 2, table, data[:5]), want: codec.StatusTruncated},
		{name: "cut in the data", src: clean[:len(clean)-6], want: codec.StatusTruncated},
		{name: "no frame", src: append(bytes.Clone(clean[:frame]), ';'), want: codec.StatusCorrupt},
		{name: "a frame of 0x2", src: gifOf(t, 3, 2, 1, 0, 0, 2, table, data), want: codec.StatusCorrupt},
		{name: "a code that does not exist", src: broken, want: codec.StatusCorrupt},
		{name: "cut before the frame", src: clean[:frame], want: codec.StatusTruncated},
	} {
		t.Run(c.name, func(t *testing.T) { codectest.WantStatus(t, Format, c.src, c.want) })
	}
}

// TestFault19_GIFCodes tests long codes, a full table, and resets.
func TestFault19_GIFCodes(t *testing.T) {
	const w, h = 300, 211
	table := make([]byte, 768)
	for i := range table {
		table[i] = byte(i * 7)
	}
	for name, of := range map[string]func(i int) byte{
		"noise": func(i int) byte { return byte(i * i >> 3 * 37) },
		"flat":  func(int) byte { return 5 },
		"waves": func(i int) byte { return byte(i % (3 + i/999)) },
	} {
		t.Run(name, func(t *testing.T) {
			data, want := make([]byte, w*h), make([]byte, 0, 3*w*h)
			for i := range data {
				data[i] = of(i)
				want = append(want, table[3*int(data[i]):][:3]...)
			}
			codectest.WantPixels(t, Format, gifOf(t, w, h, 0, 0, w, h, table, data), w, h, want)
		})
	}
}

// TestFault18_GIFFrame tests that a frame that exceeds the screen needs enough data.
func TestFault18_GIFFrame(t *testing.T) {
	src := bytes.Clone(codectest.File(t, "..", "testdata", "gif.gif"))
	frame := bytes.IndexByte(src[13+3*(1<<(src[10]&7+1)):], 0x2c) + 13 + 3*(1<<(src[10]&7+1))
	copy(src[frame+5:], "\xff\xff\xff\xff")
	codectest.WantStatus(t, Format, src, codec.StatusCorrupt)
}

// TestFault19_References compares the pixels with Pillow's.
func TestFault19_References(t *testing.T) {
	codectest.References(t, Format, filepath.Join("..", "testdata"), 0)
}

// TestFault17_Prefixes cuts a file everywhere.
func TestFault17_Prefixes(t *testing.T) {
	codectest.Prefixes(t, Format, codectest.File(t, "..", "testdata", "gif.gif"))
}
