package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// damage changes one file of an output.
type damage func(t *testing.T, body []byte) []byte // nil removes it

func removed(*testing.T, []byte) []byte { return nil }

func cutOff(_ *testing.T, body []byte) []byte { return body[:len(body)/2] }

// flipped changes a digit and no length.
func flipped(t *testing.T, body []byte) []byte {
	t.Helper()
	at := regexp.MustCompile(`0\.\d\d\d`).FindIndex(body)
	if at == nil {
		at = regexp.MustCompile(`[0-9a-f]{64}`).FindIndex(body)
	}
	if at == nil {
		t.Fatalf("there is no digit in\n%s", body)
	}
	body = bytes.Clone(body)
	c := &body[at[1]-1]
	if *c == '1' {
		*c = '2'
	} else {
		*c = '1'
	}
	return body
}

// TestFault28_RepairWorksAsPrinted damages a complete output in each way, finds
// the advice in what the next command says, follows it, runs the job again, and
// has the result that was there before.
func TestFault28_RepairWorksAsPrinted(t *testing.T) {
	in, model := pictures(t, 30), tiny(t, graphtest.Options{})
	writeFile(t, filepath.Join(in, "broken.jpg"), picture(t, 3)[:200])
	const parts, success, digests = "part-00001.jsonl", "_SUCCESS", "_batchscore/parts.sha256"
	for _, tt := range []struct {
		name  string
		files map[string]damage
		// finds are the commands that give 10 before; again says that parts are
		// made again.
		finds []string
		again bool
	}{
		{"part altered in place", map[string]damage{parts: flipped}, []string{"run", "verify", "merge", "show"}, true},
		{"part cut off", map[string]damage{parts: cutOff}, []string{"run", "verify", "merge", "show"}, true},
		{"part deleted", map[string]damage{parts: removed}, []string{"run", "verify", "merge", "show"}, true},
		{"_SUCCESS damaged", map[string]damage{success: flipped}, []string{"run", "verify", "merge", "show"}, false},
		{"_SUCCESS cut off", map[string]damage{success: cutOff}, []string{"run", "verify", "merge", "show"}, false},
		{"digests damaged", map[string]damage{digests: flipped}, []string{"verify"}, false},
		{"digests cut off", map[string]damage{digests: cutOff}, []string{"verify"}, false},
		{"digests and _SUCCESS damaged", map[string]damage{digests: cutOff, success: flipped}, []string{"run", "verify"}, true},
		{"part and digests damaged", map[string]damage{parts: flipped, digests: cutOff}, []string{"run", "verify", "merge"}, true},
		{"part, digests and _SUCCESS gone", map[string]damage{parts: removed, digests: removed, success: removed}, []string{"verify"}, true},
		{"part deleted, and _SUCCESS as was once advised", map[string]damage{parts: removed, success: removed}, []string{"verify"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			run := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "10"}
			must(t, 0, run...)
			want := merged(t, out)
			damaged := map[string][]byte{}
			for name, change := range tt.files {
				path := filepath.Join(out, name)
				body, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if body = change(t, body); body != nil {
					damaged[name] = body
					writeFile(t, path, body)
				}
			}
			commands := map[string][]string{
				"run": run, "verify": {"verify", out}, "show": {"show", out},
				"merge": {"merge", out, "-o", filepath.Join(t.TempDir(), "merged.csv")},
			}
			for _, name := range tt.finds {
				r := must(t, 10, commands[name]...)
				if advice := "batchscore repair " + out; !strings.Contains(r.stdout+r.stderr, advice) && !strings.Contains(r.stdout, "no _SUCCESS") {
					t.Errorf("%s does not say %q: %v", name, advice, r)
				}
			}
			r := must(t, 0, "repair", out)
			if again := strings.Contains(r.stdout, "run the same command again"); again != tt.again {
				t.Errorf("parts are to be made again: %v, want %v: %v", again, tt.again, r)
			}
			if !tt.again {
				must(t, 0, "verify", out)
			}
			must(t, 0, run...)
			must(t, 0, "verify", out)
			if merged(t, out) != want {
				t.Error("the rows are not those that were there before")
			}
			for name, body := range damaged {
				kept, err := filepath.Glob(filepath.Join(out, "_batchscore", "repair", "*", name))
				if err != nil || len(kept) != 1 {
					t.Fatalf("%s is kept as %v, %v", name, kept, err)
				}
				if got, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(got, body) {
					t.Errorf("%s was not kept as it was, %v", name, err)
				}
			}
			if r := must(t, 0, "repair", out); !strings.Contains(r.stdout, "nothing in") {
				t.Error(r)
			}
		})
	}
}

// TestFault28_WhatCannotBeRepaired: a job's record and manifest are what all else
// is compared with.
func TestFault28_WhatCannotBeRepaired(t *testing.T) {
	in, model := pictures(t, 10), tiny(t, graphtest.Options{})
	for _, name := range []string{"job.json", "manifest.jsonl"} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			must(t, 0, "run", "--images", in, "--out", out, "--model", model, "--chunk", "4")
			path := filepath.Join(out, "_batchscore", name)
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, path, cutOff(t, body))
			if r := must(t, 10, "repair", out); !strings.Contains(r.stderr, "cannot be repaired") || !strings.Contains(r.stderr, "another folder") {
				t.Error(r)
			}
			if exists(filepath.Join(out, "_batchscore", "repair")) || !exists(filepath.Join(out, "_SUCCESS")) {
				t.Error("something was changed")
			}
		})
	}
}

