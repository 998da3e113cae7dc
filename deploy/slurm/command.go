package slurm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// silence are the messages of Slurm's commands while a daemon is down, starts again, or is
// cut off.
var silence = []string{
	"Unable to contact slurm controller", "Socket timed out", "Connection refused", "Connection timed out", "Connection reset",
	"No route to host", "Network is unreachable", "Transport endpoint is not connected", "Zero Bytes were transmitted",
	"controller in standby mode", "Munge encode failed", "Socket communication error", "temporarily",
}

// outputDelay is how long the output of a command is waited for once the command has ended or
// was killed: where a command is a script, its children may keep the output open.
const outputDelay = 2 * time.Second

// run runs one of Slurm's commands and returns what it prints.
func run(ctx context.Context, env []string, stdin []byte, argv ...string) (string, error) {
	if _, err := exec.LookPath(argv[0]); err != nil {
		return "", fmt.Errorf("%w: %s is not on the PATH; run this on a login node of the cluster,"+
			" or install Slurm's commands (Debian, Ubuntu: apt-get install slurm-client)", deploy.ErrNoEngine, argv[0])
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	for _, kv := range append(os.Environ(), env...) {
		// The user's own defaults for sbatch would override the script.
		if !strings.HasPrefix(kv, "SBATCH_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	// Times as seconds since 1970, which need no time zone.
	cmd.Env = append(cmd.Env, "SLURM_TIME_FORMAT=%s")
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = outputDelay
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil: // it has succeeded
		return stdout.String(), nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "", fmt.Errorf("%s: %w: %s did not end in time: %w", Name, deploy.ErrUnreachable, argv[0], ctx.Err())
	case ctx.Err() != nil:
		return "", ctx.Err()
	case !errors.As(err, &exit):
		return "", fmt.Errorf("%s: %w", argv[0], err)
	}
	kind := deploy.ErrService
	said := strings.TrimSpace(stderr.String())
	for _, sign := range silence {
		if strings.Contains(said, sign) {
			kind = deploy.ErrUnreachable
		}
	}
	return "", fmt.Errorf("%s: %w: %s: %s", Name, kind, argv[0], said)
}
