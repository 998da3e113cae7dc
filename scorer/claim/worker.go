package claim

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/batchscore/batchscore/shard"
)

// Worker is the process that does the work. Claims carry it, so that whoever
// finds a claim on the same machine can see whether its owner is still alive.
type Worker struct {
	// ID is unique to the process and can be part of a file name.
	ID   string `json:"id"`
	Host string `json:"host"`
	// PID and PIDStart are unique within one BootID and PIDNamespace. These are
	// empty where the system does not provide them.
	BootID       string `json:"boot_id"`
	PIDNamespace string `json:"pid_namespace"`
	PID          int    `json:"pid"`
	// PIDStart is when the process started, in the kernel's clock ticks since
	// boot. It distinguishes the process from a later one of the same number.
	PIDStart uint64    `json:"pid_start"`
	Rank     int       `json:"rank"`
	World    int       `json:"world"`
	Started  time.Time `json:"started"` // by the process's own clock, for people
}

// MostRanks is higher than any real number of ranks.
const MostRanks = 1 << 17

// longestName is more bytes than a worker's texts have.
const longestName = 1 << 10

// plausible reports whether a worker that was read may be one: whoever can write to the
// output can claim to be any.
func (w *Worker) plausible() bool {
	return w.Rank >= 0 && w.Rank < MostRanks && w.World >= 0 && w.World <= MostRanks && w.PID >= 0 &&
		max(len(w.ID), len(w.Host), len(w.BootID), len(w.PIDNamespace)) <= longestName
}

// ThisProcess describes the calling process.
func ThisProcess(w shard.World) Worker {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	me := Worker{
		Host: host, PID: os.Getpid(), Rank: w.Rank, World: w.Size, Started: time.Now().UTC().Round(0),
		BootID: bootID(), PIDNamespace: pidNamespace(),
	}
	me.PIDStart, _ = processStart(me.PID)
	me.ID = fmt.Sprintf("r%05d-%s-%d-%s", me.Rank, fileSafe(host), me.PID, strings.ToLower(rand.Text()[:8]))
	return me
}

// fileSafe replaces everything but letters, digits and hyphens.
func fileSafe(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return '-'
	}, s)
}

// SameMachine reports whether each of two processes can see the other, so that a
// process number means the same to both.
func (w *Worker) SameMachine(o *Worker) bool {
	return w.Host == o.Host && w.BootID == o.BootID && w.PIDNamespace == o.PIDNamespace &&
		w.BootID != "" && w.PIDNamespace != "" && w.PIDStart != 0 && o.PIDStart != 0
}
