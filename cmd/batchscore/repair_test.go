package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// damage returns the changed content of a file of an output.
type damage func(t *testing.T, body []byte) []byte // nil removes it

// apply damages a file and returns what is in it then.
func (change damage) apply(t *testing.T, path string) []byte {
	t.Helper()
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
	return body
}

func removed(*testing.T, []byte) []byte { return nil }

func cutOff(_ *testing.T, body []byte) []byte { return body[:len(body)/2] }

// scored gives a score to an image that failed.
func scored(t *testing.T, body []byte) []byte {
	t.Helper()
	changed := bytes.Replace(body, []byte(`"class_id":null,"score":null`), []byte(`"class_id":-1,"score":0.5`), 1)
	if bytes.Equal(changed, body) {
		t.Fatalf("no image failed in\n%s", body)
	}
	return changed
}

// flipped changes a digit and keeps the length.
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

// TestFault28_RepairWorksAsPrinted damages a complete output in every way, finds the
// advice in what the next command prints, follows it, runs the job again, and gets the
// same result as before.
func TestFault28_RepairWorksAsPrinted(t *testing.T) {
	in, model := pictures(t, 30), tiny(t, graphtest.Options{})
	writeFile(t, filepath.Join(in, "broken.jpg"), picture(t, 3)[:200])
	whole := filepath.Join(t.TempDir(), "out")
	run := []string{"run", "--images", in, "--model", model, "--chunk", "10", "--out"}
	mustPlain(t, 0, append(run, whole)...)
	want := merged(t, whole)
	const parts, success, digests = "part-00001.jsonl", "_SUCCESS", "_batchscore/parts.sha256"
	for _, tt := range []struct {
		name  string
		files map[string]damage
		// finds are the commands that give 10 before; again says that parts are
		// made again.
		finds []string
		again bool
	}{
		{name: "part altered in place", files: map[string]damage{parts: flipped}, finds: []string{"run", "verify", "merge", "show"}, again: true},
		{name: "part cut off", files: map[string]damage{parts: cutOff}, finds: []string{"run", "verify", "merge", "show"}, again: true},
		{name: "part deleted", files: map[string]damage{parts: removed}, finds: []string{"run", "verify", "merge", "show"}, again: true},
		{name: "_SUCCESS damaged", files: map[string]damage{success: flipped}, finds: []string{"run", "verify", "merge", "show"}, again: false},
		{name: "_SUCCESS cut off", files: map[string]damage{success: cutOff}, finds: []string{"run", "verify", "merge", "show"}, again: false},
		{name: "digests damaged", files: map[string]damage{digests: flipped}, finds: []string{"verify"}, again: false},
		{name: "digests cut off", files: map[string]damage{digests: cutOff}, finds: []string{"verify"}, again: false},
		{name: "digests and _SUCCESS damaged", files: map[string]damage{digests: cutOff, success: flipped}, finds: []string{"run", "verify"}, again: true},
		{name: "part and digests damaged", files: map[string]damage{parts: flipped, digests: cutOff}, finds: []string{"run", "verify", "merge"}, again: true},
		{
			name:  "part, digests and _SUCCESS gone",
			files: map[string]damage{parts: removed, digests: removed, success: removed},
			finds: []string{"verify"},
			again: true,
		},
		{
			name:  "part deleted, and _SUCCESS as was once advised",
			files: map[string]damage{parts: removed, success: removed},
			finds: []string{"verify"},
			again: true,
		},
		{
			name:  "score of an image that failed, digests and _SUCCESS gone",
			files: map[string]damage{"part-00003.jsonl": scored, digests: removed, success: removed},
			finds: []string{"verify"},
			again: true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			if err := os.CopyFS(out, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			run := append(slices.Clone(run), out)
			damaged := map[string][]byte{}
			for name, change := range tt.files {
				if body := change.apply(t, filepath.Join(out, name)); body != nil {
					damaged[name] = body
				}
			}
			commands := map[string][]string{
				"run": run, "verify": {"verify", out}, "show": {"show", out},
				"merge": {"merge", out, "-o", filepath.Join(t.TempDir(), "merged.csv")},
			}
			for _, name := range tt.finds {
				r := mustPlain(t, 10, commands[name]...)
				if advice := "batchscore repair " + out; !strings.Contains(r.stdout+r.stderr, advice) && !strings.Contains(r.stdout, "no _SUCCESS") {
					t.Errorf("%s does not say %q: %v", name, advice, r)
				}
			}
			r := mustPlain(t, 0, "repair", out)
			if again := strings.Contains(r.stdout, "run the same command again"); again != tt.again {
				t.Errorf("parts are to be made again: %v, want %v: %v", again, tt.again, r)
			}
			if !tt.again {
				mustPlain(t, 0, "verify", out)
			}
			mustPlain(t, 0, run...)
			mustPlain(t, 0, "verify", out)
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
			if r := mustPlain(t, 0, "repair", out); !strings.Contains(r.stdout, "nothing in") {
				t.Errorf("got %v, want %q in stdout", r, "nothing in")
			}
		})
	}
}