// TestFault28_RecordsOfARetry damages what an output whose failed images were
// scored again cannot do without: each command says so, and none goes on.
func TestFault28_RecordsOfARetry(t *testing.T) {
	in, mend := dangling(t, 4)
	done := filepath.Join(t.TempDir(), "done")
	run := []string{"run", "--images", in, "--model", tiny(t, graphtest.Options{}), "--chunk", "4"}
	must(t, 0, append(run, "--out", done)...)
	mend()
	must(t, 0, append(run, "--out", done, "--retry", "failed")...)
	for _, tt := range []struct {
		name, file string
		change     damage
	}{
		{"the job's record", "_batchscore/job.json", cutOff},
		{"the manifest", "_batchscore/manifest.jsonl", cutOff},
		{"the manifest, altered", "_batchscore/manifest.jsonl", flipped},
		{"no manifest", "_batchscore/manifest.jsonl", removed},
		{"the retry's record", "_batchscore/retry/0001/_batchscore/job.json", cutOff},
		{"no record of the retry", "_batchscore/retry/0001/_batchscore/job.json", removed},
		{"the retry's manifest", "_batchscore/retry/0001/_batchscore/manifest.jsonl", cutOff},
		{"no manifest of the retry", "_batchscore/retry/0001/_batchscore/manifest.jsonl", removed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			if err := os.CopyFS(out, os.DirFS(done)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(out, tt.file)
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if body = tt.change(t, body); body != nil {
				writeFile(t, path, body)
			}
			for _, args := range [][]string{
				{"verify", out}, {"show", out}, {"merge", out, "-o", filepath.Join(t.TempDir(), "merged.jsonl")},
				append(run, "--out", out), append(run, "--out", out, "--retry", "failed"),
			} {
				must(t, 10, args...)
			}
			if r := must(t, 10, "repair", out); !strings.Contains(r.stderr, "cannot be repaired") || !strings.Contains(r.stderr, "another folder") {
				t.Error(r)
			}
		})
	}
}

// TestFault28_AFolderInThePlaceOfAFile follows the messages to the end.
func TestFault28_AFolderInThePlaceOfAFile(t *testing.T) {
	in, done := pictures(t, 8), filepath.Join(t.TempDir(), "done")
	run := []string{"run", "--images", in, "--model", tiny(t, graphtest.Options{}), "--chunk", "4"}
	must(t, 0, append(run, "--out", done)...)
	want := merged(t, done)
	for _, tt := range []struct{ name, file, stops string }{
		{"part", "part-00001.jsonl", "run"},
		{"_SUCCESS", "_SUCCESS", "run"},
		{"digests", "_batchscore/parts.sha256", "repair"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			if err := os.CopyFS(out, os.DirFS(done)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(out, tt.file)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			var r ending
			if tt.stops == "repair" {
				r = must(t, 10, "repair", out)
			} else {
				must(t, 0, "repair", out)
				r = must(t, 10, append(run, "--out", out)...)
			}
			if !strings.Contains(r.stderr, "move it away") || !strings.Contains(r.stderr, filepath.Base(tt.file)) {
				t.Error(r)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			must(t, 0, "repair", out)
			must(t, 0, append(run, "--out", out)...)
			must(t, 0, "verify", out)
			if merged(t, out) != want {
				t.Error("the rows are not those that were there before")
			}
		})
	}
}

// TestFault28_RepairAfterARetry takes parts away from an output whose failed
// images were scored again, of the output and of the retry: both come again.
func TestFault28_RepairAfterARetry(t *testing.T) {
	model := tiny(t, graphtest.Options{})
	for _, tt := range []struct {
		name  string
		files map[string]damage
	}{
		{"part of the output", map[string]damage{"part-00001.jsonl": flipped}},
		{"parts of the output", map[string]damage{"part-00000.jsonl": cutOff, "part-00004.jsonl": removed}},
		{"part of the retry", map[string]damage{"_batchscore/retry/0001/part-00000.jsonl": cutOff}},
		{"parts of both", map[string]damage{"part-00001.jsonl": cutOff, "_batchscore/retry/0001/part-00000.jsonl": flipped}},
		{"_SUCCESS", map[string]damage{"_SUCCESS": cutOff}},
		{"digests that the retry left", map[string]damage{"_batchscore/retry/0001/_batchscore/published.sha256": cutOff, "part-00001.jsonl": removed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, mend := dangling(t, 10)
			out := filepath.Join(t.TempDir(), "out")
			run := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "4"}
			must(t, 0, run...)
			mend()
			retry := append(run, "--retry", "failed")
			must(t, 0, retry...)
			want := merged(t, out)
			for name, change := range tt.files {
				path := filepath.Join(out, name)
				body, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				if body = change(t, body); body != nil {
					writeFile(t, path, body)
				}
			}
			must(t, 0, "repair", out)
			must(t, 0, retry...)
			must(t, 0, "verify", out)
			if merged(t, out) != want {
				t.Error("the rows are not those that were there before")
			}
		})
	}
}
