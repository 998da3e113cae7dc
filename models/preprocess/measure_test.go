package preprocess

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// A measured is a picture whose decode is measured.
type measured struct {
	name   string
	src    []byte
	spec   func(*Spec)
	opt    Options
	status codec.Status // "" for ok
	// loose says that the figure holds for more than this picture shows.
	loose bool
}

// measuredPictures returns pictures of every format, depth and kind.
func measuredPictures(tb testing.TB) []measured {
	const w, h = 2560, 1024
	text := func(n int) []byte { return bytes.Repeat([]byte("ab"), n/2) }
	profile := func(kind string, packed bool, n int) []byte {
		body := []byte("Raw profile type exif\x00")
		raw := append([]byte("\nexif\n      9\n"), text(n)...)
		if packed {
			return codectest.PNGChunk(kind, append(append(body, 0), codectest.Deflate(tb, raw)...))
		}
		return codectest.PNGChunk(kind, append(body, raw...))
	}
	var all []measured
	add := func(name string, src []byte) *measured {
		all = append(all, measured{name: name, src: src})
		return &all[len(all)-1]
	}
	for _, c := range [][2]byte{{1, 0}, {16, 0}, {8, 2}, {1, 3}, {16, 6}} {
		for _, interlace := range []byte{0, 1} {
			depth, colour := c[0], c[1]
			add(fmt.Sprintf("PNG type %d, %d bits, interlace %d", colour, depth, interlace), flatPNG(tb, w, h, depth, colour, interlace))
		}
	}
	// How much of the tables of a resize from a million pixels is touched differs.
	add("PNG of 16 bits, one row", flatPNG(tb, 1<<20, 1, 16, 6, 0)).loose = true
	add("PNG with a profile of 16 MB", flatPNG(tb, 100, 100, 8, 2, 0, profile("tEXt", false, 16<<20)))
	add("PNG with 20 packed profiles", flatPNG(tb, 100, 100, 8, 2, 0, bytes.Repeat(profile("zTXt", true, 1<<19), 20)))
	add("PNG with a packed profile too long", flatPNG(tb, 100, 100, 8, 2, 0, profile("zTXt", true, 1<<27)))
	bomb := codectest.PNGChunk("iCCP", append([]byte("x\x00\x00"), deflated(tb, 100<<20)...))
	add("PNG with a packed colour profile of 100 MB", flatPNG(tb, 100, 100, 8, 2, 0, bomb))
	few := flatPNG(tb, 500, 500, 8, 2, 0)
	at := bytes.Index(few, []byte("IDAT")) - 4
	add("PNG with a million empty IDAT chunks", bytes.Join([][]byte{few[:at], bytes.Repeat(codectest.PNGChunk("IDAT", nil), 1<<20), few[at:]}, nil))

	for _, c := range [][2]int{{1, 1}, {8, 3}, {16, 4}} {
		for _, compression := range []int{1, 5, 8, 32773} {
			bits, samples := c[0], c[1]
			add(fmt.Sprintf("TIFF of %d samples of %d bits, compression %d", samples, bits, compression), flatTIFF(tb, w, h, bits, samples, compression))
		}
	}
	add("TIFF, 16-bit RGBA, one tile", flatTIFF(tb, w, h, 16, 4, 8, [4]uint32{322, 4, 1, w}, [4]uint32{323, 4, 1, h}))
	add("TIFF with a predictor", flatTIFF(tb, w, h, 16, 4, 8, [4]uint32{317, 3, 1, 2}))
	add("TIFF of 3 x 2 pixels in a tile of 200 MB", flatTIFF(tb, 1<<20, 25, 16, 4, 8, [4]uint32{322, 4, 1, 1 << 20}, [4]uint32{323, 4, 1, 25}))
	small := all[len(all)-1].src
	copy(small[10+8:], "\x03\x00\x00\x00")
	copy(small[10+12+8:], "\x02\x00\x00\x00")
	add("TIFF, Group 3", flatTIFF(tb, w, h, 1, 1, 3))
	add("TIFF, Group 4", flatTIFF(tb, w, h, 1, 1, 4))
	for _, c := range []struct{ format, bits, samples, compression int }{
		{format: 3, bits: 32, samples: 1, compression: 8},
		{format: 3, bits: 32, samples: 3, compression: 5},
		{format: 2, bits: 16, samples: 1, compression: 1},
		{format: 1, bits: 64, samples: 3, compression: 50000},
		{format: 1, bits: 8, samples: 3, compression: 50000},
		{format: 1, bits: 8, samples: 3, compression: 34925},
	} {
		add(fmt.Sprintf("TIFF of %d samples of format %d and %d bits, packed as %d", c.samples, c.format, c.bits, c.compression),
			flatTIFF(tb, w, h, c.bits, c.samples, c.compression, [4]uint32{339, 3, 1, uint32(c.format)}))
	}
	add("TIFF in strips of zstd", flatTIFF(tb, w, 64, 8, 3, 50000))
	inside := flatCoded(w, h, 0xc0, true, "\x01\x02\x03", 0x22, 0x11, 0x11)
	add("TIFF with a JPEG inside", holdTIFF(w, h, 7, inside))
	add("TIFF with a JPEG inside, in a tile", holdTIFF(w, h, 7, flatCoded(w, h, 0xc0, true, "\x01\x02\x03", 0x11, 0x11, 0x11), [4]uint32{322, 4, 1, w + 10},
		[4]uint32{323, 4, 1, h}))
	add("TIFF with a JPEG of the old kind", holdTIFF(w, h, 6, inside))
	tiles := func(s *Spec) { s.Tile, s.TileRule = 256, TileMean }
	for name, src := range map[string][]byte{"whole": flatPNG(tb, w, h, 8, 2, 0), "strips": flatTIFF(tb, w, h, 8, 3, 8)} {
		m := add("tiles, "+name, src)
		m.spec, m.opt.Tiles = tiles, Unscored{}
	}
	add("TIFF with its bits reversed", flatTIFF(tb, w, h, 1, 1, 1, [4]uint32{266, 3, 1, 2}))

	for _, c := range []struct {
		name     string
		sof      byte
		together bool
		ids      string
		sampling []byte
	}{
		{name: "baseline, grey", sof: 0xc0, together: true, ids: "\x01", sampling: []byte{0x11}},
		{name: "baseline, 4:2:0", sof: 0xc0, together: true, ids: "\x01\x02\x03", sampling: []byte{0x22, 0x11, 0x11}},
		{name: "baseline, 4:4:4", sof: 0xc0, together: true, ids: "\x01\x02\x03", sampling: []byte{0x11, 0x11, 0x11}},
		{name: "baseline, RGB", sof: 0xc0, together: true, ids: "RGB", sampling: []byte{0x11, 0x11, 0x11}},
		{name: "baseline, CMYK", sof: 0xc0, together: true, ids: "\x01\x02\x03\x04", sampling: []byte{0x11, 0x11, 0x11, 0x11}},
		{name: "baseline, 4:4:4 in three scans", sof: 0xc0, together: false, ids: "\x01\x02\x03", sampling: []byte{0x11, 0x11, 0x11}},
		{name: "progressive, grey", sof: 0xc2, together: true, ids: "\x01", sampling: []byte{0x11}},
		{name: "progressive, 4:2:0", sof: 0xc2, together: true, ids: "\x01\x02\x03", sampling: []byte{0x22, 0x11, 0x11}},
		{name: "progressive, 4:4:4", sof: 0xc2, together: true, ids: "\x01\x02\x03", sampling: []byte{0x11, 0x11, 0x11}},
		{name: "progressive, CMYK", sof: 0xc2, together: true, ids: "\x01\x02\x03\x04", sampling: []byte{0x11, 0x11, 0x11, 0x11}},
		{name: "arithmetic, 4:4:4", sof: 0xc9, together: true, ids: "\x01\x02\x03", sampling: []byte{0x11, 0x11, 0x11}},
		{name: "arithmetic progressive, 4:4:4", sof: 0xca, together: true, ids: "\x01\x02\x03", sampling: []byte{0x11, 0x11, 0x11}},
	} {
		src := flatCoded(w, h, c.sof, c.together, c.ids, c.sampling...)
		add("JPEG "+c.name, src)
		if len(c.sampling) == 3 {
			add("JPEG "+c.name+", shrunk", src).spec = func(s *Spec) { s.ScaledDecode = true }
		}
		if c.sof < 0xc9 {
			add(inGo+c.name, src).opt.ForcePortable = true
		}
	}
	plain := flatCoded(w, h, 0xc0, true, "\x01\x02\x03", 0x22, 0x11, 0x11)
	add("JPEG with EXIF in 300 segments", bytes.Join([][]byte{plain[:2],
		bytes.Repeat(append([]byte("\xff\xe1\xff\xffExif\x00\x00"), make([]byte, 65535-8)...), 300), plain[2:]}, nil)).loose = true
	photo := encodeJPEG(tb, codectest.Picture(w, h, 1), 90)
	add("JPEG, a photograph", photo).loose = true
	add("JPEG, a photograph with other bits", damaged(photo)).status = codec.StatusCorrupt
	add("JPEG, a photograph in doubt", append(bytes.Clone(photo[:len(photo)-2]), bytes.Repeat([]byte("text"), 9)...)).loose = true

	add("GIF", flatGIF(tb, w, h))
	wide := flatGIF(tb, 10, 10)
	copy(wide[6:], "\xff\xff\x00\x01")
	add("GIF, a frame of 10x10 on a screen of 65535x256", wide)
	add("BMP of 24 bits", flatBMP(w, h, 24, false))
	add("BMP of 32 bits", flatBMP(w, h, 32, false))
	add("BMP of 8 bits", flatBMP(w, h, 8, false))
	add("BMP of 8 bits, RLE", flatBMP(w, h, 8, true))
	add("BMP without its first header", flatBMP(w, h, 24, false)[14:])

	netpbm := []byte("P6 2560 1024 65535\n")
	add("PPM of 16 bits", append(netpbm, make([]byte, 6*w*h)...))
	add("PGM, plain", append([]byte("P2 2560 1024 255\n"), bytes.Repeat([]byte("7 "), w*h)...))
	add("QOI", append([]byte("qoif\x00\x00\x0a\x00\x00\x00\x04\x00\x03\x00"), bytes.Repeat([]byte{0xfd}, w*h/62+1)...))
	add("TGA with run lengths", append([]byte("\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0a\x00\x04\x18\x20"),
		bytes.Repeat([]byte("\xffrgb"), w*h/128)...))
	icon := append([]byte("\x00\x00\x01\x00\x01\x00"+"\x00\x00\x00\x00\x01\x00\x18\x00\xff\xff\xff\xff\x16\x00\x00\x00"),
		flatBMP(w, 2*h, 24, false)[14:]...)
	add("ICO with a BMP", icon)

	add("WebP, lossless", webpFile(webpChunk("VP8L", flatVP8L(w, h, false, true))))
	add("WebP, lossless with a palette", webpFile(webpChunk("VP8L", flatVP8L(w, h, true, true))))
	add("WebP, lossless in 2600 groups of codes", webpFile(webpChunk("VP8L", groupedVP8L(w, h, 2600))))
	add("WebP, lossy", webpFile(webpChunk("VP8 ", flatVP8(w, h))))
	alpha := webpChunk("ALPH", append([]byte{1}, flatVP8L(w, h, true, false)...))
	add("WebP, lossy with alpha", webpFile(webpHead(0x10, w, h), alpha, webpChunk("VP8 ", flatVP8(w, h))))
	frame := append(make([]byte, 16), webpChunk("VP8L", flatVP8L(10, 10, false, true))...)
	frame[6], frame[9] = 9, 9
	add("WebP, a frame of 10x10 on 16383x1023", webpFile(webpHead(2, 16383, 1023), webpChunk("ANMF", frame)))
	return all
}

