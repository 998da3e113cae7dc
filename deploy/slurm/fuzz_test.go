package slurm

import (
	"testing"

	"github.com/batchscore/batchscore/deploy"
)

// FuzzQueue reads whatever squeue may print. An accepted job has a state, and one that
// has ended has an exit status.
func FuzzQueue(f *testing.F) {
	f.Add("12|RUNNING|None|0|1700000000|N/A|\n")
	f.Add("11|FAILED|NonZeroExitCode|256|1700000000|1700000001|\n12|CANCELLED by 1000|x|9|1|2|" + canceled)
	f.Fuzz(func(t *testing.T, text string) {
		j, ok, err := parseQueue(text)
		if err != nil || !ok {
			return
		}
		if j.status.State == "" || j.status.State.Ended() != (j.status.ExitCode != nil) {
			t.Errorf("accepted %+v", j)
		}
		if j.status.State == deploy.Queued && !j.status.Started.IsZero() {
			t.Errorf("a job in the queue started at %v", j.status.Started)
		}
	})
}
