package scorer

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/prune"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// TestNoRetryOfWhatIsNeeded: the rows of an output that another one keeps are not changed in place.
func TestNoRetryOfWhatIsNeeded(t *testing.T) {
	images, whole := collection(t, 9), new(mem.Store)
	out := store.NewSub(whole, "runs/1/")
	first := options(t, images, out)
	mustRun(t, first)
	job, err := output.ReadJob(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	next := job
	next.After = &output.After{Job: job.ID, Sources: []output.Source{{Place: "../1", Job: job.ID}}}
	begun, _, err := output.Join(t.Context(), store.NewSub(whole, "runs/2/"), next)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(prune.Dependent{Place: "../2", Job: begun.ID})
	if err != nil {
		t.Fatal(err)
	}
	whole.Put("runs/1/_batchscore/dependents/"+begun.ID+".json", body)
	again := options(t, images, out)
	again.Retry = row.Selection{row.StatusOK}
	before, err := output.ReadSuccess(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), again); !errors.Is(err, prune.ErrNeeded) || !strings.Contains(err.Error(), "--after") {
		t.Errorf("Run() = %v", err)
	}
	if _, err := output.ReadJob(t.Context(), output.Generation(out, 1)); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("a retry was begun: %v", err)
	}
	whole.Remove("runs/2/_batchscore/job.json")
	if s, err := Run(t.Context(), again); err != nil || s.Generation() != 1 || s.Digests.Manifest != before.Digests.Manifest {
		t.Errorf("Run() without the other output = %v, %v", s, err)
	}
}

// TestNightAfterARetry lets a retry in place die at each of its writes. Until it is finished, no
// increment continues the output; and once one does, the retry changes no row.
func TestNightAfterARetry(t *testing.T) {
	images, whole := collection(t, 9), new(mem.Store)
	images.Put("bad.jpg", []byte("no picture"))
	mustRun(t, after(t, images, whole, 1))
	images.Put("bad.jpg", picture(t, 60))
	first := "runs/night-0001/"
	refused, kept := 0, 0
	for writes := 1; ; writes++ {
		whole, later := clone(t, whole)
		retry := options(t, images, mortal(night(whole, 1), writes, false))
		retry.Retry = row.Selection{"not_image"}
		if _, err := Run(t.Context(), retry); err == nil {
			break
		}
		later()
		state, err := output.ReadRetries(t.Context(), night(whole, 1))
		if err != nil {
			t.Fatal(err)
		}
		s, err := output.ReadSuccess(t.Context(), night(whole, 1))
		if err != nil {
			t.Fatal(err)
		}
		next := after(t, images, whole, 2)
		next.After.Place = "memory/" + strings.TrimSuffix(first, "/")
		if state.Begun != nil || state.Complete > s.Generation() {
			if _, err := Run(t.Context(), next); !errors.Is(err, output.ErrIncomplete) || !strings.Contains(err.Error(), "retry 1") {
				t.Fatalf("after %d writes: Run() = %v", writes, err)
			}
			refused++
		}
		if state.Publishing {
			continue
		}
		// The retry was begun before the increment, which did not see it.
		hidden := map[string][]byte{}
		if err := whole.List(t.Context(), first+"_batchscore/retry/", func(o store.Object) error {
			body, _, err := store.ReadAll(t.Context(), whole, o.Name, 1<<20)
			hidden[o.Name] = body
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for name := range hidden {
			whole.Remove(name)
		}
		mustRun(t, next)
		want := wholeMerge(t, night(whole, 2), row.JSONL)
		for name, body := range hidden {
			whole.Put(name, body)
		}
		later() // the claims that were put back end again
		retry.Out = night(whole, 1)
		if _, err := Run(t.Context(), retry); !errors.Is(err, prune.ErrNeeded) {
			t.Fatalf("after %d writes: the retry ended with %v", writes, err)
		}
		if wholeMerge(t, night(whole, 2), row.JSONL) != want {
			t.Fatalf("after %d writes: the retry changed a row that is kept", writes)
		}
		kept++
	}
	if refused < 5 || kept < 5 {
		t.Errorf("%d refused and %d kept", refused, kept)
	}
}

// TestIncrementBeginsDuringRetry: a retry that has begun changes no row that an increment has begun
// to keep since.
func TestIncrementBeginsDuringRetry(t *testing.T) {
	images, whole := collection(t, 9), new(mem.Store)
	done := mustRun(t, options(t, images, store.NewSub(whole, "runs/1/")))
	job, err := output.ReadJob(t.Context(), store.NewSub(whole, "runs/1/"))
	if err != nil {
		t.Fatal(err)
	}
	next := job
	next.After = &output.After{Job: job.ID, Sources: []output.Source{{Place: "../1", Job: job.ID,
		Manifest: done.Digests.Manifest, Parts: done.Digests.Parts, Images: 9}}}
	begun, _, err := output.Join(t.Context(), store.NewSub(whole, "runs/2/"), next)
	if err != nil {
		t.Fatal(err)
	}
	faulty := &storetest.Faulty{Store: whole, BeforeCreate: func(_ context.Context, _ int, name string, _ []byte) error {
		if strings.Contains(name, "/retry/") {
			whole.Put("runs/1/_batchscore/dependents/"+begun.ID+".json", []byte(`{"place":"../2","job":"`+begun.ID+`"}`))
		}
		return nil
	}}
	again := options(t, images, store.NewSub(faulty, "runs/1/"))
	again.Retry = row.Selection{row.StatusOK}
	if s, err := Run(t.Context(), again); !errors.Is(err, prune.ErrNeeded) || s.Generation() != 0 {
		t.Errorf("Run() = generation %d, %v", s.Generation(), err)
	}
	// The increment sees the retry, and says so before it keeps a row.
	if err := prune.Announce(t.Context(), store.NewSub(whole, "runs/2/"), &begun, func(error) {}); !errors.Is(err, output.ErrIncomplete) {
		t.Errorf("Announce() = %v", err)
	}
}
