package native

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// broken returns a decoder whose library does what the last byte of an image says, and a
// picture to which that byte is to be appended.
func broken(t *testing.T) (d *decoder, src []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "libheif.so.1")
	args := append([]string{"-shared", "-fPIC", "-pthread", "-o", file, "testdata/broken/broken.c"}, strings.Fields(os.Getenv("SANITIZE_C"))...)
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
		{name: "a stack that it fills", what: 'F'},
		{name: "stacks that it has not written", what: 'T', want: "corrupt: libheif: 0 of an earlier image on stacks", asan: "-"},
		{name: "a lot of output", what: 'O'},
		{name: "an answer without end", what: 'N', want: "corrupt: " + strings.Repeat("x", 232)},
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

// send sends a signal to every helper of this process, again and again until the test ends.
func send(t *testing.T, signal unix.Signal) {
	t.Helper()
	parent := fmt.Sprintf(" %d ", os.Getpid())
	ends, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(ends); <-ended })
	go func() {
		defer close(ended)
		for {
			select {
			case <-ends:
				return
			case <-time.After(10 * time.Millisecond):
			}
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, file := range files {
				stat, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "stat"))
				_, rest, _ := bytes.Cut(stat, []byte(") ")) // its state, its parent
				if line, _ := os.ReadFile(file); len(rest) < 2 || !bytes.HasPrefix(rest[1:], []byte(parent)) || !bytes.Contains(line, []byte("decode-helper")) {
					continue
				}
				if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
					_ = unix.Kill(pid, signal) // it may have ended
				}
			}
		}
	}()
}

// TestFault53_KilledHelper tests that an image whose helper somebody kills or stops, again and again,
// is not blamed: the machine is, and the run ends.
func TestFault53_KilledHelper(t *testing.T) {
	defer func(step time.Duration, steps int) { idleStep, idleSteps = step, steps }(idleStep, idleSteps)
	idleStep, idleSteps = 10*time.Millisecond, 20
	for _, signal := range []unix.Signal{unix.SIGKILL, unix.SIGSTOP} {
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			d, src := broken(t)
			if _, err := d.library.Identity(); err != nil {
				t.Fatal(err)
			}
			send(t, signal)
			fail, err := d.Decode(do(src, 'H'), codectest.Bounds, &codectest.Canvas{})
			if fail != nil || err == nil || !strings.Contains(err.Error(), "its helper was killed") {
				t.Errorf("Decode() = %v, %v, want an error", fail, err)
			}
		})
	}
}

// TestFault53_KilledWhileLoading tests that a library whose helper somebody kills before it has
// loaded it does not count as one that is not installed.
func TestFault53_KilledWhileLoading(t *testing.T) {
	t.Setenv("LIBHEIF_PLUGIN_PATH", "/slow")
	d, src := broken(t)
	send(t, unix.SIGKILL)
	fail, err := d.Decode(do(src, '0'), codectest.Bounds, &codectest.Canvas{})
	if want := "libheif: its helper was killed while it started"; fail != nil || err == nil || err.Error() != want || IsMissing(err) {
		t.Errorf("Decode() = %v, %v, want %s", fail, err, want)
	}
}

// TestWatch tests when a helper counts as stuck or stopped.
func TestWatch(t *testing.T) {
	type look struct {
		ticks         uint64
		sleeps, stops bool
	}
	for _, c := range []struct {
		name string
		at   func(n int) look
		want string
		from int // the look that says so, or 0 for none of 1,000
	}{
		{name: "works", at: func(n int) look { return look{ticks: uint64(n)} }},
		{name: "gets no processor time", at: func(int) look { return look{ticks: 7} }},
		{name: "waits", at: func(int) look { return look{ticks: 7, sleeps: true} }, want: stuck, from: idleSteps + 1},
		{name: "waits and works a little", at: func(n int) look { return look{ticks: uint64(n), sleeps: true} }, want: stuck, from: 10 * idleSteps},
		{name: "is stopped", at: func(int) look { return look{stops: true} }, want: killed, from: idleSteps},
		{name: "is stopped now and then", at: func(n int) look { return look{stops: n%2 == 0, ticks: uint64(n)} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w watch
			got, from := "", 0
			for n := 1; n <= 1000 && got == ""; n++ {
				l := c.at(n)
				idle, stopped := w.saw(l.ticks, l.sleeps, l.stops)
				if idle {
					got, from = stuck, n
				} else if stopped {
					got, from = killed, n
				}
			}
			if got != c.want || from != c.from {
				t.Errorf("%q after %d looks, want %q after %d", got, from, c.want, c.from)
			}
		})
	}
}