// TestFault28_WhatCannotBeRepaired damages the job record and the manifest, with which
// everything else is compared.
func TestFault28_WhatCannotBeRepaired(t *testing.T) {
	in, model := pictures(t, 10), tiny(t, graphtest.Options{})
	for _, name := range []string{"job.json", "manifest.jsonl"} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			mustPlain(t, 0, "run", "--images", in, "--out", out, "--model", model, "--chunk", "4")
			path := filepath.Join(out, "_batchscore", name)
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, path, cutOff(t, body))
			if r := mustPlain(t, 10, "repair", out); !strings.Contains(r.stderr, "cannot be repaired") || !strings.Contains(r.stderr, "another folder") {
				t.Errorf("got %v, want %q in stderr and %q in stderr", r, "cannot be repaired", "another folder")
			}
			if exists(filepath.Join(out, "_batchscore", "repair")) || !exists(filepath.Join(out, "_SUCCESS")) {
				t.Error("something was changed")
			}
		})
	}
}

// TestFault28_RecordsOfARetry damages records that an output cannot do without after
// failed images were scored again. Every command says so and stops.
func TestFault28_RecordsOfARetry(t *testing.T) {
	in, mend := brokenLinks(t, 4)
	done := filepath.Join(t.TempDir(), "done")
	run := []string{"run", "--images", in, "--model", tiny(t, graphtest.Options{}), "--chunk", "4"}
	mustPlain(t, 0, append(run, "--out", done)...)
	mend()
	mustPlain(t, 0, append(run, "--out", done, "--retry", "failed")...)
	for _, tt := range []struct {
		name, file string
		change     damage
	}{
		{name: "the job's record", file: "_batchscore/job.json", change: cutOff},
		{name: "the manifest", file: "_batchscore/manifest.jsonl", change: cutOff},
		{name: "the manifest, altered", file: "_batchscore/manifest.jsonl", change: flipped},
		{name: "no manifest", file: "_batchscore/manifest.jsonl", change: removed},
		{name: "the retry's record", file: "_batchscore/retry/0001/_batchscore/job.json", change: cutOff},
		{name: "no record of the retry", file: "_batchscore/retry/0001/_batchscore/job.json", change: removed},
		{name: "the retry's manifest", file: "_batchscore/retry/0001/_batchscore/manifest.jsonl", change: cutOff},
		{name: "no manifest of the retry", file: "_batchscore/retry/0001/_batchscore/manifest.jsonl", change: removed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			if err := os.CopyFS(out, os.DirFS(done)); err != nil {
				t.Fatal(err)
			}
			tt.change.apply(t, filepath.Join(out, tt.file))
			for _, args := range [][]string{
				{"verify", out}, {"show", out}, {"merge", out, "-o", filepath.Join(t.TempDir(), "merged.jsonl")},
				append(run, "--out", out), append(run, "--out", out, "--retry", "failed"),
			} {
				mustPlain(t, 10, args...)
			}
			if r := mustPlain(t, 10, "repair", out); !strings.Contains(r.stderr, "cannot be repaired") || !strings.Contains(r.stderr, "another folder") {
				t.Errorf("got %v, want %q in stderr and %q in stderr", r, "cannot be repaired", "another folder")
			}
		})
	}
}

