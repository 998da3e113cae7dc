// Package azureml runs jobs on Azure Machine Learning, through its REST interface
// of api-version 2024-04-01. Jobs are command jobs on compute clusters that scale
// from 0. Azure ML starts their ranks with its own mpirun.
//
//   - The ranks themselves read the images and write the result, at
//     az://ACCOUNT/CONTAINER, with the managed identity of the cluster. Jobs get
//     no secrets: the workspace shows a job's variables in clear text.
//   - A mount becomes an input of the job (if read-only) or an output. Azure ML
//     chooses where it is mounted, and replaces its path in the command.
//   - Logs are read as Azure's own client (azure-ai-ml) does: the workspace names
//     its discovery URL, the document there names the run history service, and
//     that service returns signed links to the files.
//
// A node has the GPUs of the cluster's vmSize, which is not compared with a job's
// gpusPerNode. Tests compare the bodies with the types of the official Go SDK.
// Nothing here has run against the real service. In particular, it is not known
// how much time a cancelled job has to drain. What it had committed is kept in
// any case.
package azureml

import (
	_ "embed"
	"fmt"
	"net/http"
	"regexp"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
)

const (
	engine     = "azureml"
	apiVersion = "2024-04-01"
	// audience is what tokens for the run history service are valid for.
	audience = "https://ml.azure.com"
)

// Options is the section azureml of service.yaml.
type Options struct {
	arm.Settings `yaml:",inline"`
	// Compute is the cluster that jobs run on.
	Compute string `yaml:"compute,omitempty"`

	// IdentityID is the resource ID of a user-assigned managed identity, and
	// IdentityClientID its client ID. Clusters are created with it, and jobs use
	// it. Without them a cluster has an identity of its own.
	IdentityID       string `yaml:"identityId,omitempty"`
	IdentityClientID string `yaml:"identityClientId,omitempty"`

	// ShmSize is the size of /dev/shm in the container, such as 2g.
	ShmSize string `yaml:"shmSize,omitempty"`
}

// Engine is a workspace of Azure Machine Learning. It is a deploy.Launcher and a
// deploy.Clusters.
type Engine struct {
	o       Options
	service *arm.Service
	// config is that of the resource manager. The run history service's is
	// derived from it.
	config arm.Config
}

var (
	_ deploy.Launcher = (*Engine)(nil)
	_ deploy.Clusters = (*Engine)(nil)
	_ deploy.Exporter = (*Engine)(nil)
)

var (
	workspaceName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$`)
	clusterName   = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$`)
	segment       = regexp.MustCompile(`^[-\w.()]{1,90}$`)
	sharedMemory  = regexp.MustCompile(`^([1-9]\d*[bkmg])?$`)
)

//go:embed example.yaml
var example string

// Driver opens Engines.
var Driver = deploy.NewDriver(deploy.Traits{Name: engine, Example: example, Schedules: true, Secrets: []string{arm.TokenVariable}}, New)

// New checks the options. It sends nothing.
func New(o Options) (*Engine, error) { return open(o, arm.Config{}) }

func open(o Options, config arm.Config) (*Engine, error) {
	o.Settings = o.WithDefaults()
	if err := arm.CheckSettings(
		engine,
		arm.Setting{Name: "subscription", Value: o.Subscription, Pattern: segment},
		arm.Setting{Name: "resourceGroup", Value: o.ResourceGroup, Pattern: segment},
		arm.Setting{Name: "workspace", Value: o.Workspace, Pattern: workspaceName},
		arm.Setting{Name: "compute", Value: o.Compute, Pattern: clusterName},
		arm.Setting{Name: "experiment", Value: o.Experiment, Pattern: segment},
		arm.Setting{Name: "shmSize", Value: o.ShmSize, Pattern: sharedMemory},
	); err != nil {
		return nil, err
	}
	if (o.IdentityID == "") != (o.IdentityClientID == "") {
		return nil, fmt.Errorf("%s: identityId and identityClientId in service.yaml must be given together: %w", engine, deploy.ErrService)
	}
	config.Endpoint, config.APIVersion = o.Endpoint, apiVersion
	return &Engine{
		o: o, config: config,
		service: arm.NewService(arm.ServiceOptions{Engine: engine, Config: config, Explain: explain}),
	}, nil
}

// String returns the engine's name and workspace.
func (e *Engine) String() string { return engine + " workspace " + e.o.Workspace }

func (e *Engine) workspace() string          { return e.o.Path("Microsoft.MachineLearningServices") }
func (e *Engine) compute(name string) string { return e.workspace() + "/computes/" + name }
func (e *Engine) job(id string) string       { return e.workspace() + "/jobs/" + id }
func (e *Engine) schedule(id string) string  { return e.workspace() + "/schedules/" + id }

// explain adds to an error of the service what it most likely means.
func explain(err error) error {
	if arm.IsStatus(err, http.StatusNotFound) {
		return fmt.Errorf("%w: correct subscription, resourceGroup or workspace in service.yaml: %w", deploy.ErrService, err)
	}
	return err
}
