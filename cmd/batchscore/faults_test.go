package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// TestFault03_SignalsStopResumably sends each signal to a worker that has
// committed its first part.
func TestFault03_SignalsStopResumably(t *testing.T) {
	in, model := pictures(t, 80), slow(t)
	for _, c := range []struct {
		signal syscall.Signal
		code   int
	}{{signal: syscall.SIGTERM, code: 143}, {signal: syscall.SIGUSR1, code: 143}, {signal: syscall.SIGINT, code: 130}} {
		t.Run(c.signal.String(), func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			args := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "2", "--batch", "1"}
			cmd := command(t, nil, args...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the first part", func() bool { return exists(filepath.Join(out, "part-00000.jsonl")) })
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			r := wait(t, cmd, &stdout, &stderr)
			if r.code != c.code {
				t.Fatalf("got %v, want exit code %d", r, c.code)
			}
			if exists(filepath.Join(out, "_SUCCESS")) {
				t.Fatal("_SUCCESS stands in a job that was stopped")
			}
			must(t, 10, "verify", out)
			must(t, 0, args...)
			must(t, 0, "verify", out)
		})
	}
}

// TestFault03_SecondSignalLeavesAtOnce signals a worker that takes long to drain twice.
func TestFault03_SecondSignalLeavesAtOnce(t *testing.T) {
	in, model := pictures(t, 200), slow(t)
	out := filepath.Join(t.TempDir(), "out")
	cmd := command(t, nil, "run", "--images", in, "--out", out, "--model", model, "--chunk", "100", "--log-format", "json")
	var stderr storetest.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a claim", func() bool { return exists(filepath.Join(out, "_batchscore/claims/chunk-00000.000000")) })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "the drain to begin", func() bool { return strings.Contains(stderr.String(), "asked to stop") })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Fatalf("exit code %d, want 143\n%s", code, stderr.String())
	}
	if exists(filepath.Join(out, "part-00000.jsonl")) {
		t.Error("the worker committed before it left")
	}
}

// TestFault04_OneRankKilledUnderMpirun kills a rank of a launched job: the ranks are
// started again, or with --restarts 0 the launcher names the lost one.
func TestFault04_OneRankKilledUnderMpirun(t *testing.T) {
	t.Parallel()
	needMpirun(t)
	// Far more work than the surviving rank gets done before mpirun ends it.
	in, model := pictures(t, 400), tiny(t, graphtest.Options{})
	for _, c := range []struct {
		name     string
		restarts []string
		code     int
		says     []string
	}{
		{
			name: "started again", code: 0,
			says: []string{"batchscore: rank 1 failed\nbatchscore: starting the ranks again (1 of 3)", "Processed 400 images, took "},
		},
		{name: "not started again", restarts: []string{"--restarts", "0"}, code: 75, says: []string{"batchscore: rank 1 failed; "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			run := []string{"--", "--images", in, "--out", out, "--model", model, "--chunk", "4", "--provider", "simulate:rate=30"}
			cmd := command(t, nil, append(append([]string{"launch", "-n", "2"}, c.restarts...), run...)...)
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the first part", func() bool {
				parts, err := filepath.Glob(filepath.Join(out, "part-*"))
				return err == nil && len(parts) > 0
			})
			killMPIRank(t, cmd.Process.Pid, 1)
			r := wait(t, cmd, &stdout, &stderr)
			if r.code != c.code {
				t.Errorf("got %v, want exit code %d", r, c.code)
			}
			says(t, r, c.says...)
			if strings.Contains(r.stderr, "Primary job") {
				t.Errorf("got %v, want no explanations of mpirun", r)
			}
			if exists(filepath.Join(out, "_SUCCESS")) != (c.code == 0) {
				t.Errorf("_SUCCESS exists: %v, want %v", c.code != 0, c.code == 0)
			}
			if c.code != 0 {
				r = must(t, 0, append([]string{"launch", "-n", "2"}, run...)...)
				says(t, r, "Processed 400 images, took ")
			}
			must(t, 0, "verify", out)
		})
	}
}

