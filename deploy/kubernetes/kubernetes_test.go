package kubernetes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/launchtest"
)

var testTime = time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)

const secretValue = "wJalr/very+secret=="

// onFake is an engine on a fake cluster.
func onFake(t *testing.T, text string) (*Engine, fake) {
	t.Helper()
	f := newFake(t)
	t.Setenv("STORAGE_KEY", secretValue)
	e := newEngine(t, text)
	e.poll = time.Millisecond
	return e, f
}

func TestSubmit(t *testing.T) {
	for name, c := range map[string]struct{ options, owner, object string }{
		"indexed": {options: options + "mpi: false\n", owner: `{"apiVersion":"batch/v1","kind":"Job"`, object: "job." + id},
		"mpi":     {options: options, owner: `{"apiVersion":"kubeflow.org/v2beta1","kind":"MPIJob"`, object: "mpijob." + id},
	} {
		t.Run(name, func(t *testing.T) {
			e, f := onFake(t, c.options)
			for range 2 { // the second time changes nothing
				if err := e.Submit(t.Context(), newJob(t, scoring), id); err != nil {
					t.Fatal(err)
				}
				if have := f.objects(); !slices.Equal(have, []string{c.object, "secret." + id}) {
					t.Fatalf("on the cluster: %q, want %s and its secret", have, c.object)
				}
			}
			if !strings.Contains(f.read("objects", "secret."+id), `"stringData":{"AZURE_STORAGE_KEY":"`+secretValue) {
				t.Errorf("want the value in the secret, got %s", f.read("objects", "secret."+id))
			}
			if p := f.read("patch.secret." + id); !strings.Contains(p, c.owner) || !strings.Contains(p, `"uid":"uid-of-`+id) {
				t.Errorf("want the job as owner of the secret, got %s", p)
			}
			if calls := f.read("calls"); strings.Contains(calls, secretValue) || !strings.HasPrefix(calls, "--context=prod --namespace=labels apply ") {
				t.Errorf("want apply with context and namespace, and no secret, got %s", calls)
			}
			docs, err := e.Documents(newJob(t, scoring), id)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range docs {
				if strings.Contains(string(d.Body), secretValue) {
					t.Errorf("%s shows the secret", d.Name)
				}
			}
			if !strings.Contains(string(docs[0].Body), "<secret from env STORAGE_KEY>") {
				t.Errorf("want a reference to the secret, got %s", docs[0].Body)
			}
		})
	}
}

func TestRefusedJobLeavesNoSecret(t *testing.T) {
	e, f := onFake(t, options)
	f.failing("apply mpijob", `error: resource mapping not found for name: "x" namespace: "" from "STDIN": no matches for kind "MPIJob"`+
		` in version "kubeflow.org/v2beta1"`)
	err := e.Submit(t.Context(), newJob(t, scoring), id)
	if !errors.Is(err, deploy.ErrService) || !strings.Contains(err.Error(), "--without-mpi") {
		t.Errorf("Submit: %v, want %v with advice", err, deploy.ErrService)
	}
	if !strings.Contains(f.read("calls"), "apply") || len(f.objects()) > 0 {
		t.Errorf("on the cluster: %q, want nothing", f.objects())
	}
	// Where it is not known whether the job was taken, it may need its Secret.
	f.failing("apply mpijob", "Unable to connect to the server: EOF")
	if err := e.Submit(t.Context(), newJob(t, scoring), id); !errors.Is(err, deploy.ErrUnreachable) {
		t.Errorf("Submit: %v, want %v", err, deploy.ErrUnreachable)
	}
	if len(f.objects()) != 1 {
		t.Errorf("on the cluster: %q, want the secret", f.objects())
	}
}

