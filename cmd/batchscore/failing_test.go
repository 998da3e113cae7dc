package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// brokenImages returns a folder of n images, of which the last of each few can be read.
func brokenImages(t *testing.T, n, few int) string {
	t.Helper()
	dir, good := t.TempDir(), picture(t, 1)
	for i := range n {
		name, body := filepath.Join(dir, fmt.Sprintf("%05d.jpg", i)), []byte("broken")
		if i%few == few-1 {
			body = good
		}
		if err := os.WriteFile(name, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// fourRanks starts 4 ranks and returns them with what each of them prints.
func fourRanks(t *testing.T, args ...string) (cmds []*exec.Cmd, stderr []*bytes.Buffer) {
	t.Helper()
	for rank := range 4 {
		cmd := command(t, nil, append(args, "--rank", strconv.Itoa(rank), "--world", "4")...)
		text := new(bytes.Buffer)
		cmd.Stderr = text
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		cmds, stderr = append(cmds, cmd), append(stderr, text)
	}
	return cmds, stderr
}

// TestFault51_AFailingJobOf4Ranks: a job of 30,000 images of which 1 in 20 can be read, on devices
// that take 75 seconds for them, stops long before, and says why, also to those who ask later.
func TestFault51_AFailingJobOf4Ranks(t *testing.T) {
	t.Parallel()
	const images = 30_000
	in, out, began := brokenImages(t, images, 20), filepath.Join(t.TempDir(), "out"), time.Now()
	run := []string{"run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--provider", "simulate:rate=100",
		"--batch", "32", "--log-level", "error"}
	cmds, stderr := fourRanks(t, run...)
	for rank, cmd := range cmds {
		_ = cmd.Wait()
		text := stderr[rank].String()
		if code := cmd.ProcessState.ExitCode(); code != 6 {
			t.Errorf("rank %d ended with %d, want 6: %s", rank, code, text)
		}
		if strings.Count(text, ".jpg: not_image: ") < 3 || !strings.Contains(text, "of all 30000 at most 10% are allowed") {
			t.Errorf("rank %d says %q, want the reason with three examples", rank, text)
		}
	}
	t.Logf("stopped after %v", time.Since(began))
	parts := countParts(t, out)
	if parts == 0 || parts > images/128/2 {
		t.Errorf("%d parts, want few", parts)
	}
	r := must(t, 6, "jobs", "status", "--check", out)
	if !strings.Contains(r.stdout, "Stopped    too many images fail: ") || !strings.Contains(r.stdout, ".jpg: not_image") ||
		!strings.Contains(r.stderr, "stopped: too many failures") {
		t.Errorf("jobs status says %v", r)
	}
	p := exportOf(t, out)
	if p.read(t.Context(), zerolog.Nop()); p.last == nil || !p.last.failing {
		t.Errorf("jobs export reads %+v, %v, want a job that is failing", p.last, p.failed)
	}
	if r := must(t, 6, run...); !strings.Contains(r.stderr, "--retry failed") || countParts(t, out) != parts {
		t.Errorf("the same command says %v, and there are %d parts, want %d", r, countParts(t, out), parts)
	}
	d := newDesk(t)
	if r := d.must(t, 6, append([]string{"launch", "--"}, run[1:]...)...); !strings.Contains(r.stderr, "too many images fail") {
		t.Errorf("launch says %v", r)
	}
	d.must(t, 6, "jobs", "status", "--check")
	if s := d.status(t); !strings.Contains(s.Failing, "too many images fail") {
		t.Errorf("the status of the launched job has failing %q", s.Failing)
	}
}

// TestFault51_KilledWhileJudged kills all ranks of a failing job again and again, until it is
// stopped. With a larger limit it gets the rows of a job that nothing happened to.
func TestFault51_KilledWhileJudged(t *testing.T) {
	t.Parallel()
	in, model := brokenImages(t, 3000, 2), tiny(t, graphtest.Options{})
	run := func(out string, more ...string) []string {
		return append([]string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "8", "--batch", "8", "--log-level", "error"}, more...)
	}
	alone, out := filepath.Join(t.TempDir(), "alone"), filepath.Join(t.TempDir(), "out")
	must(t, 0, run(alone, "--max-errors", "100%")...)
	for round := range 3 {
		cmds, _ := fourRanks(t, run(out, "--lease", "1s")...)
		time.Sleep(time.Duration(rand.IntN(2500)) * time.Millisecond)
		for rank, cmd := range cmds {
			_ = cmd.Process.Signal(syscall.SIGKILL)
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != -1 && code != 6 && code != 3 {
				t.Errorf("rank %d ended with %d in round %d", rank, code, round)
			}
		}
	}
	must(t, 0, run(out, "--max-errors", "not_image=50%,0")...)
	if merged(t, out) != merged(t, alone) {
		t.Error("the rows differ from those of a job that nothing happened to")
	}
	must(t, 0, "verify", out)
}

// TestFault51_Blobs: two ranks with their output on a blob store stop, and continue.
func TestFault51_Blobs(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	in, out, model := brokenImages(t, 3000, 20), newPlace(t, server), tiny(t, graphtest.Options{})
	ranks := func(rate string, more ...string) (all []processResult) {
		var running sync.WaitGroup
		all = make([]processResult, 2)
		for rank := range all {
			cmd := command(t, server.Env(), append([]string{"run", "--images", in, "--out", out, "--model", model, "--endpoint", server.Endpoint,
				"--provider", "simulate:rate=" + rate, "--batch", "16", "--chunk", "32", "--log-level", "error", "--rank", strconv.Itoa(rank), "--world", "2"}, more...)...)
			running.Go(func() { all[rank] = finish(t, cmd) })
		}
		running.Wait()
		return all
	}
	for rank, r := range ranks("80") { // 19 seconds if nobody stopped them
		if r.code != 6 || !strings.Contains(r.stderr, "too many images fail") {
			t.Errorf("rank %d: %v, want exit code 6 and why", rank, r)
		}
	}
	for rank, r := range ranks("inf", "--retry", "failed") {
		if r.code != 6 || !strings.Contains(r.stderr, "fail as before") {
			t.Errorf("rank %d with nothing mended: %v, want exit code 6 and why", rank, r)
		}
	}
	for rank, r := range ranks("inf", "--max-errors", "100%") {
		if r.code != 0 {
			t.Errorf("rank %d with a larger limit: %v, want exit code 0", rank, r)
		}
	}
	if r := withBlobs(t, server, server.Endpoint, "verify", out); r.code != 0 {
		t.Errorf("verify: %v", r)
	}
}
