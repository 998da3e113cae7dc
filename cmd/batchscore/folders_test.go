package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// TestPartsInFolders scores more than 1,000 chunks, in a folder and in blob storage, and
// has every command read the parts.
func TestPartsInFolders(t *testing.T) {
	t.Parallel()
	const n = 1003
	in, model := pictures(t, n), tiny(t, graphtest.Options{})
	broken := filepath.Join(in, "batch 1", "00400.jpg")
	writeFile(t, broken, nil)
	server := azuritetest.Start(t)
	merged := map[string]string{}
	for name, out := range map[string]string{"folder": filepath.Join(t.TempDir(), "out"), "blobs": newPlace(t, server)} {
		must := func(args ...string) processResult {
			t.Helper()
			r := withBlobs(t, server, server.Endpoint, args...)
			if r.code != 0 {
				t.Fatalf("%s: got %v, want exit code 0", name, r)
			}
			return r
		}
		job := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "1", "--batch", "1", "--provider", "simulate:rate=1000000"}
		must(append(job, "--budget-images", "2000", "--format", "csv")...)
		says(t, must("verify", out), "1003 images in 1003 chunks; 1003 parts with 1003 rows", "OK: rows equal manifest")
		merged[name] = must("merge", out, "-o", "-").stdout
		if name != "folder" {
			continue
		}
		writeFile(t, broken, picture(t, 400))
		says(t, must(append(job, "--format", "csv", "--retry", "empty")...), "1003 images: 1003 ok")
		writeFile(t, broken, nil)
		says(t, must("verify", out), "1003 ok")
		says(t, must("show", out, "--limit", "1"), "1003")
		says(t, must("jobs", "status", out), "1003")
		says(t, must("repair", out), "nothing in "+out)
		for _, part := range []string{"part-0000/part-0000000.csv", "part-0001/part-0001002.csv"} {
			if !exists(filepath.Join(out, part)) {
				t.Errorf("there is no %s", part)
			}
		}
		if entries, err := os.ReadDir(out); err != nil || len(entries) != 4 {
			t.Errorf("the output folder has %v, %v, want 2 folders of parts, _SUCCESS and _batchscore", entries, err)
		}
		must64 := finish(t, command(t, nil, "merge", out, "-o", filepath.Join(out, "part-0000", "part-0000000.csv")))
		if must64.code != 64 {
			t.Errorf("merge into a part: %v, want exit code 64", must64)
		}
	}
	if merged["folder"] != merged["blobs"] || strings.Count(merged["folder"], "\n") != n+1 {
		t.Errorf("%d and %d bytes of merged rows differ", len(merged["folder"]), len(merged["blobs"]))
	}
}
