package preprocess

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// readArchive returns the files of an archive of testdata.
func readArchive(tb testing.TB, name string) map[string][]byte {
	tb.Helper()
	z, err := zip.OpenReader(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	defer z.Close()
	files := make(map[string][]byte)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			tb.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			tb.Fatal(err)
		}
		r.Close()
	}
	return files
}

// A tiffCase is a TIFF of tiff.zip, which make_tiff.py wrote: its size and the
// pixels that Pillow finds, or the status and what the reason names.
type tiffCase struct {
	Name          string
	Width, Height int
	Status        Status
	Tag           string
	file, pixels  []byte
}

func tiffCases(tb testing.TB) []tiffCase {
	tb.Helper()
	files := readArchive(tb, "tiff.zip")
	var cases []tiffCase
	if err := json.Unmarshal(files["cases.json"], &cases); err != nil {
		tb.Fatal(err)
	}
	if len(cases) < 500 {
		tb.Fatalf("only %d cases in tiff.zip", len(cases))
	}
	for i := range cases {
		c := &cases[i]
		c.file, c.pixels = files[c.Name+".tif"], files[c.Name+".rgb"]
	}
	return cases
}

func sizedSpec(w, h int) Spec {
	return Spec{Width: w, Height: h, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
}

// TestFault35_TIFF: every tag that changes the meaning of the pixels is honoured
// as libtiff and Pillow do, or the row says which is not.
func TestFault35_TIFF(t *testing.T) {
	for _, c := range tiffCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			if c.Status != "" {
				err := decodeSmall(t, c.file, Options{})
				wantStatus(t, err, c.Status)
				if err != nil && !strings.Contains(err.Error(), c.Tag) {
					t.Errorf("%v, which doesn't name %s", err, c.Tag)
				}
				return
			}
			row := make([]byte, len(c.pixels))
			if err := newDecoder(t, sizedSpec(c.Width, c.Height), Options{}).Decode(row, c.file); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(row, c.pixels) {
				for i := range row {
					if row[i] != c.pixels[i] {
						t.Fatalf("sample %d is %d, want %d", i, row[i], c.pixels[i])
					}
				}
			}
		})
	}
}

// TestFault35_TIFFCut cuts TIFFs everywhere: without all of its pixels a picture
// is truncated, and never damaged or of another kind.
func TestFault35_TIFFCut(t *testing.T) {
	for _, c := range tiffCases(t) {
		switch c.Name {
		case "rgb-raw", "rgb-lzw", "rgb-planes-strip", "greyA-packbits", "palette4-deflate", "group4-shapes-0-1-0",
			"group3-shapes-1-2-5", "rgb16a-predictor-MM", "no-counts-raw", "found/clean", "found/tile2048":
		default:
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			d := newDecoder(t, sizedSpec(c.Width, c.Height), Options{})
			row := make([]byte, len(c.pixels))
			for n := 5; n < len(c.file); n += 1 + len(c.file)/2000 {
				err := d.Decode(row, bytes.Clone(c.file[:n]))
				switch s := status(t, err); {
				case s == StatusOK && bytes.Equal(row, c.pixels): // what is missing isn't needed
				case s != StatusTruncated:
					t.Fatalf("cut at %d of %d: %v", n, len(c.file), err)
				}
			}
		})
	}
}

// TestFault35_TIFFDamage changes bytes of TIFFs: the outcome is a picture or a
// reason, the same after any other picture, and never a panic.
func TestFault35_TIFFDamage(t *testing.T) {
	cases := tiffCases(t)
	rnd := rand.New(rand.NewPCG(35, 1))
	fresh, used := newDecoder(t, smallSpec, Options{MaxPixels: 1 << 22}), newDecoder(t, smallSpec, Options{MaxPixels: 1 << 22})
	one, two := make([]byte, smallSpec.RowBytes()), make([]byte, smallSpec.RowBytes())
	other := encodeJPEG(t, picture(60, 50, 1), 90)
	for i := range 3000 {
		c := cases[i%len(cases)]
		src := bytes.Clone(c.file)
		// Half of the changes hit the directory, which lies at either end.
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
		a := fresh.Decode(one, src)
		if err := used.Decode(two, other); err != nil {
			t.Fatal(err)
		}
		b := used.Decode(two, src)
		if status(t, a) == StatusPanic {
			t.Fatalf("%s, changed: %v", c.Name, a)
		}
		if status(t, a) != status(t, b) || !bytes.Equal(one, two) {
			t.Fatalf("%s, changed: %v, and after another picture %v", c.Name, a, b)
		}
	}
}