// killMPIRank kills a rank among the descendants of a process, once it runs.
func killMPIRank(t *testing.T, launcher, rank int) {
	t.Helper()
	var victim int
	eventually(t, fmt.Sprint("rank ", rank), func() bool {
		for _, pid := range children(t, launcher) {
			if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err == nil &&
				bytes.Contains(env, fmt.Appendf(nil, "OMPI_COMM_WORLD_RANK=%d\x00", rank)) {
				victim = pid
			}
		}
		return victim != 0
	})
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// TestFault05_MpirunSaysZero runs an mpirun that reports success but did nothing, and
// one that did everything except one chunk.
func TestFault05_MpirunSaysZero(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 30), tiny(t, graphtest.Options{})
	out := filepath.Join(t.TempDir(), "out")
	run := []string{"--images", in, "--out", out, "--model", model, "--chunk", "5"}
	lying := filepath.Join(t.TempDir(), "mpirun")
	writeFile(t, lying, []byte("#!/bin/sh\nexit 0\n"))
	if err := os.Chmod(lying, 0o755); err != nil {
		t.Fatal(err)
	}
	launch := append([]string{"launch", "-n", "2", "--mpirun", lying, "--"}, run...)
	if r := batchscore(t, launch...); r.code == 0 {
		t.Errorf("nothing was done, but %v", r)
	}
	must(t, 0, append([]string{"run"}, run...)...)
	for _, name := range []string{"_SUCCESS", "part-00002.jsonl"} {
		if err := os.Remove(filepath.Join(out, name)); err != nil {
			t.Fatal(err)
		}
	}
	if r := batchscore(t, launch...); r.code != 75 || !strings.Contains(r.stderr, "local reports success, but") {
		t.Errorf("got %v, want exit code 75", r)
	}
}

// TestFault07_RankVariables starts workers that cannot know their rank.
func TestFault07_RankVariables(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 3), tiny(t, graphtest.Options{})
	for name, c := range map[string]struct {
		env  []string
		args []string
		says string
	}{
		"rank not below size": {env: []string{"RANK=2", "WORLD_SIZE=2"}, args: nil, says: "RANK"},
		"contradiction": {
			env:  []string{"RANK=0", "WORLD_SIZE=2", "OMPI_COMM_WORLD_RANK=1", "OMPI_COMM_WORLD_SIZE=2"},
			args: nil,
			says: "OMPI_COMM_WORLD_RANK",
		},
		"half a pair":            {env: []string{"PMI_RANK=0"}, args: nil, says: "PMI_SIZE"},
		"sbatch without srun":    {env: []string{"SLURM_PROCID=0", "SLURM_NTASKS=4", "SLURM_JOB_ID=7"}, args: nil, says: "srun"},
		"indexed job, no size":   {env: []string{"JOB_COMPLETION_INDEX=1"}, args: nil, says: "BATCHSCORE_WORLD"},
		"an empty variable":      {env: []string{"RANK=", "WORLD_SIZE=2"}, args: nil, says: "unset RANK"},
		"flags, rank not below":  {env: nil, args: []string{"--rank", "3", "--world", "3"}, says: "--rank"},
		"flags, one without two": {env: nil, args: []string{"--rank", "0"}, says: "--world"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			r := finish(t, command(t, c.env, append([]string{"run", "--images", in, "--out", out, "--model", model}, c.args...)...))
			if r.code != 78 || !strings.Contains(r.stderr, c.says) {
				t.Errorf("got %v, want exit code 78 and %q named", r, c.says)
			}
			if exists(out) {
				t.Error("something was written")
			}
		})
	}
}

// TestFault07_RanksThatAllThinkTheyAreAlone hides the variables of mpirun from its
// ranks.
func TestFault07_RanksThatAllThinkTheyAreAlone(t *testing.T) {
	t.Parallel()
	needMpirun(t)
	in, model := pictures(t, 3), tiny(t, graphtest.Options{})
	out := filepath.Join(t.TempDir(), "out")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := mpirun(t, 3)
	cmd.Args = append(cmd.Args[:len(cmd.Args)-1], "env", "-i", asBatchscore+"=1",
		self, "run", "--images", in, "--out", out, "--model", model)
	r := finish(t, cmd)
	if r.code != 78 || !strings.Contains(r.stderr, "OMPI_COMM_WORLD_RANK") {
		t.Errorf("got %v, want exit code 78 and the variables named", r)
	}
	if exists(out) {
		t.Error("something was written")
	}
}

