package kubernetes

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/goldentest"
)

// options of a cluster that has everything.
const options = `
context: prod
namespace: labels
image: example.com/batchscore:1
serviceAccount: scorer
workloadIdentity: true
imagePullSecrets: [pull]
nodes: {selector: {pool: gpu}, priorityClass: batch}
low:
  selector: {kubernetes.azure.com/scalesetpriority: spot}
  tolerations: [{key: kubernetes.azure.com/scalesetpriority, operator: Equal, value: spot, effect: NoSchedule}]
cpu: "4"
memory: 16Gi
sharedMemory: 1Gi
timeZone: Europe/Paris
`

const scoring = `
name: nightly
images: az://acme/photos
out: az://acme/labels
model: /models/inception.onnx
run: {batch: "32", log: '$(HOME) $x'}
nodes: 2
ranksPerNode: 2
gpusPerNode: 4
gpu: Tesla-V100
vmSize: Standard_NC24ads_A100_v4
priority: low
environment: {NOTE: 'on', PRICE: '$$5'}
secrets:
  AZURE_STORAGE_KEY: {env: STORAGE_KEY}
  TOKEN: {kubernetes: shared/token}
mounts: [{source: 'pvc://models', path: /models, readOnly: true}, {source: /scratch, path: /tmp/scratch}]
timeLimit: 90m
`

const id = "nightly-261122-020000-abcd"

