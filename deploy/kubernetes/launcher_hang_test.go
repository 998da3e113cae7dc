package kubernetes

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hang has workers not answer what a pattern matches, the name and what is asked.
func (w workers) hang(command string) {
	w.t.Helper()
	body := workerPrograms["ssh"]
	body = strings.Replace(body, "cd \"$FAKE/$host\"", "case $host$command in "+command+") exec /bin/sleep 120 ;; esac\ncd \"$FAKE/$host\"", 1)
	if err := os.WriteFile(filepath.Join(w.bin, "ssh"), []byte("#!/bin/sh\n"+body), 0o755); err != nil { //nolint:gosec // G306: a program
		w.t.Fatal(err)
	}
}

// limited returns a launcher that waits for an answer for so many seconds.
func (w workers) limited(seconds string) *exec.Cmd {
	cmd := w.launcher(6)
	w.change(cmd.Args, "\n_limit=15\n", "\n_limit="+seconds+"\n")
	return cmd
}

// TestFault48_LauncherWorkersHang: a worker that is connected and does not answer is one that cannot
// be used, and keeps no launcher from ending.
func TestFault48_LauncherWorkersHang(t *testing.T) {
	t.Run("ready", func(t *testing.T) {
		t.Parallel()
		w := newWorkers(t, "a", "b")
		w.write("codes", "0\n")
		w.write("step", "500\n")
		w.hang("b*\" ready \"*")
		code, said := w.end(w.limited("0.5"))
		if code != 75 || w.starts() != 0 || !strings.Contains(said, "1; b: no answer") || w.read("b", "ended") != "75\n" {
			t.Errorf("exit code %d after %d starts, want 75 and none:\n%s", code, w.starts(), said)
		}
	})
	t.Run("signal", func(t *testing.T) {
		t.Parallel()
		w := newWorkers(t, "a", "b")
		w.hang("*\" ready \"*")
		var said strings.Builder
		cmd := w.limited("100")
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for answers := []string{}; len(answers) < 2; time.Sleep(10 * time.Millisecond) {
			answers, _ = filepath.Glob(w.path("launcher", "of", "*"))
		}
		began := time.Now()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // the exit code says it
		if code, took := cmd.ProcessState.ExitCode(), time.Since(began); code != 143 || took > 60*time.Second {
			t.Errorf("exit code %d after %v, want 143 at once:\n%s", code, took, said.String())
		}
	})
	t.Run("ended", func(t *testing.T) {
		t.Parallel()
		w := newWorkers(t, "a", "b")
		w.write("codes", "64\n")
		w.hang("a*\" ended \"*")
		if code, said := w.end(w.limited("0.5")); code != 64 || said != "" || w.read("b", "ended") != "64\n" {
			t.Errorf("exit code %d, want 64, which b notes:\n%s", code, said)
		}
	})
	t.Run("drain", func(t *testing.T) {
		t.Parallel()
		w := newWorkers(t, "a", "b")
		w.write("codes", "hang:143\n")
		w.hang("b*\" drain\"")
		cmd := w.launcher(6)
		cmd.Args[8] = "1"
		if code, said := w.interrupt(cmd); code != 143 {
			t.Errorf("exit code %d, want 143:\n%s", code, said)
		}
	})
}

// TestFault48_LauncherAnswers: only the exit code of a failure says that the job has ended.
func TestFault48_LauncherAnswers(t *testing.T) {
	for answer, code := range map[string]int{
		"ended 64": 64, "ended 255": 255, "ended 0": 75, "ended": 75, "ended x": 75, "ended -1": 75, "ended 300": 75, "ended 064": 75,
		"ended 1 1": 75, `ended \033[31m`: 75, `\033[31m`: 75,
	} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			w := newWorkers(t, "a", "b")
			w.write("codes", "0\n")
			w.write("step", "500\n")
			w.write("a/worker", "printf '"+answer+"\\n'\n")
			got, said := w.run(6)
			if got != code || w.starts() != 0 || strings.Contains(said, "\033") || strings.Contains(said, "llegal") {
				t.Errorf("exit code %d after %d starts, want %d and none:\n%q", got, w.starts(), code, said)
			}
			if code == 75 && !strings.Contains(said, "could not be used") {
				t.Errorf("it does not say what it waits for: %q", said)
			}
		})
	}
}

// TestFault48_LauncherHostFile: mpirun starts only if the file names hosts.
func TestFault48_LauncherHostFile(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "names none",
		"# nothing\n\n":           "names none",
		"a slots=2\n'b slots=2\n": "not begin with the name of a host: 'b\n",
		"a\r\nb\r\n":              "not begin with the name of a host: a?\n",
		"-oProxyCommand=x\n":      "not begin with the name of a host: -oProxyCommand=x\n",
		"a slots=2\r\nb slots=2":  "",
	} {
		w := newWorkers(t, "a", "b")
		w.write("codes", "0\n")
		w.write("hostfile", text)
		code, starts := 78, 0
		if want == "" {
			code, starts = 0, 1
		}
		if got, said := w.run(6); got != code || w.starts() != starts || !strings.Contains(said, want) {
			t.Errorf("%q: exit code %d after %d starts, want %d and %q:\n%s", text, got, w.starts(), code, want, said)
		}
	}
}

// TestFault48_LauncherNotes: ranks do not start where a worker cannot note how the job ended, and
// a launcher says so if none can.
func TestFault48_LauncherNotes(t *testing.T) {
	w := newWorkers(t, "a", "b")
	w.write("codes", "64\n0\n")
	for _, note := range []string{"a/ended.new/x", "b/ended.new/x"} {
		if err := os.MkdirAll(w.path(note), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	code, said := w.run(6)
	const lost = "no worker could note that the job has ended with exit code 64"
	if code != 64 || !strings.Contains(said, lost) || strings.Count(w.read("asked"), " ended 64") != 6 {
		t.Errorf("exit code %d, want 64 after 3 tries on both workers, and %q:\n%s\n%s", code, lost, said, w.read("asked"))
	}
	for _, note := range []string{"a/known.new/x", "b/known.new/x"} {
		if err := os.MkdirAll(w.path(note), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.write("step", "500\n")
	if code, said := w.run(6); code != 75 || w.starts() != 1 || !strings.Contains(said, "2; a: cannot write in "+w.path("a")) {
		t.Errorf("the next launcher: exit code %d after %d starts, want 75 after 1:\n%s", code, w.starts(), said)
	}
}

// TestFault48_WorkerMarks: ranks are asked where that cannot be noted, and nothing is noted of
// ranks that were not asked.
func TestFault48_WorkerMarks(t *testing.T) {
	w := newWorkers(t, "a")
	for range 2 {
		if out, err := w.worker("a", "drain"); err != nil || out != "" {
			t.Fatalf("drain without ranks: %v, %q", err, out)
		}
	}
	if _, err := os.Lstat(w.path("a", "asked")); err == nil {
		t.Error("ranks that start now are not asked")
	}
	for _, blocked := range []string{"asked", "ending"} { // a link into nothing cannot be made
		if err := os.Symlink("nowhere/x", w.path("a", blocked)); err != nil {
			t.Fatal(err)
		}
	}
	w.write("a/ranks", "")
	if _, err := w.worker("a", "ending"); err != nil {
		t.Fatal(err)
	}
	if signals := w.read("a", "signals"); signals != "-USR1 -x batchscore\n" {
		t.Errorf("ranks got %q, want SIGUSR1 once", signals)
	}
}