// TestFault08_TwoJobsStartAtOnce starts the same job twice, and two different jobs, with
// the same output.
func TestFault08_TwoJobsStartAtOnce(t *testing.T) {
	t.Parallel()
	in, other, model := pictures(t, 60), pictures(t, 20), tiny(t, graphtest.Options{})
	start := func(images, out string) (*exec.Cmd, *storetest.Buffer) {
		cmd := command(t, nil, "run", "--images", images, "--out", out, "--model", model, "--chunk", "4")
		var stderr storetest.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, &stderr
	}
	t.Run("same", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "out")
		a, aErr := start(in, out)
		b, bErr := start(in, out)
		_, _ = a.Wait(), b.Wait()
		if a.ProcessState.ExitCode() != 0 || b.ProcessState.ExitCode() != 0 {
			t.Errorf("exit codes %d and %d\n%s\n%s", a.ProcessState.ExitCode(), b.ProcessState.ExitCode(), aErr, bErr)
		}
		must(t, 0, "verify", out)
	})
	t.Run("different", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "out")
		a, aErr := start(in, out)
		b, bErr := start(other, out)
		_, _ = a.Wait(), b.Wait()
		codes := fmt.Sprint(a.ProcessState.ExitCode(), b.ProcessState.ExitCode())
		if codes != "0 11" && codes != "11 0" {
			t.Errorf("exit codes %s, want 0 and 11\n%s\n%s", codes, aErr, bErr)
		}
		must(t, 0, "verify", out)
	})
}

// TestFault10_DiskFull writes to a file system of a few pages.
func TestFault10_DiskFull(t *testing.T) {
	out := smallDisk(t)
	in, model := pictures(t, 400), tiny(t, graphtest.Options{})
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "20"}
	r := batchscore(t, args...)
	if r.code != 75 || !strings.Contains(r.stderr, out) || !strings.Contains(r.stderr, "bytes") {
		t.Errorf("got %v, want exit code 75, the path and a byte count", r)
	}
	parts, err := filepath.Glob(filepath.Join(out, "part-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		body, err := os.ReadFile(p)
		if err != nil || bytes.Count(body, []byte("\n")) != 20 {
			t.Errorf("%s is not whole: %d bytes, %v", p, len(body), err)
		}
	}
	// The chunk that did not fit was processed, and has no row.
	says(t, r, "not every image that was processed has a row yet", fmt.Sprintf(`"rows":%d`, 20*len(parts)))
	says(t, batchscore(t, "jobs", "status", "--check", out), "stopped, ", fmt.Sprintf("%d of 20 chunks", len(parts)))
	if r := must(t, 75, "jobs", "status", "--check", out); strings.Contains(r.stdout, silent) {
		t.Errorf("got %v, want no rank that is only silent", r)
	}
	if err := syscall.Mount("", out, "", syscall.MS_REMOUNT, "size=16m"); err != nil {
		t.Fatal(err)
	}
	must(t, 0, args...)
	must(t, 0, "verify", out)

	full := smallDisk(t)
	writeFile(t, filepath.Join(full, "other"), make([]byte, 250<<10))
	labels := filepath.Join(full, "labels.csv")
	if r := batchscore(t, "merge", out, "-o", labels); r.code != 75 || !strings.Contains(r.stderr, labels+": ") {
		t.Errorf("merge: got %v, want exit code 75 and the path", r)
	}
	if left, err := filepath.Glob(filepath.Join(full, ".labels*")); len(left) > 0 || err != nil {
		t.Errorf("merge left %v, %v", left, err)
	}
}

