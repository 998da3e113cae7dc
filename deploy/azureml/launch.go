package azureml

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
)

// request is a PUT.
type request struct {
	path string
	body any
}

// requests are what makes the job: its environment, and itself or its schedule.
func (e *Engine) requests(job deploy.Job, id string) ([]request, error) {
	c, err := e.command(job, id)
	if err != nil {
		return nil, err
	}
	last := request{e.job(id), jobBody{c}}
	if job.Schedule != "" {
		last = request{e.schedule(id), scheduled(job, c)}
	}
	return []request{{e.environmentOf(job.Image), environmentBody{environment{job.Image, "Linux"}}}, last}, nil
}

func (e *Engine) documents(requests []request) ([]deploy.Document, error) {
	var documents []deploy.Document
	for _, r := range requests {
		d, err := e.config.Document(http.MethodPut, r.path, r.body)
		if err != nil {
			return nil, err
		}
		documents = append(documents, d)
	}
	return documents, nil
}

// Documents implements deploy.Launcher.
func (e *Engine) Documents(job deploy.Job, id string) ([]deploy.Document, error) {
	requests, err := e.requests(job, id)
	if err != nil {
		return nil, err
	}
	return e.documents(requests)
}

// Submit implements deploy.Launcher. It holds the job against the cluster first.
// A job with a schedule becomes a schedule of that ID, in UTC, whose jobs Azure
// ML names after it.
func (e *Engine) Submit(ctx context.Context, job deploy.Job, id string) error {
	requests, err := e.requests(job, id)
	if err != nil {
		return err
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	last := requests[len(requests)-1]
	if _, err := c.Do(ctx, http.MethodGet, last.path, nil, nil); err == nil {
		return nil // a Submit before this one, of which no answer came
	} else if err := missing(err, deploy.ErrNoJob, id); !errors.Is(err, deploy.ErrNoJob) {
		return err
	}
	cluster, err := e.ShowCluster(ctx, e.o.Compute)
	if err != nil {
		return err
	}
	if err := arm.Fits(engine, job, cluster); err != nil {
		return err
	}
	for _, r := range requests {
		if _, err := c.Do(ctx, http.MethodPut, r.path, r.body, nil); err != nil {
			return failed(err)
		}
	}
	return nil
}

// answer is a job as the service tells it.
type answer struct {
	Properties struct {
		Status       string       `json:"status"`
		Distribution distribution `json:"distribution"`
		Resources    resources    `json:"resources"`
		Services     map[string]struct {
			Endpoint string `json:"endpoint"`
		} `json:"services"`
	} `json:"properties"`
}

// states are the service's words. What is not among them is a job that waits.
var states = map[string]deploy.State{
	"Running": deploy.Running, "Finalizing": deploy.Running, "NotResponding": deploy.Running,
	"CancelRequested": deploy.Stopping, "Completed": deploy.Succeeded, "Failed": deploy.Failed, "Canceled": deploy.Canceled,
}

// Status implements deploy.Launcher. The service tells no exit code. A schedule
// is Queued, and Canceled once it is disabled.
func (e *Engine) Status(ctx context.Context, id string) (deploy.Status, error) {
	c, err := e.client()
	if err != nil {
		return deploy.Status{}, err
	}
	s, _, _, err := e.status(ctx, c, id)
	if errors.Is(err, deploy.ErrNoJob) {
		return e.scheduleStatus(ctx, c, id)
	}
	if err != nil || s.State == deploy.Queued {
		return s, err
	}
	d, err := e.details(ctx, c, id)
	switch {
	case ctx.Err() != nil:
		return s, ctx.Err()
	case err != nil: // it can be closed off where the resource manager is not
		s.Reason = strings.TrimPrefix(s.Reason+"; no times known: "+err.Error(), "; ")
		return s, nil
	}
	if d.Start != nil {
		s.Started = *d.Start
	}
	if d.End != nil {
		s.Ended = *d.End
	}
	if d.Error.Error.Message != "" {
		s.Reason = strings.Trim(d.Error.Error.Code+": "+d.Error.Error.Message, ": ")
	}
	return s, nil
}

func (e *Engine) status(ctx context.Context, c *arm.Client, id string) (s deploy.Status, ranks int, next time.Duration, err error) {
	var a answer
	next, err = c.Do(ctx, http.MethodGet, e.job(id), nil, &a)
	if err != nil {
		return s, 0, 0, missing(err, deploy.ErrNoJob, id)
	}
	p := a.Properties
	s = deploy.Status{State: deploy.Queued, Where: p.Services["Studio"].Endpoint}
	if known, ok := states[p.Status]; ok {
		s.State = known
	}
	if !strings.EqualFold(p.Status, string(s.State)) {
		s.Reason = p.Status
	}
	return s, p.Distribution.Processes * p.Resources.Nodes, next, nil
}

func (e *Engine) scheduleStatus(ctx context.Context, c *arm.Client, id string) (deploy.Status, error) {
	var body scheduleBody
	if _, err := c.Do(ctx, http.MethodGet, e.schedule(id), nil, &body); err != nil {
		return deploy.Status{}, missing(err, deploy.ErrNoJob, id)
	}
	s := deploy.Status{State: deploy.Queued, Reason: "schedule " + body.Properties.Trigger.Expression + " " + body.Properties.Trigger.TimeZone}
	if !body.Properties.Enabled {
		s.State = deploy.Canceled
	}
	return s, nil
}

// notRun is the error for an ID that no job has: a schedule prints nothing.
func (e *Engine) notRun(ctx context.Context, c *arm.Client, id string, err error) error {
	if errors.Is(err, deploy.ErrNoJob) {
		if _, missing := e.scheduleStatus(ctx, c, id); missing == nil {
			return deploy.Unsupported(engine, "schedule", "%s starts jobs that Azure ML names after it: find them in the studio, and name one of them", id)
		}
	}
	return err
}

// details are a run as the run history service tells it.
type details struct {
	Start *time.Time `json:"startTimeUtc"`
	End   *time.Time `json:"endTimeUtc"`
	Error struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	} `json:"error"`
	// LogFiles are signed links by path.
	LogFiles map[string]string `json:"logFiles"`
}

