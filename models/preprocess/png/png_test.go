package png

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// TestFault17_ShownPNG tests that a PNG whose pixels are all there is shown, as every viewer
// does, whatever else is wrong with it, and that one whose pixels are in doubt is not.
func TestFault17_ShownPNG(t *testing.T) {
	const w, h = 7, 5
	chunk := codectest.PNGChunk
	deflate := func(b []byte) []byte { return codectest.Deflate(t, b) }
	var raw, want []byte
	for y := range h {
		raw = append(raw, 0)
		for x := range w {
			p := []byte{byte(40 * x), byte(50 * y), byte(x * y)}
			raw, want = append(raw, p...), append(want, p...)
		}
	}
	signature, ihdr, iend := []byte(signature), codectest.PNGHeader(w, h)[len(signature):], chunk("IEND", nil)
	z := deflate(raw)
	idat := chunk("IDAT", z)
	file := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{signature}, parts...), nil) }
	wrong := func(chunk []byte) []byte {
		chunk = bytes.Clone(chunk)
		chunk[len(chunk)-1] ^= 1
		return chunk
	}
	indexed := bytes.Clone(ihdr[8 : len(ihdr)-4])
	indexed[9] = colourPalette
	indexed = chunk("IHDR", indexed)
	text := chunk("tEXt", []byte("a\x00b"))
	flipped := bytes.Clone(z)
	flipped[len(flipped)/2] ^= 0x10
	wrongSum := bytes.Clone(z)
	wrongSum[len(z)-1] ^= 1
	for _, c := range []struct {
		name string
		src  []byte
		want codec.Status
	}{
		{name: "clean", src: file(ihdr, idat, iend), want: codec.StatusOK},
		{name: "64 zero bytes too many", src: file(ihdr, chunk("IDAT", deflate(append(bytes.Clone(raw), make([]byte, 64)...))), iend), want: codec.StatusOK},
		{name: "1 MB too many", src: file(ihdr, chunk("IDAT", deflate(append(bytes.Clone(raw), make([]byte, 1<<20)...))), iend), want: codec.StatusOK},
		{name: "junk behind the data", src: file(ihdr, chunk("IDAT", append(bytes.Clone(z), "junk"...)), iend), want: codec.StatusOK},
		{name: "10,000 bytes of junk", src: file(ihdr, chunk("IDAT", append(bytes.Clone(z), bytes.Repeat([]byte("junk"), 2500)...)), iend), want: codec.StatusOK},
		{name: "two IDAT and an empty one", src: file(ihdr, chunk("IDAT", z[:9]), chunk("IDAT", nil), chunk("IDAT", z[9:]), iend), want: codec.StatusOK},
		{name: "no adler32", src: file(ihdr, chunk("IDAT", z[:len(z)-4]), iend), want: codec.StatusOK},
		{name: "no end chunk", src: file(ihdr, idat), want: codec.StatusOK},
		{name: "end chunk with a body", src: file(ihdr, idat, chunk("IEND", []byte("body"))), want: codec.StatusOK},
		{name: "end chunk cut", src: file(ihdr, idat, iend[:9]), want: codec.StatusOK},
		{name: "zeros behind the data", src: file(ihdr, idat, make([]byte, 99)), want: codec.StatusOK},
		{name: "last checksum cut", src: file(ihdr, idat[:len(idat)-2]), want: codec.StatusOK},
		{name: "wrong checksum of a text", src: file(ihdr, wrong(text), idat, iend), want: codec.StatusOK},
		{name: "wrong checksum of a text at the end", src: file(ihdr, idat, wrong(text), iend), want: codec.StatusOK},
		{name: "wrong checksum of pixels whose own is right", src: file(ihdr, wrong(idat), iend), want: codec.StatusOK},
		{name: "colours that nothing uses", src: file(ihdr, idat, chunk("PLTE", []byte("1234")), iend), want: codec.StatusOK},
		{name: "chunks before the header", src: file(text, ihdr, idat, iend), want: codec.StatusOK},
		{name: "an animation cut in its second frame", src: file(ihdr, idat, chunk("fcTL", make([]byte, 26)), text[:9]), want: codec.StatusOK},
		{
			name: "a palette before the header",
			src:  file(chunk("PLTE", []byte("abc")), indexed, chunk("IDAT", deflate(make([]byte, 8*h))), iend),
			want: codec.StatusCorrupt,
		},
		{name: "wrong checksum of the header", src: file(wrong(ihdr), idat, iend), want: codec.StatusCorrupt},
		{name: "wrong checksum of the header's text", src: file(wrong(ihdr), text, idat, iend), want: codec.StatusCorrupt},
		{name: "a bit of the pixels", src: file(ihdr, chunk("IDAT", flipped), iend), want: codec.StatusCorrupt},
		{name: "wrong adler32", src: file(ihdr, chunk("IDAT", wrongSum), iend), want: codec.StatusCorrupt},
		{name: "no checksum that holds", src: file(ihdr, wrong(chunk("IDAT", z[:len(z)-4])), iend), want: codec.StatusCorrupt},
		{name: "two checksums that do not hold", src: file(ihdr, wrong(chunk("IDAT", wrongSum)), iend), want: codec.StatusCorrupt},
		{name: "pixels cut in the file", src: file(ihdr, idat[:len(idat)-20]), want: codec.StatusTruncated},
		{name: "pixels cut in the chunk", src: file(ihdr, chunk("IDAT", z[:len(z)-20]), iend), want: codec.StatusTruncated},
		{name: "a row less", src: file(ihdr, chunk("IDAT", deflate(raw[:len(raw)-3*w-1])), iend), want: codec.StatusTruncated},
		{name: "cut within a text at the end", src: file(ihdr, idat, text[:9]), want: codec.StatusTruncated},
		{name: "no pixels", src: file(ihdr, iend), want: codec.StatusCorrupt},
		{name: "no header", src: file(idat, iend), want: codec.StatusCorrupt},
		{name: "an unknown filter", src: file(ihdr, chunk("IDAT", deflate(append([]byte{9}, raw[1:]...))), iend), want: codec.StatusCorrupt},
		{name: "iOS", src: file(chunk("CgBI", []byte("\x50\x00\x20\x02")), ihdr, idat, iend), want: codec.StatusUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == codec.StatusOK {
				codectest.WantPixels(t, Format, c.src, w, h, want)
				return
			}
			reason := codectest.WantStatus(t, Format, c.src, c.want)
			if strings.Count(reason, "png") > 1 || strings.Count(reason, "zlib") > 1 {
				t.Errorf("reason %q names the format twice", reason)
			}
		})
	}
}

