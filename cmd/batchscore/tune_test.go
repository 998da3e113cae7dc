package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestAutoMeasures lets two ranks measure, and a second job use the cache.
func TestAutoMeasures(t *testing.T) {
	in, model := pictures(t, 30), tiny(t, graphtest.Options{})
	cache := filepath.Join(t.TempDir(), "cache")
	auto := []string{"--images", in, "--model", model, "--provider", "cpu", "--batch", "auto", "--sessions", "auto", "--tune-cache", cache}
	for i, want := range []string{`"from_cache":false`, `"from_cache":true`} {
		out := filepath.Join(t.TempDir(), "out")
		r := must(t, 0, append([]string{"launch", "-n", "2", "--", "--out", out}, auto...)...)
		if !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, `"decoders":`) {
			t.Errorf("job %d: want %s in\n%s", i, want, r.stderr)
		}
		must(t, 0, "verify", out)
	}
	if files, err := filepath.Glob(filepath.Join(cache, "tune-*.json")); err != nil || len(files) == 0 {
		t.Errorf("the cache holds %v, %v", files, err)
	}
	for _, flag := range []string{"--batch", "--sessions"} {
		if r := batchscore(t, "run", "--images", in, "--out", t.TempDir(), "--model", model, flag, "many"); r.code != 64 || !strings.Contains(r.stderr, "auto") {
			t.Errorf("%s many: got %v, want exit code 64", flag, r)
		}
	}
}