// TestFetchedLibrary tests that a library of deploy/deps/fetch.sh is found before that of the
// system, with what it needs in the same folder, and that a variable goes before both.
func TestFetchedLibrary(t *testing.T) {
	cache := t.TempDir()
	folder := filepath.Join(cache, "decoders")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	file, part := filepath.Join(folder, "libheif.so.1"), filepath.Join(folder, "libpart.so.0")
	flags := strings.Fields(os.Getenv("SANITIZE_C"))
	for _, args := range [][]string{
		{"-o", part, "-Wl,-soname,libpart.so.0", "-x", "c", "/dev/null"},
		{"-o", file, "testdata/broken/broken.c", "-Wl,--no-as-needed", part},
	} {
		if out, err := exec.Command("gcc", append(append([]string{"-shared", "-fPIC", "-pthread"}, flags...), args...)...).CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
	}
	t.Setenv("BATCHSCORE_CACHE", cache)
	t.Setenv("LIBHEIF", "")
	identity := func() string {
		h, err := HEIF.start()
		if err != nil {
			return err.Error()
		}
		defer h.close()
		return h.identity
	}
	if got := identity(); got != "libheif 1.99.0" {
		t.Errorf("%s, want that in the cache", got)
	}
	t.Setenv("LIBHEIF", "libnothing.so.1")
	if got := identity(); !strings.Contains(got, "tried: libnothing.so.1") {
		t.Errorf("%s, want that of the variable", got)
	}
	t.Chdir(folder)
	t.Setenv("LIBHEIF", "./libheif.so.1")
	if got := identity(); got != "libheif 1.99.0" {
		t.Errorf("%s, want that in the working directory", got)
	}
}

// TestBrokenFetchedLibrary tests that a fetched library which cannot be loaded does not hide that of
// the system, however long its path is.
func TestBrokenFetchedLibrary(t *testing.T) {
	cache, system := t.TempDir(), t.TempDir()
	for range 5 {
		cache = filepath.Join(cache, strings.Repeat("long", 60))
	}
	folder, source := filepath.Join(cache, "decoders"), filepath.Join(system, "undefined.c")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(source, []byte("extern int nowhere(void); int heif_get_version(void) { return nowhere(); }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "libheif.so.1")
	build := func(to, from string) {
		args := append([]string{"-shared", "-fPIC", "-pthread", "-o", to, from}, strings.Fields(os.Getenv("SANITIZE_C"))...)
		if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
	}
	build(file, source)
	broken, err := filepath.Abs("testdata/broken/broken.c")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(system) // away from the cache of this checkout
	t.Setenv("BATCHSCORE_CACHE", cache)
	t.Setenv("LIBHEIF", "")
	identity := func(files ...string) string {
		h, err := library(Library{Name: "libheif", Variable: "LIBHEIF", files: files}).start()
		if err != nil {
			return err.Error()
		}
		defer h.close()
		return h.identity
	}
	build(filepath.Join(system, "libheif.so.1"), broken)
	t.Setenv("LD_LIBRARY_PATH", system)
	if got := identity("libheif.so.1"); got != "libheif 1.99.0" {
		t.Errorf("%s, want that of the system", got)
	}
	build(file, broken)
	t.Setenv("LD_LIBRARY_PATH", "")
	if got := identity("libheif.so.1", "libnothing.so.1"); got != "libheif 1.99.0" {
		t.Errorf("%s, want that in the cache", got)
	}
}

// TestSettle tests that a helper frees what it shares, and that the next image is as before.
func TestSettle(t *testing.T) {
	d, src := broken(t)
	if kept := d.Settle(0); kept != 0 {
		t.Errorf("without a helper it keeps %d bytes", kept)
	}
	for range 2 {
		if _, fail := codectest.DecodeWith(t, d, codectest.Bounds, do(src, '0')); fail != nil {
			t.Fatal(fail)
		}
		if kept := d.Settle(ownMemory + 1<<20); kept <= ownMemory || kept > ownMemory+1<<20 {
			t.Errorf("it keeps %d bytes, want those of this image", kept)
		}
		if kept := d.Settle(ownMemory); kept != ownMemory {
			t.Errorf("it keeps %d bytes, want %d", kept, ownMemory)
		}
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
