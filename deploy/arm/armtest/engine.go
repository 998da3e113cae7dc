package armtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
)

// Config returns a configuration that signs in with Token and never really waits.
func Config() arm.Config {
	return arm.Config{
		Credential: arm.Token(Token),
		Sleep:      func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

// Engine is what launches jobs on a fake.
type Engine interface {
	deploy.Launcher
	deploy.Clusters
}

// SubmitTwice submits a job twice for each fault, each time to a new engine. Whatever
// happens to an answer, one ID must be one job.
func SubmitTwice(t *testing.T, job deploy.Job, id string, open func(t *testing.T) (Engine, *Server), faults map[string]Fault) {
	t.Helper()
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			e, fake := open(t)
			fake.Fail(fault)
			for range 2 {
				if err := e.Submit(t.Context(), job, id); err != nil {
					t.Fatal(err)
				}
			}
			if n := fake.Count("PUT", "/jobs/"+id); n != 1 && (n != 2 || !fault.After) {
				t.Errorf("the job was put %d times", n)
			}
		})
	}
}

// RefusesOptions changes one of the engine's options at a time. Each change must be
// refused with deploy.ErrService, in an error that contains the change's name.
func RefusesOptions[O, E any](t *testing.T, good O, open func(O) (E, error), changes map[string]func(*O)) {
	t.Helper()
	for name, change := range changes {
		bad := good
		change(&bad)
		if _, err := open(bad); !errors.Is(err, deploy.ErrService) || !strings.Contains(err.Error(), name) {
			t.Errorf("New: %v, want %v that names %s", err, deploy.ErrService, name)
		}
	}
}

// DoesNotFit submits a job after each change, which makes it unfit for the engine's
// cluster. The change's name is that of the field.
func DoesNotFit(t *testing.T, e Engine, fake *Server, job deploy.Job, changes map[string]func(*deploy.Job)) {
	t.Helper()
	for field, change := range changes {
		job := job
		change(&job)
		if err := e.Submit(t.Context(), job, "unfit"); !errors.Is(err, deploy.ErrUnsupported) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if n := fake.Count("PUT", "/jobs/unfit"); n != 0 {
		t.Errorf("%d jobs were sent", n)
	}
}

// ClusterLives checks the life of an existing cluster: it is shown in that state with
// the nodes of the fake, resized, and deleted twice. After that, methods that need it
// return deploy.ErrNoCluster. The job is one that it could run.
func ClusterLives(t *testing.T, e Engine, c deploy.Cluster, state string, job deploy.Job) {
	t.Helper()
	c.State, c.Nodes, c.Busy = state, 3, 2
	if got, err := e.ShowCluster(t.Context(), c.Name); err != nil || got != c {
		t.Errorf("%+v, %v; want %+v", got, err, c)
	}
	if err := e.ResizeCluster(t.Context(), c.Name, 1, 16); err != nil {
		t.Fatal(err)
	}
	c.MinNodes, c.MaxNodes = 1, 16
	if got, err := e.ShowCluster(t.Context(), c.Name); err != nil || got != c {
		t.Errorf("resized: %+v, %v; want %+v", got, err, c)
	}
	for range 2 {
		if err := e.DeleteCluster(t.Context(), c.Name); err != nil {
			t.Error(err)
		}
	}
	_, err := e.ShowCluster(t.Context(), c.Name)
	for what, err := range map[string]error{
		"show": err, "resize": e.ResizeCluster(t.Context(), c.Name, 0, 1), "submit": e.Submit(t.Context(), job, "late"),
	} {
		if !errors.Is(err, deploy.ErrNoCluster) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Errors checks the kinds of errors that an engine returns while its service
// refuses or fails, and that they contain no secret.
func Errors(t *testing.T, job deploy.Job, id string, cluster deploy.Cluster, open func(t *testing.T) (Engine, *Server)) {
	for name, test := range map[string]struct {
		fault Fault
		kind  error
	}{
		"token refused": {fault: Fault{Status: 401, Code: "ExpiredAuthenticationToken"}, kind: deploy.ErrService},
		"no right":      {fault: Fault{Status: 403, Code: "AuthorizationFailed"}, kind: deploy.ErrService},
		"throttled":     {fault: Fault{Status: 429}, kind: deploy.ErrUnreachable},
		"no answer":     {fault: Fault{}, kind: deploy.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			e, fake := open(t)
			test.fault.Times = 99
			fake.Fail(test.fault)
			_, status := e.Status(t.Context(), id)
			for method, err := range map[string]error{
				"Submit": e.Submit(t.Context(), job, id), "Status": status, "Cancel": e.Cancel(t.Context(), id),
				"CreateCluster": e.CreateCluster(t.Context(), cluster), "DeleteCluster": e.DeleteCluster(t.Context(), cluster.Name),
			} {
				if !errors.Is(err, test.kind) {
					t.Errorf("%s: %v, want %v", method, err, test.kind)
				}
				if text := fmt.Sprintf("%+v", err); strings.Contains(text, Token) || strings.Contains(text, Signature) {
					t.Errorf("%s returns an error that holds a secret: %s", method, text)
				}
			}
		})
	}
}
