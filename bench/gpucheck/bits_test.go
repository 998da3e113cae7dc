package gpucheck

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Equal rows of images that have no scores say nothing of a GPU.
func TestAnyScores(t *testing.T) {
	const corrupt = `{"path":"a.jpg","status":"corrupt","class_id":null}` + "\n"
	for text, skips := range map[string]bool{
		"":      true,
		corrupt: true,
		corrupt + `{"path":"b.jpg","status":"ok","class_id":0,"topk":[{"class_id":0,"score":1}]}` + "\n": false,
	} {
		file := filepath.Join(t.TempDir(), "rows.jsonl")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := anyScores(file); errors.Is(err, errSkipped) != skips || (err != nil) != skips {
			t.Errorf("%q: %v, want it skipped: %v", text, err, skips)
		}
	}
	if err := anyScores(filepath.Join(t.TempDir(), "none")); err == nil || errors.Is(err, errSkipped) {
		t.Errorf("no file: %v", err)
	}
}

func TestCheckImages(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	if CheckImages(folder) == nil {
		t.Error("a folder without files is accepted")
	}
	if err := os.WriteFile(filepath.Join(folder, "below", "a.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := CheckImages(folder); err != nil {
		t.Error(err)
	}
}
