package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestNothingIsSentHome: newer builds of ONNX Runtime have telemetry, which no process of
// this program starts. Where they find that tests run, they leave it off by themselves.
func TestNothingIsSentHome(t *testing.T) {
	home, model := t.TempDir(), tiny(t, graphtest.Options{})
	cmd := command(t, []string{"HOME=" + home, "XDG_CACHE_HOME=" + filepath.Join(home, "cache")},
		"run", "--images", pictures(t, 2), "--out", filepath.Join(t.TempDir(), "out"), "--model", model)
	cmd.Env = slices.DeleteFunc(cmd.Env, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "CI" || name == "ORT_DISABLE_TELEMETRY" || strings.HasPrefix(name, "GITHUB_") || strings.HasPrefix(name, "TF_BUILD")
	})
	before := logsOfTelemetry(t)
	if r := finish(t, cmd); r.code != 0 {
		t.Fatal(r)
	}
	err := filepath.WalkDir(home, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("%s was written", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range logsOfTelemetry(t) {
		if !slices.Contains(before, path) {
			t.Errorf("%s was written", path)
			_ = os.Remove(path)
		}
	}
}

// logsOfTelemetry returns the files that ONNX Runtime's telemetry opens in /tmp, whatever
// TMPDIR says.
func logsOfTelemetry(t *testing.T) []string {
	t.Helper()
	logs, err := filepath.Glob("/tmp/mat-debug-*.log")
	if err != nil {
		t.Fatal(err)
	}
	return logs
}
