package output

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/shard"
)

// TestManifestIsNeverInMemory sorts, stores and reads a manifest of 16 MB with little
// room for it, and measures the memory in use after each step.
func TestManifestIsNeverInMemory(t *testing.T) {
	room := shard.Room{Memory: 2 << 20, Scratch: room.Scratch}
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
			t.Errorf("%s: %d bytes are in use, want at most %d", what, held, most)
		}
	}
	const images = 200_000
	b := shard.Builder{Room: room}
	for i := range images {
		n := i * 7919 % images // out of order
		e := shard.Entry{Path: fmt.Sprintf("images/%03d/photo-%07d.jpg", n%997, n), Size: int64(n), ETag: fmt.Sprintf("0x8D%013X", n)}
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
		if i%20_000 == 0 {
			check("adding", 6<<20)
		}
	}
	m, _, err := b.Build(0)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	check("built", 1<<20)
	if size := text(t, m); size < 15<<20 {
		t.Errorf("the manifest has %d bytes, too few for this test", size)
	}
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

// text returns how many bytes a manifest has.
func text(t *testing.T, m *shard.Manifest) int64 {
	t.Helper()
	r, w := io.Pipe()
	go func() { w.CloseWithError(m.Encode(w)) }()
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
