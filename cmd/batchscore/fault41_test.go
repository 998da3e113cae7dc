package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// TestFault41_UnreadableFiles checks that files which cannot be read get their rows, and
// that the others are scored, with one rank and with two.
func TestFault41_UnreadableFiles(t *testing.T) {
	model := tiny(t, graphtest.Options{})
	for _, test := range []struct {
		name  string
		start []string
		why   map[string]string // by file
	}{
		{name: "run", start: []string{"run"}, why: map[string]string{"forbidden.jpg": "permission denied", "memory.jpg": "input/output error"}},
		{name: "launch", start: []string{"launch", "-n", "2", "--"}, why: map[string]string{"forbidden.jpg": "permission denied"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "launch" {
				needMpirun(t)
			}
			in := pictures(t, 20)
			for file, why := range test.why {
				path := filepath.Join(in, file)
				if why == "permission denied" {
					writeFile(t, path, picture(t, 1))
					if err := os.Chmod(path, 0); err != nil {
						t.Fatal(err)
					}
				} else if err := os.Symlink("/proc/self/mem", path); err != nil { // nothing is mapped at its beginning
					t.Fatal(err)
				}
			}
			out := filepath.Join(t.TempDir(), "out")
			r := finish(t, command(t, []string{without + "=" + noOverride},
				append(test.start, "--images", in, "--out", out, "--model", model, "--chunk", "4")...))
			want := fmt.Sprintf("%d images: 20 ok, %d failed (unreadable %[2]d)", 20+len(test.why), len(test.why))
			if r.code != 0 || !strings.HasPrefix(lastLine(r.stdout), want) {
				t.Fatalf("got %v, want %q", r, want)
			}
			rows := must(t, 0, "merge", out, "-o", "-").stdout
			for file, why := range test.why {
				if !strings.Contains(rows, `"path":"`+file+`"`) || !strings.Contains(rows, "cannot be read: "+why) {
					t.Errorf("%s: %s", file, rows)
				}
			}
			must(t, 0, "verify", out)
		})
	}
}

// TestFault41_ListedThenASocket replaces a file by a socket after the listing.
func TestFault41_ListedThenASocket(t *testing.T) {
	in, model := pictures(t, 60), slow(t)
	t.Chdir(in) // the path of a socket is short
	name := "zz.jpg"
	writeFile(t, name, picture(t, 1))
	out := filepath.Join(t.TempDir(), "out")
	cmd := command(t, nil, "run", "--images", in, "--out", out, "--model", model, "--chunk", "2", "--batch", "1")
	var stdout, stderr storetest.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first part", func() bool { return exists(filepath.Join(out, "part-00000.jsonl")) })
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	if rows := must(t, 0, "merge", out, "-o", "-").stdout; !strings.Contains(rows, "not_found") {
		t.Errorf("got %v, want %q in it", rows, "not_found")
	}
}

// TestFault41_TheFolderIsGone moves the images away while they are scored. No image is
// to blame, and the job continues when they are back.
func TestFault41_TheFolderIsGone(t *testing.T) {
	in, model := pictures(t, 200), slow(t)
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "2", "--batch", "1"}
	cmd := command(t, nil, args...)
	var stdout, stderr storetest.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first part", func() bool { return exists(filepath.Join(out, "part-00000.jsonl")) })
	if err := os.Rename(in, in+".away"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 75 || !strings.Contains(stderr.String(), "run again when it is back") {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	if err := os.Rename(in+".away", in); err != nil {
		t.Fatal(err)
	}
	if r := must(t, 0, args...); !strings.Contains(lastLine(r.stdout), "200 images: 200 ok") {
		t.Errorf("got %v, want 200 images to be ok", r)
	}
	must(t, 0, "verify", out)
}

// TestFault41_NotMountedAtTheStart continues a job, and scores failed images again,
// while the images are away: no row says that an image was deleted.
func TestFault41_NotMountedAtTheStart(t *testing.T) {
	model := tiny(t, graphtest.Options{})
	for _, away := range []struct {
		name  string
		stays bool // the empty folder on which the images are mounted
	}{
		{name: "no folder", stays: false},
		{name: "an empty folder", stays: true},
	} {
		t.Run(away.name, func(t *testing.T) {
			in := pictures(t, 12)
			writeFile(t, filepath.Join(in, "zz.jpg"), picture(t, 1)[:200])
			part, whole := filepath.Join(t.TempDir(), "part"), filepath.Join(t.TempDir(), "whole")
			args := []string{"run", "--images", in, "--model", model, "--chunk", "4", "--batch", "1"}
			must(t, 75, append(args, "--out", part, "--budget-images", "4")...)
			must(t, 0, append(args, "--out", whole)...)
			want := merged(t, whole)
			if err := os.Rename(in, in+".away"); err != nil {
				t.Fatal(err)
			}
			if away.stays {
				if err := os.Mkdir(in, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, again := range [][]string{append(args, "--out", part), append(args, "--out", whole, "--retry", "failed")} {
				if r := must(t, 75, again...); !strings.Contains(r.stderr, "mount it again") {
					t.Errorf("got %v, want %q in stderr", r, "mount it again")
				}
			}
			if away.stays {
				if err := os.Remove(in); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Rename(in+".away", in); err != nil {
				t.Fatal(err)
			}
			must(t, 0, append(args, "--out", part)...)
			must(t, 0, append(args, "--out", whole, "--retry", "failed")...)
			if merged(t, part) != want || merged(t, whole) != want {
				t.Error("the rows are not those of an undisturbed run")
			}
		})
	}
}
