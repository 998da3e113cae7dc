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
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"

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

	Subscription  string `yaml:"subscription,omitempty"`
	ResourceGroup string `yaml:"resourceGroup,omitempty"`
	Workspace     string `yaml:"workspace,omitempty"`
	Location      string `yaml:"location,omitempty"`
	// Endpoint is the resource manager; Azure's public cloud when empty.
	Endpoint string `yaml:"endpoint,omitempty"`
	// Cluster is where jobs run; Experiment groups them, "batchscore" when empty.
	Cluster    string `yaml:"cluster,omitempty"`
	Experiment string `yaml:"experiment,omitempty"`

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
	// Worker is the program on the nodes; "batchscore" when empty.
	Worker string `yaml:"worker,omitempty"`
}

// Engine is Azure Batch AI. It is a deploy.Launcher and a deploy.Clusters.
type Engine struct {
	o Options
	// The secrets of the service itself, from the configuration or resolved at
	// the time of a request.
	accountKey, adminPassword, registryPassword secret
	credential                                  servicePrincipal
	config                                      arm.Config
	// client signs in no earlier than something is to be sent.
	client func() (*arm.Client, error)
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
	if e.o.Experiment == "" {
		e.o.Experiment = "batchscore"
	}
	if e.o.Worker == "" {
		e.o.Worker = "batchscore"
	}
	if e.o.Preparation == "" {
		e.o.Preparation = installOpenMPI
	}
	if e.o.AdminUser == "" {
		e.o.AdminUser = "batchscore"
	}
	for _, field := range []struct {
		name, value string
		pattern     *regexp.Regexp
	}{
		{"subscription", e.o.Subscription, resourceName}, {"resourceGroup", e.o.ResourceGroup, groupName},
		{"workspace", e.o.Workspace, resourceName}, {"experiment", e.o.Experiment, resourceName},
		{"cluster", e.o.Cluster, resourceName},
	} {
		if !field.pattern.MatchString(field.value) {
			return nil, fmt.Errorf("%s: %s %q: it takes letters, digits, hyphens and underscores: %w", engine, field.name, field.value, deploy.ErrService)
		}
	}
	for name, s := range map[string]secret{"accountKey": e.accountKey, "registryPassword": e.registryPassword} {
		switch {
		case s.Kubernetes != "":
			return nil, fmt.Errorf("%s: %s: kubernetes in service.yaml: it comes from env, file or keyVault: %w", engine, name, deploy.ErrService)
		case s.KeyVault != "" && e.o.KeyVault == "":
			return nil, fmt.Errorf("%s: %s: keyVault in service.yaml needs the vault's ID as well, keyVault of batchai: %w", engine, name, deploy.ErrService)
		}
	}
	e.o.Endpoint = strings.TrimRight(e.o.Endpoint, "/")
	config.Endpoint, config.APIVersion = e.o.Endpoint, apiVersion
	e.config = config
	e.client = sync.OnceValues(func() (*arm.Client, error) { return e.connect(config) })
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
		return nil, fmt.Errorf("%s: %w", engine, err)
	}
	for _, s := range []secret{e.accountKey, e.adminPassword, e.registryPassword, e.credential.secret} {
		c.Hide(s.value)
	}
	return c, nil
}

func (e *Engine) workspace() string {
	return "/subscriptions/" + e.o.Subscription + "/resourceGroups/" + e.o.ResourceGroup +
		"/providers/Microsoft.BatchAI/workspaces/" + e.o.Workspace
}

func (e *Engine) cluster(name string) string { return e.workspace() + "/clusters/" + name }
func (e *Engine) experiment() string         { return e.workspace() + "/experiments/" + e.o.Experiment }
func (e *Engine) job(id string) string       { return e.experiment() + "/jobs/" + id }

// gone reports whether an error means that the provider answers no more.
func gone(err error) bool {
	var answer *arm.Error
	if !errors.As(err, &answer) {
		return false
	}
	switch answer.Code {
	case "InvalidResourceNamespace", "InvalidResourceType", "NoRegisteredProviderFound",
		"MissingSubscriptionRegistration", "SubscriptionNotRegistered":
		return true
	}
	return answer.Status == http.StatusGone
}

// failed is an error of the service, with what it most likely means.
func failed(err error) error {
	const hint = "Azure Batch AI is retired; this launcher is kept for accounts and records that still hold such jobs: use --to azureml"
	switch {
	case gone(err):
		return fmt.Errorf("%s: %w: %w\n%s", engine, deploy.ErrService, err, hint)
	case errors.Is(err, deploy.ErrUnreachable):
		return fmt.Errorf("%s: %w\n%s", engine, err, hint)
	}
	return fmt.Errorf("%s: %w", engine, err)
}

// missing is kind where the service does not know what was asked for.
func missing(err, kind error, name string) error {
	if arm.IsStatus(err, http.StatusNotFound) && !gone(err) {
		return fmt.Errorf("%s: %s: %w: %w", engine, name, kind, err)
	}
	return failed(err)
}
