package batchai

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
)

// Documents implements deploy.Launcher.
func (e *Engine) Documents(job deploy.Job, id string) ([]deploy.Document, error) {
	body, err := e.body(job, id, values{account: e.accountKey, registry: e.registryPassword, shown: true})
	if err != nil {
		return nil, err
	}
	return e.service.Documents(e.requests(id, body)...)
}

// requests returns what creates the job: its experiment, and itself.
func (e *Engine) requests(id string, body jobBody) []arm.Request {
	return []arm.Request{{Path: e.experiment()}, {Path: e.job(id), Body: body}}
}

// Submit implements deploy.Launcher. It first checks that the job can run on the
// cluster, and creates the experiment if there is none.
func (e *Engine) Submit(ctx context.Context, job deploy.Job, id string) error {
	if _, err := e.Documents(job, id); err != nil {
		return err
	}
	v := values{}
	var err error
	if v.account, err = e.accountKey.resolve(); err != nil {
		return fmt.Errorf("%s: accountKey: %w", engine, err)
	}
	if v.registry, err = e.registryPassword.resolve(); err != nil {
		return fmt.Errorf("%s: registryPassword: %w", engine, err)
	}
	if v.job, err = job.Resolve(); err != nil {
		return err
	}
	body, err := e.body(job, id, v)
	if err != nil {
		return err
	}
	c, err := e.service.Client()
	if err != nil {
		return err
	}
	c.Hide(v.account.value, v.registry.value)
	for _, value := range v.job {
		c.Hide(value)
	}
	showCluster := func(ctx context.Context) (deploy.Cluster, error) { return e.ShowCluster(ctx, e.o.Cluster) }
	return e.service.Submit(ctx, job, id, showCluster, e.requests(id, body)...)
}

// answer is what the service says about a job.
type answer struct {
	Properties struct {
		State string `json:"executionState"`
		Info  struct {
			Start    *time.Time `json:"startTime"`
			End      *time.Time `json:"endTime"`
			ExitCode *int       `json:"exitCode"`
			Errors   []struct {
				Code    string `json:"code"`
				Message string `json:"message"`
			} `json:"errors"`
		} `json:"executionInfo"`
	} `json:"properties"`
}

// states are the service's words. For a job that was terminated it says failed.
var states = map[string]deploy.State{
	"queued": deploy.Queued, "running": deploy.Running, "terminating": deploy.Stopping,
	"succeeded": deploy.Succeeded, "failed": deploy.Failed,
}

// Status implements deploy.Launcher. A job that was terminated is Failed: the
// service does not distinguish the two.
func (e *Engine) Status(ctx context.Context, id string) (deploy.Status, error) {
	status, _, err := e.status(ctx, id)
	return status, err
}

func (e *Engine) status(ctx context.Context, id string) (deploy.Status, time.Duration, error) {
	var a answer
	next, err := e.service.About(ctx, arm.Job(id), http.MethodGet, e.job(id), nil, &a)
	if err != nil {
		return deploy.Status{}, 0, err
	}
	c, err := e.service.Client()
	if err != nil {
		return deploy.Status{}, 0, err
	}
	s := deploy.Status{State: deploy.Queued, Reason: a.Properties.State, Where: c.URL(e.job(id))}
	if known, ok := states[a.Properties.State]; ok {
		s.State, s.Reason = known, ""
	}
	info := a.Properties.Info
	if len(info.Errors) > 0 {
		s.Reason = c.Redact(info.Errors[0].Code + ": " + info.Errors[0].Message)
	}
	s.ExitCode = info.ExitCode
	if info.Start != nil {
		s.Started = *info.Start
	}
	if info.End != nil {
		s.Ended = *info.End
	}
	return s, next, nil
}

// Logs implements deploy.Launcher. It writes stdout.txt and stderr.txt of the first
// node, where mpirun writes what all ranks print. What the preparation of the job
// printed is among the files of Fetch.
func (e *Engine) Logs(ctx context.Context, id string, w io.Writer, follow bool) error {
	return e.service.Follow(ctx, arm.NewTail(w, false), follow, func(ctx context.Context) ([]arm.File, bool, time.Duration, error) {
		status, next, err := e.status(ctx, id)
		if err != nil {
			return nil, false, 0, err
		}
		files, err := e.list(ctx, id, "stdouterr", ".")
		files = slices.DeleteFunc(files, func(f arm.File) bool { return f.Name != "stdout.txt" && f.Name != "stderr.txt" })
		return files, status.State.Ended(), next, err
	})
}

// list returns the files of an output directory and of its folders.
func (e *Engine) list(ctx context.Context, id, directory, folder string) ([]arm.File, error) {
	query := url.Values{
		"outputdirectoryid": {directory}, "directory": {folder}, "linkexpiryinminutes": {"60"}, "maxresults": {"1000"},
	}
	var files []arm.File
	method := http.MethodPost
	for at := e.job(id) + "/listOutputFiles?" + query.Encode(); at != ""; {
		var page struct {
			Value []struct {
				Name string `json:"name"`
				Type string `json:"fileType"`
				Link string `json:"downloadUrl"`
			} `json:"value"`
			Next string `json:"nextLink"`
		}
		if _, err := e.service.About(ctx, arm.Job(id), method, at, nil, &page); err != nil {
			return nil, err
		}
		for _, f := range page.Value {
			name := path.Join(folder, f.Name)
			if f.Type != "directory" {
				files = append(files, arm.File{Name: name, Link: f.Link})
				continue
			}
			below, err := e.list(ctx, id, directory, name)
			if err != nil {
				return nil, err
			}
			files = append(files, below...)
		}
		method, at = http.MethodGet, page.Next
	}
	return files, nil
}

// Cancel implements deploy.Launcher.
func (e *Engine) Cancel(ctx context.Context, id string) error {
	status, _, err := e.status(ctx, id)
	if err != nil || status.State.Ended() {
		return err
	}
	_, err = e.service.About(ctx, arm.Job(id), http.MethodPost, e.job(id)+"/terminate", nil, nil)
	return err
}

// Fetch implements deploy.Launcher. What the job printed goes into the folder
// itself, what it wrote to $AZ_BATCHAI_OUTPUT_OUTPUT into a folder output there.
func (e *Engine) Fetch(ctx context.Context, id, folder string) error {
	files, err := e.list(ctx, id, "stdouterr", ".")
	if err != nil {
		return err
	}
	outputs, err := e.list(ctx, id, outputID, ".")
	if err != nil {
		return err
	}
	for _, f := range outputs {
		files = append(files, arm.File{Name: path.Join("output", f.Name), Link: f.Link})
	}
	return e.service.Save(ctx, files, folder)
}
