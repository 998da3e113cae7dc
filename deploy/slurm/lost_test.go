package slurm

import (
	"os"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy"
)

// TestFault49_FirstNodeIsLost: Slurm says that a job runs for ever whose script is lost.
func TestFault49_FirstNodeIsLost(t *testing.T) {
	path, folder := t.TempDir(), t.TempDir()
	t.Setenv("PATH", path+":"+os.Getenv("PATH"))
	e := engine(t, Options{Folder: folder})
	for name, c := range map[string]struct {
		nodes, comment, allocated, steps string
		state                            deploy.State
		says                             string
		ended                            bool
	}{
		"all there":   {nodes: "n[1-3]", allocated: "7", steps: "7.batch", state: deploy.Running},
		"other order": {nodes: "a9,n[1,3]", allocated: "7", steps: "7.batch", state: deploy.Running},
		"others score": {nodes: "n[2-3]", steps: "7.batch\n7.0", state: deploy.Running,
			says: "node n1, on which the job's script ran, was lost; the other ranks continue"},
		"none scores": {nodes: "n2,m4", steps: "7.batch", state: deploy.Failed, says: "and the other ranks have ended", ended: true},
		"canceled":    {nodes: "n2", comment: canceled, steps: "7.batch", state: deploy.Canceled, ended: true},
	} {
		log := t.TempDir() + "/log"
		script(t, path, "squeue", `case "$*" in
*--steps*) printf '`+strings.ReplaceAll(c.steps, "\n", `\n`)+`\n' ;;
*--nodelist=n1*) echo '`+c.allocated+`' ;;
*) echo '7|RUNNING|None|0|1795314182|N/A|`+c.comment+`|n1|`+c.nodes+`|' ;;
esac`)
		for _, program := range []string{"scontrol", "scancel"} {
			script(t, path, program, `echo `+program+` "$@" >>`+log)
		}
		s, err := e.Status(t.Context(), "x")
		did, _ := os.ReadFile(log)
		if err != nil || s.State != c.state || !strings.Contains(s.Reason, c.says) || strings.Contains(string(did), "scancel 7\n") != c.ended {
			t.Errorf("%s: %+v, %v, and did %q; want %s, %q", name, s, err, did, c.state, c.says)
		}
	}
	// Afterwards it is not taken for one that a user has canceled.
	script(t, path, "squeue", "echo '7|CANCELLED|None|15|1795314182|1795314182|batchscore:lost:n1|n1|n2|'")
	if s, err := e.Status(t.Context(), "x"); err != nil || s.State != deploy.Failed || !strings.HasPrefix(s.Reason, "node n1, on which") || s.ExitCode != nil {
		t.Errorf("afterwards: %+v, %v; want failed, and why", s, err)
	}
	for list, want := range map[string]string{"n1": "n1", "n[1-3]": "n1", "n[01,03]": "n01", "r[1-2]n[3-4],z": "r1n3", "a,n[1-2]": "a", "": ""} {
		if have := firstNode(list); have != want {
			t.Errorf("firstNode(%q) = %q, want %q", list, have, want)
		}
	}
}
