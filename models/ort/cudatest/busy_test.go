package cudatest

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestCUDABusy checks what a GPU needs that is to compute all the time, with the defaults
// and pixels of 8 bits: every batch is copied and launched, whole, before the one before
// it is complete. Nothing here depends on how long something takes.
func TestCUDABusy(t *testing.T) {
	const images, batch = 512, 32
	model := graphtest.Write(t, graphtest.Options{Input: graphtest.Image, Work: 2})
	folder := pictures(t, images)
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line})
		score := func(vars ...string) {
			t.Helper()
			m.Forget(t)
			m.start(t, vars, scoring(model, folder, filepath.Join(t.TempDir(), "out"))...).wait(t).must(t)
		}
		score("CUDATEST_LOG_ONLY=batch")
		all := len(m.Log(t))
		first := all - images/batch + 1 // those before it are to check the model
		if first < 2 {
			t.Fatalf("%d batches, want more than %d", all, images/batch)
		}
		for _, e := range m.Log(t)[first-1:] {
			if e.Images != batch {
				t.Fatalf("a batch of %d images, want %d", e.Images, batch)
			}
		}

		// A batch is complete only once the next one has been launched. As the last one of a
		// chunk waits for the commit of the chunk before, the others may all come first; they
		// are more than half.
		score(fmt.Sprintf("CUDATEST_AHEAD=%d-%d", first, first+images/batch/2-1))
		l := m.Log(t)
		if alone := l.Of("alone"); len(alone) > 0 {
			t.Errorf("while the device computed batch %d of %d, the program launched nothing", alone[0].Number, all)
		}
		if n := len(l.Of("batch")); n != all {
			t.Errorf("%d batches, want %d", n, all)
		}
		for len(l) > 0 && (l[0].Event != "batch" || first > 1) {
			if l[0].Event == "batch" {
				first--
			}
			l = l[1:]
		}
		// What each batch waits for: its pixels, its scores, and a stream that is not used.
		waits := l.Of("synchronize")
		if most := 3 * images / batch; len(waits) > most {
			t.Errorf("%d synchronisations, want at most %d", len(waits), most)
		}
		for _, e := range waits {
			if e.What != "stream" {
				t.Errorf("a call waits for a whole %s", e.What)
				break
			}
		}
	})
}
