package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
)

// amidst returns a folder with 7 entries that are passed over and 7 that get a row: 3
// images behind a link to a folder, a JPEG with another extension, an image without an
// extension, a JPEG XR, and a broken link.
func amidst(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	for i, name := range []string{"real/cat/1.jpg", "real/cat/deep/2.jpg", "images/IMG_3.HEIC", "images/dog/4.png", "images/5d41402a"} {
		writeFile(t, filepath.Join(root, name), picture(t, i))
	}
	for _, name := range []string{"images/notes.txt", "images/README", "images/more.TXT", "images/4.jpg?w=300", "images/._4.jpg", "images/@eaDir/4.jpg"} {
		writeFile(t, filepath.Join(root, name), picture(t, 9))
	}
	writeFile(t, filepath.Join(root, "images/IMG_1.jxr"), []byte("II\xbc\x01\x20\x00\x00\x00"))
	for link, to := range map[string]string{"cat": "../real/cat", "loop": ".", "gone.jpg": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(root, "images", link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "images/pipe.jpg"), 0o644); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "images")
}

// amidstPassed is what a listing of that folder passes over.
var amidstPassed = listing.PassedOver{
	listing.NotAPicture:                {".txt": 2, "none": 1, ".jpg?": 1},
	"pipe":                             {".jpg": 1},
	"folder listed under another name": {"loop": 1},
	"in @eaDir":                        {".jpg": 1},
	"AppleDouble (attributes that macOS keeps of another file)": {".jpg": 1},
}

// TestFault40_PassedOverIsCounted checks that every command that lists images reports
// what it passed over.
func TestFault40_PassedOverIsCounted(t *testing.T) {
	in, model := amidst(t), tiny(t, graphtest.Options{})
	const counted = "8 files passed over (2 .txt, "
	for name, start := range map[string][]string{"run": {"run"}, "launch": {"launch", "-n", "2", "--"}} {
		t.Run(name, func(t *testing.T) {
			if name == "launch" {
				needMpirun(t)
			}
			out := filepath.Join(t.TempDir(), "out")
			r := must(t, 0, append(start, "--images", in, "--out", out, "--model", model, "--chunk", "2")...)
			want := "7 images: 5 ok, 2 failed (not_found 1, unsupported 1); " + counted
			if !strings.HasPrefix(lastLine(r.stdout), want) || !strings.Contains(r.stdout+r.stderr, `"passed_over":{`) {
				t.Errorf("got %v, want %q in the last line, and the log", r, want)
			}
			if got := readSuccess(t, out).PassedOver; fmt.Sprint(map[string]map[string]int(got)) != fmt.Sprint(map[string]map[string]int(amidstPassed)) {
				t.Errorf("_SUCCESS counts %v, want %v", got, amidstPassed)
			}
			if d := readSuccess(t, out).Drift; d == nil || *d != (output.Drift{}) {
				t.Errorf("drift: %+v", d)
			}
			if rows := must(t, 0, "merge", out, "-o", "-").stdout; !strings.Contains(rows, `"cat/deep/2.jpg"`) {
				t.Errorf("got %v, want %q in it", rows, `"cat/deep/2.jpg"`)
			}
			must(t, 0, "verify", out)
		})
	}
	if r := must(t, 0, "plan", "--images", in); !strings.Contains(lastLine(r.stdout), "7 images in ") || !strings.Contains(lastLine(r.stdout), counted) {
		t.Errorf("plan: %v", r)
	}
	r := must(t, 3, "sample", "--follow-links", "--images", in, "--out", filepath.Join(t.TempDir(), "sample"))
	if !strings.HasPrefix(r.stdout, "6 of 7 images of ") || !strings.Contains(r.stdout, "1 could not be read; "+counted) ||
		!strings.Contains(r.stderr, "gone.jpg") {
		t.Errorf("sample: %v", r)
	}
}

// TestFault40_AllFiles scores files without the extension of an image, and does not
// continue a job that was begun without --all-files.
func TestFault40_AllFiles(t *testing.T) {
	in, model := amidst(t), tiny(t, graphtest.Options{})
	out := filepath.Join(t.TempDir(), "out")
	run := []string{"run", "--images", in, "--out", out, "--model", model}
	r := must(t, 0, append(run, "--all-files")...)
	if !strings.HasPrefix(lastLine(r.stdout), "13 images: 11 ok, 2 failed (not_found 1, unsupported 1); 2 files passed over (") {
		t.Errorf("got %v, want the counts in the last line", r)
	}
	if r := must(t, 11, run...); !strings.Contains(r.stderr, "all-files") {
		t.Errorf("got %v, want %q in stderr", r, "all-files")
	}
	must(t, 0, append(run, "--all-files")...)
	if r := must(t, 0, "plan", "--images", in, "--all-files"); !strings.Contains(r.stdout, "13 images in ") {
		t.Errorf("got %v, want %q in stdout", r, "13 images in ")
	}
	r = must(t, 3, "sample", "--follow-links", "--images", in, "--all-files", "--out", filepath.Join(t.TempDir(), "sample"))
	if !strings.HasPrefix(r.stdout, "12 of 13 images") {
		t.Errorf("got %v, want %q at the start of stdout", r, "12 of 13 images")
	}
}

// TestFault40_NoImages checks that the error about a folder without images says what
// is in it.
func TestFault40_NoImages(t *testing.T) {
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	for name, body := range map[string]string{"a.txt": "x", "b.TXT": "x", "LICENSE": "x"} {
		writeFile(t, filepath.Join(in, name), []byte(body))
	}
	for _, args := range [][]string{
		{"run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{})},
		{"plan", "--images", in},
		{"sample", "--images", in, "--out", out},
	} {
		r := must(t, 78, args...)
		if !strings.Contains(r.stderr, "3 files passed over (2 .txt, 1 without an ending)") || !strings.Contains(r.stderr, "--all-files") || exists(out) {
			t.Errorf("got %v, want what was passed over, and no output", r)
		}
	}
	file := filepath.Join(in, "a.txt")
	if r := must(t, 78, "plan", "--images", file); !strings.Contains(r.stderr, "is not a folder; give the folder that holds it") {
		t.Errorf("got %v, want the folder asked for", r)
	}
}

// TestFault40_ClosedFolders checks that folders without permission are passed over,
// unless the user named one of them.
func TestFault40_ClosedFolders(t *testing.T) {
	in, model := pictures(t, 5), tiny(t, graphtest.Options{})
	closed := filepath.Join(in, "lost+found")
	writeFile(t, filepath.Join(closed, "x.jpg"), picture(t, 1))
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(closed, 0o755); err != nil {
			t.Error(err)
		}
	})
	env := []string{without + "=" + noOverride}
	out := filepath.Join(t.TempDir(), "out")
	r := finish(t, command(t, env, "run", "--images", in, "--out", out, "--model", model))
	if r.code != 0 || !strings.HasSuffix(lastLine(r.stdout), "5 images: 5 ok, 0 failed; 1 file passed over (1 folder that may not be entered)") {
		t.Errorf("got %v, want 5 images and 1 folder passed over", r)
	}
	if got := readSuccess(t, out).PassedOver["folder that may not be entered"]["lost+found"]; got != 1 {
		t.Errorf("_SUCCESS counts %v", readSuccess(t, out).PassedOver)
	}
	r = finish(t, command(t, env, "run", "--images", closed, "--out", out+"2", "--model", model))
	if r.code != 78 || !strings.Contains(r.stderr, closed) || exists(out+"2") {
		t.Errorf("got %v, want exit code 78, the folder and no output", r)
	}
}
