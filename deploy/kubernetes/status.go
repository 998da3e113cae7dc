package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/shellquote"
)

// item has the fields that are read from an object of the cluster: a Job, CronJob,
// MPIJob or Pod.
type item struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name              string            `json:"name"`
		UID               string            `json:"uid"`
		Labels            map[string]string `json:"labels"`
		CreationTimestamp time.Time         `json:"creationTimestamp"`
		DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Schedule string `json:"schedule"`
		// Parallelism is that of a Job, MPIReplicaSpecs of an MPIJob.
		Parallelism     int `json:"parallelism"`
		MPIReplicaSpecs struct {
			Worker struct {
				Replicas int `json:"replicas"`
			} `json:"Worker"`
		} `json:"mpiReplicaSpecs"`
	} `json:"spec"`
	Status struct {
		// Of a Pod.
		Phase             string            `json:"phase"`
		Reason            string            `json:"reason"`
		Message           string            `json:"message"`
		ContainerStatuses []containerStatus `json:"containerStatuses"`
		// Of the others.
		Ready          int       `json:"ready"`
		Succeeded      int       `json:"succeeded"`
		Failed         int       `json:"failed"`
		StartTime      time.Time `json:"startTime"`
		CompletionTime time.Time `json:"completionTime"`
		// Active is a number for a Job, and a list for a CronJob.
		Active     json.RawMessage `json:"active"`
		Conditions []condition     `json:"conditions"`
	} `json:"status"`
}

type condition struct {
	Type               string    `json:"type"`
	Status             string    `json:"status"`
	Reason             string    `json:"reason"`
	Message            string    `json:"message"`
	LastTransitionTime time.Time `json:"lastTransitionTime"`
}

func (c condition) why() string {
	return strings.TrimSuffix(strings.TrimSpace(c.Reason+": "+c.Message), ":")
}

type containerStatus struct {
	State struct {
		Waiting *struct {
			Reason  string `json:"reason"`
			Message string `json:"message"`
		} `json:"waiting"`
		Running    *struct{} `json:"running"`
		Terminated *struct {
			ExitCode int    `json:"exitCode"`
			Reason   string `json:"reason"`
		} `json:"terminated"`
	} `json:"state"`
}

// find returns the job's objects, pods among them, and nothing when there are
// none.
func (e *Engine) find(ctx context.Context, id string) ([]item, error) {
	items, err := e.get(ctx, "jobs.batch,cronjobs.batch,pods", id)
	if err != nil {
		return nil, err
	}
	if _, _, err := split(items, id); err == nil {
		return items, nil
	}
	mpiJobs, err := e.get(ctx, "mpijobs.kubeflow.org", id)
	if err != nil && !errors.Is(err, errNoKind) {
		return nil, err
	}
	return append(items, mpiJobs...), nil
}

func (e *Engine) get(ctx context.Context, kinds, id string) ([]item, error) {
	out, err := e.call(ctx, nil, "get", kinds, "--selector="+jobLabel+"="+id, "--output=json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []item `json:"items"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("read the answer of kubectl get: %w", err)
	}
	return list.Items, nil
}

// split returns the job itself and its pods, sorted by rank.
func split(items []item, id string) (work item, pods []item, err error) {
	found := false
	for _, i := range items {
		switch {
		case i.Kind == "Pod" && isName(i.Metadata.Name): // it becomes the name of a file
			pods = append(pods, i)
		case i.Metadata.Name == id:
			work, found = i, true
		}
	}
	if !found {
		return work, nil, fmt.Errorf("%s: %w", id, deploy.ErrNoJob)
	}
	slices.SortFunc(pods, func(a, b item) int {
		return cmp.Or(a.rank()-b.rank(), a.Metadata.CreationTimestamp.Compare(b.Metadata.CreationTimestamp),
			strings.Compare(a.Metadata.Name, b.Metadata.Name))
	})
	return work, pods, nil
}

// rank returns the rank of a pod in an Indexed Job; 0 for others.
func (i item) rank() int {
	n, _ := strconv.Atoi(i.Metadata.Labels["batch.kubernetes.io/job-completion-index"])
	return n
}

// Status implements deploy.Launcher. A scheduled job is Running while one of its runs
// is, and otherwise Queued: it never ends by itself.
func (e *Engine) Status(ctx context.Context, id string) (deploy.Status, error) {
	items, err := e.find(ctx, id)
	if err != nil {
		return deploy.Status{}, err
	}
	work, pods, err := split(items, id)
	if err != nil {
		return deploy.Status{}, err
	}
	s := work.status()
	s.Where = shellquote.Join(append(append([]string{e.o.Kubectl}, e.where()...), "get", "pods", "--selector="+jobLabel+"="+id))
	if work.Kind == "CronJob" {
		return e.ofRuns(ctx, s, work, items, pods), nil
	}
	pod, code, exited := worst(pods)
	switch s.State {
	case deploy.Queued, deploy.Running:
		if work.Kind == "MPIJob" && exited && slices.Contains(deploy.FinalCodes, code) {
			// The cluster still starts launchers, which start no ranks.
			s.State, s.Reason = deploy.Stopping, fmt.Sprintf("%s exited with %d", pod, code)
			break
		}
		s.Reason = cmp.Or(e.pending(ctx, work, pods), s.Reason)
		if s.State == deploy.Queued && work.suspended() {
			s.Reason = strings.TrimPrefix(s.Reason+": it starts once what suspended it resumes it, or: "+e.resume(work), ": ")
		}
	case deploy.Failed:
		if exited {
			s.ExitCode = &code
			s.Reason += fmt.Sprintf("; %s exited with %d", pod, code)
		}
	case deploy.Succeeded:
		s.ExitCode = new(int)
	}
	if pod, is := starved(pods); is && s.State.Ended() {
		s.Reason = strings.TrimPrefix(s.Reason+"; "+pod+": OOMKilled: it took more than its memory, or a process in it did", "; ")
	}
	return s, nil
}

