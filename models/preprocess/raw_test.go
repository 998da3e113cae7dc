package preprocess

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// rawFile puts together a TIFF of two directories, the second as a SubIFD of the first. The values
// of a tag that is "at" a JPEG are the place of one of the files that follow.
func rawFile(magic string, first, second [][2]uint32, at map[uint32]int, files ...[]byte) []byte {
	const head = 8
	long := func(entries [][2]uint32) int { return 2 + 12*len(entries) + 4 }
	starts, end := []int{}, head+long(first)+long(second)
	for _, f := range files {
		starts = append(starts, end)
		end += len(f)
	}
	b := binary.LittleEndian.AppendUint32([]byte(magic), head)
	for _, entries := range [][][2]uint32{first, second} {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(entries)))
		for _, e := range entries {
			value := e[1]
			if i, ok := at[e[0]]; ok {
				value = uint32(starts[i])
			}
			if e[0] == 0x14a {
				value = uint32(head + long(first))
			}
			b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
			b = append(b, 4, 0, 1, 0, 0, 0)
			b = binary.LittleEndian.AppendUint32(b, value)
		}
		b = binary.LittleEndian.AppendUint32(b, 0)
	}
	return append(b, bytes.Join(files, nil)...)
}

// TestRawPreview tests that the largest JPEG of a camera's raw file is decoded on request only, and
// is turned upright as the file says.
func TestRawPreview(t *testing.T) {
	jpeg := func(w, h int) []byte { return encodeJPEG(t, codectest.Picture(w, h, uint64(w)), 90) }
	large, small, huge := jpeg(48, 32), jpeg(16, 8), jpeg(96, 64)
	lossless := bytes.Clone(huge)
	lossless[bytes.Index(lossless, []byte{0xff, 0xc0})+1] = 0xc3
	turned := [2]uint32{0x112, 6}
	junk := bytes.Repeat([]byte("sensor\xff\xd8"), 30)
	strips := [][2]uint32{{0xfe, 0}, {0x103, 7}, {0x106, 34892}, {0x111, 0}}
	for _, c := range []struct {
		name string
		src  []byte
		want []byte // the JPEG
		o    codec.Orientation
	}{
		{name: "DNG", o: 6, want: large, src: rawFile("II*\x00", [][2]uint32{{0xfe, 1}, turned, {0x14a, 0}, {0xc612, 1}},
			[][2]uint32{{0x201, 0}, {0x202, 0}}, map[uint32]int{0x201: 1}, junk, large)},
		{name: "DNG whose samples are a larger JPEG", o: 1, want: small, src: rawFile("II*\x00", [][2]uint32{{0x14a, 0}, {0x201, 0}, {0xc612, 1}},
			strips, map[uint32]int{0x201: 0, 0x111: 1}, small, huge)},
		{name: "NEF", o: 6, want: large, src: rawFile("II*\x00", [][2]uint32{{0xfe, 1}, {0x10f, 1}, turned, {0x14a, 0}, {0x201, 0}},
			[][2]uint32{{0x103, 6}, {0x111, 0}}, map[uint32]int{0x201: 0, 0x111: 1}, small, large)},
		{name: "CR2", o: 1, want: large, src: append(append([]byte("II*\x00\x10\x00\x00\x00CR\x02\x00\x00\x00\x00\x00"), 0, 0, 0, 0, 0, 0),
			append(append(bytes.Clone(small), large...), lossless...)...)},
		{name: "RW2", o: 6, want: large, src: rawFile("IIU\x00", [][2]uint32{turned, {0x2e, 0}}, nil, map[uint32]int{0x2e: 0}, large)},
		{name: "RAF", o: 1, want: large, src: append(append([]byte("FUJIFILMCCD-RAW 0201"), junk...), large...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantStatus(t, decodeSmall(t, c.src, Options{}), codec.StatusUnsupported)
			s := smallSpec
			s.RawPreview = true
			d, plain := newDecoder(t, s, Options{}), newDecoder(t, smallSpec, Options{})
			tags := append([]byte("Exif\x00\x00"), codectest.TIFF([4]uint32{0x112, 3, 1, uint32(c.o)})...)
			upright := insert(c.want, 2, append([]byte{0xff, 0xe1, 0, byte(2 + len(tags))}, tags...))
			got, want := make([]byte, smallSpec.RowBytes()), make([]byte, smallSpec.RowBytes())
			if err := errors.Join(d.Decode(got, c.src), plain.Decode(want, upright)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("other pixels than the JPEG has with orientation %d: %v", c.o, err)
			}
			if need, want := d.Need(c.src), plain.Need(upright); need.Width != want.Width || need.Height != want.Height {
				t.Errorf("Need says %+v, want %+v", need, want)
			}
			for n := 0; n < len(c.src); n += 5 {
				if err := decodeInto(t, d, bytes.Clone(c.src[:n])); status(t, err) == codec.StatusPanic {
					t.Fatalf("cut at %d of %d: %v", n, len(c.src), err)
				}
			}
		})
	}
	s := smallSpec
	s.RawPreview = true
	d := newDecoder(t, s, Options{})
	err := decodeInto(t, d, append([]byte("FUJIFILMCCD-RAW 0201"), junk...))
	wantStatus(t, err, codec.StatusUnsupported)
	if !strings.Contains(err.Error(), "without a JPEG") {
		t.Error(err)
	}
}
