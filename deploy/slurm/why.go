package slurm

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/deploy"
)

// What a job's log says about its end.
var (
	// failedTask matches how srun reports ranks: "srun: error: node7: tasks 0-1,5: Exited
	// with exit code 10".
	failedTask = regexp.MustCompile(`^srun: error: ([^:]+): tasks? ([-0-9,]+): (.*)$`)
	// lostNode matches how srun reports a node that Slurm has given up.
	lostNode = regexp.MustCompile(`^srun: error: Node failure on (.*)$`)
	// lostFirst matches what noteLost adds to the log.
	lostFirst = regexp.MustCompile(`^batchscore: node (\S+), on which the job's script ran, was lost, and the other ranks have ended$`)
	// memoryLimit matches how slurmstepd and srun report ranks that took too much memory. Without
	// control groups, slurmstepd says how many bytes a step may take on a node.
	memoryLimit = regexp.MustCompile(`exceeded memory limit \(\d+ > (\d+)\)|slurmstepd.*Exceeded (?:job|step) memory limit|` +
		`slurmstepd.*oom[-_]kill|^srun: error: .*: Out Of Memory$`)
)

// why is why a job ended.
type why struct {
	ranks  []string // those that srun saw fail, and the nodes it saw lost
	lost   string   // the node of the script, if Status has ended the job after its loss
	memory bool     // ranks took more memory than they may
	limit  uint64   // how many bytes they may take, if the log says so
}

// why returns what the log says about the end of the job since it last started.
func (e *Engine) why(id string) why {
	text, err := os.ReadFile(e.logFile(id))
	if err != nil {
		return why{}
	}
	var w why
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "batchscore: start ") {
			w = why{}
		}
		if m := failedTask.FindStringSubmatch(line); m != nil {
			w.ranks = append(w.ranks, fmt.Sprintf("rank %s on %s failed: %s", m[2], m[1], m[3]))
		}
		if m := lostNode.FindStringSubmatch(line); m != nil {
			w.ranks = append(w.ranks, fmt.Sprintf("node %s was lost", m[1]))
		}
		if m := lostFirst.FindStringSubmatch(line); m != nil {
			w.lost = m[1]
		}
		if m := memoryLimit.FindStringSubmatch(line); m != nil {
			w.memory = true
			if limit, err := strconv.ParseUint(m[1], 10, 64); err == nil {
				w.limit = limit
			}
		}
	}
	return w
}

// explain adds to the status of a job that has ended what its log says about the end.
func (w *why) explain(s *deploy.Status) {
	if w.lost != "" && s.State != deploy.Succeeded {
		s.State, s.Reason, s.ExitCode = deploy.Failed, lostReason(w.lost), nil
	}
	if s.State != deploy.Failed {
		return
	}
	said := w.ranks
	if w.memory || strings.Contains(s.Reason, "OutOfMemory") || strings.Contains(s.Reason, "OUT_OF_MEMORY") {
		limit := ""
		if w.limit > 0 {
			limit = fmt.Sprintf(" the %d MiB", w.limit>>20)
		}
		said = append(said, "more memory was taken than"+limit+" Slurm gives the job on a node: in service.yaml, raise cpusPerRank,"+
			" set exclusive, or name a partition whose jobs get more; or lower batch in the job's run")
	}
	if len(said) > 0 {
		s.Reason = strings.TrimSuffix(strings.Join(said, "; ")+" ("+s.Reason+")", " ()")
	}
}

// noteLost adds to the log that the job's first node was lost, for the time when Slurm has
// forgotten the job. It may fail: until then, the job's comment says so.
func (e *Engine) noteLost(id, host string) {
	f, err := os.OpenFile(e.logFile(id), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	// The line before may be the half of one that the lost node was writing.
	_, _ = fmt.Fprintf(f, "\nbatchscore: %s\n", lostReason(host))
	_ = f.Close()
}
