package main

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// brokenLibrary compiles a libheif of a release that does with an image what the image's last
// byte says, and returns its file.
func brokenLibrary(t *testing.T, release string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "libheif.so.1")
	args := append([]string{"-shared", "-fPIC", `-DRELEASE="` + release + `"`, "-o", file, nativePictures + "broken/broken.c"},
		strings.Fields(os.Getenv("SANITIZE_C"))...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return file
}

// nativePictures is where the pictures of package native are.
const nativePictures = "../../models/preprocess/native/testdata/"

// doing returns a HEIC with which brokenLibrary does something.
func doing(t *testing.T, what string) []byte {
	t.Helper()
	src, err := os.ReadFile(nativePictures + "grey.heic")
	if err != nil {
		t.Fatal(err)
	}
	return append(src, what...)
}

// TestFault53_CrashesCostOneImage scores a collection with a library that crashes in various
// ways: each costs one image, the rows are the same with any number of decoders, and the
// result says which library it was. A rank with another release makes no row of such an image.
func TestFault53_CrashesCostOneImage(t *testing.T) {
	in, model := pictures(t, 3), tiny(t, graphtest.Options{})
	for name, what := range map[string]string{"a": "0", "b": "C", "c": "0", "d": "A", "e": "X", "f": "S", "g": "0", "h": "W"} {
		writeFile(t, filepath.Join(in, name+".heic"), doing(t, what))
	}
	score := func(release, out string, args ...string) processResult {
		return finish(t, command(t, []string{"LIBHEIF=" + brokenLibrary(t, release)},
			append([]string{"run", "--images", in, "--out", out, "--model", model, "--max-errors", "4"}, args...)...))
	}
	var first, out string
	for _, decoders := range []string{"1", "4"} {
		out = filepath.Join(t.TempDir(), "out")
		if r := score("1.99.0", out, "--decoders", decoders); r.code != 0 {
			t.Fatal(r)
		}
		rows := must(t, 0, "merge", out, "-o", "-").stdout
		if first == "" {
			first = rows
		}
		if rows != first {
			t.Errorf("with %s decoders the rows are\n%swant\n%s", decoders, rows, first)
		}
	}
	got := map[string]string{}
	for line := range strings.Lines(first) {
		var r struct{ Path, Status, Error string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Status != "ok" {
			got[r.Path] = r.Status + ": " + r.Error
		}
	}
	want := map[string]string{
		"b.heic": "decoder_panic: libheif crashed (SIGSEGV)",
		"d.heic": "decoder_panic: libheif crashed (SIGABRT)",
		"e.heic": "decoder_panic: libheif ended with exit status 0",
		"h.heic": "corrupt: 61x40 pixels, and its header says 60x40",
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v\n%s", got, want, first)
	}
	must(t, 0, "verify", out)
	if body, err := os.ReadFile(filepath.Join(out, "_SUCCESS")); err != nil || !strings.Contains(string(body), `"libheif": "libheif 1.99.0"`) {
		t.Errorf("_SUCCESS does not name the library: %v\n%s", err, body)
	}

	for _, part := range []string{"_SUCCESS", "_batchscore/claims"} {
		if err := os.RemoveAll(filepath.Join(out, part)); err != nil {
			t.Fatal(err)
		}
	}
	parts, err := filepath.Glob(filepath.Join(out, "part-*"))
	if err != nil || len(parts) == 0 {
		t.Fatal(parts, err)
	}
	for _, part := range parts {
		if err := os.Remove(part); err != nil {
			t.Fatal(err)
		}
	}
	if r := score("1.98.0", out); r.code != 10 || !strings.Contains(r.stderr, "libheif 1.99.0 in the job and libheif 1.98.0 on this rank") {
		t.Errorf("a rank with another release: %v", r)
	}
}
