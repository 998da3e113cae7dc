package preprocess

import (
	"bytes"
	"compress/lzw"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/png"
	"strings"
	"testing"
)

// pixelsOf decodes src at its own size, into RGB.
func pixelsOf(tb testing.TB, src []byte, width, height int) ([]byte, error) {
	tb.Helper()
	s := Spec{Width: width, Height: height, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
	row := make([]byte, s.RowBytes())
	err := newDecoder(tb, s, Options{}).Decode(row, src)
	return row, err
}

func wantPixels(tb testing.TB, src []byte, width, height int, want []byte) {
	tb.Helper()
	got, err := pixelsOf(tb, src, width, height)
	if err != nil {
		tb.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		i := 0
		for got[i] == want[i] {
			i++
		}
		tb.Errorf("other pixels, first at %d,%d: %v, want %v", i/3%width, i/3/width, got[i/3*3:][:3], want[i/3*3:][:3])
	}
}

func deflate(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// TestFault17_ShownPNG: a PNG whose pixels are all there is shown, as every viewer
// does, whatever else is wrong with it; one whose pixels are in doubt is not.
func TestFault17_ShownPNG(t *testing.T) {
	const w, h = 7, 5
	var raw, want []byte
	for y := range h {
		raw = append(raw, 0)
		for x := range w {
			p := []byte{byte(40 * x), byte(50 * y), byte(x * y)}
			raw, want = append(raw, p...), append(want, p...)
		}
	}
	signature, ihdr, iend := []byte(pngSignature), headerOf(w, h)[len(pngSignature):], chunkOf("IEND", nil)
	z := deflate(t, raw)
	idat := chunkOf("IDAT", z)
	file := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{signature}, parts...), nil) }
	wrong := func(chunk []byte) []byte {
		chunk = bytes.Clone(chunk)
		chunk[len(chunk)-1] ^= 1
		return chunk
	}
	indexed := bytes.Clone(ihdr[8 : len(ihdr)-4])
	indexed[9] = pngPalette
	indexed = chunkOf("IHDR", indexed)
	text := chunkOf("tEXt", []byte("a\x00b"))
	flipped := bytes.Clone(z)
	flipped[len(flipped)/2] ^= 0x10
	wrongSum := bytes.Clone(z)
	wrongSum[len(z)-1] ^= 1
	for _, c := range []struct {
		name string
		src  []byte
		want Status
	}{
		{name: "clean", src: file(ihdr, idat, iend), want: StatusOK},
		{name: "64 zero bytes too many", src: file(ihdr, chunkOf("IDAT", deflate(t, append(bytes.Clone(raw), make([]byte, 64)...))), iend), want: StatusOK},
		{name: "1 MB too many", src: file(ihdr, chunkOf("IDAT", deflate(t, append(bytes.Clone(raw), make([]byte, 1<<20)...))), iend), want: StatusOK},
		{name: "junk behind the data", src: file(ihdr, chunkOf("IDAT", append(bytes.Clone(z), "junk"...)), iend), want: StatusOK},
		{name: "10,000 bytes of junk", src: file(ihdr, chunkOf("IDAT", append(bytes.Clone(z), bytes.Repeat([]byte("junk"), 2500)...)), iend), want: StatusOK},
		{name: "two IDAT and an empty one", src: file(ihdr, chunkOf("IDAT", z[:9]), chunkOf("IDAT", nil), chunkOf("IDAT", z[9:]), iend), want: StatusOK},
		{name: "no adler32", src: file(ihdr, chunkOf("IDAT", z[:len(z)-4]), iend), want: StatusOK},
		{name: "no end chunk", src: file(ihdr, idat), want: StatusOK},
		{name: "end chunk with a body", src: file(ihdr, idat, chunkOf("IEND", []byte("body"))), want: StatusOK},
		{name: "end chunk cut", src: file(ihdr, idat, iend[:9]), want: StatusOK},
		{name: "zeros behind the data", src: file(ihdr, idat, make([]byte, 99)), want: StatusOK},
		{name: "last checksum cut", src: file(ihdr, idat[:len(idat)-2]), want: StatusOK},
		{name: "wrong checksum of a text", src: file(ihdr, wrong(text), idat, iend), want: StatusOK},
		{name: "wrong checksum of a text at the end", src: file(ihdr, idat, wrong(text), iend), want: StatusOK},
		{name: "wrong checksum of pixels whose own is right", src: file(ihdr, wrong(idat), iend), want: StatusOK},
		{name: "colours that nothing uses", src: file(ihdr, idat, chunkOf("PLTE", []byte("1234")), iend), want: StatusOK},
		{name: "chunks before the header", src: file(text, ihdr, idat, iend), want: StatusOK},
		{name: "an animation cut in its second frame", src: file(ihdr, idat, chunkOf("fcTL", make([]byte, 26)), text[:9]), want: StatusOK},
		{
			name: "a palette before the header",
			src:  file(chunkOf("PLTE", []byte("abc")), indexed, chunkOf("IDAT", deflate(t, make([]byte, 8*h))), iend),
			want: StatusCorrupt,
		},
		{name: "wrong checksum of the header", src: file(wrong(ihdr), idat, iend), want: StatusCorrupt},
		{name: "wrong checksum of the header's text", src: file(wrong(ihdr), text, idat, iend), want: StatusCorrupt},
		{name: "a bit of the pixels", src: file(ihdr, chunkOf("IDAT", flipped), iend), want: StatusCorrupt},
		{name: "wrong adler32", src: file(ihdr, chunkOf("IDAT", wrongSum), iend), want: StatusCorrupt},
		{name: "no checksum that holds", src: file(ihdr, wrong(chunkOf("IDAT", z[:len(z)-4])), iend), want: StatusCorrupt},
		{name: "two checksums that do not hold", src: file(ihdr, wrong(chunkOf("IDAT", wrongSum)), iend), want: StatusCorrupt},
		{name: "pixels cut in the file", src: file(ihdr, idat[:len(idat)-20]), want: StatusTruncated},
		{name: "pixels cut in the chunk", src: file(ihdr, chunkOf("IDAT", z[:len(z)-20]), iend), want: StatusTruncated},
		{name: "a row less", src: file(ihdr, chunkOf("IDAT", deflate(t, raw[:len(raw)-3*w-1])), iend), want: StatusTruncated},
		{name: "cut within a text at the end", src: file(ihdr, idat, text[:9]), want: StatusTruncated},
		{name: "no pixels", src: file(ihdr, iend), want: StatusCorrupt},
		{name: "no header", src: file(idat, iend), want: StatusCorrupt},
		{name: "an unknown filter", src: file(ihdr, chunkOf("IDAT", deflate(t, append([]byte{9}, raw[1:]...))), iend), want: StatusCorrupt},
		{name: "iOS", src: file(chunkOf("CgBI", []byte("\x50\x00\x20\x02")), ihdr, idat, iend), want: StatusUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == StatusOK {
				wantPixels(t, c.src, w, h, want)
				return
			}
			err := decodeSmall(t, c.src, Options{})
			if status(t, err) != c.want {
				t.Fatalf("%v, want %s", err, c.want)
			}
			if f := err.Error(); strings.Count(f, "png") > 1 || strings.Count(f, "zlib") > 1 {
				t.Errorf("says it twice: %s", f)
			}
		})
	}
}

