package proc

import (
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
)

func TestProcesses(t *testing.T) {
	const variable = "BATCHSCORE_PROC_TEST=x y"
	// A background process of sh has no standard input of its own: the inner
	// one waits on the pipe as descriptor 3.
	cmd := exec.Command("sh", "-c", "exec 3<&0; sh -c 'echo up; read line <&3' & wait")
	cmd.Env = append(os.Environ(), variable)
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	up, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := up.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	found, err := With(variable)
	if err != nil || len(found) != 2 {
		t.Fatalf("With = %v, %v; want two processes", found, err)
	}
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	below := Below(all, cmd.Process.Pid)
	for _, p := range found {
		if !slices.Contains(below, p.PID) || p.Name != "sh" {
			t.Errorf("%+v is not below %d: %v", p, cmd.Process.Pid, below)
		}
	}
	if !slices.Contains(Below(all, os.Getpid()), found[0].PID) || slices.Contains(below, os.Getpid()) {
		t.Errorf("the child is not below this process")
	}
	if err := hold.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if found, err = With(variable); err != nil || len(found) != 0 {
		t.Errorf("With = %v, %v; want none", found, err)
	}
}

// TestProcessesOfOthers: another user's process is none of ours, whatever its variables are.
func TestProcessesOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user, and read its variables")
	}
	const variable = "BATCHSCORE_PROC_TEST_OTHER=x"
	cmd := exec.Command("sh", "-c", "echo up; read line")
	cmd.Env, cmd.Dir = append(os.Environ(), variable), "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	up, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := up.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if found, err := With(variable); err != nil || len(found) != 0 {
		t.Errorf("With = %v, %v; want none", found, err)
	}
	if err := hold.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // read ends with an error
}
