package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// TestOutAmongOtherFiles: without a terminal to ask on, no result is written among the
// images or among other files, unless the user says yes.
func TestOutAmongOtherFiles(t *testing.T) {
	needMpirun(t)
	model := tiny(t, graphtest.Options{})
	for name, tt := range map[string]struct {
		out  func(in string) string
		says string
	}{
		"the images":      {out: func(in string) string { return in }, says: "--out is the same as --images"},
		"in the images":   {out: func(in string) string { return filepath.Join(in, "batch 1", "out") }, says: "is inside --images"},
		"over the images": {out: filepath.Dir, says: "is inside --out"},
		"other files": {
			out: func(string) string {
				folder := t.TempDir()
				writeFile(t, filepath.Join(folder, "thesis", "chapter 1.tex"), []byte("x"))
				return folder
			},
			says: `holds other files, such as "thesis/chapter 1.tex"`,
		},
	} {
		for _, start := range [][]string{{"run"}, {"launch", "-n", "2", "--"}} {
			t.Run(name+", "+start[0], func(t *testing.T) {
				in := filepath.Join(t.TempDir(), "photos")
				if err := os.Rename(pictures(t, 4), in); err != nil {
					t.Fatal(err)
				}
				out := tt.out(in)
				args := append(start, "--images", in, "--out", out, "--model", model)
				says(t, mustPlain(t, 78, args...), tt.says, "give --yes")
				if exists(filepath.Join(out, "_batchscore")) {
					t.Error("something was written")
				}
				mustPlain(t, 0, append(args, "--yes")...)
				mustPlain(t, 0, args...) // it is a job's by now
				mustPlain(t, 0, "verify", out)
			})
		}
	}
}

// TestOutAmongNothing: hidden files, those of the system and an empty folder are no
// files of others.
func TestOutAmongNothing(t *testing.T) {
	model, in := tiny(t, graphtest.Options{}), pictures(t, 2)
	out := t.TempDir()
	for _, name := range []string{".DS_Store", ".cache/x", "lost+found/x"} {
		writeFile(t, filepath.Join(out, name), nil)
	}
	mustPlain(t, 0, "run", "--images", in, "--out", out, "--model", model)
	mustPlain(t, 0, "run", "--images", in, "--out", filepath.Join(filepath.Dir(in), filepath.Base(in)+"-labels"), "--model", model)
	mustPlain(t, 0, "run", "--images", in, "--out", t.TempDir(), "--model", model)
}

// TestOutAmongOtherBlobs is TestOutAmongOtherFiles in blob storage.
func TestOutAmongOtherBlobs(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	model, blobs := tiny(t, graphtest.Options{}), upload(t, server, pictures(t, 4))
	for out, want := range map[string]string{
		blobs:                                   "--out is the same as --images",
		strings.TrimSuffix(blobs, "/") + "/out": "is inside --images",
		upload(t, server, pictures(t, 1)):       "holds other files",
	} {
		args := []string{"run", "--images", blobs, "--out", out, "--model", model}
		if r := withBlobs(t, server, server.Endpoint, args...); r.code != 78 || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: got %v, want exit code 78 and %q in stderr", out, r, want)
		}
	}
	args := []string{"run", "--images", blobs, "--out", blobs, "--model", model, "--yes"}
	if r := withBlobs(t, server, server.Endpoint, args...); r.code != 0 {
		t.Errorf("got %v, want exit code 0", r)
	}
}

// TestOutIsAskedAbout: on a terminal, run and launch ask, once.
func TestOutIsAskedAbout(t *testing.T) {
	needMpirun(t)
	model := tiny(t, graphtest.Options{})
	for _, start := range [][]string{{"run"}, {"launch", "-n", "2", "--"}} {
		for answer, code := range map[string]int{"n": 78, "y": 0} {
			t.Run(start[0]+", "+answer, func(t *testing.T) {
				in := pictures(t, 4)
				term := newTerminal(t, 80, 24, command(t, nil, append(start, "--images", in, "--out", in, "--model", model)...))
				question := func(screen string) bool {
					// Lines end anywhere, also at a space.
					return strings.Contains(strings.Join(strings.Fields(screen), ""), "Puttheresultthere?[y/N]")
				}
				if screen := term.until("the question", question); strings.Count(screen, "[y/N]") != 1 {
					t.Errorf("it asks more than once:\n%s", screen)
				}
				term.tmux("send-keys", answer, "Enter")
				if got := term.exitCode(); got != code || exists(filepath.Join(in, "_SUCCESS")) != (code == 0) {
					t.Errorf("got exit code %d, want %d\n%s", got, code, term.screen())
				}
			})
		}
	}
}

// TestResultsAreNoImages: neither the job's own files nor those of another result are
// taken for images, if they are among them.
func TestResultsAreNoImages(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 4), tiny(t, graphtest.Options{})
	for _, out := range []string{"one", "two"} {
		args := []string{"run", "--images", in, "--out", filepath.Join(in, out), "--model", model, "--all-files", "--yes", "--strict-drift"}
		for range 2 {
			says(t, mustPlain(t, 0, args...), "4 images")
		}
		mustPlain(t, 0, "verify", "--strict-drift", filepath.Join(in, out))
	}
}
