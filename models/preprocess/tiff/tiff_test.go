package tiff

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
	jpegcodec "github.com/batchscore/batchscore/models/preprocess/jpeg"
	webpcodec "github.com/batchscore/batchscore/models/preprocess/webp"
)

// A tiffCase is a TIFF of an archive that make_tiff.py wrote: its size and Pillow's pixels, or
// the status and a word of the reason.
type tiffCase struct {
	Name          string
	Width, Height int
	Most          int // steps from the pixels
	Status        codec.Status
	Tag           string
	file, pixels  []byte
}

func tiffCases(tb testing.TB) []tiffCase {
	tb.Helper()
	var all []tiffCase
	for _, archive := range []string{"tiff.zip", "tiff-kinds.zip"} {
		files := codectest.Archive(tb, filepath.Join("..", "testdata", archive))
		var cases []tiffCase
		if err := json.Unmarshal(files["cases.json"], &cases); err != nil {
			tb.Fatal(err)
		}
		if len(cases) < 200 {
			tb.Fatalf("only %d cases in %s", len(cases), archive)
		}
		for _, c := range cases {
			c.file, c.pixels = files[c.Name+".tif"], files[c.Name+".rgb"]
			all = append(all, c)
		}
	}
	return all
}

// withInner is Format with the decoders of pictures inside of it, which package preprocess
// gives it.
func withInner(goOnly bool) codec.Format {
	f := Format
	f.New = func(c codec.Config) (codec.Decoder, error) {
		j, err := jpegcodec.Format.New(codec.Config{GoOnly: goOnly})
		if err != nil {
			return nil, err
		}
		w, err := webpcodec.Format.New(codec.Config{})
		if err != nil {
			return nil, err
		}
		c.Inner = func(name string) codec.Decoder { return map[string]codec.Decoder{"JPEG": j, "WebP": w}[name] }
		return Format.New(c)
	}
	return f
}

// TestFault35_TIFF tests that every tag that changes the meaning of the pixels is applied as
// libtiff and Pillow do, or that the reason names it.
func TestFault35_TIFF(t *testing.T) {
	for _, c := range tiffCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			for _, goOnly := range []bool{false, true} {
				f := withInner(goOnly)
				if c.Status != "" {
					if reason := codectest.WantStatus(t, f, c.file, c.Status); !strings.Contains(reason, c.Tag) {
						t.Errorf("reason %q does not name %s", reason, c.Tag)
					}
					continue
				}
				codectest.WantPixelsNear(t, f, c.file, c.Width, c.Height, c.pixels, c.Most)
			}
		})
	}
}

// TestStrips tests that strips have the pixels of the whole picture, and that they take what
// StripNeed says.
func TestStrips(t *testing.T) {
	d, err := withInner(false).New(codec.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, c := range tiffCases(t) {
		if c.Status != "" {
			continue
		}
		codectest.WantStrips(t, d, c.file)
	}
}

// TestStripsEnd tests that a decode in strips ends when its sink wants no more.
func TestStripsEnd(t *testing.T) {
	d := codectest.New(t, Format, codec.Config{})
	for _, c := range tiffCases(t) {
		if c.Name != "rgb-planes-strip" && c.Name != "rgb-bits-once" && c.Name != "wide-34925" {
			continue
		}
		got := &codectest.StripSink{End: 1}
		fail, err := d.(codec.Striper).DecodeStrips(c.file, codectest.Bounds, got)
		if fail != nil || err != nil || got.Strips != 1 || got.Next == c.Height {
			t.Errorf("%s: %d strips of %d rows, %v, %v", c.Name, got.Strips, got.Next, fail, err)
		}
	}
}

// TestFault35_TIFFCut cuts TIFFs everywhere. Without all of its pixels a picture must be
// truncated, and not corrupt or unsupported.
func TestFault35_TIFFCut(t *testing.T) {
	for _, c := range tiffCases(t) {
		switch c.Name {
		case "rgb-raw", "rgb-lzw", "rgb-planes-strip", "greyA-packbits", "palette4-deflate", "group4-shapes-0-1-0",
			"group3-shapes-1-2-5", "rgb16a-predictor-MM", "no-counts-raw", "found/clean", "found/tile2048":
		default:
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			for n := 5; n < len(c.file); n += 1 + len(c.file)/2000 {
				got, fail := codectest.Decode(t, Format, codectest.Bounds, bytes.Clone(c.file[:n]))
				switch {
				case fail == nil && bytes.Equal(got.RGB(), c.pixels): // what is missing isn't needed
				case fail == nil || fail.Status != codec.StatusTruncated:
					t.Fatalf("cut at %d of %d: %v", n, len(c.file), fail)
				}
			}
		})
	}
}

