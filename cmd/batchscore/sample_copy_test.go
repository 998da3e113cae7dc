package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// zeros is a store whose objects consist of zeros.
type zeros struct{ store.Store }

func (zeros) Open(_ context.Context, name, _ string) (io.ReadCloser, store.Object, error) {
	return io.NopCloser(zeroReader{}), store.Object{Name: name}, nil
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// ends is zeros whose objects have the given size.
type ends struct {
	zeros
	size int64
}

func (e ends) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	r, o, err := e.zeros.Open(ctx, name, etag)
	return store.LimitRange(r, e.size), o, err
}

// sink is a store that keeps nothing but sizes.
type sink struct {
	store.Store
	sizes chan int64
}

func (s sink) CreateFrom(_ context.Context, name string, _ store.Retry, write func(io.Writer) error) (store.Object, error) {
	var n counting
	err := write(&n)
	if err == nil {
		s.sizes <- int64(n)
	}
	return store.Object{Name: name}, err
}

type counting int64

func (c *counting) Write(p []byte) (int, error) { *c += counting(len(p)); return len(p), nil }

// TestSampleInPieces: large images are not held in memory, and one that grew meanwhile is
// left out.
func TestSampleInPieces(t *testing.T) {
	t.Parallel()
	const size, n = 64 << 20, 16
	to := sink{&mem.Store{}, make(chan int64, n)}
	c := copier{from: ends{zeros{&mem.Store{}}, size}, to: to, stderr: io.Discard}
	var chosen []store.Object
	for i := range n {
		chosen = append(chosen, store.Object{Name: strings.Repeat("x", i+1), Size: size})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := c.copy(t.Context(), chosen); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// Tests that run at the same time allocate, too.
	if got := after.HeapSys - before.HeapSys; int64(got) > n*size/4 {
		t.Errorf("copying took %d MB of heap", got>>20)
	}
	if len(to.sizes) != n || <-to.sizes != size || c.bytes.Load() != n*size {
		t.Errorf("%d images were copied whole, %d bytes", len(to.sizes), c.bytes.Load())
	}
	c.from = zeros{&mem.Store{}} // without an end
	err := c.copy(t.Context(), []store.Object{{Name: "small", Size: 10}, {Name: "large", Size: size}})
	if err != nil || len(c.unread) != 2 || c.count(store.ErrChanged) != 2 || len(to.sizes) != n-1 {
		t.Errorf("images that grew: %v, left out %v", err, c.unread)
	}
	err = c.copy(t.Context(), []store.Object{{Name: "vast", Size: mostCopied + 1}})
	if err != nil || c.count(errTooLarge) != 1 || !errors.Is(c.complete(), errLeftOut) || exitCode(c.complete(), nil) != 3 {
		t.Errorf("an image above the bound: %v, left out %v", err, c.unread)
	}
}

// TestSampleHostileNames takes a sample of blobs whose names would lead out of a folder.
// Each that a folder cannot hold is left out and counted, nothing is written outside, and
// the others are copied.
func TestSampleHostileNames(t *testing.T) {
	t.Parallel()
	from := &mem.Store{}
	bad := []string{"../../escape1.png", "../up.png", "/abs.png", "//etc/passwd.png", "a/../../up.png", "a/..", "./x.png", "a/./x.png", "a//x.png",
		"slash/", ".batchscore-tmp-1.png", "a/.batchscore-tmp-2/x.png", "..", strings.Repeat("n", 300) + ".png", "nul\x00.png"}
	good := []string{`back\..\..\slash.png`, `C:\windows.png`, "C:/drive.png", "new\nline.png", "$(touch x).png", "-rf.png", "esc\x1b]0;x\x07.png",
		"rlo\u202e.png", "...png", "a/...png", "..a/x.png", "~/x.png", "plain.png"}
	var chosen []store.Object
	for _, name := range append(slices.Clone(bad), good...) {
		o, err := from.Create(t.Context(), name, []byte("body"))
		if err != nil {
			t.Fatal(err)
		}
		chosen = append(chosen, o)
	}
	above := t.TempDir()
	to, err := dir.New(filepath.Join(above, "a", "b", "out"), dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	c := copier{from: from, to: to, stderr: &said}
	if err := c.copy(t.Context(), chosen); err != nil {
		t.Fatal(err)
	}
	if got := c.count(store.ErrName); got != len(bad) || len(c.unread) != len(bad) {
		t.Errorf("%d names were left out, want %d: %v", got, len(bad), c.unread)
	}
	if line := c.summary(len(chosen), len(chosen)); !strings.Contains(line, "13 copied") || !strings.Contains(line, "15 could not keep their names there") {
		t.Errorf("the summary is %q", line)
	}
	if err := c.complete(); exitCode(err, nil) != 3 {
		t.Errorf("%v is exit code %d, want 3", err, exitCode(err, nil))
	}
	if strings.Count(said.String(), "\n") != len(bad) || strings.ContainsRune(said.String(), 0x1b) {
		t.Errorf("want one line for each that was left out, without control characters:\n%q", said.String())
	}
	got := filesIn(t, above)
	want := map[string]bool{}
	for _, name := range good {
		want["a/b/out/"+name] = true
	}
	for name := range got {
		if !want[name] {
			t.Errorf("%q was written", name)
		}
	}
	if len(got) != len(good) {
		t.Errorf("%d files were written, want %d", len(got), len(good))
	}
}

// TestSampleLinks: a link that leaves the collection is not copied unless the user wants
// that, a link that stays in it is, and pipes are passed over.
func TestSampleLinks(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	secret, in := filepath.Join(above, "secret"), filepath.Join(above, "in")
	writeFile(t, secret, []byte("secret"))
	writeFile(t, filepath.Join(above, "far", "one.png"), []byte("far"))
	writeFile(t, filepath.Join(in, "sub", "own.png"), []byte("own"))
	for from, to := range map[string]string{
		"shadow.png": secret, "relative.png": "../secret", "deep": "../far", "twice.png": "shadow.png",
		"near.png": "sub/own.png", "absolute.png": filepath.Join(in, "sub", "own.png"),
	} {
		if err := os.Symlink(to, filepath.Join(in, from)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(in, "pipe.png"), 0o666); err != nil {
		t.Fatal(err)
	}
	// The collection may itself be a link.
	named := filepath.Join(above, "named")
	if err := os.Symlink("in", named); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(above, "out")
	r := must(t, 0, "sample", "--images", named, "--out", out)
	if !strings.Contains(r.stdout, "3 copied") || !strings.Contains(r.stdout, "4 are links that lead out of the collection") ||
		!strings.Contains(r.stderr, "shadow.png\"") || !strings.Contains(r.stderr, "--follow-links copies it") || !strings.Contains(r.stdout, "1 pipe") {
		t.Errorf("got %v, want three copies, four links and a pipe", r)
	}
	if got := sortedNames(filesIn(t, out)); !slices.Equal(got, []string{"absolute.png", "near.png", "sub/own.png"}) {
		t.Errorf("the sample holds %q", got)
	}
	// What cannot be read is counted apart from links that are left out.
	gone := filepath.Join(in, "gone.png")
	if err := os.Symlink("nowhere", gone); err != nil {
		t.Fatal(err)
	}
	r = must(t, 3, "sample", "--images", named, "--out", out)
	if !strings.Contains(r.stdout, "1 could not be read, 4 are links") || !strings.Contains(r.stderr, "1 image is not in the sample: it is named above") {
		t.Errorf("got %v, want a link that leads nowhere, and four others", r)
	}
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	all := filepath.Join(above, "all")
	must(t, 0, "sample", "--images", named, "--out", all, "--follow-links")
	if got := filesIn(t, all); len(got) != 7 || got["shadow.png"] != "secret" || got["deep/one.png"] != "far" {
		t.Errorf("with --follow-links, the sample holds %q", got)
	}

	// A link in the destination is not written through.
	victim, trap := filepath.Join(above, "victim"), filepath.Join(above, "trap")
	writeFile(t, filepath.Join(victim, "old"), []byte("old"))
	writeFile(t, filepath.Join(trap, "keep"), []byte("x"))
	if err := os.Symlink(victim, filepath.Join(trap, "sub")); err != nil {
		t.Fatal(err)
	}
	if r := must(t, 78, "sample", "--images", filepath.Join(above, "in"), "--out", trap); !strings.Contains(r.stderr, "remove the link") {
		t.Errorf("got %v, want what to do about the link", r)
	}
	if got := filesIn(t, victim); len(got) != 1 {
		t.Errorf("the other folder holds %q", got)
	}
}
