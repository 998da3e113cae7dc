package slurm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	running := "7|RUNNING|None|0|1795314182|N/A|%s|n1|%s|"
	release := func(ctx context.Context, id string) error {
		s, err := e.Release(ctx, id)
		if strings.Contains(s.Reason, "at Slurm it holds") {
			return fmt.Errorf("released, and %s", s.Reason)
		}
		return err
	}
	const (
		down = "echo 'NodeName=n1 State=DOWN*+NOT_RESPONDING ThreadsPerCore=1 BootTime=1795310000 Reason=Not responding'"
		busy = "echo 'NodeName=n1 State=MIXED ThreadsPerCore=1 BootTime=1795310000 Comment=State=DOWN'"
	)
	for name, c := range map[string]struct {
		nodes, comment, allocated, steps string
		node                             string // what scontrol does; down if empty
		later                            string // what squeue says in the end, if not the same
		state                            deploy.State
		says                             string
		ended                            bool
	}{
		"all there":   {nodes: "n[1-3]", allocated: "echo 7", steps: "7.batch", state: deploy.Running},
		"other order": {nodes: "a9,n[1,3]", allocated: "echo 7", steps: "7.batch", state: deploy.Running},
		"others score": {nodes: "n[2-3]", steps: "7.batch\n7.0", state: deploy.Running,
			says: "node n1, on which the job's script ran, was lost; the other ranks continue"},
		"none scores":    {nodes: "n2,m4", steps: "7.batch", state: deploy.Failed, says: "and the other ranks have ended; at Slurm it holds", ended: true},
		"free again":     {nodes: "n2", node: "echo 'NodeName=n1 State=IDLE+DRAIN'", state: deploy.Failed, says: "was lost", ended: true},
		"started again":  {nodes: "n2", node: "echo 'State=ALLOCATED BootTime=1795314183'", state: deploy.Failed, says: "was lost", ended: true},
		"canceled":       {nodes: "n2", comment: canceled, steps: "7.batch", state: deploy.Canceled, says: "at Slurm it holds", ended: true},
		"node is up":     {nodes: "n2", node: busy, state: deploy.Running},
		"node unknown":   {nodes: "n2", node: "exit 1", state: deploy.Running},
		"node is silent": {nodes: "n2", node: "true", state: deploy.Running},
		"refused":        {nodes: "n2", allocated: "echo 'squeue: error: Invalid node name n1' >&2; exit 1", state: deploy.Running},
		"has just ended": {nodes: "n2", later: "7|COMPLETED|None|0|1795314182|1795314183||n1|n2|", state: deploy.Running},
		"gone":           {nodes: "n2", later: " ", state: deploy.Running},
	} {
		log := t.TempDir() + "/log"
		now := fmt.Sprintf(running, c.comment, c.nodes)
		script(t, path, "squeue", `case "$*" in
*--steps*) printf '`+strings.ReplaceAll(c.steps, "\n", `\n`)+`\n' ;;
*--nodelist=n1*) `+cmp.Or(c.allocated, "true")+` ;;
*) if [ -e `+log+`.node ]; then echo '`+cmp.Or(c.later, now)+`'; else echo '`+now+`'; fi ;;
esac`)
		script(t, path, "scontrol", `case "$*" in
*"show node n1"*) : >`+log+".node; "+cmp.Or(c.node, down)+` ;;
*) echo scontrol "$@" >>`+log+` ;;
esac`)
		script(t, path, "scancel", `echo scancel "$@" >>`+log)
		s, err := e.Status(t.Context(), "x")
		if err != nil || s.State != c.state || !strings.Contains(s.Reason, c.says) || c.says == "" && s.Reason != "" {
			t.Errorf("%s: %+v, %v; want %s, %q", name, s, err, c.state, c.says)
		}
		if did, err := os.ReadFile(log); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: Status did %q, %v; want nothing", name, did, err)
		}
		for what, end := range map[string]func(context.Context, string) error{"Release": release, "Cancel": e.Cancel} {
			if what == "Cancel" && !c.ended {
				continue // it ends all jobs
			}
			_ = os.Remove(log)
			_ = os.Remove(log + ".node")
			err := end(t.Context(), "x")
			did, _ := os.ReadFile(log)
			if err != nil || strings.HasSuffix(string(did), "scancel 7\n") != c.ended || !c.ended && len(did) > 0 {
				t.Errorf("%s: %s: %v, did %q; want the end of the job: %v", name, what, err, did, c.ended)
			}
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