// TestFault35_TIFFBombs tests that a small file cannot cause much memory or work.
func TestFault35_TIFFBombs(t *testing.T) {
	const width, height, bits, compression, photometric, offsets, counts = 256, 257, 258, 259, 262, 273, 279
	const tileWidth, tileLength, tileOffsets, tileCounts, rowsPerStrip = 322, 323, 324, 325, 278
	strip := func(w, h, pack uint32) []byte {
		return codectest.TIFF([4]uint32{width, 4, 1, w}, [4]uint32{height, 4, 1, h}, [4]uint32{bits, 3, 1, 8},
			[4]uint32{compression, 3, 1, pack}, [4]uint32{photometric, 3, 1, 1}, [4]uint32{offsets, 4, 1, 8},
			[4]uint32{counts, 4, 1, 40})
	}
	tiles := func(w, h, tw, th uint32) []byte {
		return codectest.TIFF([4]uint32{width, 4, 1, w}, [4]uint32{height, 4, 1, h}, [4]uint32{bits, 3, 1, 8},
			[4]uint32{compression, 3, 1, 8}, [4]uint32{photometric, 3, 1, 1}, [4]uint32{tileWidth, 4, 1, tw},
			[4]uint32{tileLength, 4, 1, th}, [4]uint32{tileOffsets, 4, 1, 8}, [4]uint32{tileCounts, 4, 1, 40})
	}
	for _, c := range []struct {
		name string
		src  []byte
		want codec.Status
	}{
		{name: "no compression", src: strip(9000, 9000, 1), want: codec.StatusTruncated},
		{name: "LZW", src: strip(9000, 9000, 5), want: codec.StatusCorrupt},
		{name: "deflate", src: strip(9000, 9000, 8), want: codec.StatusCorrupt},
		{name: "PackBits", src: strip(9000, 9000, 32773), want: codec.StatusCorrupt},
		{name: "Group 4", src: codectest.TIFF([4]uint32{width, 4, 1, 9000}, [4]uint32{height, 4, 1, 9000}, [4]uint32{compression, 3, 1, 4},
			[4]uint32{photometric, 3, 1, 1}, [4]uint32{offsets, 4, 1, 8}, [4]uint32{counts, 4, 1, 40}), want: codec.StatusCorrupt},
		{name: "many strips", src: codectest.TIFF([4]uint32{width, 4, 1, 9000}, [4]uint32{height, 4, 1, 9000}, [4]uint32{bits, 3, 1, 8},
			[4]uint32{photometric, 3, 1, 1}, [4]uint32{offsets, 4, 1, 8}, [4]uint32{rowsPerStrip, 4, 1, 1}), want: codec.StatusCorrupt},
		{name: "a huge tile", src: tiles(10, 10, 1<<31, 1<<31), want: codec.StatusTooLarge},
		{name: "a long tile", src: tiles(10, 10, 16, 1<<31), want: codec.StatusCorrupt},
		{name: "a wide tile", src: tiles(9000, 9000, 1<<22, 16), want: codec.StatusTooLarge},
		{name: "a tile of no width", src: tiles(10, 10, 0, 16), want: codec.StatusCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			took := allocated(func() { codectest.WantStatus(t, Format, c.src, c.want) })
			if took > 8<<20 {
				t.Errorf("took %d bytes, want at most 8 MiB", took)
			}
		})
	}
}

// TestFault35_TIFFShort tests that coded data that are too short are corrupt, unless they
// extend to the end of the file, where the rest may be missing.
func TestFault35_TIFFShort(t *testing.T) {
	const width, height, bits, compression, photometric, offsets, counts = 256, 257, 258, 259, 262, 273, 279
	for _, pack := range []uint32{4, 5, 8, 32773} {
		depth := uint32(8)
		data := map[uint32]string{4: "\x26", 5: "\x80\x0b\x80", 8: "\x78\x9c\x63\x60", 32773: "\x01ab"}[pack]
		if pack == 4 {
			depth = 1
		}
		entries := [][4]uint32{{width, 4, 1, 10}, {height, 4, 1, 6}, {bits, 3, 1, depth}, {compression, 3, 1, pack},
			{photometric, 3, 1, 1}, {offsets, 4, 1, 8 + 2 + 12*7 + 4}, {counts, 4, 1, uint32(len(data))}}
		codectest.WantStatus(t, Format, append(codectest.TIFF(entries...), data...), codec.StatusCorrupt)
		entries[5][3] -= 12
		codectest.WantStatus(t, Format, append(codectest.TIFF(entries[:6]...), data...), codec.StatusTruncated)
	}
}

