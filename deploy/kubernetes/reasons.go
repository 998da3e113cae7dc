package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// pending returns why a job that has not ended lacks pods, or pods do not start; empty if
// all run, or nothing says why. work is a Job, an MPIJob or a CronJob without runs.
func (e *Engine) pending(ctx context.Context, work item, pods []item) string {
	if reason := waiting(pods); reason != "" {
		return reason
	}
	if work.Kind == "MPIJob" && len(work.Status.Conditions) == 0 {
		return cmp.Or(e.warnings(ctx, stuck{name: work.Metadata.Name}),
			"no MPI operator has taken it up; where there is none, launch without MPI (--without-mpi)")
	}
	for _, s := range stucks(work, pods) {
		if reason := e.warnings(ctx, s); reason != "" {
			return reason
		}
	}
	return ""
}

// stuck is an object that waits for something. If only is set, other reasons of events
// about it have nothing to do with that, and those in never were met already.
type stuck struct {
	name, only string
	never      []string
}

// stucks returns the objects of a job that do not become what they should. Of pods it
// returns the first.
func stucks(work item, pods []item) []stuck {
	var list []stuck
	byRole := map[string]int{}
	for _, p := range pods {
		if p.Status.Phase == "Pending" || p.Status.Phase == "Running" || p.Status.Phase == "Succeeded" {
			byRole[p.Metadata.Labels[roleLabel]]++
		}
	}
	switch work.Kind {
	case "CronJob":
		list = append(list, stuck{name: work.Metadata.Name})
	case "Job":
		if byRole[roleRank] < work.Spec.Parallelism {
			list = append(list, stuck{name: work.Metadata.Name, only: "FailedCreate"})
		}
	case "MPIJob":
		if byRole[roleWorker] < work.Spec.MPIReplicaSpecs.Worker.Replicas {
			list = append(list, stuck{name: work.Metadata.Name})
		} else if byRole[roleLauncher] == 0 {
			list = append(list, stuck{name: work.Metadata.Name}, stuck{name: work.Metadata.Name + "-launcher", only: "FailedCreate"})
		}
	}
	if i := slices.IndexFunc(pods, func(p item) bool { return p.Status.Phase == "Pending" }); i >= 0 {
		list = append(list, stuck{name: pods[i].Metadata.Name, never: []string{"FailedScheduling", "Unhealthy"}})
	}
	return list
}

// event is something that the cluster noted about an object. Newer servers fill in other
// times than older ones.
type event struct {
	Kind      string    `json:"kind"`
	Type      string    `json:"type"`
	Reason    string    `json:"reason"`
	Message   string    `json:"message"`
	EventTime time.Time `json:"eventTime"`
	LastTime  time.Time `json:"lastTimestamp"`
	Series    struct {
		LastObservedTime time.Time `json:"lastObservedTime"`
	} `json:"series"`
}

func (v event) at() time.Time {
	return slices.MaxFunc([]time.Time{v.EventTime, v.LastTime, v.Series.LastObservedTime}, time.Time.Compare)
}

// warnings returns the last thing that the cluster warns of about an object; empty if there
// is none, or the cluster does not answer now. If events cannot be read it says why instead.
func (e *Engine) warnings(ctx context.Context, s stuck) string {
	out, err := e.call(ctx, nil, "get", "events", "--field-selector=type=Warning,involvedObject.name="+s.name, "--output=json")
	if errors.Is(err, deploy.ErrService) {
		if strings.Contains(err.Error(), "(Forbidden)") {
			return "why is not known, since the right to list events in the namespace is missing"
		}
		lines := strings.Split(err.Error(), "\n")
		return "why is not known: " + printable.Line(lines[len(lines)-1]) // kubectl's own warnings come first
	}
	var list struct {
		Items []event `json:"items"`
	}
	if err != nil || json.Unmarshal(out, &list) != nil {
		return ""
	}
	list.Items = slices.DeleteFunc(list.Items, func(v event) bool {
		return v.Kind != "Event" || slices.Contains(s.never, v.Reason) || s.only != "" && v.Reason != s.only
	})
	if len(list.Items) == 0 {
		return ""
	}
	last := slices.MaxFunc(list.Items, func(a, b event) int { return a.at().Compare(b.at()) })
	// The names of pods that could not be made are new each time.
	message := regexp.MustCompile(` "`+regexp.QuoteMeta(s.name)+`-[^" ]*"`).ReplaceAllString(last.Message, "")
	text := s.name + ": " + condition{Reason: last.Reason, Message: message}.why()
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	return text
}

// waiting returns why a pod does not start: no node, no image, no secret.
func waiting(pods []item) string {
	for _, p := range pods {
		if p.Status.Phase == "Failed" && p.Metadata.Labels[roleLabel] == roleWorker {
			return fmt.Sprintf("%s: %s: the MPI operator replaces it only after 'kubectl delete pod %[1]s'",
				p.Metadata.Name, cmp.Or(condition{Reason: p.Status.Reason, Message: p.Status.Message}.why(), "failed"))
		}
		if p.Metadata.DeletionTimestamp != nil {
			for _, c := range p.Status.Conditions {
				if c.Type == "DisruptionTarget" && c.Status == "True" && c.Reason == "DeletionByTaintManager" {
					return p.Metadata.Name + ": " + c.why() + ": if its node does not answer, it is replaced once the node does," +
						" or is marked as out of service"
				}
			}
		}
		if p.Status.Phase != "Pending" {
			continue
		}
		for _, c := range p.Status.ContainerStatuses {
			if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
				return p.Metadata.Name + ": " + condition{Reason: w.Reason, Message: w.Message}.why()
			}
		}
		for _, c := range p.Status.Conditions {
			if c.Type == "PodScheduled" && c.Status == "False" {
				return p.Metadata.Name + ": " + c.why()
			}
		}
	}
	return ""
}
