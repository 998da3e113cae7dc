package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/launchtest"
	"github.com/batchscore/batchscore/deploy/shellquote"
)

// asLauncher makes the test binary submit a job into the folder that it names,
// with the folder's name for an ID, and then wait to be killed.
const asLauncher = "BATCHSCORE_TEST_LAUNCHER"

func TestMain(m *testing.M) {
	folder := os.Getenv(asLauncher)
	if folder == "" {
		launchtest.EchoMain(m)
	}
	e, err := New(Options{Folder: folder})
	if err == nil {
		err = e.Submit(context.Background(), onceInto(folder), filepath.Base(folder))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("submitted")
	select {}
}

// onceInto is a job that leaves a line in a file each time that it runs.
func onceInto(folder string) deploy.Job {
	return launchtest.Shell(1, "echo ran >>"+shellquote.Quote(filepath.Join(folder, "runs")))
}

// TestLauncherKilled kills launchers at moments spread over Submit, and finds
// their jobs again.
func TestLauncherKilled(t *testing.T) {
	needMpirun(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	notStarted := 0
	for round := range 10 {
		// An ID of its own: the script of the round before may not have ended yet.
		id := fmt.Sprintf("once-%d-%d", os.Getpid(), round)
		folder := filepath.Join(t.TempDir(), id)
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), asLauncher+"="+folder)
		submitted, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			_, err = submitted.Read(make([]byte, 1))
		} else {
			time.Sleep(time.Duration(round) * time.Millisecond)
		}
		if err := errors.Join(err, cmd.Process.Kill()); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed

		e := engine(t, Options{Folder: folder})
		_, err = e.Status(t.Context(), id)
		if errors.Is(err, deploy.ErrNoJob) {
			notStarted++
			err = e.Submit(t.Context(), onceInto(folder), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, stderr, err := waited(t, e, id); err != nil {
			t.Fatalf("round %d: the job failed: %v\n%s", round, err, stderr)
		}
		launchtest.State(t, e, id, deploy.Succeeded)
		runs, err := os.ReadFile(filepath.Join(folder, "runs"))
		if err != nil || strings.Count(string(runs), "ran") != 1 {
			t.Errorf("round %d: it ran %d times, %v; want once", round, strings.Count(string(runs), "ran"), err)
		}
	}
	t.Logf("in %d of 10 rounds the job had not been started", notStarted)
}

// TestFolderLost takes the folder of a running job away.
func TestFolderLost(t *testing.T) {
	e := engine(t, Options{Grace: deploy.Duration(launchtest.Hangs)})
	submit(t, e, launchtest.Shell(2, drains), "torn")
	launchtest.Printed(t, e, "torn", "rank 0 | up")
	launchtest.Printed(t, e, "torn", "rank 1 | up")
	if err := os.RemoveAll(e.folder("torn")); err != nil {
		t.Fatal(err)
	}
	launchtest.State(t, e, "torn", deploy.Running)
	if err := e.Cancel(t.Context(), "torn"); err != nil {
		t.Fatal(err)
	}
	if status, err := e.Status(t.Context(), "torn"); err != nil || !status.State.Ended() {
		t.Errorf("Status = %+v, %v; want an end", status, err)
	}
}

// TestAllKilled leaves nobody who could keep an exit status.
func TestAllKilled(t *testing.T) {
	e := engine(t, Options{})
	submit(t, e, launchtest.Shell(1, drains), "killed")
	launchtest.Printed(t, e, "killed", "up")
	all, err := e.processes("killed")
	if err != nil || len(all) < 3 {
		t.Fatalf("%v, %v: want the script, mpirun and a rank", all, err)
	}
	for _, p := range all {
		_ = syscall.Kill(p.PID, syscall.SIGKILL) // it may have ended by now
	}
	if _, _, err := waited(t, e, "killed"); !errors.Is(err, deploy.ErrRankFailed) {
		t.Errorf("want ErrRankFailed, have %v", err)
	}
	status, err := e.Status(t.Context(), "killed")
	if err != nil || status.State != deploy.Failed || !strings.Contains(status.Reason, "without an exit status") {
		t.Errorf("Status = %+v, %v; want %s without an exit status", status, err, deploy.Failed)
	}
}