// TestFault17_PNGPalette: a palette that is no multiple of three is used as far as
// it goes, and an index beyond it is black.
func TestFault17_PNGPalette(t *testing.T) {
	raw := []byte{0, 0, 1, 2, 3}
	header := append(headerOf(4, 1)[:len(pngSignature)+8], 0, 0, 0, 4, 0, 0, 0, 1, 8, 3, 0, 0, 0)
	header = append([]byte(pngSignature), chunkOf("IHDR", header[len(header)-13:])...)
	src := bytes.Join([][]byte{header, chunkOf("PLTE", []byte("abcdefg")), chunkOf("IDAT", deflate(t, raw)), chunkOf("IEND", nil)}, nil)
	wantPixels(t, src, 4, 1, []byte("abcdef\x00\x00\x00\x00\x00\x00"))
}

// TestFault19_PNGForms: every form that PNG has decodes to what image/png makes of
// it.
func TestFault19_PNGForms(t *testing.T) {
	for _, colour := range []uint8{pngGrey, pngRGB, pngPalette, pngGreyAlpha, pngRGBA} {
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
	p := pngFile{}
	if f := p.header(pngChunk{body: body}); f != nil {
		return // a form that PNG does not have
	}
	// Rows of every filter and of no pattern.
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
	src := bytes.Join([][]byte{[]byte(pngSignature), chunkOf("IHDR", body), chunkOf("PLTE", palette),
		chunkOf("IDAT", deflate(t, raw)), chunkOf("IEND", nil)}, nil)
	plain := src
	if colour == pngGrey || colour == pngGreyAlpha { // which image/png refuses with a palette
		plain = bytes.Replace(src, chunkOf("PLTE", palette), nil, 1)
	}
	img, err := png.Decode(bytes.NewReader(plain))
	if err != nil {
		t.Fatal(err)
	}
	px := rgbx(img)
	want := make([]byte, 0, 3*p.width*p.height)
	for i := 0; i < len(px); i += 4 {
		want = append(want, px[i:i+3]...)
	}
	wantPixels(t, src, p.width, p.height, want)
}

// gifOf is a GIF of one frame, of one byte an index.
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

// TestFault17_ShownGIF: a GIF whose first frame is there is shown, on a screen
// that is large enough for it.
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
		t.Run(c.name, func(t *testing.T) { wantPixels(t, c.src, c.width, c.height, c.want) })
	}
	broken := bytes.Clone(clean)
	broken[frame+12] = 0xff // the first code
	for _, c := range []struct {
		name string
		src  []byte
		want Status
	}{
		{name: "a pixel missing", src: gifOf(t, 3, 2, 0, 0, 3, 2, table, data[:5]), want: StatusTruncated},
		{name: "cut in the data", src: clean[:len(clean)-6], want: StatusTruncated},
		{name: "no frame", src: append(bytes.Clone(clean[:frame]), ';'), want: StatusCorrupt},
		{name: "a frame of 0x2", src: gifOf(t, 3, 2, 1, 0, 0, 2, table, data), want: StatusCorrupt},
		{name: "a code that does not exist", src: broken, want: StatusCorrupt},
		{name: "cut before the frame", src: clean[:frame], want: StatusTruncated},
	} {
		t.Run(c.name, func(t *testing.T) { wantStatus(t, decodeSmall(t, c.src, Options{}), c.want) })
	}
}