func TestSecretsAreText(t *testing.T) {
	e, f := onFake(t, options)
	t.Setenv("STORAGE_KEY", "\xff\xfe")
	if err := e.Submit(t.Context(), newJob(t, scoring), id); err == nil || !strings.Contains(err.Error(), "AZURE_STORAGE_KEY") {
		t.Errorf("Submit: %v, want an error that names the secret", err)
	}
	if calls := f.read("calls"); calls != "" {
		t.Errorf("want no call, got %s", calls)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		message string
		want    error
	}{
		{message: "The connection to the server localhost:8080 was refused - did you specify the right host or port?", want: deploy.ErrUnreachable},
		{message: "Unable to connect to the server: dial tcp 10.0.0.1:443: i/o timeout", want: deploy.ErrUnreachable},
		{message: "Error from server (TooManyRequests): the server has received too many requests", want: deploy.ErrUnreachable},
		{
			message: `Error from server: Get "https://10.0.0.9:10250/containerLogs/a/b/rank": dial tcp 10.0.0.9:10250: connect: connection refused`,
			want:    deploy.ErrUnreachable, // a node without its kubelet
		},
		{
			message: "Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority",
			want:    deploy.ErrService,
		},
		{message: "error: You must be logged in to the server (Unauthorized)", want: deploy.ErrService},
		{message: `Error from server (Forbidden): jobs.batch is forbidden: User "bob" cannot create resource, data ` + secretValue, want: deploy.ErrService},
		{message: `error: context "prod" does not exist`, want: deploy.ErrService},
	} {
		t.Run(c.message, func(t *testing.T) {
			e, f := onFake(t, options)
			f.failing("apply", c.message)
			f.failing("get", c.message)
			for what, err := range map[string]error{
				"submit": e.Submit(t.Context(), newJob(t, scoring), id),
				"status": second(e.Status(t.Context(), id)),
				"cancel": e.Cancel(t.Context(), id),
				"logs":   e.Logs(t.Context(), id, new(strings.Builder), true),
			} {
				if !errors.Is(err, c.want) {
					t.Errorf("%s: %v, want %v", what, err, c.want)
					continue
				}
				if what == "submit" && strings.Contains(err.Error(), secretValue) {
					t.Errorf("%s: the error shows the secret: %v", what, err)
				}
				if !strings.Contains(err.Error(), c.message[:20]) {
					t.Errorf("%s: %v, want the message of kubectl, %q", what, err, c.message)
				}
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestWithoutKubectl(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	e := newEngine(t, "image: i\n")
	job := newJob(t, "images: az://a/b\nout: az://a/c\nmodel: m\n")
	if err := e.Submit(t.Context(), job, id); !errors.Is(err, deploy.ErrNoEngine) || !strings.Contains(err.Error(), "install") {
		t.Errorf("Submit: %v, want %v with advice", err, deploy.ErrNoEngine)
	}
	if _, err := e.Documents(job, id); err != nil {
		t.Errorf("a dry run needs kubectl: %v", err)
	}
}

// head begins an object that belongs to the job.
func head(kind, name string) string {
	return fmt.Sprintf("kind: %s\nmetadata: {name: %s, creationTimestamp: '2026-11-22T02:00:00Z', labels: {batchscore.io/job: %s}}\n", kind, name, id)
}

func pod(name, role string, rank int, status string) string {
	return fmt.Sprintf("kind: Pod\nmetadata: {name: %s, labels: {batchscore.io/job: %s, batchscore.io/role: %s,"+
		" batch.kubernetes.io/job-completion-index: '%d'}}\nstatus: %s\n", name, id, role, rank, status)
}

// warning is an event about an object, some minutes after two.
func warning(about, reason, message string, minutes int) string {
	return fmt.Sprintf("kind: Event\nmetadata: {name: %s.%d}\ninvolvedObject: {name: %[1]s}\ntype: Warning\nreason: %[3]s\nmessage: %[4]q\n"+
		"lastTimestamp: '2026-11-22T02:%02[2]d:00Z'\neventTime: null\n", about, minutes, reason, message)
}

// TestPending: what the cluster knows of pods that do not come.
func TestPending(t *testing.T) {
	const creating = "{phase: Pending, conditions: [{type: PodScheduled, status: 'True'}], containerStatuses: [{state: {waiting: {reason: ContainerCreating}}}]}"
	const up = "{phase: Running, containerStatuses: [{state: {running: {}}}]}"
	const job = "spec: {parallelism: 2}\nstatus: {active: 0}"
	const mpi = "spec: {mpiReplicaSpecs: {Worker: {replicas: 1}}}\nstatus: {conditions: [{type: Created, status: 'True'}]}"
	run := head("Job", id+"-1") + "spec: {parallelism: 1}\nstatus: {active: 1}"
	ofRun := func(name, status string) string {
		return strings.Replace(pod(name, "rank", 0, status), "batchscore.io/role", "batch.kubernetes.io/job-name: "+id+"-1, batchscore.io/role", 1)
	}
	const forbidden = `Error from server (Forbidden): events is forbidden: User "u" cannot list resource "events"`
	for name, c := range map[string]struct {
		objects []string
		refused string // what kubectl says of events
		state   deploy.State
		reason  string
	}{
		"refused by admission": {objects: []string{head("Job", id) + job,
			warning(id, "FailedCreate", "exceeded quota: old", 1), warning(id, "FailedCreate", `pods "`+id+`-0-x7" is forbidden: violates PodSecurity`, 2),
			warning(id, "Other", "x", 3)},
			state: deploy.Queued, reason: id + ": FailedCreate: pods is forbidden: violates PodSecurity"},
		"nothing known": {objects: []string{head("Job", id) + job}, state: deploy.Queued},
		"no right": {objects: []string{head("Job", id) + job}, refused: forbidden,
			state: deploy.Queued, reason: "why is not known, since the right to list events in the namespace is missing"},
		"expired": {
			objects: []string{head("Job", id) + job},
			refused: "E1130 17:00:00 memcache.go:265] no list\nerror: You must be logged in to the server\x1b[2J (Unauthorized)",
			state:   deploy.Queued, reason: `why is not known: error: You must be logged in to the server\u001b[2J (Unauthorized)`,
		},
		"all run": {objects: []string{head("Job", id) + "spec: {parallelism: 1}\nstatus: {active: 1, ready: 1}", pod("p", "rank", 0, up)}, refused: forbidden,
			state: deploy.Running},
		"no sandbox": {objects: []string{head("Job", id) + "spec: {parallelism: 1}\nstatus: {active: 1}", pod("p", "rank", 0, creating),
			warning("p", "FailedScheduling", "0/1 nodes", 3), warning("p", "Unhealthy", "not yet", 4),
			warning("p", "FailedCreatePodSandBox", "runc: EOF", 2)},
			state: deploy.Queued, reason: "p: FailedCreatePodSandBox: runc: EOF"},
		"no operator": {objects: []string{head("MPIJob", id)},
			state: deploy.Queued, reason: "no MPI operator has taken it up; where there is none, launch without MPI (--without-mpi)"},
		"invalid": {objects: []string{head("MPIJob", id), warning(id, "ValidationError", "bad", 1)},
			state: deploy.Queued, reason: id + ": ValidationError: bad"},
		"no workers": {objects: []string{head("MPIJob", id) + mpi, warning(id, "MPIJobFailed", "worker pod created failed: quota", 1)},
			state: deploy.Queued, reason: id + ": MPIJobFailed: worker pod created failed: quota"},
		"no launcher": {objects: []string{head("MPIJob", id) + mpi, pod("w", "worker", 0, up), warning(id+"-launcher", "FailedCreate", "quota", 1)},
			state: deploy.Queued, reason: id + "-launcher: FailedCreate: quota"},
		"evicted worker": {objects: []string{
			head("MPIJob", id) + "spec: {mpiReplicaSpecs: {Worker: {replicas: 1}}}\nstatus: {conditions: [{type: Failed, status: 'True', reason: MPIJobEvicted}]}",
			pod("w", "worker", 0, "{phase: Failed, reason: Evicted, message: 'The node was low on resource: memory.'}"),
		}, state: deploy.Running,
			reason: "w: Evicted: The node was low on resource: memory.: the MPI operator replaces it only after 'kubectl delete pod w'"},
		"lost node": {objects: []string{
			head("Job", id) + "spec: {parallelism: 1}\nstatus: {active: 0}",
			strings.Replace(pod("p", "rank", 0, "{phase: Running, conditions: [{type: DisruptionTarget, status: 'True',"+
				" reason: DeletionByTaintManager, message: NoExecute taint}]}"), "{name", "{deletionTimestamp: '2026-11-22T02:30:00Z', name", 1),
		}, state: deploy.Queued,
			reason: "p: DeletionByTaintManager: NoExecute taint: if its node does not answer, it is replaced once the node does, or is marked as out of service"},
		"final code": {objects: []string{head("MPIJob", id) + "status: {conditions: [{type: Running, status: 'True'}]}",
			pod("l", "launcher", 0, "{phase: Failed, containerStatuses: [{state: {terminated: {exitCode: 64}}}]}")},
			state: deploy.Stopping, reason: "l exited with 64"},
		"another code": {objects: []string{head("MPIJob", id) + "status: {conditions: [{type: Running, status: 'True'}]}",
			pod("l", "launcher", 0, "{phase: Failed, containerStatuses: [{state: {terminated: {exitCode: 137}}}]}")},
			state: deploy.Running},
		"schedule": {objects: []string{head("CronJob", id) + "spec: {schedule: '0 2 * * *'}", warning(id, "UnknownTimeZone", "Mars", 1)},
			state: deploy.Queued, reason: "schedule 0 2 * * *; " + id + ": UnknownTimeZone: Mars"},
		"scheduled run": {objects: []string{head("CronJob", id) + "spec: {schedule: '0 2 * * *'}", run,
			ofRun("p", "{phase: Pending, containerStatuses: [{state: {waiting: {reason: ErrImagePull, message: denied}}}]}"),
			pod("q", "rank", 0, "{phase: Pending, containerStatuses: [{state: {waiting: {reason: OfAnEarlierRun}}}]}")},
			state: deploy.Queued, reason: "schedule 0 2 * * *; last run " + id + "-1 queued (p: ErrImagePull: denied)"},
		"failed run": {objects: []string{head("CronJob", id) + "spec: {schedule: '0 2 * * *'}",
			head("Job", id+"-1") + "status: {conditions: [{type: Failed, status: 'True', reason: FailedIndexes}]}",
			ofRun("p", "{phase: Failed, containerStatuses: [{state: {terminated: {exitCode: 78}}}]}")},
			state: deploy.Queued, reason: "schedule 0 2 * * *; last run " + id + "-1 failed (FailedIndexes; p exited with 78)"},
	} {
		t.Run(name, func(t *testing.T) {
			e, f := onFake(t, options)
			for _, o := range c.objects {
				f.put(o)
			}
			if c.refused != "" {
				f.failing("get events", c.refused)
			}
			s, err := e.Status(t.Context(), id)
			if err != nil || s.State != c.state || s.Reason != c.reason {
				t.Errorf("Status: %s with %q, %v; want %s with %q", s.State, s.Reason, err, c.state, c.reason)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	const failed = "status: {failed: 1, conditions: [{type: Failed, status: 'True', reason: FailedIndexes," +
		" message: Job has failed indexes, lastTransitionTime: '2026-11-22T03:00:00Z'}]}"
	three, zero := 3, 0
	for name, c := range map[string]struct {
		objects []string
		state   deploy.State
		reason  string
		code    *int
		started bool
		ended   bool
	}{
		"new": {objects: []string{head("Job", id)}, state: deploy.Queued},
		"active": {
			objects: []string{head("Job", id) + "status: {active: 2, ready: 0, startTime: '2026-11-22T02:00:01Z'}"},
			state:   deploy.Queued,
			started: true,
		},
		"no node": {objects: []string{head("Job", id) + "status: {active: 1}",
			pod("p", "rank", 0, "{phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable,"+
				" message: '0/3 nodes are available: 3 Insufficient nvidia.com/gpu.'}]}")},
			state: deploy.Queued, reason: "Insufficient nvidia.com/gpu"},
		"no image": {objects: []string{head("Job", id) + "status: {active: 2, ready: 1}",
			pod("p", "rank", 0, "{phase: Running, containerStatuses: [{state: {running: {}}}]}"),
			pod("q", "rank", 1, "{phase: Pending, containerStatuses: [{state: {waiting: {reason: ImagePullBackOff, message: denied}}}]}")},
			state: deploy.Running, reason: "q: ImagePullBackOff: denied"},
		"running": {
			objects: []string{head("Job", id) + "status: {active: 2, ready: 2}"},
			state:   deploy.Running,
		},
		"retrying": {
			objects: []string{head("Job", id) + "status: {active: 1, failed: 1}"},
			state:   deploy.Running,
		},
		"done": {objects: []string{head("Job", id) + "status: {succeeded: 2, startTime: '2026-11-22T02:00:01Z'," +
			" completionTime: '2026-11-22T03:00:00Z', conditions: [{type: SuccessCriteriaMet, status: 'True'}," +
			" {type: Complete, status: 'True', reason: CompletionsReached}]}"},
			state: deploy.Succeeded, reason: "CompletionsReached", code: &zero, started: true, ended: true},
		"failed": {objects: []string{head("Job", id) + failed,
			pod("p0", "rank", 0, "{containerStatuses: [{state: {terminated: {exitCode: 75}}}]}"),
			pod("p1", "rank", 1, "{containerStatuses: [{state: {terminated: {exitCode: 3}}}]}"),
			pod("p2", "rank", 2, "{containerStatuses: [{state: {terminated: {exitCode: 143}}}]}")},
			state: deploy.Failed, reason: "FailedIndexes: Job has failed indexes; p1 exited with 3", code: &three, ended: true},
		"starved": {objects: []string{head("Job", id) + "status: {conditions: [{type: Complete, status: 'True', reason: CompletionsReached}]}",
			pod("p0", "rank", 0, "{containerStatuses: [{state: {terminated: {exitCode: 0, reason: Completed}}}]}"),
			pod("p1", "rank", 1, "{containerStatuses: [{state: {terminated: {exitCode: 0, reason: OOMKilled}}}]}")},
			state: deploy.Succeeded, reason: "CompletionsReached; p1: OOMKilled: it took more than its memory, or a process in it did", code: &zero, ended: false},
		"failing": {
			objects: []string{head("Job", id) + "status: {active: 1, conditions: [{type: FailureTarget, status: 'True', reason: DeadlineExceeded}]}"},
			state:   deploy.Stopping,
			reason:  "DeadlineExceeded",
		},
		"suspended": {
			objects: []string{head("Job", id) + "status: {conditions: [" +
				"{type: Suspended, status: 'True', reason: JobSuspended}, {type: Failed, status: 'False'}]}"},
			state: deploy.Queued,
			reason: "JobSuspended: it starts once what suspended it resumes it, or: kubectl --context=prod --namespace=labels patch job " + id +
				` --type=merge '--patch={"spec":{"suspend":false}}'`,
		},
		"deleted": {objects: []string{
			strings.Replace(head("Job", id), "{name", "{deletionTimestamp: '2026-11-22T02:30:00Z', name", 1) + "status: {active: 2, ready: 2}",
		},
			state: deploy.Stopping},
		"mpi": {objects: []string{head("MPIJob", id) + "status: {startTime: '2026-11-22T02:00:01Z'," +
			" conditions: [{type: Created, status: 'True'}, {type: Running, status: 'True', reason: MPIJobRunning}]}"},
			state: deploy.Running, started: true},
		"mpi failed": {objects: []string{head("MPIJob", id) + "status: {completionTime: '2026-11-22T02:00:01Z'," +
			" conditions: [{type: Running, status: 'False'}, {type: Failed, status: 'True', reason: BackoffLimitExceeded}]}",
			pod("w", "worker", 0, "{containerStatuses: [{state: {terminated: {exitCode: 255}}}]}"),
			pod("l", "launcher", 0, "{containerStatuses: [{state: {terminated: {exitCode: 3}}}]}")},
			state: deploy.Failed, reason: "BackoffLimitExceeded; l exited with 3", code: &three, ended: true},
		"cron": {
			objects: []string{head("CronJob", id) + "spec: {schedule: '0 2 * * *'}"},
			state:   deploy.Queued,
			reason:  "schedule 0 2 * * *",
		},
		"cron running": {objects: []string{
			head("CronJob", id) + "spec: {schedule: '0 2 * * *'}\nstatus: {active: [{name: x}]}",
			head("Job", id+"-1") + "status: {active: 1, ready: 1}",
		},
			state: deploy.Running, reason: "last run " + id + "-1 running"},
		"cron failed": {objects: []string{head("CronJob", id) + "spec: {schedule: '0 2 * * *'}", head("Job", id+"-1") + failed},
			state: deploy.Queued, reason: "failed (FailedIndexes", ended: true},
	} {
		t.Run(name, func(t *testing.T) {
			e, f := onFake(t, options)
			f.put(head("Job", "other") + "status: {conditions: [{type: Complete, status: 'True'}]}")
			for _, o := range c.objects {
				f.put(o)
			}
			s, err := e.Status(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if s.State != c.state || !strings.Contains(s.Reason, c.reason) || (c.reason == "") != (s.Reason == "") ||
				s.Started.IsZero() == c.started || s.Ended.IsZero() == c.ended {
				t.Errorf("Status = %+v, want %s with %q, started %v, ended %v", s, c.state, c.reason, c.started, c.ended)
			}
			if (s.ExitCode == nil) != (c.code == nil) || s.ExitCode != nil && *s.ExitCode != *c.code {
				t.Errorf("exit code %v, want %v", s.ExitCode, c.code)
			}
			if want := "kubectl --context=prod --namespace=labels get pods --selector=batchscore.io/job=" + id; s.Where != want {
				t.Errorf("%s, want %s", s.Where, want)
			}
		})
	}
}

func TestUnknownJob(t *testing.T) {
	e, f := onFake(t, options)
	f.put(head("Job", id+"-other"))
	// A cluster without an MPI operator says this when asked for its jobs.
	f.failing("get mpijobs.kubeflow.org", `error: the server doesn't have a resource type "mpijobs"`)
	launchtest.Unknown(t, e, id)
}

func TestCancel(t *testing.T) {
	e, f := onFake(t, options)
	if err := e.Submit(t.Context(), newJob(t, scoring), id); err != nil {
		t.Fatal(err)
	}
	if err := e.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if have := f.objects(); slices.Contains(have, "mpijob."+id) {
		t.Errorf("on the cluster: %q, want no MPIJob", have)
	}
	if calls := f.read("calls"); !strings.Contains(calls, "delete mpijob "+id+" --cascade=foreground --wait=false") {
		t.Errorf("want a cascading delete, got %s", calls)
	}
	done := head("Job", id) + "status: {conditions: [{type: Complete, status: 'True'}]}"
	f.put(done)
	if err := e.Cancel(t.Context(), id); err != nil || !slices.Contains(f.objects(), "job."+id) {
		t.Errorf("Cancel of an ended job: %v, %q; want it kept", err, f.objects())
	}
}

// TestFollow: logs are followed from the first pod to the last, those that
// replace others and those of more ranks than are followed at once included.
func TestFollow(t *testing.T) {
	e, f := onFake(t, options)
	const up, down = "{phase: Running, containerStatuses: [{state: {running: {}}}]}", "{phase: Failed, containerStatuses: [{state: {terminated: {exitCode: 75}}}]}"
	job := head("Job", id)
	var first, want []string
	e.followed = 2
	for rank := range 5 {
		name := fmt.Sprintf("p%02d", rank)
		first = append(first, pod(name, "rank", rank, up))
		f.write("one\ntwo", "logs", name)
		want = append(want, "[pod/"+name+"/rank] one\n", "[pod/"+name+"/rank] two\n")
	}
	// A pod may go with its node, and its log with it.
	first = append(first, pod("p05-gone", "rank", 5, up))
	f.write("again\n", "logs", "p00-again")
	want = append(want, "[pod/p00-again/rank] again\n")
	f.write(job, "steps", "0")
	f.write(pod("p99", "rank", 99, "{phase: Pending}")+"\n---\n"+pod("w", "worker", 0, up), "steps", "1")
	f.write(strings.Join(first, "\n---\n"), "steps", "2")
	f.write(pod("p00", "rank", 0, down)+"\n---\n"+pod("p00-again", "rank", 0, up), "steps", "3")
	f.write(job+"status: {conditions: [{type: Complete, status: 'True'}]}", "steps", "4")
	f.put(job)
	var out strings.Builder
	if err := e.Logs(t.Context(), id, &out, true); err != nil {
		t.Fatal(err)
	}
	have := slices.Sorted(strings.Lines(out.String()))
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("Logs: %q, want %q", have, want)
	}
}

func TestLogsAndFetch(t *testing.T) {
	e, f := onFake(t, options)
	const ended = "{phase: Failed, containerStatuses: [{state: {terminated: {exitCode: 75}}}]}"
	f.put(head("Job", id))
	f.put(pod("a", "rank", 10, ended))
	f.put(pod("b", "rank", 2, ended))
	f.put(pod("c", "rank", 3, "{phase: Pending}"))
	f.put(pod("gone", "rank", 4, ended))
	f.write("of ten\n", "logs", "a")
	f.write("of two\n", "logs", "b")
	var out strings.Builder
	if err := e.Logs(t.Context(), id, &out, false); err != nil {
		t.Fatal(err)
	}
	if want := "[pod/b/rank] of two\n[pod/a/rank] of ten\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	folder := filepath.Join(t.TempDir(), "fetched")
	if err := e.Fetch(t.Context(), id, folder); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 || entries[0].Name() != "a.log" || entries[1].Name() != "b.log" {
		t.Errorf("fetched %v, want a.log, b.log and gone.log", entries)
	}
	if body, err := os.ReadFile(filepath.Join(folder, "a.log")); err != nil || string(body) != "of ten\n" {
		t.Errorf("a.log: %q, %v; want its line", body, err)
	}
}
