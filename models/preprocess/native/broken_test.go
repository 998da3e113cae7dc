package native

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// broken returns a decoder whose library does what the last byte of an image says, and a
// picture to which that byte is to be appended.
func broken(t *testing.T) (d *decoder, src []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "libheif.so.1")
	args := append([]string{"-shared", "-fPIC", "-o", file, "testdata/broken/broken.c"}, strings.Fields(os.Getenv("SANITIZE_C"))...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	l := library(Library{Name: "libheif", Decodes: "HEIC", Variable: "BATCHSCORE_NO_LIBRARY", files: []string{file}})
	d, ok := codectest.New(t, codec.Format{New: format("HEIC", l, readHEIF)}, codec.Config{}).(*decoder)
	if !ok {
		t.Fatal("another type of decoder")
	}
	return d, codectest.File(t, "testdata", "grey.heic")
}

// do is what the library is to do with an image.
func do(src []byte, what byte) []byte { return append(bytes.Clone(src), what) }

// TestFault53_BrokenLibrary tests that whatever a library does costs one image: the next one has the
// pixels that it has alone.
func TestFault53_BrokenLibrary(t *testing.T) {
	t.Setenv("BATCHSCORE_SECRET", "s")
	keep := seconds
	seconds = func(header) int { return 20 }
	defer func() { seconds = keep }()
	defer func(step time.Duration, steps int) { idleStep, idleSteps = step, steps }(idleStep, idleSteps)
	idleStep, idleSteps = 10*time.Millisecond, 20
	d, src := broken(t)
	first, fail := codectest.DecodeWith(t, d, codectest.Bounds, do(src, '0'))
	if fail != nil {
		t.Fatal(fail)
	}
	for _, c := range []struct {
		name string
		what byte
		want string
		asan string // under AddressSanitizer, which handles signals
	}{
		{name: "a crash", what: 'C', want: "decoder_panic: libheif crashed (SIGSEGV)", asan: "decoder_panic: libheif ended with exit status 1"},
		{name: "an abort", what: 'A', want: "decoder_panic: libheif crashed (SIGABRT)"},
		{name: "an exit", what: 'X', want: "decoder_panic: libheif ended with exit status 0"},
		{name: "a loop", what: 'H', want: "decoder_panic: libheif took too much processor time"},
		{name: "a wait", what: 'P', want: "decoder_panic: libheif waited for something that never comes"},
		{name: "another size", what: 'W', want: "corrupt: 61x40 pixels, and its header says 60x40"},
		{name: "16 GB of memory", what: 'M', want: "corrupt: libheif: out of memory", asan: "-"},
		{name: "files, sockets and processes", what: 'E', want: "corrupt: libheif: 0 escapes"},
		{name: "memory that it has not written", what: 'R', want: "corrupt: libheif: 0 of an earlier image"},
		{name: "a crash after other images only", what: 'S'},
	} {
		t.Run(c.name, func(t *testing.T) {
			if sanitized && c.asan == "-" {
				t.Skip("its shadow memory would count")
			}
			if c.what == 'H' {
				seconds = func(header) int { return 1 }
				defer func() { seconds = func(header) int { return 20 } }()
			}
			if c.what == 'E' && d.helper != nil && !d.helper.sealed {
				t.Skip("this kernel does not limit system calls")
			}
			want := c.want
			if sanitized && c.asan != "" {
				want = c.asan
			}
			got := ""
			canvas, fail := codectest.DecodeWith(t, d, codectest.Bounds, do(src, c.what))
			if fail != nil {
				got = fail.Error()
			}
			if got != want {
				t.Errorf("%q, want %q", got, want)
			}
			if fail == nil && !bytes.Equal(canvas.RGB(), first.RGB()) {
				t.Error("other pixels than those of the first image")
			}
			next, fail := codectest.DecodeWith(t, d, codectest.Bounds, do(src, '0'))
			if fail != nil || !bytes.Equal(next.RGB(), first.RGB()) {
				t.Errorf("the next image: %v, or other pixels", fail)
			}
		})
	}
}

// TestFault53_KilledHelper tests that an image whose helper somebody kills, again and again, is not
// blamed: the machine is, and the run ends.
func TestFault53_KilledHelper(t *testing.T) {
	d, src := broken(t)
	fail, err := d.Decode(do(src, 'K'), codectest.Bounds, &codectest.Canvas{})
	if fail != nil || err == nil || !strings.Contains(err.Error(), "its helper was killed 3 times") {
		t.Errorf("Decode() = %v, %v, want an error", fail, err)
	}
}

// TestMissingLibrary tests that an image is unsupported without its library, and that the
// error says what to install.
func TestMissingLibrary(t *testing.T) {
	l := library(Library{Name: "libheif", Decodes: "HEIC", Variable: "LIBHEIF", Install: "x: y", files: []string{"libnothing.so.7"}})
	f := codec.Format{Name: "HEIC", New: format("HEIC", l, readHEIF)}
	if reason := codectest.WantStatus(t, f, codectest.File(t, "testdata", "grey.heic"), codec.StatusUnsupported); reason !=
		"HEIC is not decoded: libheif is not installed" {
		t.Errorf("the reason is %q", reason)
	}
	_, err := l.Identity()
	if !IsMissing(err) || !strings.Contains(err.Error(), "install it (x: y) or name the library in LIBHEIF (tried: libnothing.so.7") {
		t.Errorf("Identity() = %v", err)
	}
}