// suspended reports whether the object starts no pods until somebody, or a queue such as Kueue,
// resumes it.
func (i item) suspended() bool {
	return slices.ContainsFunc(i.Status.Conditions, func(c condition) bool { return c.Type == "Suspended" && c.Status == "True" })
}

// resume returns the command that resumes a suspended object.
func (e *Engine) resume(i item) string {
	patch := `{"spec":{"suspend":false}}`
	if i.Kind == "MPIJob" {
		patch = `{"spec":{"runPolicy":{"suspend":false}}}`
	}
	words := append(append([]string{e.o.Kubectl}, e.where()...), "patch", strings.ToLower(i.Kind), i.Metadata.Name)
	return shellquote.Join(append(words, "--type=merge", "--patch="+patch))
}

// starved returns the first pod in which something was ended because it took more than the
// pod's memory. Its exit code may say nothing of it.
func starved(pods []item) (pod string, is bool) {
	for _, p := range pods {
		for _, c := range p.Status.ContainerStatuses {
			if t := c.State.Terminated; t != nil && t.Reason == "OOMKilled" {
				return p.Metadata.Name, true
			}
		}
	}
	return "", false
}

// status returns what the object says about itself.
func (i item) status() deploy.Status {
	s := deploy.Status{State: deploy.Queued, Started: i.Status.StartTime, Ended: i.Status.CompletionTime}
	if i.Status.Ready > 0 || i.Status.Succeeded > 0 || i.Status.Failed > 0 {
		s.State = deploy.Running
	}
	for _, c := range i.Status.Conditions {
		if c.Status != "True" {
			continue
		}
		switch c.Type {
		case "Complete", "Succeeded":
			s.State, s.Reason = deploy.Succeeded, c.Reason
			return s
		case "Failed":
			if i.Kind == "MPIJob" && i.Status.CompletionTime.IsZero() {
				// So the operator says that a worker was evicted. The job continues.
				s.State, s.Reason = deploy.Running, c.why()
				continue
			}
			s.State, s.Reason = deploy.Failed, c.why()
			if s.Ended.IsZero() {
				s.Ended = c.LastTransitionTime
			}
			return s
		case "FailureTarget":
			s.State, s.Reason = deploy.Stopping, c.why()
		case "Running":
			s.State = deploy.Running
		case "Suspended":
			s.State, s.Reason = deploy.Queued, c.why()
		}
	}
	if i.Metadata.DeletionTimestamp != nil {
		s.State = deploy.Stopping
	}
	return s
}

// ofRuns completes the status of a CronJob with that of the jobs it has started.
func (e *Engine) ofRuns(ctx context.Context, s deploy.Status, cron item, items, pods []item) deploy.Status {
	var runs []item
	for _, i := range items {
		if i.Kind == "Job" {
			runs = append(runs, i)
		}
	}
	s.Reason = "schedule " + cron.Spec.Schedule
	switch {
	case s.State == deploy.Stopping:
		return s
	case len(runs) == 0:
		if why := e.pending(ctx, cron, nil); why != "" {
			s.Reason += "; " + why
		}
		return s
	}
	last := slices.MaxFunc(runs, func(a, b item) int {
		return a.Metadata.CreationTimestamp.Compare(b.Metadata.CreationTimestamp)
	})
	pods = slices.DeleteFunc(slices.Clone(pods), func(p item) bool {
		return p.Metadata.Labels["batch.kubernetes.io/job-name"] != last.Metadata.Name
	})
	run := last.status()
	s.Started, s.Ended = run.Started, run.Ended
	s.Reason += fmt.Sprintf("; last run %s %s", last.Metadata.Name, run.State)
	switch run.State {
	case deploy.Queued, deploy.Running:
		run.Reason = cmp.Or(e.pending(ctx, last, pods), run.Reason)
	case deploy.Failed:
		if pod, code, ok := worst(pods); ok {
			run.Reason += fmt.Sprintf("; %s exited with %d", pod, code)
		}
	}
	if run.Reason != "" {
		s.Reason += " (" + run.Reason + ")"
	}
	if !run.State.Ended() {
		s.State = run.State
	}
	return s
}

// worst returns the failure that matters most: the first exit code that a retry
// cannot mend or, without one, the last code.
func worst(pods []item) (pod string, code int, ok bool) {
	for _, p := range pods {
		for _, c := range p.Status.ContainerStatuses {
			t := c.State.Terminated
			if t == nil || t.ExitCode == 0 || p.Metadata.Labels[roleLabel] == roleWorker {
				continue
			}
			if !ok || !slices.Contains(deploy.FinalCodes, code) {
				pod, code, ok = p.Metadata.Name, t.ExitCode, true
			}
		}
	}
	return pod, code, ok
}

// hasLog reports whether the pod has a log that is shown.
func (i item) hasLog() bool {
	if i.Metadata.Labels[roleLabel] == roleWorker {
		return false
	}
	for _, c := range i.Status.ContainerStatuses {
		if c.State.Running != nil || c.State.Terminated != nil {
			return true
		}
	}
	return false
}
