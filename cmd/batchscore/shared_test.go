package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
)

// underMask runs batchscore with a umask.
func underMask(t *testing.T, mask fs.FileMode, code int, args ...string) processResult {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := process(t, nil, "/bin/sh", append([]string{"-c", fmt.Sprintf(`umask %03o; exec "$0" "$@"`, mask), self}, args...)...)
	r := finish(t, cmd)
	if r.code != code {
		t.Fatalf("umask %03o, %q: got %v, want exit code %d", mask, args, r, code)
	}
	return r
}

// TestUmask looks at the modes of all that commands write, with several umasks.
func TestUmask(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 6), tiny(t, graphtest.Options{})
	for _, mask := range []fs.FileMode{0o077, 0o022, 0o002} {
		t.Run(fmt.Sprintf("%03o", mask), func(t *testing.T) {
			t.Parallel()
			top := filepath.Join(t.TempDir(), "top")
			if err := errors.Join(os.Mkdir(top, 0o777), os.Chmod(top, 0o777&^mask)); err != nil {
				t.Fatal(err)
			}
			at := func(name string) string { return filepath.Join(top, name) }
			simulated := []string{"--model", model, "--provider", "simulate:rate=inf"}
			for _, args := range [][]string{
				append([]string{"run", "--images", in, "--out", at("out"), "--merge", at("merged.jsonl"), "--profile", at("profiles/one")}, simulated...),
				{"merge", at("out"), "-o", at("merged.parquet")},
				{"sample", "--images", in, "--out", at("deep/sample"), "-n", "3"},
				{"sample", "--from", at("out"), "--out", at("from"), "-n", "3"},
				{"models", "golden", model, "-o", at("golden/out.onnx"), "--images", filepath.Join(in, "batch 1"), "--provider", "cpu"},
				append([]string{"bench", "run", "--images", in, "--save", at("bench.txt"), "--chart", at("bench.svg"), "--rounds", "1", "--least", "1ms"}, simulated...),
				{"models", "convert", "--precision", "fp16", "--check", in, model, "-o", at("models/fp16.onnx")},
				{"models", "add", "mine", model, "--models", at("registry")},
			} {
				underMask(t, mask, 0, args...)
			}
			files := 0
			err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := d.Info()
				want := 0o666 &^ mask
				if d.IsDir() {
					want = 0o777 &^ mask
				} else {
					files++
				}
				if err == nil && info.Mode().Perm() != want {
					t.Errorf("%s has mode %v, want %v", path[len(top):], info.Mode(), want)
				}
				return err
			})
			if err != nil || files < 20 {
				t.Errorf("%d files were written, %v; want at least 20", files, err)
			}
		})
	}
}

// TestReplacedKeepsMode: a file that is written over keeps its mode.
func TestReplacedKeepsMode(t *testing.T) {
	t.Parallel()
	in, model, top := pictures(t, 3), tiny(t, graphtest.Options{}), t.TempDir()
	out := filepath.Join(top, "out")
	must(t, 0, "run", "--images", in, "--out", out, "--model", model, "--provider", "simulate:rate=inf")
	for _, mode := range []fs.FileMode{0o600, 0o640, 0o664} {
		file := filepath.Join(top, "labels.jsonl")
		writeFile(t, file, []byte("something else"))
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		underMask(t, 0o022, 0, "merge", out, "-o", file, "--force")
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != mode || info.Size() < 100 {
			t.Errorf("the file has mode %v and %d bytes, %v; want mode %v", info.Mode(), info.Size(), err, mode)
		}
	}
}

