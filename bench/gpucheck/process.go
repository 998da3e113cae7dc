package gpucheck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/batchscore/batchscore/deploy/shellquote"
)

// Command is a command that was run for a claim.
type Command struct {
	// Line can be copied into a shell, with the variables that were set for it.
	Line string `json:"line"`
	// Log is the file of its output, relative to the folder of the report.
	Log string `json:"log"`
	// ExitCode is -1 for a process that a signal ended.
	ExitCode int     `json:"exit_code"`
	Seconds  float64 `json:"seconds"`
}

// workFolder is the folder, in that of the report, of models and outputs. It is removed
// at the end.
const workFolder = "work"

// Session is the work on one claim.
type Session struct {
	*checker
	claim    *Claim
	commands []Command
}

// work returns the path of a file or folder that is removed at the end.
func (s *Session) work(name string) string { return filepath.Join(s.path(workFolder), name) }

// process is a child process.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	session        *Session
	log            *os.File
	command        Command
	began          time.Time
	ended          chan struct{}
	err            error // of waiting, once ended is closed
}

// ended is how a process ended and what it printed.
type ended struct {
	command        Command
	stdout, stderr string
}

// grace is how long a child process has to end itself once it was asked to.
const grace = 10 * time.Second

// start starts batchscore with variables and arguments. The caller must call wait.
func (s *Session) start(ctx context.Context, env []string, args ...string) (*process, error) {
	return s.begin(ctx, env, append([]string{s.Program}, args...))
}

// begin starts any program. The output of a process is read until its end.
func (s *Session) begin(ctx context.Context, env []string, argv []string) (*process, error) {
	p := &process{session: s, began: time.Now()}
	s.logs++
	p.command.Log = filepath.Join("logs", fmt.Sprintf("%03d-%s-%s.log", s.logs, s.claim.Subject, s.claim.Name))
	p.command.Line = assignments(env) + shellquote.Join(argv)
	log, err := os.Create(s.path(p.command.Log))
	if err != nil {
		return nil, err
	}
	p.log = log
	fmt.Fprintf(log, "$ %s\n", p.command.Line)
	p.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	p.cmd.Env = append(append(environment(), s.Env...), env...)
	p.cmd.Stdout, p.cmd.Stderr = io.MultiWriter(log, &p.stdout), io.MultiWriter(log, &p.stderr)
	// A signal from the terminal is for this process, which passes it on.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = grace
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p.ended = make(chan struct{})
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// wait waits for the end of a process. The error is that of the context, if it has ended,
// or of starting; an exit code is not an error.
func (p *process) wait(ctx context.Context) (ended, error) {
	<-p.ended
	err := p.err
	p.command.ExitCode, p.command.Seconds = p.cmd.ProcessState.ExitCode(), time.Since(p.began).Seconds()
	fmt.Fprintf(p.log, "(%s after %.1f s)\n", p.cmd.ProcessState, p.command.Seconds)
	p.session.commands = append(p.session.commands, p.command)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return ended{p.command, p.stdout.String(), p.stderr.String()}, errors.Join(ctx.Err(), err, p.log.Close())
}

// run runs batchscore to its end.
func (s *Session) run(ctx context.Context, env []string, args ...string) (ended, error) {
	p, err := s.start(ctx, env, args...)
	if err != nil {
		return ended{}, err
	}
	return p.wait(ctx)
}

// other runs another program, which must end with exit code 0.
func (s *Session) other(ctx context.Context, argv ...string) (ended, error) {
	p, err := s.begin(ctx, nil, argv)
	if err != nil {
		return ended{}, err
	}
	e, err := p.wait(ctx)
	if err == nil {
		err = e.expect(0)
	}
	return e, err
}

// must runs batchscore, which must end with an exit code.
func (s *Session) must(ctx context.Context, code int, env []string, args ...string) (ended, error) {
	e, err := s.run(ctx, env, args...)
	if err == nil {
		err = e.expect(code)
	}
	return e, err
}

// expect returns an error unless the process ended with an exit code.
func (e *ended) expect(code int) error {
	if e.command.ExitCode == code {
		return nil
	}
	return fmt.Errorf("exit code %d instead of %d: %s (%s)", e.command.ExitCode, code, e.message(), e.command.Log)
}

// message returns the last message of a process about an error, or the last line that it
// wrote.
func (e *ended) message() string {
	last, found := "it wrote nothing", false
	for line := range strings.Lines(e.stderr) {
		line = strings.TrimSpace(line)
		text, ours := strings.CutPrefix(line, "batchscore: ")
		if line != "" && (ours || !found) {
			last, found = text, found || ours
		}
	}
	const most = 300
	if len(last) > most {
		last = strings.ToValidUTF8(last[:most], "") + "..."
	}
	return last
}

// assignments returns variables as the beginning of a command line.
func assignments(env []string) string {
	var b strings.Builder
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		b.WriteString(name + "=")
		if value != "" {
			b.WriteString(shellquote.Quote(value))
		}
		b.WriteString(" ")
	}
	return b.String()
}

// ranked are the beginnings of the names of variables by which launchers number
// processes. A check inside a job of theirs is one process.
var ranked = []string{"OMPI_", "PMI", "SLURM_", "RANK=", "WORLD_SIZE=", "LOCAL_RANK=", "LOCAL_WORLD_SIZE=", "JOB_COMPLETION_INDEX="}

// environment returns that of this process without the variables of launchers.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !hasAny(kv, ranked) {
			env = append(env, kv)
		}
	}
	return env
}

func hasAny(text string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	return false
}