// history is a client of the run history service, whose place the workspace's
// discovery document names.
func (e *Engine) history(ctx context.Context, c *arm.Client) (*arm.Client, error) {
	var (
		workspace struct {
			Properties struct {
				Discovery string `json:"discoveryUrl"`
			} `json:"properties"`
		}
		services struct {
			API string `json:"api"`
		}
	)
	if _, err := c.Do(ctx, http.MethodGet, e.workspace(), nil, &workspace); err != nil {
		return nil, failed(err)
	}
	if err := c.Get(ctx, "the workspace's discovery document", workspace.Properties.Discovery, &services); err != nil {
		return nil, failed(err)
	}
	config := e.config
	config.Endpoint, config.Audience, config.APIVersion = services.API, audience, ""
	history, err := arm.New(config)
	if err != nil {
		return nil, fmt.Errorf("%s: run history: %w", engine, err)
	}
	return history, nil
}

func (e *Engine) details(ctx context.Context, c *arm.Client, id string) (d details, err error) {
	history, err := e.history(ctx, c)
	if err != nil {
		return d, err
	}
	return e.run(ctx, history, id)
}

func (e *Engine) run(ctx context.Context, history *arm.Client, id string) (d details, err error) {
	if _, err := history.Do(ctx, http.MethodGet, "/history/v1.0"+e.workspace()+"/runs/"+id+"/details", nil, &d); err != nil {
		return d, missing(err, deploy.ErrNoJob, id)
	}
	return d, nil
}

// userLogs is where the files lie that hold what ranks print: std_log.txt, or one
// std_log_process_N.txt for each.
const userLogs = "user_logs/"

// Logs implements deploy.Launcher. With several ranks, every line begins with
// its rank's file.
func (e *Engine) Logs(ctx context.Context, id string, w io.Writer, follow bool) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	_, ranks, _, err := e.status(ctx, c, id)
	if err != nil {
		return e.notRun(ctx, c, id, err)
	}
	var history *arm.Client
	return c.Follow(ctx, arm.NewTail(w, ranks > 1), follow, func(ctx context.Context) ([]arm.File, bool, time.Duration, error) {
		s, _, next, err := e.status(ctx, c, id)
		if err != nil || s.State == deploy.Queued {
			return nil, false, next, err
		}
		if history == nil {
			if history, err = e.history(ctx, c); err != nil {
				return nil, false, 0, err
			}
		}
		d, err := e.run(ctx, history, id)
		var files []arm.File
		for name, link := range d.LogFiles {
			if short, ok := strings.CutPrefix(name, userLogs+"std_log"); ok {
				files = append(files, arm.File{Name: "std_log" + strings.TrimSuffix(short, ".txt"), Link: link})
			}
		}
		return files, s.State.Ended(), next, err
	})
}

// Fetch implements deploy.Launcher: all log files of the run, under their own
// paths. What the ranks wrote to blob storage is there.
func (e *Engine) Fetch(ctx context.Context, id, folder string) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	d, err := e.details(ctx, c, id)
	if err != nil {
		return e.notRun(ctx, c, id, err)
	}
	var files []arm.File
	for name, link := range d.LogFiles {
		files = append(files, arm.File{Name: path.Clean(name), Link: link})
	}
	if err := c.Save(ctx, files, folder); err != nil {
		return fmt.Errorf("%s: %w", engine, err)
	}
	return nil
}

// Cancel implements deploy.Launcher. A schedule is disabled; a job that it has
// started already goes on.
func (e *Engine) Cancel(ctx context.Context, id string) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	s, _, _, err := e.status(ctx, c, id)
	if errors.Is(err, deploy.ErrNoJob) {
		return e.disable(ctx, c, id)
	}
	if err != nil || s.State.Ended() {
		return err
	}
	if _, err := c.Do(ctx, http.MethodPost, e.job(id)+"/cancel", nil, nil); err != nil {
		return missing(err, deploy.ErrNoJob, id)
	}
	return nil
}

func (e *Engine) disable(ctx context.Context, c *arm.Client, id string) error {
	var body scheduleBody
	if _, err := c.Do(ctx, http.MethodGet, e.schedule(id), nil, &body); err != nil {
		return missing(err, deploy.ErrNoJob, id)
	}
	body.Properties.Enabled = false
	if _, err := c.Do(ctx, http.MethodPut, e.schedule(id), body, nil); err != nil {
		return missing(err, deploy.ErrNoJob, id)
	}
	return nil
}
