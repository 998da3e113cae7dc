package hook

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

const (
	// tempFail is the exit status by which a command asks to be run again later: EX_TEMPFAIL
	// of sysexits.h.
	tempFail = 75
	// mostOutput is how much of a command's output is logged.
	mostOutput = 16 << 10
	// outputDelay is how long output is awaited after the command has ended.
	outputDelay = time.Second
)

// run runs the command once, by the shell, with the document on its standard input.
func (s *Sender) run(ctx context.Context, m Message) error {
	cmd := exec.CommandContext(ctx, "sh", "-c", s.Target.command) //nolint:gosec // G204: the operator's own command
	cmd.Stdin = bytes.NewReader(m.Body)
	cmd.Env = append(append([]string{}, s.Env...), "BATCHSCORE_EVENT="+string(m.Event), "BATCHSCORE_OUT="+m.Out, "BATCHSCORE_DELIVERY="+m.ID)
	if m.ExitCode >= 0 {
		cmd.Env = append(cmd.Env, "BATCHSCORE_EXIT_CODE="+strconv.Itoa(m.ExitCode))
	}
	said := &output{}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.WaitDelay = outputDelay
	inGroup(cmd)
	err := cmd.Run()
	s.say(m.Event, said)
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // what it started in the background holds its output
		return nil
	case ctx.Err() != nil:
		return s.Target.errorf("it did not end in time and was killed")
	case errors.As(err, &exit) && exit.ExitCode() == tempFail:
		return &failure{error: s.Target.errorf("it ended with status %d", tempFail), again: true}
	case errors.As(err, &exit):
		return s.Target.errorf("it ended with %v", exit.ProcessState)
	case errors.Is(err, exec.ErrNotFound):
		return s.Target.errorf("there is no sh on the PATH to run it")
	}
	return s.Target.errorf("%w", err)
}

// say logs what the command printed.
func (s *Sender) say(what Event, said *output) {
	said.Lock()
	defer said.Unlock()
	for lines := bufio.NewScanner(bytes.NewReader(said.kept)); lines.Scan(); {
		if text := printable.Line(lines.Text()); text != "" {
			event.HookOutput.On(s.Log).Str("what", string(what)).Str("output", text).Msg("the hook's command printed a line")
		}
	}
	if said.more {
		event.HookOutput.On(s.Log).Str("what", string(what)).Msg("the hook's command printed more, which is not shown")
	}
}

// output keeps the beginning of what a command prints.
type output struct {
	sync.Mutex
	kept []byte
	more bool
}

func (o *output) Write(p []byte) (int, error) {
	o.Lock()
	defer o.Unlock()
	n := min(len(p), mostOutput-len(o.kept))
	o.kept = append(o.kept, p[:n]...)
	o.more = o.more || n < len(p)
	return len(p), nil
}
