package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

const (
	// requestTimeout bounds one call to the cluster.
	requestTimeout = "30s"
	// killDelay is how long kubectl gets to end after SIGTERM.
	killDelay = 5 * time.Second
	// maxMessage is how many bytes of a message of kubectl are quoted.
	maxMessage = 2000
)

// call runs kubectl and returns what it prints.
func (e *Engine) call(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := e.stream(ctx, stdin, &out, append(args, "--request-timeout="+requestTimeout)...)
	return out.Bytes(), err
}

// stream runs kubectl and writes what it prints to w.
func (e *Engine) stream(ctx context.Context, stdin []byte, w io.Writer, args ...string) error {
	program, err := exec.LookPath(e.o.Kubectl)
	if err != nil {
		return fmt.Errorf("%w: %s is not on the PATH; install kubectl (https://kubernetes.io/docs/tasks/tools,"+
			" 'az aks install-cli', or your distribution's package) and log in to the cluster", deploy.ErrNoEngine, e.o.Kubectl)
	}
	args = append(e.where(), args...)
	cmd := exec.CommandContext(ctx, program, args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), w, &stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killDelay
	err = cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return refusal(args, stderr.String())
	}
	return err
}

// where returns the flags that name the cluster and the namespace.
func (e *Engine) where() []string {
	var flags []string
	if e.o.Context != "" {
		flags = append(flags, "--context="+e.o.Context)
	}
	if e.o.Namespace != "" {
		flags = append(flags, "--namespace="+e.o.Namespace)
	}
	return flags
}

// errNoKind means that the cluster does not know MPIJobs.
var errNoKind = errors.New("the cluster has no MPI operator (kubeflow.org/v2beta1): have one installed, or launch without MPI" +
	" (--without-mpi, or mpi: false in service.yaml)")

// errGone means that there is no such object, or not any more.
var errGone = errors.New("not found")

// away are parts of kubectl's messages about a cluster that does not answer now. Any
// other message is a refusal.
var away = []string{
	"unable to connect to the server", "was refused", "connection refused", "timeout", "timed out", "deadline exceeded", "connection reset",
	"no route to host", "temporary failure", "(toomanyrequests)", "(serviceunavailable)", "(internalerror)",
	"currently unable to handle the request", "unexpected eof", "etcdserver",
}

// refusal returns the error for what kubectl says. kubectl has the same exit status
// for all of them.
func refusal(args []string, stderr string) error {
	text := strings.TrimSpace(stderr)
	if len(text) > maxMessage {
		text = text[:maxMessage] + "…"
	}
	verb := "kubectl"
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			verb += " " + a
			break
		}
	}
	lower := strings.ToLower(text)
	if strings.Contains(lower, `no matches for kind "mpijob"`) || strings.Contains(lower, `have a resource type "mpijobs"`) {
		return fmt.Errorf("%w: %w", deploy.ErrService, errNoKind)
	}
	if strings.Contains(lower, "(notfound)") {
		return fmt.Errorf("%w: %w: %s: %s", deploy.ErrService, errGone, verb, text)
	}
	// The message about a bad certificate contains words of a broken connection.
	if !strings.Contains(lower, "x509") {
		for _, words := range away {
			if strings.Contains(lower, words) {
				return fmt.Errorf("%w: %s: %s", deploy.ErrUnreachable, verb, text)
			}
		}
	}
	return fmt.Errorf("%w: %s: %s", deploy.ErrService, verb, text)
}
