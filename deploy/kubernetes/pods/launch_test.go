package pods

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// buffer is written by a command while the test reads it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// job is a job that a test launches, and what is known of it.
type job struct {
	*cluster
	name string
	// id is the job's, out the place of its output as this machine sees it.
	id, out string
	began   time.Time
	command *exec.Cmd
	printed buffer
	ended   chan int
	// status is what jobs status says while the job is of interest.
	status string
}

var launched = regexp.MustCompile(`launched job (\S+) on kubernetes`)

// launch starts "batchscore launch". extra are lines of job.yaml, service ones of the
// section kubernetes of service.yaml.
func (c *cluster) launch(t *testing.T, o options) *job {
	t.Helper()
	folder := t.TempDir()
	name := strings.ToLower(regexp.MustCompile(`[^a-zA-Z]+`).ReplaceAllString(filepath.Base(t.Name()), "-"))
	j := &job{cluster: c, name: name, out: c.path("data/out/" + name), ended: make(chan int, 1), began: time.Now()}
	fields := map[string]any{
		"name": name, "nodes": 2, "model": "/data/model.onnx", "images": "/data/images", "out": "/data/out/" + name,
		"mounts": []map[string]any{{"source": "pvc://data", "path": "/data"}}, "run": map[string]any{"max-errors": 3, "chunk": 2},
	}
	if !o.real {
		run := fields["run"].(map[string]any)
		run["provider"], run["batch"], run["chunk"] = "simulate:rate=100", 1, 1
		if o.slow {
			run["provider"] = "simulate:rate=1"
		}
		if o.slower {
			run["provider"] = "simulate:rate=0.15"
		}
	}
	for field, value := range o.job {
		if field == "run" {
			for flag, v := range value.(map[string]any) {
				fields["run"].(map[string]any)[flag] = v
			}
			continue
		}
		if fields[field] = value; field == "command" { // in place of scoring
			for _, f := range []string{"images", "model", "out", "run"} {
				delete(fields, f)
			}
		}
	}
	if out, _ := fields["out"].(string); strings.HasPrefix(out, "/small/") {
		j.out = filepath.Join(c.small(t), filepath.Base(out))
	}
	service := map[string]any{
		"context": "pods", "namespace": namespace, "image": image, "mpi": o.mpi, "serviceAccount": "scorer", "grace": "30s",
	}
	for field, value := range o.service {
		service[field] = value
	}
	// JSON is YAML.
	for file, value := range map[string]any{"job.yaml": fields, "service.yaml": map[string]any{"kubernetes": service}} {
		body, err := json.Marshal(value)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, file), body, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !o.again {
		if err := os.RemoveAll(j.out); err != nil {
			t.Fatal(err)
		}
	}
	j.command = exec.Command(c.program, "launch", "--to", "kubernetes", "--service", filepath.Join(folder, "service.yaml"),
		"--file", filepath.Join(folder, "job.yaml"))
	j.command.Stdout, j.command.Stderr = &j.printed, &j.printed
	if err := j.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = j.command.Wait() // its exit code says it
		j.ended <- j.command.ProcessState.ExitCode()
	}()
	t.Cleanup(func() { j.remove(t) })
	await(t, "the job to be launched", func() bool {
		if m := launched.FindStringSubmatch(j.printed.String()); m != nil {
			j.id = m[1]
		}
		select {
		case code := <-j.ended:
			j.ended <- code
			return true
		default:
			return j.id != ""
		}
	})
	return j
}

// end waits until launch ends, and returns its exit code.
func (j *job) end(t *testing.T) int {
	t.Helper()
	select {
	case code := <-j.ended:
		j.ended <- code
		return code
	case <-time.After(5 * time.Minute):
		t.Errorf("launch does not end; it printed:\n%s\npods:\n%s", j.printed.String(),
			j.kubectl(t, "get", "jobs,mpijobs,pods,events"))
		return j.interrupt(t)
	}
}

// interrupt ends launch as Ctrl-C does; the job continues.
func (j *job) interrupt(t *testing.T) int {
	t.Helper()
	_ = j.command.Process.Signal(syscall.SIGINT) // it may have ended
	select {
	case code := <-j.ended:
		j.ended <- code
		return code
	case <-time.After(time.Minute):
		_ = j.command.Process.Kill()
		t.Fatalf("launch does not end by SIGINT; it printed:\n%s", j.printed.String())
		return -1
	}
}

// said returns what "jobs status" says of the engine.
func (j *job) said(t *testing.T) string {
	t.Helper()
	if j.id == "" {
		return ""
	}
	out, err := exec.Command(j.program, "jobs", "status", "--json", j.id).Output()
	var r struct {
		Engine *struct {
			State, Reason string
			ExitCode      *int `json:"exit_code"`
		}
		EngineTrouble string `json:"engine_trouble"`
	}
	if jerr := json.Unmarshal(out, &r); jerr != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	if r.Engine == nil {
		return r.EngineTrouble
	}
	s := r.Engine.State
	if r.Engine.ExitCode != nil {
		s += fmt.Sprintf(" (%d)", *r.Engine.ExitCode)
	}
	if r.Engine.Reason != "" {
		s += ": " + r.Engine.Reason
	}
	return s
}

// says waits until "jobs status" says what matches the pattern.
func (j *job) says(t *testing.T, pattern string) bool {
	t.Helper()
	if j.id == "" {
		t.Error("the job was not launched")
		return false
	}
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(90 * time.Second); ; time.Sleep(time.Second) {
		if j.status = j.said(t); re.MatchString(j.status) {
			return true
		}
		if time.Now().After(deadline) {
			t.Errorf("jobs status says %q, want %s", j.status, pattern)
			return false
		}
	}
}

// works waits until ranks have committed the first chunks.
func (j *job) works(t *testing.T) {
	t.Helper()
	await(t, "the first parts", func() bool { return j.parts(t) >= 2 })
}

// cancel cancels the job, and waits until nothing of it is left.
func (j *job) cancel(t *testing.T) {
	t.Helper()
	if j.id == "" {
		return
	}
	if out, err := j.batchscore("jobs", "cancel", j.id); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	await(t, "everything of "+j.id+" to be gone", func() bool {
		left, err := j.try("", "get", "jobs,cronjobs,mpijobs,pods,secrets", "--selector=batchscore.io/job="+j.id, "--output=name")
		return err == nil && strings.TrimSpace(left) == ""
	})
}

// remove ends what is left of the job after the test.
func (j *job) remove(t *testing.T) {
	_ = j.command.Process.Kill() // it has ended in general
	if j.id == "" {
		return
	}
	if _, err := j.try("", "delete", "jobs,cronjobs,mpijobs,secrets", "--selector=batchscore.io/job="+j.id, "--wait=false"); err != nil {
		t.Error(err)
	}
	if _, err := j.try("", "delete", "pods", "--selector=batchscore.io/job="+j.id, "--grace-period=1", "--wait=true"); err != nil {
		t.Error(err)
	}
}