// TestFault17_PNGPalette tests that the whole colours of a palette are used if its length is
// not a multiple of three, and that an index beyond them is black.
func TestFault17_PNGPalette(t *testing.T) {
	raw := []byte{0, 0, 1, 2, 3}
	header := append(codectest.PNGHeader(4, 1)[:len(signature)+8], 0, 0, 0, 4, 0, 0, 0, 1, 8, 3, 0, 0, 0)
	header = append([]byte(signature), codectest.PNGChunk("IHDR", header[len(header)-13:])...)
	src := bytes.Join([][]byte{
		header, codectest.PNGChunk("PLTE", []byte("abcdefg")), codectest.PNGChunk("IDAT", codectest.Deflate(t, raw)), codectest.PNGChunk("IEND", nil),
	}, nil)
	codectest.WantPixels(t, Format, src, 4, 1, []byte("abcdef\x00\x00\x00\x00\x00\x00"))
}

// TestFault19_PNGForms tests that every form of PNG decodes to the pixels of image/png.
func TestFault19_PNGForms(t *testing.T) {
	for _, colour := range []uint8{colourGrey, colourRGB, colourPalette, colourGreyAlpha, colourRGBA} {
		for _, depth := range []uint8{1, 2, 4, 8, 16} {
			for _, interlace := range []uint8{0, 1} {
				for _, size := range [][2]uint32{{1, 1}, {3, 2}, {13, 11}, {64, 9}} {
					checkPNGForm(t, colour, depth, interlace, size)
				}
			}
		}
	}
}