func newEngine(t *testing.T, text string) *Engine {
	t.Helper()
	var o Options
	if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newJob(t *testing.T, text string) deploy.Job {
	t.Helper()
	job, err := deploy.ReadJob(strings.NewReader(text))
	job = job.WithDefaults()
	if err == nil {
		err = job.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// TestDocuments checks that Kubernetes' own types accept every field that is sent, and
// compares the documents with golden files.
func TestDocuments(t *testing.T) {
	own := "name: train\ncommand: [python, train.py, --lr, '0.1']\nnodes: 2\nranksPerNode: 4\ngpusPerNode: 4\n"
	for name, c := range map[string]struct {
		options, job string
		check        func(t *testing.T, docs map[string][]byte)
	}{
		"indexed": {options: options + "mpi: false\n", job: scoring, check: checkIndexed},
		"mpi":     {options: options, job: scoring, check: checkMPI},
		"cron": {
			options: options + "mpi: false\n",
			job:     strings.Replace(scoring, "az://acme/labels", "'az://acme/labels/{run}'\nschedule: '0 2 * * *'", 1),
			check:   checkCron,
		},
		"own": {options: "image: example.com/train:1\n", job: own, check: checkMPI},
		"smallest": {
			options: "mpi: false\n",
			job:     "images: az://a/b\nout: az://a/c\ntask: classification\nimage: i\n",
			check:   func(*testing.T, map[string][]byte) {},
		},
	} {
		t.Run(name, func(t *testing.T) {
			docs, err := newEngine(t, c.options).Documents(newJob(t, c.job), id)
			if err != nil {
				t.Fatal(err)
			}
			var all bytes.Buffer
			byName := map[string][]byte{}
			for _, d := range docs {
				all.WriteString("# " + d.Name + "\n")
				all.Write(d.Body)
				byName[d.Name] = d.Body
				strictly(t, d.Body)
			}
			c.check(t, byName)
			goldentest.Check(t, name+".yaml", all.String())
		})
	}
}

// strictly decodes a document into the types of k8s.io/api, in which a field
// that they do not have, or have twice, is an error.
func strictly(t *testing.T, body []byte) {
	t.Helper()
	kind := decode[struct {
		Kind string `json:"kind"`
	}](t, body, yaml.Unmarshal).Kind
	switch kind {
	case "Secret":
		decode[corev1.Secret](t, body, yaml.UnmarshalStrict)
	case "Job":
		decode[batchv1.Job](t, body, yaml.UnmarshalStrict)
	case "CronJob":
		decode[batchv1.CronJob](t, body, yaml.UnmarshalStrict)
	case "MPIJob":
		// The types of the MPI operator are in no small module; its fields are
		// those that its API lists.
		job := decode[mpiJob](t, body, yaml.UnmarshalStrict)
		if p := job.Spec.RunPolicy.CleanPodPolicy; p != "Running" {
			t.Errorf("cleanPodPolicy %q: without it workers keep their nodes", p)
		}
		if len(job.Spec.MPIReplicaSpecs) != 2 {
			t.Errorf("replicas %v, want a launcher and workers", slices.Sorted(maps.Keys(job.Spec.MPIReplicaSpecs)))
		}
	default:
		t.Errorf("unexpected kind %q", kind)
	}
}

type mpiJob struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]any    `json:"metadata"`
	Spec       mpiJobFieldsOfAPI `json:"spec"`
}

type mpiJobFieldsOfAPI struct {
	SlotsPerWorker         int    `json:"slotsPerWorker"`
	RunLauncherAsWorker    bool   `json:"runLauncherAsWorker"`
	SSHAuthMountPath       string `json:"sshAuthMountPath"`
	LauncherCreationPolicy string `json:"launcherCreationPolicy"`
	MPIImplementation      string `json:"mpiImplementation"`
	RunPolicy              struct {
		CleanPodPolicy          string `json:"cleanPodPolicy"`
		TTLSecondsAfterFinished int32  `json:"ttlSecondsAfterFinished"`
		ActiveDeadlineSeconds   int64  `json:"activeDeadlineSeconds"`
		BackoffLimit            int32  `json:"backoffLimit"`
		Suspend                 bool   `json:"suspend"`
	} `json:"runPolicy"`
	MPIReplicaSpecs map[string]struct {
		Replicas      int32                  `json:"replicas"`
		RestartPolicy corev1.RestartPolicy   `json:"restartPolicy"`
		Template      corev1.PodTemplateSpec `json:"template"`
	} `json:"mpiReplicaSpecs"`
}

func decode[T any](t *testing.T, body []byte, unmarshal func([]byte, any, ...yaml.JSONOpt) error) T {
	t.Helper()
	var v T
	if err := unmarshal(body, &v); err != nil {
		t.Fatalf("decode: %v\n%s", err, body)
	}
	return v
}

func checkIndexed(t *testing.T, docs map[string][]byte) {
	spec := decode[batchv1.Job](t, docs["job.yaml"], yaml.UnmarshalStrict).Spec
	if *spec.Completions != 4 || *spec.Parallelism != 4 || *spec.CompletionMode != batchv1.IndexedCompletion || *spec.ActiveDeadlineSeconds != 5400 {
		t.Errorf("completions %d, parallelism %d, %s, deadline %d", *spec.Completions, *spec.Parallelism, *spec.CompletionMode, *spec.ActiveDeadlineSeconds)
	}
	checkRank(t, spec.Template, 2, "4")
	rules := spec.PodFailurePolicy.Rules
	if rules[0].Action != batchv1.PodFailurePolicyActionIgnore || rules[0].OnPodConditions[0].Type != corev1.DisruptionTarget {
		t.Errorf("a lost node counts as a failure: %+v", rules[0])
	}
	for _, code := range deploy.FinalCodes {
		if !slices.Contains(rules[1].OnExitCodes.Values, int32(code)) {
			t.Errorf("%d is retried", code)
		}
	}
	for _, code := range append([]int{0, 1, 2, 137}, deploy.RetryCodes...) {
		if slices.Contains(rules[1].OnExitCodes.Values, int32(code)) {
			t.Errorf("%d is not retried", code)
		}
	}
}

// TestBoundedJobs: what has a limit that counts from a start is not started again, also not
// after an eviction.
func TestBoundedJobs(t *testing.T) {
	for _, limit := range []string{"deadline: 2h", "budget-images: '1000'"} {
		for _, mpi := range []string{"true", "false"} {
			t.Run(limit+", mpi "+mpi, func(t *testing.T) {
				job := strings.Replace(scoring, "batch: \"32\"", limit, 1)
				docs, err := newEngine(t, options+"retries: 6\nmpi: "+mpi+"\n").Documents(newJob(t, job), id)
				if err != nil || job == scoring {
					t.Fatal(err)
				}
				body := docs[len(docs)-1].Body
				if mpi == "true" {
					spec := decode[mpiJob](t, body, yaml.UnmarshalStrict).Spec
					command := spec.MPIReplicaSpecs["Launcher"].Template.Spec.Containers[0].Command
					if spec.RunPolicy.BackoffLimit != 0 || command[4] != "0" {
						t.Errorf("%d launchers may be lost, each starts ranks %s times again; want 0 and 0", spec.RunPolicy.BackoffLimit, command[4])
					}
					return
				}
				spec := decode[batchv1.Job](t, body, yaml.UnmarshalStrict).Spec
				if *spec.BackoffLimitPerIndex != 0 {
					t.Errorf("an index starts %d times again, want 0", *spec.BackoffLimitPerIndex)
				}
				for _, rule := range spec.PodFailurePolicy.Rules {
					if rule.Action != batchv1.PodFailurePolicyActionFailIndex {
						t.Errorf("a pod starts again: %+v", rule)
					}
				}
			})
		}
	}
}

// checkRank checks that a rank has its command, its world, its GPUs, and the
// secrets as references.
func checkRank(t *testing.T, pod corev1.PodTemplateSpec, gpus int64, world string) {
	t.Helper()
	c := pod.Spec.Containers[0]
	if n := c.Resources.Limits["nvidia.com/gpu"]; n.Value() != gpus {
		t.Errorf("%v GPUs, want %d", n, gpus)
	}
	env := map[string]corev1.EnvVar{}
	for _, v := range c.Env {
		env[v.Name] = v
	}
	if env["BATCHSCORE_WORLD"].Value != world || env["BATCHSCORE_JOB"].Value != id {
		t.Errorf("world %q, job %q; want %q, %q", env["BATCHSCORE_WORLD"].Value, env["BATCHSCORE_JOB"].Value, world, id)
	}
	checkMemory(t, c)
	if v := env["NOTE"].Value; v != "on" {
		t.Errorf("NOTE is %q, want on", v)
	}
	if ref := env["AZURE_STORAGE_KEY"].ValueFrom.SecretKeyRef; ref.Name != id || ref.Key != "AZURE_STORAGE_KEY" {
		t.Errorf("AZURE_STORAGE_KEY refers to %+v, want the Secret of the job", ref)
	}
	if ref := env["TOKEN"].ValueFrom.SecretKeyRef; ref.Name != "shared" || ref.Key != "token" {
		t.Errorf("TOKEN refers to %+v, want shared/token", ref)
	}
	if want := "--log=$$(HOME) $$x"; !slices.Contains(c.Command, want) {
		t.Errorf("%q lacks %q", c.Command, want)
	}
	if *pod.Spec.TerminationGracePeriodSeconds < 30 {
		t.Errorf("%d s of grace, want 30 or more", *pod.Spec.TerminationGracePeriodSeconds)
	}
	if !*pod.Spec.SecurityContext.RunAsNonRoot || pod.Labels["azure.workload.identity/use"] != "true" {
		t.Errorf("security %+v, labels %v; want no root and the label of the identity", pod.Spec.SecurityContext, pod.Labels)
	}
	selector := map[string]string{
		"pool": "gpu", "kubernetes.azure.com/scalesetpriority": "spot", "nvidia.com/gpu.product": "Tesla-V100",
		"node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4",
	}
	if !maps.Equal(pod.Spec.NodeSelector, selector) {
		t.Errorf("node selector %v, want %v", pod.Spec.NodeSelector, selector)
	}
}

func checkCron(t *testing.T, docs map[string][]byte) {
	spec := decode[batchv1.CronJob](t, docs["cronjob.yaml"], yaml.UnmarshalStrict).Spec
	if spec.Schedule != "0 2 * * *" || spec.ConcurrencyPolicy != batchv1.ForbidConcurrent || *spec.TimeZone != "Europe/Paris" {
		t.Errorf("CronJob %+v, want its schedule, its time zone and no concurrency", spec)
	}
	checkRank(t, spec.JobTemplate.Spec.Template, 2, "4")
	c := spec.JobTemplate.Spec.Template.Spec.Containers[0]
	if !slices.Contains(c.Command, "az://acme/labels/$(BATCHSCORE_RUN)") {
		t.Errorf("command %q, want the name of the run in the output", c.Command)
	}
	run := slices.IndexFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == "BATCHSCORE_RUN" })
	if run < 0 || c.Env[run].ValueFrom.FieldRef.FieldPath != "metadata.labels['batch.kubernetes.io/job-name']" {
		t.Errorf("variables %+v, want the name of the run from the label", c.Env)
	}
}