// TestFault28_AFolderInThePlaceOfAFile replaces files of an output by folders, and
// follows the advice until the result is complete.
func TestFault28_AFolderInThePlaceOfAFile(t *testing.T) {
	in, done := pictures(t, 8), filepath.Join(t.TempDir(), "done")
	run := []string{"run", "--images", in, "--model", tiny(t, graphtest.Options{}), "--chunk", "4"}
	mustPlain(t, 0, append(run, "--out", done)...)
	want := merged(t, done)
	for _, tt := range []struct{ name, file, stops string }{
		{name: "part", file: "part-00001.jsonl", stops: "run"},
		{name: "_SUCCESS", file: "_SUCCESS", stops: "run"},
		{name: "digests", file: "_batchscore/parts.sha256", stops: "repair"},
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
			var r processResult
			if tt.stops == "repair" {
				r = mustPlain(t, 10, "repair", out)
			} else {
				mustPlain(t, 0, "repair", out)
				r = mustPlain(t, 10, append(run, "--out", out)...)
			}
			if !strings.Contains(r.stderr, "move it away") || !strings.Contains(r.stderr, filepath.Base(tt.file)) {
				t.Errorf("got %v, want %q in stderr and %q in stderr", r, "move it away", filepath.Base(tt.file))
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			mustPlain(t, 0, "repair", out)
			mustPlain(t, 0, append(run, "--out", out)...)
			mustPlain(t, 0, "verify", out)
			if merged(t, out) != want {
				t.Error("the rows are not those that were there before")
			}
		})
	}
}

// TestFault28_RepairAfterARetry removes parts of an output whose failed images were
// scored again, and parts of the retry. Both are made again.
func TestFault28_RepairAfterARetry(t *testing.T) {
	model := tiny(t, graphtest.Options{})
	for _, tt := range []struct {
		name  string
		files map[string]damage
	}{
		{name: "part of the output", files: map[string]damage{"part-00001.jsonl": flipped}},
		{name: "parts of the output", files: map[string]damage{"part-00000.jsonl": cutOff, "part-00004.jsonl": removed}},
		{name: "part of the retry", files: map[string]damage{"_batchscore/retry/0001/part-00000.jsonl": cutOff}},
		{name: "parts of both", files: map[string]damage{"part-00001.jsonl": cutOff, "_batchscore/retry/0001/part-00000.jsonl": flipped}},
		{name: "_SUCCESS", files: map[string]damage{"_SUCCESS": cutOff}},
		{
			name:  "digests that the retry left",
			files: map[string]damage{"_batchscore/retry/0001/_batchscore/published.sha256": cutOff, "part-00001.jsonl": removed},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, mend := brokenLinks(t, 10)
			out := filepath.Join(t.TempDir(), "out")
			run := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "4", "--max-errors", "100%"}
			mustPlain(t, 0, run...)
			mend()
			retry := append(run, "--retry", "failed")
			mustPlain(t, 0, retry...)
			want := merged(t, out)
			for name, change := range tt.files {
				change.apply(t, filepath.Join(out, name))
			}
			mustPlain(t, 0, "repair", out)
			mustPlain(t, 0, retry...)
			mustPlain(t, 0, "verify", out)
			if merged(t, out) != want {
				t.Error("the rows are not those that were there before")
			}
		})
	}
}