// TestTwoUsers lets ranks of two users who share a group work on one result. With umask
// 002 each continues what the other began. With 077 the second one is refused, and says so.
func TestTwoUsers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become two other users")
	}
	const first, second, group = 65533, 65532, 65531
	top, err := os.MkdirTemp("", "batchscore-shared-*") // not beneath a folder that is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, images, model := filepath.Join(top, "program"), filepath.Join(top, "images"), filepath.Join(top, "model.onnx")
	copyTo(t, self, program, 0o755)
	copyTo(t, tiny(t, graphtest.Options{}), model, 0o644)
	for name, body := range filesIn(t, pictures(t, 30)) {
		writeFile(t, filepath.Join(images, filepath.FromSlash(name)), []byte(body))
	}
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	as := func(user uint32, mask string, args ...string) processResult {
		state := filepath.Join(top, fmt.Sprint("home-", user))
		if err := errors.Join(os.MkdirAll(state, 0o755), os.Chown(state, int(user), group)); err != nil {
			t.Fatal(err)
		}
		cmd := process(t, []string{"HOME=" + state, "XDG_STATE_HOME=" + state, "XDG_CONFIG_HOME=" + state, "XDG_CACHE_HOME=" + state},
			"/bin/sh", append([]string{"-c", "umask " + mask + `; exec "$0" "$@"`, program}, args...)...)
		cmd.Dir = top
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: group}}
		return finish(t, cmd)
	}
	for mask, code := range map[string]int{"002": 0, "077": 78} {
		out := filepath.Join(top, "out-"+mask)
		if err := errors.Join(os.Mkdir(out, 0o700), os.Chown(out, 0, group), os.Chmod(out, 0o775|fs.ModeSetgid)); err != nil {
			t.Fatal(err)
		}
		run := []string{"run", "--images", images, "--out", out, "--model", model, "--provider", "simulate:rate=inf", "--chunk", "5", "--batch", "1"}
		if r := as(first, mask, append(run, "--budget-images", "10")...); r.code != 75 {
			t.Fatalf("the first user: %v", r)
		}
		r := as(second, mask, run...)
		if r.code != code {
			t.Errorf("umask %s, the second user: got %v, want exit code %d", mask, r, code)
		}
		if code == 78 {
			says(t, r, "check owner and mode")
			continue
		}
		for _, user := range []uint32{first, second} {
			if r := as(user, mask, "verify", out); r.code != 0 {
				t.Errorf("verify by user %d: %v", user, r)
			}
		}
		owners := map[uint32]int{}
		err := filepath.WalkDir(out, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				owners[stat.Uid]++
			}
			return err
		})
		if err != nil || owners[first] == 0 || owners[second] == 0 {
			t.Errorf("the files belong to %v, %v; want both users", owners, err)
		}
	}
}

// TestFetchIntoShared fetches labels into a folder where others have put a pipe, a link
// and a folder under the name of the file. Nothing hangs and nothing is written elsewhere.
func TestFetchIntoShared(t *testing.T) {
	d := newDesk(t)
	job := jobFile(t, pictures(t, 3), filepath.Join(t.TempDir(), "out"), tiny(t, graphtest.Options{}), "")
	if r := d.run(t, "launch", "--to", "fake", "-f", job); r.code != 0 {
		t.Fatal(r)
	}
	id := d.status(t).Job.ID
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secret, []byte("secret"))
	for name, plant := range map[string]func(path string) error{
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"link":   func(path string) error { return os.Symlink(secret, path) },
		"folder": func(path string) error { return os.Mkdir(path, 0o777) },
	} {
		to := t.TempDir()
		if err := plant(filepath.Join(to, "labels.jsonl")); err != nil {
			t.Fatal(err)
		}
		if r := d.run(t, "jobs", "fetch", id, to); r.code != 78 || !strings.Contains(r.stderr, "labels.jsonl: something that is not a regular file") {
			t.Errorf("%s: got %v, want exit code 78 and the file named", name, r)
		}
	}
	if body, err := os.ReadFile(secret); err != nil || string(body) != "secret" {
		t.Errorf("the other file holds %q, %v", body, err)
	}
	linked := filepath.Join(t.TempDir(), "linked") // the user's own link
	if err := os.Symlink(t.TempDir(), linked); err != nil {
		t.Fatal(err)
	}
	if r := d.run(t, "jobs", "fetch", id, linked); r.code != 0 || !exists(filepath.Join(linked, "labels.jsonl")) {
		t.Errorf("into a link to a folder: %v", r)
	}
}

func copyTo(t *testing.T, from, to string, mode fs.FileMode) {
	t.Helper()
	body, err := os.ReadFile(from)
	if err == nil {
		err = errors.Join(os.WriteFile(to, body, mode), os.Chmod(to, mode))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPipesInOutput plants a pipe under every name of an output folder. No command waits
// for its writer, and none of the others is harmed.
func TestPipesInOutput(t *testing.T) {
	t.Parallel()
	in, model, whole := pictures(t, 6), tiny(t, graphtest.Options{}), filepath.Join(t.TempDir(), "whole")
	run := func(out string) []string {
		return []string{"run", "--images", in, "--out", out, "--model", model, "--provider", "simulate:rate=inf"}
	}
	must(t, 0, run(whole)...)
	for name := range filesIn(t, whole) {
		t.Run(strings.ReplaceAll(name, "/", "-"), func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			for other, body := range filesIn(t, whole) {
				if other != name && (other != output.SuccessName) {
					writeFile(t, filepath.Join(out, filepath.FromSlash(other)), []byte(body))
				}
			}
			path := filepath.Join(out, filepath.FromSlash(name))
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), syscall.Mkfifo(path, 0o666)); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{run(out), {"verify", out}, {"show", out}, {"merge", out, "-o", "-"}, {"jobs", "status", out}} {
				began := time.Now()
				r := batchscore(t, args...)
				if took := time.Since(began); r.code < 0 || took > processTimeout/2 {
					t.Errorf("%s ended with %d after %s", args[0], r.code, took)
				}
				t.Logf("%s: %d %s %.200q", args[0], r.code, time.Since(began), lastLine(r.stderr))
				if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
					t.Errorf("%s: the pipe is now %v, %v", args[0], info, err)
				}
			}
		})
	}
}