// checkMemory checks that a pod's limit is what it requests.
func checkMemory(t *testing.T, c corev1.Container) {
	t.Helper()
	if asked, limit := c.Resources.Requests.Memory().String(), c.Resources.Limits.Memory().String(); asked != "16Gi" || limit != asked {
		t.Errorf("the pod requests %s of memory and its limit is %s, want 16Gi", asked, limit)
	}
}

func checkMPI(t *testing.T, docs map[string][]byte) {
	spec := decode[mpiJob](t, docs["mpijob.yaml"], yaml.UnmarshalStrict).Spec
	launcher, worker := spec.MPIReplicaSpecs["Launcher"], spec.MPIReplicaSpecs["Worker"]
	w := worker.Template.Spec.Containers[0]
	if n := w.Resources.Limits["nvidia.com/gpu"]; worker.Replicas != 2 || n.Value() != 4 {
		t.Errorf("%d workers with %v GPUs, want 2 with 4", worker.Replicas, n)
	}
	l := launcher.Template.Spec.Containers[0]
	memory := corev1.ResourceList{} // of an engine without a figure for the ranks
	if len(w.Resources.Requests) > 0 {
		checkMemory(t, w)
		memory = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(launcherMemory)}
	}
	if !maps.EqualFunc(l.Resources.Limits, memory, resource.Quantity.Equal) ||
		!maps.EqualFunc(l.Resources.Requests, memory, resource.Quantity.Equal) || len(launcher.Template.Spec.NodeSelector) > 1 {
		t.Errorf("the launcher asks for the ranks' nodes: %v, %v", l.Resources.Limits, launcher.Template.Spec.NodeSelector)
	}
	cpus := slices.IndexFunc(l.Env, func(v corev1.EnvVar) bool { return v.Name == cpusVar })
	if cpus >= 0 && (len(w.Env) != 1 || w.Env[0] != l.Env[cpus]) || cpus < 0 && len(w.Env) > 0 {
		t.Errorf("the worker has the variables %v, want %s only, where there is one", w.Env, cpusVar)
	}
	for _, v := range l.Env {
		if at := slices.Index(l.Command, v.Name); at < 0 || l.Command[at-1] != "-x" {
			t.Errorf("%s does not reach the ranks: %q", v.Name, l.Command)
		}
	}
	for _, name := range []string{"LD_LIBRARY_PATH", "PATH"} {
		if at := slices.Index(l.Command, name); at < 0 || l.Command[at-1] != "-x" {
			t.Errorf("the ranks may not find the GPUs' driver: %s does not reach them: %q", name, l.Command)
		}
	}
}

