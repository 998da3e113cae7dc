package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// TestPartsInFolders scores more than 1,000 chunks, and has every command read the parts. In
// blob storage it scores the last of them.
func TestPartsInFolders(t *testing.T) {
	t.Parallel()
	const n = 1003
	in, model := pictures(t, n), tiny(t, graphtest.Options{})
	broken := filepath.Join(in, "batch 1", "00400.jpg")
	writeFile(t, broken, nil)
	job := func(out string) []string {
		return []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "1", "--batch", "1", "--provider", "simulate:rate=1000000",
			"--format", "csv"}
	}
	out := filepath.Join(t.TempDir(), "out")
	mustPlain(t, 0, append(job(out), "--budget-images", "2000")...)
	const whole = "1003 images in 1003 chunks; 1003 parts with 1003 rows"
	says(t, mustPlain(t, 0, "verify", out), whole, "OK: rows equal manifest")
	merged := mustPlain(t, 0, "merge", out, "-o", "-").stdout
	if strings.Count(merged, "\n") != n+1 {
		t.Errorf("%d merged rows, want %d", strings.Count(merged, "\n")-1, n)
	}
	begun := filepath.Join(t.TempDir(), "begun")
	if err := os.CopyFS(begun, os.DirFS(out)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"_SUCCESS", "_batchscore/parts.sha256", "part-0001"} {
		if path := filepath.Join(begun, name); !exists(path) || os.RemoveAll(path) != nil {
			t.Fatalf("%s is not there, or cannot be removed", path)
		}
	}

	writeFile(t, broken, picture(t, 400))
	says(t, mustPlain(t, 0, append(job(out), "--retry", "empty")...), "1003 images: 1003 ok")
	writeFile(t, broken, nil)
	says(t, mustPlain(t, 0, "verify", out), "1003 ok")
	says(t, mustPlain(t, 0, "show", out, "--limit", "1"), "1003")
	says(t, mustPlain(t, 0, "jobs", "status", out), "1003")
	says(t, mustPlain(t, 0, "repair", out), "nothing in "+out)
	for _, part := range []string{"part-0000/part-0000000.csv", "part-0001/part-0001002.csv"} {
		if !exists(filepath.Join(out, part)) {
			t.Errorf("there is no %s", part)
		}
	}
	if entries, err := os.ReadDir(out); err != nil || len(entries) != 4 {
		t.Errorf("the output folder has %v, %v, want 2 folders of parts, _SUCCESS and _batchscore", entries, err)
	}
	mustPlain(t, 64, "merge", out, "-o", filepath.Join(out, "part-0000", "part-0000000.csv"))

	server := azuritetest.Start(t)
	place := upload(t, server, begun)
	blobs := func(args ...string) processResult {
		return finish(t, process(t, server.Env(), plainProgram(t), append(args, "--endpoint", server.Endpoint)...))
	}
	says(t, blobs(append(job(place), "--budget-images", "2000")...), "Processed 3 images")
	says(t, blobs("verify", place), whole, "OK: rows equal manifest")
	if got := blobs("merge", place, "-o", "-").stdout; got != merged {
		t.Errorf("%d and %d bytes of merged rows differ", len(merged), len(got))
	}
}
