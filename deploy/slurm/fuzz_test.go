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
	f.Add("11|FAILED|None|65536|1|2|\n")
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
		checkCode(t, j.status)
	})
}

// FuzzAccount reads whatever sacct may print. An accepted job has a state, and an exit
// status only if it has ended.
func FuzzAccount(f *testing.F) {
	f.Add("12|COMPLETED|0:0|1700000000|1700000001\n")
	f.Add("11|FAILED|1:0|1|2\n12|CANCELLED by 1000|0:15|Unknown|None\n")
	f.Add("12|RUNNING|0:0|1700000000|Unknown")
	f.Add("12|FAILED|256:0|1|2")
	f.Add("12|FAILED|0:-128|1|2")
	f.Fuzz(func(t *testing.T, text string) {
		j, ok := parseAccount(text)
		if !ok {
			return
		}
		if j.status.State == "" || j.status.ExitCode != nil && !j.status.State.Ended() {
			t.Errorf("accepted %+v", j)
		}
		checkCode(t, j.status)
	})
}

// checkCode tests that an exit status is one that a process can have: another, cut to 8
// bits, could be that of success.
func checkCode(t *testing.T, s deploy.Status) {
	t.Helper()
	if s.ExitCode != nil && (*s.ExitCode < 0 || *s.ExitCode > 255) {
		t.Errorf("%s with exit status %d", s.State, *s.ExitCode)
	}
}
