package cudatest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRemoveOld: builds of sources that are gone do not stay in the cache, and
// those that are in use do.
func TestRemoveOld(t *testing.T) {
	cache := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{"cuda12-now": 48 * time.Hour, "cuda12-old": 48 * time.Hour,
		"building-1": 48 * time.Hour, "cuda13-other": time.Hour} {
		folder := filepath.Join(cache, name)
		if err := errors.Join(os.Mkdir(folder, 0o755), os.WriteFile(filepath.Join(folder, core), nil, 0o600),
			os.Chtimes(folder, now.Add(-age), now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeOld(cache, filepath.Join(cache, "cuda12-now"), now.Add(-24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"cuda12-now": true, "cuda12-old": false, "building-1": false, "cuda13-other": true} {
		if got := exists(filepath.Join(cache, name)); got != want {
			t.Errorf("%s is there: %t, want %t", name, got, want)
		}
	}
}

// TestBuildIsMarked: a build that is used again counts as new.
func TestBuildIsMarked(t *testing.T) {
	from, err := fetchedFolder(CUDA12)
	if err != nil {
		New(t, Config{}) // skips or fails
	}
	folder, err := build(CUDA12, from, filepath.Join(filepath.Dir(from), "built"))
	if err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-keptFor / 2)
	if err := os.Chtimes(folder, long, long); err != nil {
		t.Fatal(err)
	}
	if _, err := build(CUDA12, from, filepath.Dir(folder)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(folder); err != nil || !info.ModTime().After(long) {
		t.Errorf("%v, %v: the build is as old as before", info, err)
	}
}