// TestFault35_TIFFBombs: a small file cannot ask for much memory or work.
func TestFault35_TIFFBombs(t *testing.T) {
	const width, height, bits, compression, photometric, offsets, counts = 256, 257, 258, 259, 262, 273, 279
	const tileWidth, tileLength, tileOffsets, tileCounts, rowsPerStrip = 322, 323, 324, 325, 278
	strip := func(w, h, pack uint32) []byte {
		return tiffOf([4]uint32{width, 4, 1, w}, [4]uint32{height, 4, 1, h}, [4]uint32{bits, 3, 1, 8},
			[4]uint32{compression, 3, 1, pack}, [4]uint32{photometric, 3, 1, 1}, [4]uint32{offsets, 4, 1, 8},
			[4]uint32{counts, 4, 1, 40})
	}
	tiles := func(w, h, tw, th uint32) []byte {
		return tiffOf([4]uint32{width, 4, 1, w}, [4]uint32{height, 4, 1, h}, [4]uint32{bits, 3, 1, 8},
			[4]uint32{compression, 3, 1, 8}, [4]uint32{photometric, 3, 1, 1}, [4]uint32{tileWidth, 4, 1, tw},
			[4]uint32{tileLength, 4, 1, th}, [4]uint32{tileOffsets, 4, 1, 8}, [4]uint32{tileCounts, 4, 1, 40})
	}
	for _, c := range []struct {
		name string
		src  []byte
		want Status
	}{
		{name: "no compression", src: strip(9000, 9000, 1), want: StatusTruncated},
		{name: "LZW", src: strip(9000, 9000, 5), want: StatusCorrupt},
		{name: "deflate", src: strip(9000, 9000, 8), want: StatusCorrupt},
		{name: "PackBits", src: strip(9000, 9000, 32773), want: StatusCorrupt},
		{name: "Group 4", src: tiffOf([4]uint32{width, 4, 1, 9000}, [4]uint32{height, 4, 1, 9000}, [4]uint32{compression, 3, 1, 4},
			[4]uint32{photometric, 3, 1, 1}, [4]uint32{offsets, 4, 1, 8}, [4]uint32{counts, 4, 1, 40}), want: StatusCorrupt},
		{name: "many strips", src: tiffOf([4]uint32{width, 4, 1, 9000}, [4]uint32{height, 4, 1, 9000}, [4]uint32{bits, 3, 1, 8},
			[4]uint32{photometric, 3, 1, 1}, [4]uint32{offsets, 4, 1, 8}, [4]uint32{rowsPerStrip, 4, 1, 1}), want: StatusCorrupt},
		{name: "a huge tile", src: tiles(10, 10, 1<<31, 1<<31), want: StatusTooLarge},
		{name: "a long tile", src: tiles(10, 10, 16, 1<<31), want: StatusCorrupt},
		{name: "a wide tile", src: tiles(9000, 9000, 1<<22, 16), want: StatusTooLarge},
		{name: "a tile of no width", src: tiles(10, 10, 0, 16), want: StatusCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDecoder(t, smallSpec, Options{})
			took := allocated(func() { wantStatus(t, decodeInto(t, d, c.src), c.want) })
			if took += d.pixels.size + d.work.size; took > 8<<20 {
				t.Errorf("took %d bytes", took)
			}
		})
	}
}

// TestFault35_TIFFShort: coded data that are too short are damaged, unless they
// go to the file's end, where the rest may be missing.
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
		wantStatus(t, decodeSmall(t, append(tiffOf(entries...), data...), Options{}), StatusCorrupt)
		entries[5][3] -= 12
		wantStatus(t, decodeSmall(t, append(tiffOf(entries[:6]...), data...), Options{}), StatusTruncated)
	}
}
