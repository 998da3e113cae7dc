// Package kubernetes runs jobs on a Kubernetes cluster, through kubectl.
//
//  1. A job becomes an MPIJob (kubeflow.org/v2beta1) or, without MPI, an
//     Indexed Job with one pod per rank, or, with a schedule, a CronJob of
//     Indexed Jobs. objects.go builds them from the types in types.go.
//  2. Values of secrets go into a Secret of the job's name, which the job owns.
//     They are sent to kubectl on its standard input only.
//  3. All objects have the label batchscore.io/job, by which they are found
//     again. They are removed when the job is canceled: after that Status
//     returns deploy.ErrNoJob.
//
// In an Indexed Job a rank that dies is started again alone, unless its exit code
// says that this would not help (deploy.FinalCodes). A lost node does not count as
// a failure. In an MPIJob a lost worker fails mpirun: all ranks start again and
// continue where they were.
package kubernetes

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

const engine = "kubernetes"

// Options is the section kubernetes of service.yaml. Everything may be left out, but
// an image is needed here or in the job.
type Options struct {
	// Kubectl is the program; "kubectl" from the PATH when empty. When Context and
	// Namespace are empty, kubectl chooses.
	Kubectl   string `yaml:"kubectl,omitempty" json:"kubectl,omitempty"`
	Context   string `yaml:"context,omitempty" json:"context,omitempty"`
	Namespace string `yaml:"namespace,omitempty" json:"namespace,omitempty"`

	// MPI is whether jobs run under the cluster's MPI operator, as they do by
	// default. If false they are Indexed Jobs, which need no operator.
	MPI *bool `yaml:"mpi,omitempty" json:"mpi,omitempty"`

	// Image is for jobs that name none. Binary is the worker in the image;
	// "batchscore" when empty.
	Image            string   `yaml:"image,omitempty" json:"image,omitempty"`
	Binary           string   `yaml:"binary,omitempty" json:"binary,omitempty"`
	ImagePullSecrets []string `yaml:"imagePullSecrets,omitempty" json:"imagePullSecrets,omitempty"`
	// User is the numeric user and group that the ranks run as, never root. When
	// zero it is 10001, the user of batchscore's image.
	User int64 `yaml:"user,omitempty" json:"user,omitempty"`
	// ServiceAccount is that of the pods. With WorkloadIdentity they have the
	// label by which Azure gives them that account's identity.
	ServiceAccount   string `yaml:"serviceAccount,omitempty" json:"serviceAccount,omitempty"`
	WorkloadIdentity bool   `yaml:"workloadIdentity,omitempty" json:"workloadIdentity,omitempty"`

	// Nodes chooses the nodes that ranks may run on. Low is added for jobs of low
	// priority, which are refused without it.
	Nodes Nodes  `yaml:"nodes,omitempty" json:"nodes,omitempty"`
	Low   *Nodes `yaml:"low,omitempty" json:"low,omitempty"`
	// GPUResource is the name of GPUs in limits; nvidia.com/gpu when empty.
	// GPULabel is the node label with a GPU's type; nvidia.com/gpu.product when
	// empty.
	GPUResource string `yaml:"gpuResource,omitempty" json:"gpuResource,omitempty"`
	GPULabel    string `yaml:"gpuLabel,omitempty" json:"gpuLabel,omitempty"`

	// CPU and Memory are what a pod requests, as quantities such as 4 or 16Gi. The ranks
	// of a pod divide CPU, and compute on no more cores; it limits nothing else. Memory
	// is its limit as well, which its ranks divide; without it a pod has none, and
	// counts on the memory of the whole node. SharedMemory is the size of its
	// /dev/shm, which counts as memory of the pod.
	CPU          string `yaml:"cpu,omitempty" json:"cpu,omitempty"`
	Memory       string `yaml:"memory,omitempty" json:"memory,omitempty"`
	SharedMemory string `yaml:"sharedMemory,omitempty" json:"sharedMemory,omitempty"`

	// Retries is how often a rank (under MPI: all of them) is started again; 6 by
	// default.
	Retries *int `yaml:"retries,omitempty" json:"retries,omitempty"`
	// Grace is how long ranks get to commit what they are working on; 45s when zero.
	Grace deploy.Duration `yaml:"grace,omitempty" json:"grace,omitempty"`
	// Keep is how long an ended job and its logs are kept; a week when zero.
	Keep deploy.Duration `yaml:"keep,omitempty" json:"keep,omitempty"`
	// TimeZone is that of schedules, such as Europe/Paris; the cluster's own when
	// empty.
	TimeZone string `yaml:"timeZone,omitempty" json:"timeZone,omitempty"`
}

