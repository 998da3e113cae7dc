package scale

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/shard"
)

// work scores a folder as one of two static ranks.
func work(t *testing.T, images, out string, rank int) {
	t.Helper()
	from, err := dir.New(images, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	to, err := dir.New(out, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = scorer.Run(t.Context(), measure.SimulatedWorker(t.Context(), simulate.Spec{Rate: 1e6}, scorer.Options{
		Images: from, Out: to, Contract: Contract(),
		Job:   output.Job{TopK: 1, Batch: 8, Chunk: 16},
		World: shard.World{Rank: rank, Size: 2, LocalSize: 2}, Static: true, Lease: time.Second, Decoders: 1,
	}))
	if err != nil && (rank > 0 || !errors.Is(err, output.ErrIncomplete)) {
		t.Fatal(err)
	}
}

// TestRead scores a collection of more names than one file may have, on two
// ranks in turn, and reads how that went.
func TestRead(t *testing.T) {
	const n = perFile + 30
	images, out := t.TempDir(), t.TempDir()
	if err := Collection(images, n); err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(images); err != nil || len(names) != n {
		t.Fatalf("%d names, %v; want %d", len(names), err, n)
	}
	st, err := dir.New(out, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	work(t, images, out, 0)
	if o, err := Read(t.Context(), st, 2); err == nil {
		t.Errorf("half a job is read as %+v, want an error", o)
	}
	work(t, images, out, 1)
	o, err := Read(t.Context(), st, 2)
	if err != nil {
		t.Fatal(err)
	}
	if o.Starts[0] != 0 || o.Starts[1].Seconds() < o.Ranks[0].Seconds*0.9 {
		t.Errorf("outcome %+v, want rank 1 to start after the end of rank 0", o)
	}
	if o.Makespan < o.Ranks[0].Seconds || o.Ranks[0].Images+o.Ranks[1].Images != n || o.Ranks[1].Share != n-o.Ranks[0].Share {
		t.Errorf("outcome %+v, want the shares and images of both ranks", o)
	}
	if o.Images != n || o.Scored != n || !o.Simulated || len(o.Devices) != 1 {
		t.Errorf("outcome %+v, want %d simulated images on one device", o, n)
	}
	if o, err := Read(t.Context(), st, 3); err == nil {
		t.Errorf("with one rank more it is read as %+v, want an error", o)
	}
}
