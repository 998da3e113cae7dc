package output

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/shard"
)

// TestManifestIsStoredInPieces freezes the manifest of a million images and
// looks at what that allocates beside the manifest itself: a fraction of its
// text, which is never held as a whole.
func TestManifestIsStoredInPieces(t *testing.T) {
	var b shard.Builder
	for i := range 1_000_000 {
		b.Add(shard.Entry{Path: fmt.Sprintf("images/%03d/%07d.jpg", i%997, i), Size: int64(i), ETag: fmt.Sprintf("%016x-%x", i, i)})
	}
	m, _ := b.Build()
	folder := t.TempDir()
	st, err := dir.New(folder, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Freeze(t.Context(), st, func(context.Context) (*shard.Manifest, error) { return m, nil }); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	info, err := os.Stat(filepath.Join(folder, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	allocated := int64(after.TotalAlloc - before.TotalAlloc)
	t.Logf("%d bytes of text, %d allocated", info.Size(), allocated)
	if allocated > info.Size()/4 {
		t.Errorf("storing %d bytes allocated %d", info.Size(), allocated)
	}
	again, err := ReadManifest(t.Context(), st)
	if err != nil || again.Digest() != m.Digest() {
		t.Errorf("read back: %v", err)
	}
}