// TestFault19_GIFCodes: long codes, a table that is full, and resets.
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
			wantPixels(t, gifOf(t, w, h, 0, 0, w, h, table, data), w, h, want)
		})
	}
}

// animatedWebP is an animation of one frame, a still of its own.
func animatedWebP(canvasW, canvasH, x, y, w, h int, still []byte) []byte {
	uint24 := func(v int) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16)} }
	frame := bytes.Join([][]byte{uint24(x / 2), uint24(y / 2), uint24(w - 1), uint24(h - 1), uint24(100), {0}, still[12:]}, nil)
	body := bytes.Join([][]byte{
		webpChunk("VP8X", bytes.Join([][]byte{{2, 0, 0, 0}, uint24(canvasW - 1), uint24(canvasH - 1)}, nil)),
		webpChunk("ANIM", []byte{255, 0, 0, 255, 0, 0}), webpChunk("ANMF", frame), webpChunk("ANMF", frame[:16]),
	}, nil)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body))), append([]byte("WEBP"), body...)...)
}

// TestFault17_AnimatedWebP: the first frame, on a canvas that is black around it;
// the background colour is a hint that neither libwebp nor Pillow follows.
func TestFault17_AnimatedWebP(t *testing.T) {
	const w, h = 41, 31
	for _, file := range []string{"webp-lossless.webp", "webp-lossy.webp"} {
		t.Run(file, func(t *testing.T) {
			still := readFixture(t, file)
			want, err := pixelsOf(t, still, w, h)
			if err != nil {
				t.Fatal(err)
			}
			wantPixels(t, animatedWebP(w, h, 0, 0, w, h, still), w, h, want)
			canvas := image.Rect(0, 0, w+6, h+9)
			around := make([]byte, 3*canvas.Dx()*canvas.Dy())
			for y := range h {
				copy(around[3*((y+8)*canvas.Dx()+4):], want[3*y*w:][:3*w])
			}
			wantPixels(t, animatedWebP(canvas.Dx(), canvas.Dy(), 4, 8, w, h, still), canvas.Dx(), canvas.Dy(), around)
		})
	}
	still, lossy := readFixture(t, "webp-lossless.webp"), readFixture(t, "webp-lossy.webp")
	for _, c := range []struct {
		name string
		src  []byte
		want Status
	}{
		{name: "a frame past the canvas", src: animatedWebP(w, h, 2, 0, w, h, still), want: StatusCorrupt},
		{name: "a frame of another size than its pixels", src: animatedWebP(w, h, 0, 0, w, h-1, still), want: StatusOK},
		{name: "a frame whose pixels are larger than the canvas", src: animatedWebP(w, h-1, 0, 0, w, h-1, still), want: StatusCorrupt},
		{name: "a still of 0x0", src: append(bytes.Clone(lossy[:26]), append(make([]byte, 4), lossy[30:]...)...), want: StatusCorrupt},
		{name: "a frame without pixels", src: animatedWebP(w, h, 0, 0, w, h, still[:12]), want: StatusCorrupt},
		{name: "a canvas of 16 million squared", src: animatedWebP(1<<24, 1<<24, 0, 0, w, h, still), want: StatusTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) { wantStatus(t, decodeSmall(t, c.src, Options{}), c.want) })
	}
}