func checkPNGForm(t *testing.T, colour, depth, interlace uint8, size [2]uint32) {
	t.Helper()
	body := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, size[0]), size[1])
	body = append(body, depth, colour, 0, 0, interlace)
	p := file{}
	if f := p.header(chunk{body: body}); f != nil {
		return // a form that PNG does not have
	}
	// Rows of every filter, without a pattern.
	var raw []byte
	for _, pass := range p.passes() {
		w, h := (p.width-pass.x+pass.dx-1)/pass.dx, (p.height-pass.y+pass.dy-1)/pass.dy
		if w < 1 || h < 1 {
			continue
		}
		for y := range h {
			raw = append(raw, byte(y%5))
			for i := range p.rowBytes(w) - 1 {
				raw = append(raw, byte(37*i+101*y+i*y))
			}
		}
	}
	palette := make([]byte, 3<<min(depth, 8))
	for i := range palette {
		palette[i] = byte(11*i + 5)
	}
	src := bytes.Join([][]byte{[]byte(signature), codectest.PNGChunk("IHDR", body), codectest.PNGChunk("PLTE", palette),
		codectest.PNGChunk("IDAT", codectest.Deflate(t, raw)), codectest.PNGChunk("IEND", nil)}, nil)
	plain := src
	if colour == colourGrey || colour == colourGreyAlpha { // which image/png refuses with a palette
		plain = bytes.Replace(src, codectest.PNGChunk("PLTE", palette), nil, 1)
	}
	img, err := png.Decode(bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	codectest.WantPixels(t, Format, src, p.width, p.height, codectest.RGB(img))
	codectest.WantStrips(t, decoder{}, src)
}

// TestFirstRow tests that the first row of every pass has nothing but zeros above it: neither the last
// row of the pass before, nor anything of a longer one.
func TestFirstRow(t *testing.T) {
	const side = 16
	head := []byte{0, 0, 0, side, 0, 0, 0, side, 8, colourGrey, 0, 0, 1}
	for filter := range byte(5) {
		p := file{}
		if f := p.header(chunk{body: head}); f != nil {
			t.Fatal(f)
		}
		var raw []byte
		for _, pass := range p.passes() {
			w, h := (side-pass.x+pass.dx-1)/pass.dx, (side-pass.y+pass.dy-1)/pass.dy
			for range h {
				raw = append(raw, filter)
				for x := range w {
					raw = append(raw, byte(31*x+len(raw)))
				}
			}
		}
		src := bytes.Join([][]byte{[]byte(signature), codectest.PNGChunk("IHDR", head),
			codectest.PNGChunk("IDAT", codectest.Deflate(t, raw)), codectest.PNGChunk("IEND", nil)}, nil)
		img, err := png.Decode(bytes.NewReader(src))
		if err != nil {
			t.Fatal(err)
		}
		codectest.WantPixels(t, Format, src, side, side, codectest.RGB(img))
	}
}

