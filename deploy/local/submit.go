package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// agent returns the script with which mpirun reaches a host. The script prints which
// host was not reached, or was lost. mpirun itself does not say so if it learns of
// it from the agent.
func (e *Engine) agent() []byte {
	return fmt.Appendf(nil, `#!/bin/sh
%s "$@"
code=$?
[ $code = 0 ] || echo "%s$1: the connection ended with status $code" >&2
exit $code
`, e.o.Agent, connectionEnded)
}

// connectionEnded begins that line of the agent.
const connectionEnded = "batchscore: host "

// seconds returns a duration in the form of timeout(1), rounded up.
func seconds(d deploy.Duration) string {
	return strconv.FormatInt(int64((time.Duration(d)+time.Second-1)/time.Second), 10)
}

// Submit starts mpirun in a session of its own, so that it is not affected by the
// end of this process or by Ctrl-C on its terminal. It returns when the job's script
// is running.
func (e *Engine) Submit(ctx context.Context, job deploy.Job, id string) error {
	hosts, err := e.hosts()
	if err != nil {
		return err
	}
	script, err := e.script(job, id, hosts)
	if err != nil {
		return err
	}
	if err := e.installed(); err != nil {
		return err
	}
	secrets, err := job.Resolve()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(e.folder(id), 0o700); err != nil {
		return err
	}
	if exists(e.file(id, startedFile)) {
		return nil
	}
	job = job.WithDefaults()
	for name, body := range map[string][]byte{
		scriptFile: script, agentFile: e.agent(), placementFile: placement(hosts, job.Nodes, job.RanksPerNode),
	} {
		if err := os.WriteFile(e.file(id, name), body, 0o700); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(e.file(id, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", e.file(id, scriptFile))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = os.Environ()
	for _, values := range []map[string]string{job.Environment, secrets, {deploy.JobVariable: id}} {
		for name, value := range values {
			cmd.Env = append(cmd.Env, name+"="+value) // the last value of a name counts
		}
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the script of job %s: %w", id, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if exists(e.file(id, startedFile)) {
			return nil
		}
		select {
		case <-tick.C:
		case err := <-ended:
			if exists(e.file(id, startedFile)) {
				return nil
			}
			return fmt.Errorf("the script of job %s did not start it: %v; see %s", id, err, log.Name())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