// damaged returns a JPEG with other bits in its middle.
func damaged(src []byte) []byte {
	src = bytes.Clone(src)
	for i := range 200 {
		src[len(src)/2+i] = 0x55
	}
	return src
}

// inGo begins the names of those that image/jpeg decodes.
const inGo = "JPEG in Go, "

const measureVariable = "BATCHSCORE_MEASURE_DECODES"

// TestNeed_Measured decodes pictures of every kind in a process that does not collect
// garbage and that gives all memory back at once, and compares how far its memory grows
// with what Need says: never more, and not much less.
func TestNeed_Measured(t *testing.T) {
	requireTurbo(t)
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skip("the peak of a process's memory cannot be reset: ", err) // not on Linux
	}
	// The race detector takes memory of its own, and several times the time.
	exe := filepath.Join(t.TempDir(), "preprocess.test")
	if text, err := exec.Command("go", "test", "-race=false", "-c", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestNeed_Measure$", "-test.v")
	cmd.Env = append(os.Environ(), measureVariable+"=1",
		"GOGC=off", "MALLOC_MMAP_THRESHOLD_=65536", "MALLOC_TRIM_THRESHOLD_=0", "MALLOC_ARENA_MAX=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const slack = 3 << 20 // of the process, and what Need leaves out
	const large = 1 << 20 // pixels of those that BytesPerPixel is about
	worst, planes, inPixels := map[string]float64{}, 0, int64(0)
	for line := range strings.Lines(string(out)) {
		var name string
		var got, said, pixels, long int64
		var loose, best, planar bool
		if n, _ := fmt.Sscanf(line, "measured %q %d %d %d %d %t %t %t", &name, &got, &said, &pixels, &long, &loose, &best, &planar); n != 8 {
			continue
		}
		if planar {
			planes++
			// Need is of pixels, which a damaged picture takes after its planes.
			loose = true
			if got > inPixels-2*pixels {
				t.Errorf("%s: takes %d bytes in planes, and %d in pixels", name, got, inPixels)
			}
		}
		inPixels = got
		t.Logf("%-50s %7.2f MB, %5.2f bytes a pixel; Need %7.2f MB, %5.2f", name, float64(got)/1e6, float64(got)/float64(pixels),
			float64(said)/1e6, float64(said)/float64(pixels))
		if got > said+slack {
			t.Errorf("%s: takes %d bytes, and Need says %d", name, got, said)
		}
		if !loose && said > got+got/2+slack {
			t.Errorf("%s: Need says %d bytes, and it takes %d", name, said, got)
		}
		besides := strings.Contains(name, "compression 5") || strings.Contains(name, "packed as") || strings.Contains(name, "groups")
		if kind, _, _ := strings.Cut(strings.ReplaceAll(name, ",", " "), " "); pixels > large && !besides && !best {
			if strings.HasPrefix(name, inGo) {
				kind = inGo
			}
			worst[kind] = max(worst[kind], float64(said-leastNeed-2*long)/float64(pixels))
		}
	}
	if newDecoder(t, sizedSpec(64, 64), Options{}).canvas.job.most > 0 && planes == 0 {
		t.Error("no picture was taken as planes")
	}
	table := append(BytesPerPixel[:len(BytesPerPixel):len(BytesPerPixel)], BytesPerPixel[0])
	table[len(table)-1].Format, table[len(table)-1].Bytes = inGo, JPEGBytesPerPixelInGo
	for _, c := range table {
		if w := worst[c.Format]; w > c.Bytes+0.3 || w < 0.85*c.Bytes {
			t.Errorf("%s: up to %.2f bytes a pixel, and the table says %v", c.Format, w, c.Bytes)
		}
	}
}

// TestNeed_Measure is the other process of TestNeed_Measured.
func TestNeed_Measure(t *testing.T) {
	if os.Getenv(measureVariable) == "" {
		return
	}
	for _, m := range measuredPictures(t) {
		measure(t, m, false)
		if strings.HasPrefix(m.name, "JPEG") && !m.opt.ForcePortable {
			measure(t, m, true)
		}
	}
}

// measure prints what the decode of a picture takes: with the plain C kernels, which the test is
// about on every processor, or with the best ones, for which a picture may be taken as planes.
func measure(t *testing.T, m measured, best bool) {
	spec := Spec{Width: 64, Height: 64, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
	if best {
		spec.Width, spec.Height = 192, 192 // kernels for AVX2 take no planes where the weights are more
	}
	if m.spec != nil {
		m.spec(&spec)
	}
	d, err := NewDecoder(spec, m.opt)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if !best {
		d.canvas.use(0)
	}
	need, row := d.Need(m.src), make([]byte, m.opt.RowBytes(spec))
	debug.FreeOSMemory()
	before := memory(t, "VmRSS:")
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	err = d.Decode(row, m.src)
	got := memory(t, "VmHWM:") - before
	if fail := (*codec.Failure)(nil); err != nil && (!errors.As(err, &fail) || fail.Status != m.status) {
		t.Errorf("%s: %v", m.name, err)
	}
	fmt.Printf("measured %q %d %d %d %d %t %t %t\n", m.name, got, need.Bytes, need.Width*need.Height, len(m.src), m.loose,
		best, d.canvas.job.ycc == 1)
}

// memory returns a line of the process's status in bytes.
func memory(tb testing.TB, name string) int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		var kb int64
		if rest, ok := strings.CutPrefix(s.Text(), name); ok {
			if _, err := fmt.Sscan(rest, &kb); err != nil {
				tb.Fatal(err)
			}
			return kb << 10
		}
	}
	tb.Fatal("no ", name)
	return 0
}
