package azureml

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
)

// requests returns what creates the job: its environment, and itself or its
// schedule.
func (e *Engine) requests(job deploy.Job, id string) ([]arm.Request, error) {
	c, err := e.command(job, id)
	if err != nil {
		return nil, err
	}
	last := arm.Request{Path: e.job(id), Body: jobBody{c}}
	if job.Schedule != "" {
		last = arm.Request{Path: e.schedule(id), Body: scheduled(job, c)}
	}
	return []arm.Request{{Path: e.environmentOf(job.Image), Body: environmentBody{environment{job.Image, "Linux"}}}, last}, nil
}

// Documents implements deploy.Launcher.
func (e *Engine) Documents(job deploy.Job, id string) ([]deploy.Document, error) {
	requests, err := e.requests(job, id)
	if err != nil {
		return nil, err
	}
	return e.service.Documents(requests...)
}

// Submit implements deploy.Launcher. It first checks that the job can run on the
// cluster. A job with a schedule becomes a schedule of that ID, in UTC, and Azure
// ML names the schedule's jobs after it.
func (e *Engine) Submit(ctx context.Context, job deploy.Job, id string) error {
	requests, err := e.requests(job, id)
	if err != nil {
		return err
	}
	showCluster := func(ctx context.Context) (deploy.Cluster, error) { return e.ShowCluster(ctx, e.o.Compute) }
	return e.service.Submit(ctx, job, id, showCluster, requests...)
}

// answer is what the service says about a job.
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

// states are the service's words. A job with any other word is waiting.
var states = map[string]deploy.State{
	"Running": deploy.Running, "Finalizing": deploy.Running, "NotResponding": deploy.Running,
	"CancelRequested": deploy.Stopping, "Completed": deploy.Succeeded, "Failed": deploy.Failed, "Canceled": deploy.Canceled,
}

// Status implements deploy.Launcher. The service does not report exit codes. A
// schedule is Queued, and Canceled once it is disabled.
func (e *Engine) Status(ctx context.Context, id string) (deploy.Status, error) {
	s, _, _, err := e.status(ctx, id)
	if errors.Is(err, deploy.ErrNoJob) {
		return e.scheduleStatus(ctx, id)
	}
	if err != nil || s.State == deploy.Queued {
		return s, err
	}
	d, err := e.details(ctx, id)
	switch {
	case ctx.Err() != nil:
		return s, ctx.Err()
	case err != nil: // it can be out of reach where the resource manager is not
		s.Reason = strings.TrimPrefix(s.Reason+"; no times are known: "+err.Error(), "; ")
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

func (e *Engine) status(ctx context.Context, id string) (s deploy.Status, ranks int, next time.Duration, err error) {
	var a answer
	if next, err = e.service.About(ctx, arm.Job(id), http.MethodGet, e.job(id), nil, &a); err != nil {
		return s, 0, 0, err
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

func (e *Engine) scheduleStatus(ctx context.Context, id string) (deploy.Status, error) {
	var body scheduleBody
	if _, err := e.service.About(ctx, arm.Job(id), http.MethodGet, e.schedule(id), nil, &body); err != nil {
		return deploy.Status{}, err
	}
	s := deploy.Status{State: deploy.Queued, Reason: "schedule " + body.Properties.Trigger.Expression + " " + body.Properties.Trigger.TimeZone}
	if !body.Properties.Enabled {
		s.State = deploy.Canceled
	}
	return s, nil
}

// notRun returns the error for an ID that no job has. It may be that of a schedule,
// which prints nothing.
func (e *Engine) notRun(ctx context.Context, id string, err error) error {
	if errors.Is(err, deploy.ErrNoJob) {
		if _, unknown := e.scheduleStatus(ctx, id); unknown == nil {
			return deploy.Unsupported(engine, "schedule", "%s starts jobs that Azure ML names after it: find one in the studio and give its name", id)
		}
	}
	return err
}

// details is what the run history service says about a run.
type details struct {
	Start *time.Time `json:"startTimeUtc"`
	End   *time.Time `json:"endTimeUtc"`
	Error struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	} `json:"error"`
	// LogFiles maps paths to signed links.
	LogFiles map[string]string `json:"logFiles"`
}

// history returns the run history service, whose address is in the workspace's
// discovery document.
func (e *Engine) history(ctx context.Context) (*arm.Service, error) {
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
	if _, err := e.service.Do(ctx, http.MethodGet, e.workspace(), nil, &workspace); err != nil {
		return nil, err
	}
	c, err := e.service.Client()
	if err != nil {
		return nil, err
	}
	if err := c.Get(ctx, "the workspace's discovery document", workspace.Properties.Discovery, &services); err != nil {
		return nil, e.service.Wrap(err)
	}
	config := e.config
	config.Endpoint, config.Audience, config.APIVersion = services.API, audience, ""
	return arm.NewService(arm.ServiceOptions{Engine: engine + ": run history", Config: config, Explain: explain}), nil
}

func (e *Engine) details(ctx context.Context, id string) (d details, err error) {
	history, err := e.history(ctx)
	if err != nil {
		return d, err
	}
	return e.run(ctx, history, id)
}

func (e *Engine) run(ctx context.Context, history *arm.Service, id string) (d details, err error) {
	_, err = history.About(ctx, arm.Job(id), http.MethodGet, "/history/v1.0"+e.workspace()+"/runs/"+id+"/details", nil, &d)
	return d, err
}

// userLogs is the folder of what ranks print: std_log.txt, or one
// std_log_process_N.txt for each rank.
const userLogs = "user_logs/"

// Logs implements deploy.Launcher. With several ranks, every line begins with
// its rank's file.
func (e *Engine) Logs(ctx context.Context, id string, w io.Writer, follow bool) error {
	_, ranks, _, err := e.status(ctx, id)
	if err != nil {
		return e.notRun(ctx, id, err)
	}
	var history *arm.Service
	return e.service.Follow(ctx, arm.NewTail(w, ranks > 1), follow, func(ctx context.Context) ([]arm.File, bool, time.Duration, error) {
		s, _, next, err := e.status(ctx, id)
		if err != nil || s.State == deploy.Queued {
			return nil, false, next, err
		}
		if history == nil {
			if history, err = e.history(ctx); err != nil {
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

// Fetch implements deploy.Launcher. It downloads all log files of the run, under
// their own paths.
func (e *Engine) Fetch(ctx context.Context, id, folder string) error {
	d, err := e.details(ctx, id)
	if err != nil {
		return e.notRun(ctx, id, err)
	}
	var files []arm.File
	for name, link := range d.LogFiles {
		files = append(files, arm.File{Name: path.Clean(name), Link: link})
	}
	return e.service.Save(ctx, files, folder)
}

// Cancel implements deploy.Launcher. It disables a schedule; a job that the
// schedule has started already continues.
func (e *Engine) Cancel(ctx context.Context, id string) error {
	s, _, _, err := e.status(ctx, id)
	switch {
	case errors.Is(err, deploy.ErrNoJob):
		return e.disable(ctx, id)
	case err != nil || s.State.Ended():
		return err
	}
	_, err = e.service.About(ctx, arm.Job(id), http.MethodPost, e.job(id)+"/cancel", nil, nil)
	return err
}

// disable disables a schedule.
func (e *Engine) disable(ctx context.Context, id string) error {
	var body scheduleBody
	if _, err := e.service.About(ctx, arm.Job(id), http.MethodGet, e.schedule(id), nil, &body); err != nil {
		return err
	}
	body.Properties.Enabled = false
	_, err := e.service.About(ctx, arm.Job(id), http.MethodPut, e.schedule(id), body, nil)
	return err
}
