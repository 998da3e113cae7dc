package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/engines"
	"github.com/batchscore/batchscore/deploy/shellquote"
)

// Environment variables for named points: killAt makes the process kill itself there,
// writeAt has a point, = and a file that appears there.
const (
	killAt  = "BATCHSCORE_TEST_KILL_AT"
	writeAt = "BATCHSCORE_TEST_WRITE_AT"
)

func init() {
	engines.All = append(engines.All, deploy.NewDriver(deploy.Traits{Name: "fake", SharedFiles: true}, newFake))
	if point := os.Getenv(killAt); point != "" {
		testPoint = func(name string) {
			if name == point {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}
	if point, file, ok := strings.Cut(os.Getenv(writeAt), "="); ok {
		testPoint = func(name string) {
			if name != point {
				return
			}
			if err := os.WriteFile(file, []byte("foreign"), 0o600); err != nil {
				panic(err)
			}
		}
	}
}

// fakeOptions configure an engine that runs jobs as processes of this machine, not as
// children of the launcher, and that misbehaves on request.
type fakeOptions struct {
	Folder string `yaml:"folder"`
	// Silent makes every call fail as if the service were away, Refuses makes
	// Submit fail, Lies makes every job a success.
	Silent  bool `yaml:"silent,omitempty"`
	Refuses bool `yaml:"refuses,omitempty"`
	Lies    bool `yaml:"lies,omitempty"`
}

type fake struct{ o fakeOptions }

func newFake(o fakeOptions) (*fake, error) {
	if o.Folder == "" {
		return nil, fmt.Errorf("fake: folder is missing: %w", deploy.ErrService)
	}
	return &fake{o}, os.MkdirAll(o.Folder, 0o755)
}

func (f *fake) file(id, what string) string { return filepath.Join(f.o.Folder, id+"."+what) }

func (f *fake) silent() error {
	// Read every time, so that a test can take the service away at any moment.
	if _, err := os.Stat(filepath.Join(f.o.Folder, "silent")); err == nil || f.o.Silent {
		return fmt.Errorf("fake: %w", deploy.ErrUnreachable)
	}
	return nil
}

func (f *fake) Documents(job deploy.Job, id string) ([]deploy.Document, error) {
	if job.VMSize != "" {
		return nil, deploy.Unsupported("fake", "vmSize", "its machines are there already")
	}
	var body strings.Builder
	fmt.Fprintln(&body, shellquote.Join(job.Argv("batchscore")))
	for _, name := range slices.Sorted(maps.Keys(job.Secrets)) {
		fmt.Fprintf(&body, "%s=%s\n", name, job.Secrets[name])
	}
	return []deploy.Document{{Name: "POST " + id, Body: []byte(body.String())}}, nil
}

func (f *fake) Submit(_ context.Context, job deploy.Job, id string) error {
	if err := f.silent(); err != nil {
		return err
	}
	if f.o.Refuses { // and repeats what it was sent
		values, err := job.Resolve()
		return errors.Join(fmt.Errorf("fake: quota exceeded for %q: %w", values, deploy.ErrService), err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	values, err := job.Resolve()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(f.file(id, "log"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	line := shellquote.Join(job.Argv(self)) + " & echo $! >" + f.file(id, "pid") + "; wait $!; echo $? >" + f.file(id, "end") +
		"; mv " + f.file(id, "end") + " " + f.file(id, "exit")
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Env = append(cleanEnv(), asBatchscore+"=1", "BATCHSCORE_JOB="+id)
	for name, value := range values {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

func (f *fake) Status(_ context.Context, id string) (deploy.Status, error) {
	if err := f.silent(); err != nil {
		return deploy.Status{}, err
	}
	if _, err := os.Stat(f.file(id, "log")); errors.Is(err, fs.ErrNotExist) {
		return deploy.Status{}, fmt.Errorf("fake: %s: %w", id, deploy.ErrNoJob)
	}
	text, err := os.ReadFile(f.file(id, "exit"))
	if errors.Is(err, fs.ErrNotExist) {
		return deploy.Status{State: deploy.Running, Where: "the fake's console"}, nil
	}
	if err != nil {
		return deploy.Status{}, err
	}
	code, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if code == 0 || f.o.Lies {
		return deploy.Status{State: deploy.Succeeded}, err
	}
	return deploy.Status{State: deploy.Failed, Reason: "the fake saw a rank fail", ExitCode: &code}, err
}

func (f *fake) Logs(ctx context.Context, id string, w io.Writer, follow bool) error {
	printed := 0
	for {
		status, err := f.Status(ctx, id)
		if err != nil {
			return err
		}
		body, err := os.ReadFile(f.file(id, "log"))
		if err != nil {
			return err
		}
		if _, err := w.Write(body[printed:]); err != nil {
			return err
		}
		printed = len(body)
		if !follow || status.State.Ended() {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fake) Cancel(ctx context.Context, id string) error {
	if status, err := f.Status(ctx, id); err != nil || status.State.Ended() {
		return err
	}
	text, err := os.ReadFile(f.file(id, "pid"))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGTERM)
}

func (f *fake) Fetch(ctx context.Context, id, folder string) error {
	w, err := os.Create(filepath.Join(folder, "stdout.txt"))
	if err != nil {
		return err
	}
	return errors.Join(f.Logs(ctx, id, w, false), w.Close())
}

// The clusters of the fake are files.

func (f *fake) ClusterDocuments(c deploy.Cluster) ([]deploy.Document, error) {
	body, err := json.MarshalIndent(c, "", "  ")
	return []deploy.Document{{Name: "PUT " + c.Name, Body: body}}, err
}

func (f *fake) CreateCluster(_ context.Context, c deploy.Cluster) error {
	c.State = "steady"
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(f.file(c.Name, "cluster"), body, 0o644)
}

func (f *fake) ShowCluster(_ context.Context, name string) (c deploy.Cluster, err error) {
	body, err := os.ReadFile(f.file(name, "cluster"))
	if errors.Is(err, fs.ErrNotExist) {
		return c, fmt.Errorf("fake: %s: %w", name, deploy.ErrNoCluster)
	}
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(body, &c)
}

func (f *fake) ResizeCluster(ctx context.Context, name string, minNodes, maxNodes int) error {
	c, err := f.ShowCluster(ctx, name)
	if err != nil {
		return err
	}
	c.MinNodes, c.MaxNodes = minNodes, maxNodes
	return f.CreateCluster(ctx, c)
}

func (f *fake) DeleteCluster(_ context.Context, name string) error {
	err := os.Remove(f.file(name, "cluster"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
