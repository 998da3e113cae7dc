// Package batchai runs jobs on Azure Batch AI, api-version 2018-05-01, as
// custom-toolkit jobs that call mpirun themselves.
//
// The service is retired: nothing answers there today, and nothing here has run
// against it since. It is kept for accounts and records that still hold such
// jobs, and was written after the models of the service's own client
// (azure-mgmt-batchai 7.0.0). Package azureml is the living path.
//
// A node has the GPUs of the cluster's vmSize; a job's gpusPerNode is not held
// against it.
package batchai

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
)

const (
	engine     = "batchai"
	apiVersion = "2018-05-01"
)

// Options is the section batchai of service.yaml.
type Options struct {
	// Configuration is a configuration.json as the Batch AI recipes have it. It
	// fills in what is empty here; the secrets in it are used and never shown.
	Configuration string `yaml:"configuration,omitempty"`

	arm.Settings `yaml:",inline"`
	// Cluster is where jobs run.
	Cluster string `yaml:"cluster,omitempty"`

	// Logs is the file share for what jobs print, azurefile://ACCOUNT/SHARE; with
	// Configuration and when empty, the share logs of its storage account.
	Logs string `yaml:"logs,omitempty"`
	// AccountKey is where the key of the storage account of Logs and of a job's
	// mounts comes from.
	AccountKey deploy.Secret `yaml:"accountKey,omitempty"`
	// KeyVault is the resource ID of the vault that keyVault references lead to.
	KeyVault string `yaml:"keyVault,omitempty"`
	// RegistryUser and RegistryPassword open a private container registry.
	RegistryUser     string        `yaml:"registryUser,omitempty"`
	RegistryPassword deploy.Secret `yaml:"registryPassword,omitempty"`
	// AdminUser and AdminPublicKey are for ssh to a cluster's nodes.
	AdminUser      string `yaml:"adminUser,omitempty"`
	AdminPublicKey string `yaml:"adminPublicKey,omitempty"`

	// Preparation runs on every node before a job; when empty it installs Open
	// MPI where there is none.
	Preparation string `yaml:"preparation,omitempty"`
}

// Engine is Azure Batch AI. It is a deploy.Launcher and a deploy.Clusters.
type Engine struct {
	o Options
	// The secrets of the service itself, from the configuration or resolved at
	// the time of a request.
	accountKey, adminPassword, registryPassword secret
	credential                                  servicePrincipal
	service                                     *arm.Service
}

var (
	_ deploy.Launcher = (*Engine)(nil)
	_ deploy.Clusters = (*Engine)(nil)
)

var (
	resourceName = regexp.MustCompile(`^[-\w]{1,64}$`)
	groupName    = regexp.MustCompile(`^[-\w._]{1,90}$`)
)

// Driver opens Engines.
var Driver = deploy.NewDriver(deploy.Traits{Name: engine}, New)

// New reads the configuration that the options name, if they name one, and
// checks all. It sends nothing.
func New(o Options) (*Engine, error) { return open(o, arm.Config{}) }

func open(o Options, config arm.Config) (*Engine, error) {
	e := &Engine{o: o}
	e.accountKey = secret{Secret: o.AccountKey}
	e.registryPassword = secret{Secret: o.RegistryPassword}
	if o.Configuration != "" {
		if err := e.readConfiguration(o.Configuration); err != nil {
			return nil, fmt.Errorf("%s: %w", engine, err)
		}
	}
	e.o.Settings = e.o.WithDefaults()
	if e.o.Preparation == "" {
		e.o.Preparation = installOpenMPI
	}
	if e.o.AdminUser == "" {
		e.o.AdminUser = "batchscore"
	}
	if err := arm.CheckSettings(
		engine,
		arm.Setting{Name: "subscription", Value: e.o.Subscription, Pattern: resourceName},
		arm.Setting{Name: "resourceGroup", Value: e.o.ResourceGroup, Pattern: groupName},
		arm.Setting{Name: "workspace", Value: e.o.Workspace, Pattern: resourceName},
		arm.Setting{Name: "experiment", Value: e.o.Experiment, Pattern: resourceName},
		arm.Setting{Name: "cluster", Value: e.o.Cluster, Pattern: resourceName},
	); err != nil {
		return nil, err
	}
	for name, s := range map[string]secret{"accountKey": e.accountKey, "registryPassword": e.registryPassword} {
		switch {
		case s.Kubernetes != "":
			return nil, fmt.Errorf("%s: %s: kubernetes in service.yaml: it comes from env, file or keyVault: %w", engine, name, deploy.ErrService)
		case s.KeyVault != "" && e.o.KeyVault == "":
			return nil, fmt.Errorf("%s: %s: keyVault in service.yaml needs the vault's ID as well, keyVault of batchai: %w", engine, name, deploy.ErrService)
		}
	}
	config.Endpoint, config.APIVersion = e.o.Endpoint, apiVersion
	e.service = arm.NewService(arm.ServiceOptions{Engine: engine, Config: config, Connect: e.connect, Explain: explain})
	return e, nil
}

// String says which workspace the engine is.
func (e *Engine) String() string { return engine + " workspace " + e.o.Workspace }

// Format is String, whatever the verb: an Engine knows secrets.
func (e *Engine) Format(f fmt.State, _ rune) { fmt.Fprint(f, e.String()) }

func (e *Engine) connect(config arm.Config) (*arm.Client, error) {
	if p := e.credential; config.Credential == nil && p.secret.value != "" && os.Getenv(arm.TokenVariable) == "" {
		var err error
		if config.Credential, err = arm.ClientSecret(p.tenant, p.client, p.secret.value); err != nil {
			return nil, err
		}
	}
	c, err := arm.New(config)
	if err != nil {
		return nil, err
	}
	for _, s := range []secret{e.accountKey, e.adminPassword, e.registryPassword, e.credential.secret} {
		c.Hide(s.value)
	}
	return c, nil
}

func (e *Engine) workspace() string          { return e.o.Path("Microsoft.BatchAI") }
func (e *Engine) cluster(name string) string { return e.workspace() + "/clusters/" + name }
func (e *Engine) experiment() string         { return e.workspace() + "/experiments/" + e.o.Experiment }
func (e *Engine) job(id string) string       { return e.experiment() + "/jobs/" + id }

// explain adds to an error of the service what it most likely means.
func explain(err error) error {
	const hint = "Azure Batch AI is retired; this launcher is kept for accounts and records that still hold such jobs: use --to azureml"
	switch {
	case arm.NoProvider(err):
		return fmt.Errorf("%w: %w\n%s", deploy.ErrService, err, hint)
	case errors.Is(err, deploy.ErrUnreachable):
		return fmt.Errorf("%w\n%s", err, hint)
	}
	return err
}