// TestStrips tests strips of a picture of several of them: their memory does not grow with its height
// unless it is interlaced, they end when no more are wanted, and what is missing is a failure as it is of the
// whole picture.
func TestStrips(t *testing.T) {
	const width, height = 40, 3*stripRows + 5
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range img.Pix {
		img.Pix[i] = uint8(i * i / 7)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	src := b.Bytes()
	if got := codectest.WantStrips(t, decoder{}, src); got.Strips != 4 || got.Tall != stripRows {
		t.Errorf("%d strips of at most %d rows, want 4 of %d", got.Strips, got.Tall, stripRows)
	}
	plain, whole := decoder{}.StripNeed(src, codectest.Bounds).Bytes, int64(4*width*height)
	if plain >= whole {
		t.Errorf("strips need %d bytes, and the pixels are %d", plain, whole)
	}
	woven := bytes.Clone(src)
	woven[len(signature)+8+12] = 1
	if need := (decoder{}).StripNeed(woven, codectest.Bounds).Bytes; need < whole {
		t.Errorf("an interlaced picture needs %d bytes, and its pixels are %d", need, whole)
	}
	got := &codectest.StripSink{End: 2}
	if fail, err := (decoder{}).DecodeStrips(src, codectest.Bounds, got); fail != nil || err != nil || got.Strips != 2 {
		t.Errorf("%d strips, %v, %v, want 2", got.Strips, fail, err)
	}
	for _, n := range []int{60, len(src) / 2, len(src) - 20} {
		_, want := codectest.Decode(t, Format, codectest.Bounds, src[:n])
		fail, err := decoder{}.DecodeStrips(src[:n], codectest.Bounds, &codectest.StripSink{})
		if err != nil || (fail == nil) != (want == nil) || fail != nil && *fail != *want {
			t.Errorf("%d bytes of %d in strips: %v, %v, want %v", n, len(src), fail, err, want)
		}
	}
	wrong := bytes.Clone(src)
	wrong[len(src)-18] ^= 1 // of the checksum of the pixel data
	if fail, err := (decoder{}).DecodeStrips(wrong, codectest.Bounds, &codectest.StripSink{}); err != nil || fail == nil || fail.Status != codec.StatusCorrupt {
		t.Errorf("with a wrong checksum: %v, %v", fail, err)
	}
	// Who wants no more rows is told nothing of what follows them, not even in the last strip.
	for _, end := range []int{1, 3, 4} {
		if fail, err := (decoder{}).DecodeStrips(wrong, codectest.Bounds, &codectest.StripSink{End: end}); err != nil || fail != nil {
			t.Errorf("with a wrong checksum after strip %d, the last wanted: %v, %v", end, fail, err)
		}
	}
}

// TestFault18_Text tests that no more text is decompressed than Pillow reads of one picture.
func TestFault18_Text(t *testing.T) {
	const most = 64 // chunks of the largest size, of which Pillow reads no more
	long := bytes.Repeat([]byte{' '}, 1<<20)
	turned := []byte(`<x:xmpmeta tiff:Orientation="6"/>`)
	text := func(b []byte) []byte {
		return codectest.PNGChunk("zTXt", append([]byte(keyXMP+"\x00\x00"), codectest.Deflate(t, b)...))
	}
	for _, c := range []struct {
		name  string
		texts int
		want  codec.Orientation
	}{{name: "within", texts: most, want: 6}, {name: "beyond", texts: most + 1, want: 1}} {
		t.Run(c.name, func(t *testing.T) {
			src := append(codectest.PNGHeader(8, 8), bytes.Repeat(text(long), c.texts)...)
			src = append(append(append(src, text(turned)...), codectest.PNGChunk("IDAT", nil)...), codectest.PNGChunk("IEND", nil)...)
			if o, fail := walk(src, codectest.Bounds); fail != nil || o != c.want {
				t.Errorf("orientation %v, %v, want %v", o, fail, c.want)
			}
		})
	}
}

// TestFault19_References compares the pixels with Pillow's.
func TestFault19_References(t *testing.T) {
	codectest.References(t, Format, filepath.Join("..", "testdata"), 0)
}

// TestFault35_Orientations tests that the orientation is found where Pillow finds it.
func TestFault35_Orientations(t *testing.T) {
	codectest.Orientations(t, Format, filepath.Join("..", "testdata", "orientation.zip"))
}

// TestFault17_Prefixes cuts a file everywhere.
func TestFault17_Prefixes(t *testing.T) {
	codectest.Prefixes(t, Format, codectest.File(t, "..", "testdata", "png-rgb.png"))
}
