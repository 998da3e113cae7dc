package native

import (
	"os"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// need skips a test that needs a library which is not installed; in CI it fails.
func need(tb testing.TB, l *Library) {
	tb.Helper()
	_, err := l.Identity()
	switch {
	case err == nil:
	case os.Getenv("CI") != "" || !IsMissing(err):
		tb.Fatal(err)
	default:
		tb.Skip(err)
	}
}

// The formats as package preprocess has them, but for how they are recognised.
var (
	heic = codec.Format{Name: "HEIC", Extensions: "heic", New: NewHEIC}
	avif = codec.Format{Name: "AVIF", Extensions: "avif", New: NewAVIF}
	jxl  = codec.Format{Name: "JPEG XL", Extensions: "jxl", New: NewJXL}
	jp2  = codec.Format{Name: "JPEG 2000", Extensions: "jp2 j2k", New: NewJP2}
)

// TestReferences compares with Pillow's plugins. Releases of the libraries round a step
// otherwise.
func TestReferences(t *testing.T) {
	for _, c := range []struct {
		library *Library
		format  codec.Format
		most    int
	}{
		{library: HEIF, format: heic, most: 1},
		{library: AVIF, format: avif, most: 2},
		{library: JXL, format: jxl, most: 1},
		{library: JP2, format: jp2, most: 0},
	} {
		t.Run(c.format.Name, func(t *testing.T) {
			need(t, c.library)
			codectest.References(t, c.format, "testdata", c.most)
		})
	}
}

// TestIdentity tests that a library says which release it is: rows depend on it.
func TestIdentity(t *testing.T) {
	for l, prefix := range map[*Library]string{HEIF: "libheif 1.", AVIF: "libavif ", JXL: "libjxl 0.", JP2: "openjpeg 2."} {
		need(t, l)
		id, err := l.Identity()
		if err != nil || !strings.HasPrefix(id, prefix) {
			t.Errorf("Identity() = %q, %v, want %s and more", id, err, prefix)
		}
	}
}
