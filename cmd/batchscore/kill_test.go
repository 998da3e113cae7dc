package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// killRounds is how often TestKilledRanks kills; "make kill" sets it to 50.
func killRounds(t *testing.T) int {
	text := os.Getenv("BATCHSCORE_KILL_ROUNDS")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("BATCHSCORE_KILL_ROUNDS=%q is not a number of rounds", text)
	}
	return n
}

// TestKilledRanks scores 1,000 images on 4 ranks under mpirun, kills one or all of them
// with SIGKILL at a random moment, and runs the job again, round after round.
// BATCHSCORE_KILL_SEED repeats the moments of a run.
func TestKilledRanks(t *testing.T) {
	t.Parallel()
	const images, ranks = 1000, 4
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("BATCHSCORE_KILL_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("BATCHSCORE_KILL_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))

	in, model := pictures(t, images), tiny(t, graphtest.Options{})
	args := func(out string) []string {
		return []string{"run", "--images", in, "--out", out, "--model", model, "--log-level", "warn"}
	}
	alone := filepath.Join(t.TempDir(), "alone")
	must(t, 0, args(alone)...)
	want := merged(t, alone)

	rounds, killed, resumed := killRounds(t), 0, 0
	for round := range rounds {
		out := filepath.Join(t.TempDir(), "out")
		all := rng.IntN(2) == 0
		cmd := mpirun(t, ranks, args(out)...)
		var stdout, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// A random moment. It is measured in committed parts, so that it is during
		// the run on any machine.
		parts := rng.IntN(images / 8)
		for exited := false; !exited && countParts(t, out) < parts; time.Sleep(time.Millisecond) {
			exited = len(children(t, cmd.Process.Pid)) == 0 && exists(filepath.Join(out, "_SUCCESS"))
		}
		time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
		workers := children(t, cmd.Process.Pid)
		if !all && len(workers) > 0 {
			workers = workers[rng.IntN(len(workers)):][:1]
		}
		for _, pid := range workers {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		first := wait(t, cmd, &stdout, &stderr)
		_, err := os.Stat(filepath.Join(out, "_SUCCESS"))
		if len(workers) > 0 && first.code != 0 {
			killed++
		}
		if done := err == nil; done != (first.code == 0) && len(workers) == 0 {
			t.Fatalf("round %d: _SUCCESS exists: %v, but %v", round, done, first)
		}

		again := finish(t, mpirun(t, ranks, args(out)...))
		if again.code != 0 {
			t.Fatalf("round %d: the rerun: %v", round, again)
		}
		if err != nil {
			resumed++
		}
		must(t, 0, "verify", out)
		if got := merged(t, out); got != want {
			t.Fatalf("round %d: the merged file differs from that of one rank", round)
		}
	}
	t.Logf("%d rounds, %d with ranks killed in mid-run, %d resumed; rows equal manifest every time", rounds, killed, resumed)
}