// TestChecksum: deflated data with a wrong checksum are corrupt. Data whose checksum is
// missing, or does not follow the last row, are taken.
func TestChecksum(t *testing.T) {
	const width, height, bits, compression, photometric, offsets, rowsPerStrip, counts = 256, 257, 258, 259, 262, 273, 278, 279
	const w, h = 10, 6
	grey := make([]byte, w*h+100)
	want := make([]byte, 0, 3*w*h)
	for i := range w * h {
		grey[i] = byte(7 * i)
		want = append(want, grey[i], grey[i], grey[i])
	}
	deflated := func(pixels []byte) []byte {
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		if _, err := z.Write(pixels); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	wrong := func(b []byte) []byte {
		b[len(b)-1] ^= 1
		return b
	}
	// file has strips of 6 or 3 rows.
	file := func(pack uint32, strips ...[]byte) []byte {
		rows, n := uint32(h/len(strips)), uint32(len(strips))
		start := uint32(8 + 2 + 12*8 + 4)
		at, sizes := start, uint32(len(strips[0]))
		data := bytes.Join(strips, nil)
		if n > 1 {
			at, sizes = start+uint32(len(data)), start+uint32(len(data))+4*n
			for next, i := start, 0; i < len(strips); i++ {
				data = binary.LittleEndian.AppendUint32(data, next)
				next += uint32(len(strips[i]))
			}
			for _, s := range strips {
				data = binary.LittleEndian.AppendUint32(data, uint32(len(s)))
			}
		}
		return append(codectest.TIFF([4]uint32{width, 4, 1, w}, [4]uint32{height, 4, 1, h}, [4]uint32{bits, 3, 1, 8}, [4]uint32{compression, 3, 1, pack},
			[4]uint32{photometric, 3, 1, 1}, [4]uint32{offsets, 4, n, at}, [4]uint32{rowsPerStrip, 4, 1, rows}, [4]uint32{counts, 4, n, sizes}), data...)
	}
	all, top, bottom := grey[:w*h], grey[:w*h/2], grey[w*h/2:w*h]
	for _, pack := range []uint32{8, 32946} {
		for name, src := range map[string][]byte{
			"right":                       file(pack, deflated(all)),
			"right, of two":               file(pack, deflated(top), deflated(bottom)),
			"cut":                         file(pack, deflated(all)[:len(deflated(all))-2]),
			"missing":                     file(pack, deflated(all)[:len(deflated(all))-4]),
			"wrong, after further bytes":  file(pack, wrong(deflated(grey))),
			"wrong in what lies after it": file(pack, append(deflated(all), 1, 2, 3)),
		} {
			t.Run(fmt.Sprint(pack, " ", name), func(t *testing.T) { codectest.WantPixels(t, Format, src, w, h, want) })
		}
		for name, src := range map[string][]byte{
			"wrong":                file(pack, wrong(deflated(all))),
			"wrong, first of two":  file(pack, wrong(deflated(top)), deflated(bottom)),
			"wrong, second of two": file(pack, deflated(top), wrong(deflated(bottom))),
		} {
			t.Run(fmt.Sprint(pack, " ", name), func(t *testing.T) {
				if reason := codectest.WantStatus(t, Format, src, codec.StatusCorrupt); !strings.Contains(reason, "checksum") {
					t.Errorf("reason %q, want one that names the checksum", reason)
				}
			})
		}
	}
}

// allocated returns how many bytes of Go memory f takes.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// TestFault35_TIFFDamage changes bytes of TIFFs. The result must be a picture or a reason,
// the same for a decoder that has decoded another picture.
func TestFault35_TIFFDamage(t *testing.T) {
	cases := tiffCases(t)
	rnd := rand.New(rand.NewPCG(35, 1))
	bounds := codec.Bounds{MaxPixels: 1 << 22}
	used, err := Format.New(codec.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	for i := range 3000 {
		c := cases[i%len(cases)]
		src := bytes.Clone(c.file)
		// Half of the changes hit the directory, which is at either end.
		for range 1 + rnd.IntN(3) {
			at := rnd.IntN(len(src))
			if rnd.IntN(2) == 0 {
				at = min(rnd.IntN(300), len(src)-1)
				if rnd.IntN(2) == 0 {
					at = len(src) - 1 - at
				}
			}
			src[at] = byte(rnd.Uint32())
			if rnd.IntN(3) == 0 {
				src[at] = byte(rnd.IntN(4))
			}
		}
		if !Format.Matches(src) {
			continue
		}
		first, fail := codectest.Decode(t, Format, bounds, src)
		other, again := &codectest.Canvas{}, &codectest.Canvas{Prepared: 1}
		if _, err := used.Decode(cases[(i+1)%len(cases)].file, bounds, other); err != nil {
			t.Fatal(err)
		}
		failAgain, err := used.Decode(src, bounds, again)
		if err != nil {
			t.Fatal(err)
		}
		if codectest.StatusOf(fail) != codectest.StatusOf(failAgain) || fail == nil && !bytes.Equal(first.RGB(), again.RGB()) {
			t.Fatalf("%s, changed: %v, and after another picture %v", c.Name, fail, failAgain)
		}
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
	codectest.Prefixes(t, Format, codectest.File(t, "..", "testdata", "tiff-lzw.tif"))
}
