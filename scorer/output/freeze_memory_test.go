package output

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/batchscore/batchscore/scorer/scratch"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/shard"
)

// TestManifestIsNeverInMemory sorts, stores and reads the manifest of a million
// images, 110 MB of text, and looks at what is held of it on the way and in the
// end.
func TestManifestIsNeverInMemory(t *testing.T) {
	production(t)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	check := func(what string, most int64) {
		t.Helper()
		if held := heap() - before; held > most {
			t.Errorf("%s: %d bytes are held, want at most %d", what, held, most)
		}
	}
	const images = 1_000_000
	b := shard.Builder{Room: room}
	for i := range images {
		n := i * 7919 % images // out of order
		e := shard.Entry{Path: fmt.Sprintf("images/%03d/photo-%07d.jpg", n%997, n), Size: int64(n), ETag: fmt.Sprintf("0x8D%013X", n)}
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
		if i%100_000 == 0 {
			check("adding", 2*scratch.Memory)
		}
	}
	m, _, err := b.Build(0)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	check("built", 1<<20)
	st, err := dir.New(t.TempDir(), dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Freeze(t.Context(), st, func(context.Context) (*shard.Manifest, error) { return m, nil }); err != nil {
		t.Fatal(err)
	}
	again, err := ReadManifest(t.Context(), st)
	if err != nil || again.Digest() != m.Digest() || again.Len() != images {
		t.Fatalf("read back: %v", err)
	}
	defer again.Close()
	check("read back", 2<<20)
}

// production gives a test the room that is left to the program.
func production(t *testing.T) {
	tight := room
	room = scratch.Room()
	t.Cleanup(func() { room = tight })
}
