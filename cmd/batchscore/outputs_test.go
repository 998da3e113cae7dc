package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
)

// merged returns the merged rows of an output folder, as JSON Lines.
func merged(t testing.TB, out string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "merged.jsonl")
	must(t, 0, "merge", out, "-o", file)
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// readSuccess returns the _SUCCESS of an output folder.
func readSuccess(t *testing.T, out string) output.Success {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(out, output.SuccessName))
	if err != nil {
		t.Fatal(err)
	}
	var s output.Success
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// countParts returns how many parts an output folder has.
func countParts(t *testing.T, out string) int {
	t.Helper()
	parts, err := filepath.Glob(filepath.Join(out, "part-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(parts)
}

// wantEmpty checks that a folder is empty or does not exist.
func wantEmpty(t testing.TB, out string) {
	t.Helper()
	entries, err := os.ReadDir(out)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if len(entries) > 0 {
		t.Errorf("%s holds %d entries, %s first", out, len(entries), entries[0].Name())
	}
}

// foreignOutput returns an output folder with a part that batchscore did not write.
func foreignOutput(t *testing.T) string {
	folder := t.TempDir()
	writeFile(t, filepath.Join(folder, "part-00000.jsonl"), []byte("{}\n"))
	return folder
}
