package native

import (
	"errors"
	"os"
	"path/filepath"
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
// otherwise; those in the folder near more of them: samples of 10 and 12 bits, what JPEG XL
// makes of the coefficients of a JPEG, and JPEG 2000's YCC, which Pillow converts itself.
func TestReferences(t *testing.T) {
	for _, c := range []struct {
		library *Library
		format  codec.Format
		most    int
		near    int // in the folder of that name
	}{
		{library: HEIF, format: heic, most: 1, near: 3},
		{library: AVIF, format: avif, most: 2, near: 4},
		{library: JXL, format: jxl, most: 1, near: 3},
		{library: JP2, format: jp2, most: 0, near: 1},
	} {
		t.Run(c.format.Name, func(t *testing.T) {
			need(t, c.library)
			codectest.References(t, c.format, "testdata", c.most)
			codectest.References(t, c.format, "testdata/near", c.near)
			if l := ofSystem(t, c.library); l != nil {
				f := c.format
				f.New = format("HEIC", l, readHEIF)
				codectest.References(t, f, "testdata", c.most)
				codectest.References(t, f, "testdata/near", c.near)
			}
		})
	}
}

// ofSystem returns the libheif of the system, or nil if there is none or it is the one that is used.
func ofSystem(t *testing.T, l *Library) *Library {
	t.Helper()
	files, err := filepath.Glob("/usr/lib*/*/libheif.so.1")
	if err != nil {
		t.Fatal(err)
	}
	if l != HEIF || len(files) == 0 || len(l.fetched()) == 0 {
		return nil
	}
	return library(Library{Name: l.Name, Decodes: l.Decodes, Variable: "BATCHSCORE_NO_LIBRARY", files: files})
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

// agree is a codec.Libraries.
type agree func(name, identity string) error

func (a agree) Agree(name, identity string) error { return a(name, identity) }

// TestLibraryIsAgreedOn tests that a decoder asks once, with what it decodes with, and that an
// image without agreement has neither pixels nor a failure of its own.
func TestLibraryIsAgreedOn(t *testing.T) {
	need(t, HEIF)
	src := codectest.File(t, "testdata", "grey.heic")
	var asked []string
	d := codectest.New(t, heic, codec.Config{Libraries: agree(func(name, identity string) error {
		asked = append(asked, name+": "+identity)
		return nil
	})})
	for range 2 {
		if _, fail := codectest.DecodeWith(t, d, codectest.Bounds, src); fail != nil {
			t.Fatal(fail)
		}
	}
	if len(asked) != 1 || !strings.HasPrefix(asked[0], "libheif: libheif 1.") {
		t.Errorf("asked for %q, want libheif once", asked)
	}
	d = codectest.New(t, heic, codec.Config{Libraries: agree(func(string, string) error {
		t.Error("asked for an image that the library never sees")
		return nil
	})})
	if _, fail := codectest.DecodeWith(t, d, codectest.Bounds, src[:40]); fail == nil {
		t.Error("a header that is cut has pixels")
	}
	refusal := errors.New("another release")
	d = codectest.New(t, heic, codec.Config{Libraries: agree(func(string, string) error { return refusal })})
	if fail, err := d.Decode(src, codectest.Bounds, &codectest.Canvas{}); fail != nil || !errors.Is(err, refusal) {
		t.Errorf("Decode() = %v, %v, want %v", fail, err, refusal)
	}
	if reason := codectest.StatusOf(mustFail(t, codec.Config{GoOnly: true}, src)); reason != codec.StatusUnsupported {
		t.Errorf("in Go only: %s", reason)
	}
}

func mustFail(t *testing.T, c codec.Config, src []byte) *codec.Failure {
	t.Helper()
	_, fail := codectest.DecodeWith(t, codectest.New(t, heic, c), codectest.Bounds, src)
	return fail
}

// TestPrefixes tests that a file that ends early is no other picture.
func TestPrefixes(t *testing.T) {
	for _, c := range []struct {
		library *Library
		format  codec.Format
		file    string
	}{
		{library: HEIF, format: heic, file: "grey.heic"},
		{library: AVIF, format: avif, file: "turned-6.avif"},
		{library: JP2, format: jp2, file: "lossy.jp2"},
		{library: JXL, format: jxl, file: "grey.jxl"},
	} {
		t.Run(c.file, func(t *testing.T) {
			need(t, c.library)
			codectest.Prefixes(t, c.format, codectest.File(t, "testdata", c.file))
		})
	}
}