// Nodes chooses nodes.
type Nodes struct {
	Selector      map[string]string `yaml:"selector,omitempty" json:"selector,omitempty"`
	Tolerations   []Toleration      `yaml:"tolerations,omitempty" json:"tolerations,omitempty"`
	PriorityClass string            `yaml:"priorityClass,omitempty" json:"priorityClass,omitempty"`
}

// Toleration lets pods run on nodes with a taint.
type Toleration struct {
	Key      string `yaml:"key,omitempty" json:"key,omitempty"`
	Operator string `yaml:"operator,omitempty" json:"operator,omitempty"`
	Value    string `yaml:"value,omitempty" json:"value,omitempty"`
	Effect   string `yaml:"effect,omitempty" json:"effect,omitempty"`
}

// plus returns n with what low adds.
func (n Nodes) plus(low Nodes) Nodes {
	selector := maps.Clone(n.Selector)
	for k, v := range low.Selector {
		selector = with(selector, k, v)
	}
	return Nodes{
		Selector:      selector,
		Tolerations:   append(append([]Toleration(nil), n.Tolerations...), low.Tolerations...),
		PriorityClass: cmp.Or(low.PriorityClass, n.PriorityClass),
	}
}

// with returns the map with a key set; a new map for nil.
func with(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[key] = value
	return m
}

// minGrace is what a worker needs to commit what it is working on.
const minGrace = 30 * time.Second

// Engine is a deploy.Launcher.
type Engine struct {
	o       Options
	mpi     bool
	retries int
	// followed is how many pods' logs are followed at once, and poll the time
	// between two looks for further pods.
	followed int
	poll     time.Duration
}

var _ deploy.Launcher = (*Engine)(nil)

//go:embed example.yaml
var example string

// Driver opens Engines.
var Driver = deploy.NewDriver(deploy.Traits{
	Name: engine, Example: example, Schedules: true,
	Flags: []deploy.Flag{{
		Name: "without-mpi", Setting: "mpi", Value: false,
		Usage: "start an Indexed Job, which needs no MPI operator",
	}},
}, New)

// New checks the options; it does not look for the cluster.
func New(o Options) (*Engine, error) {
	o.Kubectl = cmp.Or(o.Kubectl, "kubectl")
	o.Binary = cmp.Or(o.Binary, "batchscore")
	o.User = cmp.Or(o.User, 10001)
	o.GPUResource = cmp.Or(o.GPUResource, "nvidia.com/gpu")
	o.GPULabel = cmp.Or(o.GPULabel, "nvidia.com/gpu.product")
	o.Grace = cmp.Or(o.Grace, deploy.Duration(45*time.Second))
	o.Keep = cmp.Or(o.Keep, deploy.Duration(7*24*time.Hour))
	e := &Engine{o: o, mpi: o.MPI == nil || *o.MPI, retries: 6, followed: 64, poll: 2 * time.Second}
	if o.Retries != nil {
		e.retries = *o.Retries
	}
	if o.Image != "" {
		if err := deploy.CheckImage(o.Image); err != nil {
			return nil, fmt.Errorf("kubernetes: %w", err)
		}
	}
	for name, q := range map[string]string{"cpu": o.CPU, "memory": o.Memory, "sharedMemory": o.SharedMemory} {
		if q != "" && !isQuantity(q) {
			return nil, fmt.Errorf("kubernetes: %s: %q is not a quantity of Kubernetes above zero, such as 4 or 16Gi", name, q)
		}
	}
	switch {
	case o.User < 0:
		return nil, errors.New("kubernetes: user: want a number above zero")
	case time.Duration(o.Grace) < minGrace:
		return nil, fmt.Errorf("kubernetes: grace %v: a worker needs %v to commit what it is working on", o.Grace, minGrace)
	case o.Keep < 0 || e.retries < 0:
		return nil, errors.New("kubernetes: keep and retries must not be negative")
	}
	return e, nil
}
