package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestProfilesCanBeRead checks that go tool pprof and go tool trace can read what run
// --profile writes.
func TestProfilesCanBeRead(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	must(t, 0, "run", "--images", pictures(t, 8), "--out", filepath.Join(t.TempDir(), "out"),
		"--model", tiny(t, graphtest.Options{}), "--provider", "simulate:rate=1000", "--profile", folder)
	for _, kind := range []string{"cpu", "allocs", "block", "mutex"} {
		text := commandOutput(t, "go", "tool", "pprof", "-raw", filepath.Join(folder, kind+"-00000.pprof"))
		if !strings.Contains(text, "PeriodType") {
			t.Errorf("%s: %s", kind, text)
		}
	}
	body, err := os.ReadFile(filepath.Join(folder, "trace-00000.out"))
	if err != nil || !strings.HasPrefix(string(body), "go 1.") {
		t.Errorf("the trace is %d bytes, %v", len(body), err)
	}
}
