package codectest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Small are bounds for pictures of which a fuzzer decodes thousands a second.
var Small = codec.Bounds{MaxPixels: 1 << 16, MaxScans: 100}

// Hostile decodes src, of any bytes, as an image of the format with d, which may have decoded anything before, and
// returns its pixels. It tests that
//   - a failure has a status and a reason, and is the same again;
//   - all pixels are filled, whatever was in their memory and in the decoder's, and no byte
//     between the rows is;
//   - the size is that of Need;
//   - a file that is cut is no other picture.
//
// It decodes nothing that the format does not match.
func Hostile(tb testing.TB, f codec.Format, d codec.Decoder, src []byte) (*Canvas, *codec.Failure) {
	tb.Helper()
	if !f.Matches(src) {
		return nil, codec.Fail(codec.StatusUnsupported, "not a file of the format")
	}
	need := d.Need(src, Small)
	first, fail := decodeOver(tb, d, src, 0)
	second, again := decodeOver(tb, New(tb, f, codec.Config{}), src, 1)
	if fmt.Sprint(fail) != fmt.Sprint(again) {
		tb.Errorf("%v, and %v by a new decoder", fail, again)
	}
	if fail != nil || again != nil {
		if fail != nil && (fail.Reason == "" || !slices.Contains(codec.Failures(), fail.Status) || fail.Status == codec.StatusPanic) {
			tb.Errorf("the failure is %q, %q", fail.Status, fail.Reason)
		}
		return first, fail
	}
	if need.Width != first.Width || need.Height != first.Height {
		tb.Errorf("%dx%d pixels, and Need says %dx%d", first.Width, first.Height, need.Width, need.Height)
	}
	if first.Orientation > 8 || first.Orientation != second.Orientation {
		tb.Errorf("orientation %d, then %d", first.Orientation, second.Orientation)
	}
	want := first.RGB()
	if !bytes.Equal(want, second.RGB()) {
		tb.Error("other pixels over other memory")
	}
	part := bytes.Clone(src[:len(src)-len(src)/4]) // so that a read past the end is one past the allocation
	if !f.Matches(part) {
		return first, nil
	}
	if cut, fail := decodeOver(tb, d, part, 2); fail == nil && !bytes.Equal(cut.RGB(), want) {
		tb.Errorf("cut at %d of %d: ok with other pixels", len(part), len(src))
	}
	return first, nil
}

// FuzzArchived fuzzes decoders of the formats as Hostile tests them, from the files of an archive
// that have an ending of one of them.
func FuzzArchived(f *testing.F, archive string, formats ...codec.Format) {
	var decoders []codec.Decoder
	for _, format := range formats {
		for _, src := range ArchivedSeeds(f, format, archive) {
			f.Add(src)
		}
		decoders = append(decoders, New(f, format, codec.Config{}))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for i, d := range decoders {
			_, _ = Hostile(t, formats[i], d, src)
		}
	})
}

// decodeOver decodes src over random memory, and tests the gaps between the rows.
func decodeOver(tb testing.TB, d codec.Decoder, src []byte, noise uint8) (*Canvas, *codec.Failure) {
	tb.Helper()
	c := &Canvas{Noise: noise}
	fail, err := d.Decode(src, Small, c)
	switch {
	case err != nil:
		tb.Fatal(err)
	case c.Prepared > 1 || fail == nil && c.Prepared == 0:
		tb.Fatalf("%d calls of Prepare: %v", c.Prepared, fail)
	case c.Prepared == 0:
		return c, fail
	case int64(c.Width)*int64(c.Height) > Small.MaxPixels || c.Width < 1 || c.Height < 1:
		tb.Fatalf("%dx%d pixels, with bounds of %d", c.Width, c.Height, Small.MaxPixels)
	}
	before := make([]uint8, len(c.Bytes))
	_, _ = rand.NewChaCha8([32]byte{1, noise}).Read(before)
	for y := range c.Height {
		if gap := y*c.Pitch + 4*c.Width; !bytes.Equal(c.Bytes[gap:(y+1)*c.Pitch], before[gap:(y+1)*c.Pitch]) {
			tb.Fatalf("bytes after row %d were written: %v", y, fail)
		}
	}
	return c, fail
}

// Seeds returns the files of a folder that have an ending of the format.
func Seeds(tb testing.TB, f codec.Format, folder string) (files [][]byte) {
	tb.Helper()
	for _, extension := range strings.Fields(f.Extensions) {
		paths, err := filepath.Glob(filepath.Join(folder, "*."+extension))
		if err != nil {
			tb.Fatal(err)
		}
		for _, path := range paths {
			if !strings.HasSuffix(path, ".ref.png") {
				files = append(files, File(tb, path))
			}
		}
	}
	if len(files) == 0 {
		tb.Fatalf("no files of %s in %s", f.Name, folder)
	}
	return files
}
