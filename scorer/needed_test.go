package scorer

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/prune"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
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
