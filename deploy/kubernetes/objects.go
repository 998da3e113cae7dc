package kubernetes

import (
	"cmp"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/store/place"
	"github.com/batchscore/batchscore/shard"
)

// Labels of all objects of a job.
const (
	jobLabel  = "batchscore.io/job"
	roleLabel = "batchscore.io/role"
)

// Roles of pods. A launcher of MPI also prints what its workers print.
const (
	roleRank     = "rank"
	roleLauncher = "launcher"
	roleWorker   = "worker"
)

// cpusVar is the ranks' variable for the cores that their pod requests, which they divide.
// The request alone gives a pod its share of a node that is full, and limits nothing.
const cpusVar = "BATCHSCORE_CPUS"

// runVar is the ranks' variable for the name of a schedule's run.
const runVar = "BATCHSCORE_RUN"

// maxName is how long the name of a pod may be, which is also a host name.
// maxCronJob is the limit for a CronJob, whose jobs have longer names.
const (
	maxName    = 63
	maxCronJob = 52
)

// startingDeadline is how late a scheduled run may start.
const startingDeadline = time.Hour

// objects returns the objects of the job. If values are given, the first object is a
// Secret with them; the last one is the job itself.
func (e *Engine) objects(job deploy.Job, id string, values map[string]string) ([]object, error) {
	job = job.WithDefaults()
	b := builder{Engine: e, job: job, id: id, labels: map[string]string{jobLabel: id}}
	var faults deploy.Faults
	for _, err := range []error{e.check(job, id), b.volumes(), b.env()} {
		faults.Add(err)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	var list []object
	if len(values) > 0 {
		list = append(list, object{
			APIVersion: "v1", Kind: "Secret", Metadata: b.metadata(), Type: "Opaque", StringData: values,
		})
	}
	work := object{APIVersion: "batch/v1", Kind: "Job", Metadata: b.metadata()}
	switch {
	case job.Schedule != "":
		spec := cronJobSpec{
			Schedule: job.Schedule, TimeZone: e.o.TimeZone, ConcurrencyPolicy: "Forbid",
			StartingDeadlineSeconds: int(startingDeadline.Seconds()),
		}
		spec.JobTemplate.Metadata.Labels = b.labels
		spec.JobTemplate.Spec = b.indexedJob()
		work.Kind, work.Spec = "CronJob", spec
	case e.mpi:
		work.APIVersion, work.Kind, work.Spec = "kubeflow.org/v2beta1", "MPIJob", b.mpiJob()
	default:
		work.Spec = b.indexedJob()
	}
	return append(list, work), nil
}

// check returns an error for what Kubernetes cannot do.
func (e *Engine) check(job deploy.Job, id string) error {
	var faults deploy.Faults
	no := func(field, what string, args ...any) { faults.Add(deploy.Unsupported(engine, field, what, args...)) }
	longest, limit := id+"-"+strconv.Itoa(job.Ranks()-1), maxName
	switch {
	case job.Schedule != "" && e.mpi:
		no("schedule", "schedules start Jobs, not MPIJobs: launch it without MPI (--without-mpi)")
	case job.Schedule != "":
		longest, limit = id, maxCronJob
	case e.mpi:
		longest = id + "-worker-" + strconv.Itoa(job.Nodes-1)
	}
	if len(longest) > limit {
		no("name", "%s has %d characters, and at most %d are allowed: choose a shorter name", longest, len(longest), limit)
	}
	if e.image(job) == "" {
		faults.Add(deploy.Lacking(engine, "image", "ranks run in a container image: name one with --image, or in service.yaml for all jobs"))
	}
	for _, kind := range []struct{ field, value string }{{"gpu", job.GPU}, {"vmSize", job.VMSize}} {
		if !labelValue.MatchString(kind.value) {
			no(kind.field, "%s is not a value of a node's label: want letters, digits and ._-, a letter or digit first and last", deploy.Shown(kind.value))
		}
	}
	faults.Add(deploy.CheckUTF8(engine, job))
	if e.mpi {
		faults.Add(deploy.CheckMPI(engine, job))
	}
	if job.Priority == deploy.Low && e.o.Low == nil {
		faults.Add(deploy.Lacking(engine, "priority",
			"service.yaml does not say which nodes have low priority: add low: {selector: {LABEL: VALUE}} to its section kubernetes"))
	}
	if job.GPU != "" && job.GPUsPerNode == 0 {
		faults.Add(deploy.Lacking(engine, "gpu", "gpusPerNode does not say how many"))
	}
	if !e.mpi && job.GPUsPerNode%job.RanksPerNode != 0 {
		no("gpusPerNode", "without MPI each rank has its own pod, and %d GPUs cannot be divided among %d ranks",
			job.GPUsPerNode, job.RanksPerNode)
	}
	for _, reserved := range []string{runVar, shard.WorldVar} {
		_, plain := job.Environment[reserved]
		if _, secret := job.Secrets[reserved]; plain || secret {
			no("environment", "%s is set by the launcher", reserved)
		}
	}
	faults.Add(checkOut(job))
	return faults.Err()
}

// checkOut returns an error for a result that would be lost with its pod.
func checkOut(job deploy.Job) error {
	if scheme, _ := place.Cut(job.Out); !job.Scores() || scheme != "" {
		return nil
	}
	for _, m := range job.Mounts {
		at := path.Clean(m.Path)
		if out := path.Clean(job.Out); out == at || strings.HasPrefix(out, strings.TrimSuffix(at, "/")+"/") {
			if m.ReadOnly {
				return deploy.Unsupported(engine, "out", "%s is on the mount %s, which is read-only", job.Out, m.Path)
			}
			return nil
		}
	}
	return deploy.Unsupported(engine, "out", "%s is not on a mount and would be lost with the pod: mount a volume there, or use blob storage (az://)", job.Out)
}

func (e *Engine) image(job deploy.Job) string { return cmp.Or(job.Image, e.o.Image) }

// builder has what the objects of one job share.
type builder struct {
	*Engine
	job    deploy.Job
	id     string
	labels map[string]string

	vars    []envVar
	vols    []volume
	mounted []volumeMount
}

func (b *builder) metadata() metadata { return metadata{Name: b.id, Labels: b.labels} }

// volumes turns the mounts into volumes.
func (b *builder) volumes() error {
	var faults deploy.Faults
	for i, m := range b.job.Mounts {
		v := volume{Name: "mount-" + strconv.Itoa(i)}
		scheme, rest := place.Cut(m.Source)
		switch {
		case strings.Contains(m.Path, ":"):
			faults.Add(deploy.Unsupported(engine, "mounts", "%s: the path in a pod cannot have a colon", deploy.Shown(m.Path)))
		case scheme == "" && slices.Contains(strings.Split(m.Source, "/"), ".."):
			faults.Add(deploy.Unsupported(engine, "mounts", "%s: the path on a node cannot have ..", deploy.Shown(m.Source)))
		case scheme == "" && path.IsAbs(m.Source):
			v.HostPath = &hostPath{Path: m.Source, Type: "Directory"}
		case scheme == "pvc" && isName(rest):
			v.PersistentVolumeClaim = &claimVolume{ClaimName: rest, ReadOnly: m.ReadOnly}
		case scheme != "" && scheme != "pvc":
			faults.Add(deploy.Unsupported(engine, "mounts", "%s: create a persistent volume claim for it and mount pvc://CLAIM;"+
				" images and out need no mount to be in blob storage (az://)", m.Source))
		default:
			faults.Add(deploy.Unsupported(engine, "mounts", "%s: want pvc://CLAIM with lower-case letters, digits, hyphens and dots in CLAIM,"+
				" or an absolute path on the nodes", deploy.Shown(m.Source)))
		}
		b.vols = append(b.vols, v)
		b.mounted = append(b.mounted, volumeMount{Name: v.Name, MountPath: m.Path, ReadOnly: m.ReadOnly})
	}
	if b.o.SharedMemory != "" {
		b.vols = append(b.vols, volume{Name: "shm", EmptyDir: &emptyDir{Medium: "Memory", SizeLimit: b.o.SharedMemory}})
		b.mounted = append(b.mounted, volumeMount{Name: "shm", MountPath: "/dev/shm"})
	}
	return faults.Err()
}

// env sets the variables of the ranks.
func (b *builder) env() error {
	var faults deploy.Faults
	b.vars = []envVar{{Name: deploy.JobVariable, Value: b.id}}
	if b.job.Schedule != "" {
		// A job of a CronJob is named after its minute.
		b.vars = append(b.vars, envVar{Name: runVar, ValueFrom: &valueFrom{
			FieldRef: &fieldRef{FieldPath: "metadata.labels['batch.kubernetes.io/job-name']"},
		}})
	}
	if !b.mpi {
		b.vars = append(b.vars, envVar{Name: shard.WorldVar, Value: strconv.Itoa(b.job.Ranks())})
	}
	_, plain := b.job.Environment[cpusVar]
	if _, secret := b.job.Secrets[cpusVar]; b.o.CPU != "" && !plain && !secret {
		b.vars = append(b.vars, envVar{Name: cpusVar, Value: decimal(b.o.CPU)})
	}
	for _, name := range slices.Sorted(maps.Keys(b.job.Environment)) {
		b.vars = append(b.vars, envVar{Name: name, Value: literal(b.job.Environment[name])})
	}
	for _, name := range slices.Sorted(maps.Keys(b.job.Secrets)) {
		ref := secretKey{Name: b.id, Key: name}
		switch s := b.job.Secrets[name]; {
		case s.KeyVault != "":
			faults.Add(deploy.Unsupported(engine, "secrets", "%s: pods cannot read a key vault: synchronise it into a Secret"+
				" (Secrets Store CSI driver) and name that as kubernetes: NAME/KEY", name))
		case s.Kubernetes != "":
			secret, key, ok := strings.Cut(s.Kubernetes, "/")
			if !ok || !isName(secret) || !secretKeyName.MatchString(key) {
				faults.Say("secrets: %s: kubernetes: %s is not NAME/KEY: want lower-case letters, digits, hyphens and dots in NAME,"+
					" and letters, digits and ._- in KEY", name, deploy.Shown(s.Kubernetes))
			}
			ref = secretKey{Name: secret, Key: key}
		}
		b.vars = append(b.vars, envVar{Name: name, ValueFrom: &valueFrom{SecretKeyRef: &ref}})
	}
	return faults.Err()
}

// Kubernetes' own rules for names, values of labels and keys of secrets.
var (
	objectName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	labelValue    = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$`)
	secretKeyName = regexp.MustCompile(`^[-._A-Za-z0-9]{1,253}$`)
)

// isName reports whether an object can have the name.
func isName(text string) bool { return len(text) <= 253 && objectName.MatchString(text) }

// changed matches what Kubernetes changes in commands and in values of variables: it
// replaces $(NAME) with variables and $$ with $, and it takes the first byte of a letter
// behind $ that is not ASCII for a letter of its own.
var changed = regexp.MustCompile(`\$[($\x{80}-\x{10FFFF}]`)

// literal escapes text for Kubernetes.
func literal(text string) string {
	if changed.MatchString(text) {
		return strings.ReplaceAll(text, "$", "$$")
	}
	return text
}

// argv returns the command of a rank.
func (b *builder) argv() []string {
	argv := b.job.Argv(b.o.Binary)
	if b.mpi {
		argv = deploy.RankArgv(argv)
	}
	for i, a := range argv {
		if b.job.Schedule == "" || !strings.Contains(a, deploy.RunName) {
			argv[i] = literal(a)
			continue
		}
		// Every $ is doubled, since one before the variable would escape that.
		argv[i] = strings.ReplaceAll(strings.ReplaceAll(a, "$", "$$"), deploy.RunName, "$("+runVar+")")
	}
	return argv
}

func (b *builder) indexedJob() jobSpec {
	ranks := b.job.Ranks()
	retries := b.retries
	rules := []failureRule{
		{Action: "Ignore", OnPodConditions: []podCondition{{Type: "DisruptionTarget", Status: "True"}}},
		{Action: "FailIndex", OnExitCodes: &exitCodes{ContainerName: roleRank, Operator: "In", Values: deploy.FinalCodes}},
	}
	if b.job.Bounded() {
		// A pod that replaces an evicted one would start with a limit of its own, too.
		retries, rules = 0, rules[1:]
	}
	spec := b.pod(roleRank, b.job.GPUsPerNode/b.job.RanksPerNode)
	spec.RestartPolicy = "Never"
	spec.Containers[0].Command = b.argv()
	return jobSpec{
		CompletionMode: "Indexed", Completions: ranks, Parallelism: ranks,
		BackoffLimitPerIndex: retries, PodReplacementPolicy: "Failed",
		PodFailurePolicy:        podFailurePolicy{Rules: rules},
		ActiveDeadlineSeconds:   seconds(b.job.TimeLimit),
		TTLSecondsAfterFinished: seconds(b.o.Keep),
		Template:                b.template(roleRank, spec),
	}
}

// seconds rounds up, so that a short time does not become 0, which means no limit.
func seconds(d deploy.Duration) int64 {
	return int64((time.Duration(d) + time.Second - 1) / time.Second)
}

func (b *builder) template(role string, spec podSpec) podTemplate {
	labels := with(maps.Clone(b.labels), roleLabel, role)
	if b.o.WorkloadIdentity {
		labels = with(labels, "azure.workload.identity/use", "true")
	}
	return podTemplate{Metadata: metadata{Labels: labels}, Spec: spec}
}

// pod returns a pod with one container, which has no command yet.
func (b *builder) pod(role string, gpus int) podSpec {
	nodes := b.o.Nodes
	if b.job.Priority == deploy.Low {
		nodes = nodes.plus(*b.o.Low)
	}
	if b.job.VMSize != "" {
		nodes = nodes.plus(Nodes{Selector: map[string]string{"node.kubernetes.io/instance-type": b.job.VMSize}})
	}
	c := container{
		Name: role, Image: b.image(b.job), Env: b.vars, VolumeMounts: b.mounted,
		SecurityContext: containerSecurity{Capabilities: capabilities{Drop: []string{"ALL"}}},
	}
	if b.o.CPU != "" {
		c.Resources.Requests = with(c.Resources.Requests, "cpu", b.o.CPU)
	}
	if b.o.Memory != "" {
		// With a limit above it, the pods of a node could together take more than it has.
		c.Resources.Requests = with(c.Resources.Requests, "memory", b.o.Memory)
		c.Resources.Limits = with(c.Resources.Limits, "memory", b.o.Memory)
	}
	if gpus > 0 {
		c.Resources.Limits = with(c.Resources.Limits, b.o.GPUResource, strconv.Itoa(gpus))
		gpu := Nodes{Tolerations: []Toleration{{Key: b.o.GPUResource, Operator: "Exists", Effect: "NoSchedule"}}}
		if b.job.GPU != "" {
			gpu.Selector = map[string]string{b.o.GPULabel: b.job.GPU}
		}
		nodes = nodes.plus(gpu)
	}
	spec := podSpec{
		ServiceAccountName:            b.o.ServiceAccount,
		TerminationGracePeriodSeconds: seconds(b.o.Grace),
		SecurityContext: podSecurity{
			RunAsNonRoot: true, RunAsUser: b.o.User, RunAsGroup: b.o.User, FSGroup: b.o.User,
			FSGroupChange: "OnRootMismatch", SeccompProfile: seccompProfile{Type: "RuntimeDefault"},
		},
		NodeSelector: nodes.Selector, Tolerations: nodes.Tolerations, PriorityClassName: nodes.PriorityClass,
		Containers: []container{c}, Volumes: b.vols,
	}
	for _, name := range b.o.ImagePullSecrets {
		spec.ImagePullSecrets = append(spec.ImagePullSecrets, named{Name: name})
	}
	return spec
}