// smallDisk mounts a file system of 256 KiB until the test ends.
func smallDisk(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=256k"); err != nil {
		skipWithout(t, "the right to mount a small file system", "run the tests as root: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// TestFault22_UnusableModels starts runs with models that cannot be used. They end
// before anything is written.
func TestFault22_UnusableModels(t *testing.T) {
	t.Parallel()
	in := pictures(t, 3)
	labels := filepath.Join(t.TempDir(), "labels.txt")
	writeFile(t, labels, []byte("one\ntwo\n"))
	for name, c := range map[string]struct {
		model graphtest.Options
		args  []string
		says  string
	}{
		"not a number":        {model: graphtest.Options{NaN: true}, args: nil, says: "not"},
		"wrong width":         {model: graphtest.Options{Output: graphtest.Wide}, args: nil, says: "11"},
		"wrong rank":          {model: graphtest.Options{Output: graphtest.Map}, args: nil, says: "output"},
		"not an image":        {model: graphtest.Options{Input: graphtest.Vector}, args: nil, says: "image"},
		"text":                {model: graphtest.Options{Input: graphtest.Text}, args: nil, says: "image"},
		"no contract":         {model: graphtest.Options{NoContract: true}, args: nil, says: "contract"},
		"labels, not as many": {model: graphtest.Options{}, args: []string{"--labels", labels}, says: "2"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			args := append([]string{"run", "--images", in, "--out", out, "--model", tiny(t, c.model)}, c.args...)
			if r := batchscore(t, args...); r.code != 78 || !strings.Contains(r.stderr, c.says) {
				t.Errorf("got %v, want exit code 78 and %q said", r, c.says)
			}
			if exists(out) {
				t.Error("something was written")
			}
		})
	}
}

func TestFault22_AnotherModelOnResume(t *testing.T) {
	t.Parallel()
	in, out := pictures(t, 5), filepath.Join(t.TempDir(), "out")
	must(t, 0, "run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}))
	r := batchscore(t, "run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{Seed: 1}))
	if r.code != 10 {
		t.Errorf("got %v, want exit code 10", r)
	}
}

// TestFault30_SecretsStaySecret puts secrets where a worker sees them, and searches its
// output for them.
func TestFault30_SecretsStaySecret(t *testing.T) {
	t.Parallel()
	const token = "sv2024planted5ecret"
	in, out := pictures(t, 5), filepath.Join(t.TempDir(), "out")
	env := []string{
		"AZURE_STORAGE_KEY=" + token, "AZURE_STORAGE_SAS_TOKEN=sig=" + token,
		"AZURE_STORAGE_CONNECTION_STRING=AccountKey=" + token, "AZURE_CLIENT_SECRET=" + token,
	}
	var seen bytes.Buffer
	for _, args := range [][]string{
		{"run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--log-level", "debug"},
		{"run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{Seed: 1})},
		{"run", "--images", in + "/none", "--out", out, "--model", "none"},
		{"verify", out}, {"show", out}, {"doctor"},
	} {
		r := finish(t, command(t, env, args...))
		fmt.Fprintln(&seen, r)
	}
	err := filepath.WalkDir(out, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		seen.Write(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(seen.String(), "Worker 0 Processed 5 images") {
		t.Fatalf("the run did not work:\n%s", seen.String())
	}
	if strings.Contains(seen.String(), token) {
		t.Error("a secret was shown")
	}
}

// TestFault33_ProviderMissing requests a GPU without the libraries for one.
func TestFault33_ProviderMissing(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 3), tiny(t, graphtest.Options{})
	if exists("/dev/nvidia0") {
		t.Skip("there is a GPU on this machine")
	}
	out := filepath.Join(t.TempDir(), "out")
	r := batchscore(t, "run", "--images", in, "--out", out, "--model", model, "--provider", "cuda")
	if r.code != 78 || !strings.Contains(r.stderr, "libonnxruntime_providers_cuda.so") {
		t.Errorf("got %v, want exit code 78 and the missing library named", r)
	}
	if exists(out) {
		t.Error("something was written")
	}
}

// TestBadInput checks the errors for wrong input. None of it may damage an output.
func TestBadInput(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 5), tiny(t, graphtest.Options{})
	out := filepath.Join(t.TempDir(), "out")
	must(t, 0, "run", "--images", in, "--out", out, "--model", model)
	before := merged(t, out)
	empty := t.TempDir()
	fresh := filepath.Join(t.TempDir(), "fresh")
	for name, c := range map[string]struct {
		code int
		says string
		args []string
	}{
		"no images":        {code: 78, says: "no images found", args: []string{"--images", empty, "--out", fresh, "--model", model}},
		"no folder":        {code: 78, says: "does not exist", args: []string{"--images", empty + "/none", "--out", fresh, "--model", model}},
		"a file":           {code: 78, says: "not a folder", args: []string{"--images", model, "--out", fresh, "--model", model}},
		"no model file":    {code: 78, says: "seen from", args: []string{"--images", in, "--out", fresh, "--model", "none.onnx"}},
		"no model":         {code: 64, says: "--model", args: []string{"--images", in, "--out", fresh}},
		"unknown task":     {code: 78, says: "models import", args: []string{"--images", in, "--out", fresh, "--inference", "classification"}},
		"batch of 0":       {code: 64, says: "--batch", args: []string{"--images", in, "--out", fresh, "--model", model, "--batch", "0"}},
		"chunk of 0":       {code: 64, says: "--chunk", args: []string{"--images", in, "--out", fresh, "--model", model, "--chunk", "0"}},
		"format":           {code: 64, says: "xml", args: []string{"--images", in, "--out", fresh, "--model", model, "--format", "xml"}},
		"provider":         {code: 64, says: "rocm", args: []string{"--images", in, "--out", fresh, "--model", model, "--provider", "rocm"}},
		"threshold":        {code: 64, says: "--max-errors", args: []string{"--images", in, "--out", fresh, "--model", model, "--max-errors", "x"}},
		"flag":             {code: 64, says: "--no-such", args: []string{"--no-such"}},
		"another job":      {code: 11, says: "max", args: []string{"--images", in, "--out", out, "--model", model, "--max", "2"}},
		"other images":     {code: 11, says: "images", args: []string{"--images", pictures(t, 2), "--out", out, "--model", model}},
		"not ours":         {code: 11, says: "part-00000.jsonl", args: []string{"--images", in, "--out", foreignOutput(t), "--model", model}},
		"out is in a file": {code: 78, says: "", args: []string{"--images", in, "--out", model + "/out", "--model", model}},
	} {
		t.Run(name, func(t *testing.T) {
			env := []string{"BATCHSCORE_MODELS=" + empty}
			r := finish(t, command(t, env, append([]string{"run"}, c.args...)...))
			if r.code != c.code || !strings.Contains(r.stderr, c.says) {
				t.Errorf("got %v, want exit code %d and %q said", r, c.code, c.says)
			}
			if exists(fresh) {
				t.Error("something was written")
			}
		})
	}
	if merged(t, out) != before {
		t.Error("the result of the first job changed")
	}
}

// TestFault28_PartGoneFromACompleteOutput deletes a part of a complete job, and
// then _SUCCESS, so that the job is not complete.
func TestFault28_PartGoneFromACompleteOutput(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 20), tiny(t, graphtest.Options{})
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "8"}
	must(t, 0, args...)
	before := merged(t, out)
	remove := func(name string) {
		t.Helper()
		if err := os.Remove(filepath.Join(out, name)); err != nil {
			t.Fatal(err)
		}
	}
	remove("part-00001.jsonl")
	for _, args := range [][]string{args, {"merge", out, "-o", "-"}, {"show", out}} {
		if r := must(t, 10, args...); !strings.Contains(r.stderr, "part-00001.jsonl") || !strings.Contains(r.stderr, "batchscore repair "+out) {
			t.Errorf("got %v, want %q in stderr and %q in stderr", r, "part-00001.jsonl", "batchscore repair "+out)
		}
	}
	remove("_SUCCESS")
	if r := must(t, 0, "show", out); !strings.Contains(r.stdout, "12 images") || !strings.Contains(r.stdout, "not complete") {
		t.Errorf("got %v, want %q in stdout and %q in stdout", r, "12 images", "not complete")
	}
	must(t, 0, args...)
	must(t, 0, "verify", out)
	if merged(t, out) != before {
		t.Error("the part that was scored again differs from the deleted one")
	}
}

// TestMergeLeavesWhatIsNoFile merges to a pipe, and over a part.
func TestMergeLeavesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 5), tiny(t, graphtest.Options{})
	out := filepath.Join(t.TempDir(), "out")
	must(t, 0, "run", "--images", in, "--out", out, "--model", model)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	// Open for both, so that neither side waits for the other.
	p, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	must(t, 0, "merge", out, "-o", pipe)
	want := merged(t, out)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(p, got); err != nil || string(got) != want {
		t.Errorf("%q came through the pipe, %v", got, err)
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Errorf("the pipe is %v, %v", info, err)
	}
	must(t, 64, "merge", out, "-o", filepath.Join(out, "part-00000.jsonl"))
	must(t, 64, "merge", out, "-o", out)
	must(t, 0, "verify", out)
}

func TestUnreadableFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Log("root reads everything; the folder store's own tests cover this")
	}
	in, model := pictures(t, 3), tiny(t, graphtest.Options{})
	locked := filepath.Join(in, "batch 1")
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(locked, 0o755) })
	out := filepath.Join(t.TempDir(), "out")
	cmd := command(t, nil, "run", "--images", in, "--out", out, "--model", model)
	if os.Geteuid() == 0 {
		asNobody(t, cmd, in, filepath.Dir(model), filepath.Dir(out))
	}
	r := finish(t, cmd)
	if r.code != 78 || !strings.Contains(r.stderr, "batch 1") {
		t.Errorf("got %v, want exit code 78 and the folder named", r)
	}
}

// asNobody runs cmd as a user other than root, with access to the folders.
func asNobody(t *testing.T, cmd *exec.Cmd, folders ...string) {
	t.Helper()
	self := filepath.Join(t.TempDir(), "batchscore")
	body, err := os.ReadFile(cmd.Path)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, self, body)
	for _, f := range append(folders, filepath.Dir(self)) {
		for ; strings.HasPrefix(f, os.TempDir()+"/"); f = filepath.Dir(f) {
			if err := os.Chmod(f, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Path = self
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}