// TestYAMLKeepsText checks that any text in a job reaches the cluster unchanged.
func TestYAMLKeepsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"on", "Yes", "n", "~", "null", "0777", "0o7", "1e3", "1_000", "1:30", "0x1F", ".inf", "2026-11-22", "=", "<<",
			"- a", "a: b", "a #b", " a ", "a\n", "\n a", "\t", "'", `"`, `\`, "\u2028", "\u0085", "\ufeff", "---", "...", "!x", "&x", "*x",
		})).Draw(t, "text")
		body, err := encode(object{StringData: map[string]string{"K": text}})
		if err != nil {
			t.Fatal(err)
		}
		var s corev1.Secret
		if err := yaml.UnmarshalStrict(body, &s); err != nil {
			t.Fatalf("decode: %v\n%s", err, body)
		}
		if s.StringData["K"] != text {
			t.Fatalf("%q became %q\n%s", text, s.StringData["K"], body)
		}
	})
}

// TestUnsupported checks that what the engine cannot do is refused before anything is
// sent, with the name of the field.
func TestUnsupported(t *testing.T) {
	const job = "images: az://a/b\nout: az://a/c\nmodel: m\n"
	const image = "image: i\n"
	for _, c := range []struct{ options, job, field, advice string }{
		{options: "", job: job, field: "image", advice: "service.yaml"},
		{options: image, job: job + "priority: low\n", field: "priority", advice: "low"},
		{options: image, job: job + "gpu: v100\n", field: "gpu", advice: "gpusPerNode"},
		{options: image + "mpi: false\n", job: job + "ranksPerNode: 2\ngpusPerNode: 1\n", field: "gpusPerNode", advice: "2 ranks"},
		{options: image, job: "images: az://a/b\nout: 'az://a/{run}'\nmodel: m\nschedule: '0 2 * * *'\n", field: "schedule", advice: "--without-mpi"},
		{
			options: image + "mpi: false\n",
			job:     "name: " + strings.Repeat("a", 40) + "\nimages: az://a/b\nout: 'az://a/{run}'\nmodel: m\nschedule: '0 2 * * *'\n",
			field:   "name",
			advice:  "52",
		},
		{options: image, job: "name: " + strings.Repeat("a", 40) + "\n" + job + "nodes: 32\n", field: "name", advice: "63"},
		{options: image, job: job + "secrets: {K: {keyVault: 'https://v.example.com/secrets/k'}}\n", field: "secrets", advice: "CSI"},
		{options: image, job: job + "mounts: [{source: 'az://a/b', path: /b}]\n", field: "mounts", advice: "pvc://"},
		{options: image, job: job + "mounts: [{source: 'azurefile://a/b', path: /b}]\n", field: "mounts", advice: "pvc://"},
		{options: image, job: job + "mounts: [{source: 'pvc://a/b', path: /b}]\n", field: "mounts", advice: "pvc://"},
		{options: image, job: job + "mounts: [{source: 'data', path: /b}]\n", field: "mounts", advice: "absolute"},
		{options: image, job: job + "environment: {BATCHSCORE_WORLD: '3'}\n", field: "environment", advice: "BATCHSCORE_WORLD"},
		{options: image, job: "images: az://a/b\nout: /result\nmodel: m\n", field: "out", advice: "lost"},
		{options: image, job: "images: az://a/b\nout: /result\nmodel: m\nmounts: [{source: /data, path: /res}]\n", field: "out", advice: "lost"},
		{
			options: image,
			job:     "images: az://a/b\nout: /data/result\nmodel: m\nmounts: [{source: /data, path: /data, readOnly: true}]\n",
			field:   "out",
			advice:  "read-only",
		},
	} {
		t.Run(c.field, func(t *testing.T) {
			j := newJob(t, c.job)
			_, err := newEngine(t, c.options).Documents(j, deploy.NewID(j.Name, testTime, 7))
			if !errors.Is(err, deploy.ErrUnsupported) || !strings.Contains(err.Error(), c.field+":") || !strings.Contains(err.Error(), c.advice) {
				t.Errorf("want %s and %s, have %v", c.field, c.advice, err)
			}
		})
	}
	out := newJob(t, "images: az://a/b\nout: /data/result\nmodel: m\nmounts: [{source: /data, path: /data/}]\n")
	if _, err := newEngine(t, image).Documents(out, id); err != nil {
		t.Errorf("out on a mount: %v", err)
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for _, text := range []string{"user: -1", "grace: 20s", "retries: -1", "keep: -1s"} {
		var o Options
		if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), text[:4]) {
			t.Errorf("New with %s: %v, want an error that names it", text, err)
		}
	}
}
