package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// TestFault43_LinksThatLeadSomewhereAgain scores a collection in which half of the links
// are broken, repairs them, and scores the rest with one command.
func TestFault43_LinksThatLeadSomewhereAgain(t *testing.T) {
	model := tiny(t, graphtest.Options{})
	for _, tt := range []struct {
		name  string
		start []string
	}{
		{name: "run", start: []string{"run"}},
		{name: "launch", start: []string{"launch", "-n", "3", "--"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "launch" {
				needMpirun(t)
			}
			in, mend := brokenLinks(t, 10)
			out, fresh := filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "fresh")
			args := func(out string) []string {
				return append(tt.start, "--images", in, "--out", out, "--model", model, "--chunk", "4", "--max-errors", "100%")
			}
			must(t, 0, args(out)...)
			if r := must(t, 0, args(out)...); !strings.Contains(r.stdout+r.stderr, "10 failed (not_found 10); the same command with --retry failed") {
				t.Errorf("a complete job does not tell of the retry: %v", r)
			}
			mend()
			r := must(t, 0, append(args(out), "--retry", "not_found")...)
			if lastLine(r.stdout) != "20 images: 20 ok, 0 failed" {
				t.Errorf("got %v, want 20 ok in the last line", r)
			}
			must(t, 0, "verify", out)
			must(t, 0, args(fresh)...)
			if merged(t, out) != merged(t, fresh) {
				t.Error("the merged file is not that of a fresh run over the mended links")
			}
			r = must(t, 0, append(args(out), "--retry", "failed")...)
			if !strings.Contains(r.stdout+r.stderr, "nothing to score again") {
				t.Errorf("got %v, want %q", r, "nothing to score again")
			}
		})
	}
}

// TestFault43_AllFailedBefore retries a job that ended with exit code 3.
func TestFault43_AllFailedBefore(t *testing.T) {
	in, mend := brokenLinks(t, 5)
	links := t.TempDir()
	names, err := filepath.Glob(filepath.Join(in, "*link.jpg"))
	if err != nil || len(names) != 5 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if err := os.Rename(name, filepath.Join(links, filepath.Base(name))); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"run", "--images", links, "--out", out, "--model", tiny(t, graphtest.Options{})}
	if r := must(t, 3, args...); !strings.Contains(r.stderr, "5 of 5 (not_found 5)") {
		t.Errorf("got %v, want %q in stderr", r, "5 of 5 (not_found 5)")
	}
	must(t, 3, append(args, "--retry", "failed")...) // nothing is mended
	mend()
	must(t, 0, append(args, "--retry", "failed")...)
	must(t, 0, args...)
	must(t, 0, "verify", out)
}

// TestFault43_Blobs retries in blob storage, where parts are replaced by their ETag.
func TestFault43_Blobs(t *testing.T) {
	server := azuritetest.Start(t)
	model := tiny(t, graphtest.Options{})
	in, mend := brokenLinks(t, 8)
	out, fresh := newPlace(t, server), newPlace(t, server)
	args := func(out string) []string {
		return []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "4", "--format", "parquet"}
	}
	blobs := func(code int, args ...string) processResult {
		t.Helper()
		r := withBlobs(t, server, server.Endpoint, args...)
		if r.code != code {
			t.Fatalf("got %v, want exit code %d", r, code)
		}
		return r
	}
	blobs(0, args(out)...)
	mend()
	blobs(0, append(args(out), "--retry", "failed")...)
	blobs(0, "verify", out)
	blobs(0, args(fresh)...)
	one, two := filepath.Join(t.TempDir(), "one.jsonl"), filepath.Join(t.TempDir(), "two.jsonl")
	blobs(0, "merge", out, "-o", one)
	blobs(0, "merge", fresh, "-o", two)
	a, err := os.ReadFile(one)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(two); err != nil || string(a) != string(b) {
		t.Errorf("the merged file is not that of a fresh run over the mended links, %v", err)
	}
	if r := blobs(0, "repair", out); !strings.Contains(r.stdout, "nothing in") {
		t.Errorf("got %v, want %q in stdout", r, "nothing in")
	}
}

func TestFault43_UnknownStatus(t *testing.T) {
	in, model := pictures(t, 3), tiny(t, graphtest.Options{})
	out := filepath.Join(t.TempDir(), "out")
	for _, status := range []string{"missing", "", "ok", "failed,nope"} {
		r := must(t, 64, "run", "--images", in, "--out", out, "--model", model, "--retry", status)
		if !strings.Contains(r.stderr, "not_found, changed") {
			t.Errorf("%q: the statuses are not listed: %v", status, r)
		}
	}
	must(t, 64, "run", "--images", in, "--out", out, "--model", model, "--retry", "failed", "--static")
	if exists(out) {
		t.Error("something was written")
	}
}

// TestFault43_TheLauncherJudges checks that launch judges a retry by the output: it
// fails if images were not scored again, even if the engine reports success.
func TestFault43_TheLauncherJudges(t *testing.T) {
	in, mend := brokenLinks(t, 10)
	out := filepath.Join(t.TempDir(), "out")
	run := []string{"--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--chunk", "4", "--max-errors", "100%"}
	must(t, 0, append([]string{"run"}, run...)...)
	mend()
	lying := filepath.Join(t.TempDir(), "mpirun")
	writeFile(t, lying, []byte("#!/bin/sh\nexit 0\n"))
	if err := os.Chmod(lying, 0o755); err != nil {
		t.Fatal(err)
	}
	retry := append(run, "--retry", "failed")
	launch := append([]string{"launch", "-n", "2", "--mpirun", lying, "--"}, retry...)
	if r := must(t, 75, launch...); !strings.Contains(r.stderr, "no image was scored again") {
		t.Errorf("got %v, want %q in stderr", r, "no image was scored again")
	}
	must(t, 75, append([]string{"run"}, append(retry, "--deadline", "1ns")...)...)
	if r := must(t, 75, launch...); !strings.Contains(r.stderr, "no image was scored again") && !strings.Contains(r.stderr, "retry 1 is not done") {
		t.Errorf("got %v, want %q or %q in stderr", r, "no image was scored again", "retry 1 is not done")
	}
	must(t, 0, append([]string{"run"}, retry...)...)
	if r := must(t, 0, launch...); lastLine(r.stdout) != "20 images: 20 ok, 0 failed" {
		t.Errorf("got %v, want 20 ok in the last line", r)
	}
}
