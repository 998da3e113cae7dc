// Package batchai runs jobs on Azure Batch AI, api-version 2018-05-01, as
// custom-toolkit jobs that call mpirun.
//
// Azure has retired the service: nothing answers there today, and this package has
// never run against it. It was written after the models of the service's own
// client (azure-mgmt-batchai 7.0.0) and is kept for accounts and records that
// still have such jobs. Use package azureml for anything new.
//
// A node has the GPUs of the cluster's vmSize, which is not compared with a job's
// gpusPerNode.
package batchai

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
)

const (
	engine     = "batchai"
	apiVersion = "2018-05-01"
)

// Options is the section batchai of service.yaml.
type Options struct {
	// Configuration is a configuration.json in the form of the Batch AI recipes.
	// It fills in what is empty here. The secrets in it are used and never shown.
	Configuration string `yaml:"configuration,omitempty"`

	arm.Settings `yaml:",inline"`
	// Cluster is where jobs run.
	Cluster string `yaml:"cluster,omitempty"`

	// Logs is the file share for what jobs print, azurefile://ACCOUNT/SHARE. When
	// empty, and with Configuration, it is the share logs of the storage account
	// named there.
	Logs string `yaml:"logs,omitempty"`
	// AccountKey is the source of the key of the storage account, for Logs and for
	// a job's mounts.
	AccountKey deploy.Secret `yaml:"accountKey,omitempty"`
	// KeyVault is the resource ID of the vault of secrets from keyVault.
	KeyVault string `yaml:"keyVault,omitempty"`
	// RegistryUser and RegistryPassword open a private container registry.
	RegistryUser     string        `yaml:"registryUser,omitempty"`
	RegistryPassword deploy.Secret `yaml:"registryPassword,omitempty"`
	// AdminUser and AdminPublicKey are for ssh to a cluster's nodes.
	AdminUser      string `yaml:"adminUser,omitempty"`
	AdminPublicKey string `yaml:"adminPublicKey,omitempty"`

	// Preparation is a command that runs on every node before a job. When empty it
	// installs Open MPI where that is missing.
	Preparation string `yaml:"preparation,omitempty"`
}

// Engine is Azure Batch AI. It is a deploy.Launcher and a deploy.Clusters.
type Engine struct {
	o Options
	// The secrets of the service itself. Their values are in the configuration or
	// are read for each request.
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
	// Azure's rules. An account becomes part of a host's name, to which its key is sent.
	accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)
	shareName   = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9]){2,62}$`)
)

// plainPrefix reports whether the service takes a folder in a container as it is.
func plainPrefix(prefix string) bool {
	return !strings.Contains(prefix, "$") && !slices.Contains(strings.Split(prefix, "/"), "..")
}

//go:embed example.yaml
var example string

// Driver opens Engines.
var Driver = deploy.NewDriver(deploy.Traits{Name: engine, Example: example, Secrets: []string{arm.TokenVariable}}, New)

// New reads the configuration, if the options name one, and checks everything. It
// sends nothing.
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
			return nil, fmt.Errorf("%s: %s: kubernetes in service.yaml: want env, file or keyVault: %w", engine, name, deploy.ErrService)
		case s.KeyVault != "" && e.o.KeyVault == "":
			return nil, fmt.Errorf("%s: %s: keyVault in service.yaml also needs the vault's ID, the setting keyVault of batchai: %w", engine, name, deploy.ErrService)
		}
	}
	config.Endpoint, config.APIVersion = e.o.Endpoint, apiVersion
	e.service = arm.NewService(arm.ServiceOptions{Engine: engine, Config: config, Connect: e.connect, Explain: explain})
	return e, nil
}

// String returns the engine's name and workspace.
func (e *Engine) String() string { return engine + " workspace " + e.o.Workspace }

// Format writes String for every verb: an Engine knows secrets.
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
	const hint = "Azure Batch AI is retired; this launcher is kept for accounts and records that still have such jobs: use --to azureml"
	switch {
	case arm.NoProvider(err):
		return fmt.Errorf("%w: %w\n%s", deploy.ErrService, err, hint)
	case errors.Is(err, deploy.ErrUnreachable):
		return fmt.Errorf("%w\n%s", err, hint)
	}
	return err
}
