package arm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// Settings are the settings in service.yaml that all engines of the resource
// manager have in common.
type Settings struct {
	Subscription  string `yaml:"subscription,omitempty"`
	ResourceGroup string `yaml:"resourceGroup,omitempty"`
	Workspace     string `yaml:"workspace,omitempty"`
	// Location is the region of what is created there, such as clusters.
	Location string `yaml:"location,omitempty"`
	// Endpoint is the resource manager; Azure's public cloud when empty.
	Endpoint string `yaml:"endpoint,omitempty"`
	// Experiment groups the jobs; "batchscore" when empty.
	Experiment string `yaml:"experiment,omitempty"`
	// Worker is the program on the nodes; "batchscore" when empty.
	Worker string `yaml:"worker,omitempty"`
}

// WithDefaults returns the settings with defaults for what was left out.
func (s Settings) WithDefaults() Settings {
	s.Experiment = cmp.Or(s.Experiment, "batchscore")
	s.Worker = cmp.Or(s.Worker, "batchscore")
	s.Endpoint = strings.TrimRight(s.Endpoint, "/")
	return s
}

// Path returns the path of the workspace at a provider, such as Microsoft.BatchAI.
func (s Settings) Path(provider string) string {
	return "/subscriptions/" + s.Subscription + "/resourceGroups/" + s.ResourceGroup +
		"/providers/" + provider + "/workspaces/" + s.Workspace
}

// Setting is one setting in service.yaml, and the pattern that it must match.
type Setting struct {
	Name, Value string
	Pattern     *regexp.Regexp
}

// CheckSettings returns deploy.ErrService for the settings that are missing or do
// not match.
func CheckSettings(engine string, settings ...Setting) error {
	var missing, faults []string
	for _, s := range settings {
		switch {
		case strings.Trim(s.Value, ".") == "" && s.Value != "":
			faults = append(faults, fmt.Sprintf("%s %q in service.yaml is not a name", s.Name, s.Value))
		case s.Pattern.MatchString(s.Value):
		case s.Value == "":
			missing = append(missing, s.Name)
		default:
			faults = append(faults, fmt.Sprintf("%s %s in service.yaml does not match %s", s.Name, deploy.Shown(s.Value), s.Pattern))
		}
	}
	if len(missing) > 0 {
		faults = append([]string{"its section in service.yaml lacks " + strings.Join(missing, ", ")}, faults...)
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", engine, strings.Join(faults, "; "), deploy.ErrService)
}

// Request is a PUT.
type Request struct {
	Path string
	Body any // nil for none
}

// Subject is what a request is about.
type Subject struct {
	name    string
	unknown error
}

// Job is the subject of requests that get deploy.ErrNoJob where the service does
// not know the job.
func Job(id string) Subject { return Subject{id, deploy.ErrNoJob} }

// Cluster is the subject of requests that get deploy.ErrNoCluster where the
// service does not know the cluster.
func Cluster(name string) Subject { return Subject{name, deploy.ErrNoCluster} }

// Service is the service behind an engine: it turns what a Client returns into
// the engine's errors. Its methods may be called from any number of goroutines.
type Service struct {
	engine  string
	config  Config
	client  func() (*Client, error)
	explain func(error) error
}

// ServiceOptions say what differs between services.
type ServiceOptions struct {
	// Engine is the name that errors begin with.
	Engine string
	Config Config
	// Connect makes the client, on the first request. Nil means New.
	Connect func(Config) (*Client, error)
	// Explain adds to an error what it most likely means at this service.
	Explain func(error) error
}

// NewService returns the service. It sends nothing.
func NewService(o ServiceOptions) *Service {
	connect := o.Connect
	if connect == nil {
		connect = New
	}
	return &Service{engine: o.Engine, config: o.Config, explain: o.Explain, client: sync.OnceValues(func() (*Client, error) {
		c, err := connect(o.Config)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Engine, err)
		}
		return c, nil
	})}
}

// Client returns the client, which is made at the first call.
func (s *Service) Client() (*Client, error) { return s.client() }

// Do is Client.Do.
func (s *Service) Do(ctx context.Context, method, path string, body, out any) (next time.Duration, err error) {
	c, err := s.client()
	if err != nil {
		return 0, err
	}
	if next, err = c.Do(ctx, method, path, body, out); err != nil {
		return 0, s.Wrap(err)
	}
	return next, nil
}

// Wrap returns an error of the service with the engine's name, and with what it
// most likely means.
func (s *Service) Wrap(err error) error { return fmt.Errorf("%s: %w", s.engine, s.explain(err)) }

// About is Do for a request about a job or a cluster.
func (s *Service) About(ctx context.Context, subject Subject, method, path string, body, out any) (next time.Duration, err error) {
	c, err := s.client()
	if err != nil {
		return 0, err
	}
	next, err = c.Do(ctx, method, path, body, out)
	switch {
	case err == nil:
		return next, nil
	case IsStatus(err, http.StatusNotFound) && !NoProvider(err):
		return 0, fmt.Errorf("%s: %s: %w: %w", s.engine, subject.name, subject.unknown, err)
	}
	return 0, s.Wrap(err)
}

// NoProvider reports whether an error means that the resource manager does not
// provide the service, or does so no longer. Such an error says nothing about a
// job or a cluster.
func NoProvider(err error) bool {
	var answer *Error
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

// Documents returns requests for a person to read.
func (s *Service) Documents(requests ...Request) ([]deploy.Document, error) {
	var documents []deploy.Document
	for _, r := range requests {
		d, err := s.config.Document(http.MethodPut, r.Path, r.Body)
		if err != nil {
			return nil, err
		}
		documents = append(documents, d)
	}
	return documents, nil
}

// Submit sends the requests that create a job, unless the service already has the
// job. The last request is about the job itself. Submit first checks that the job
// can run on its cluster.
func (s *Service) Submit(ctx context.Context, job deploy.Job, id string, cluster func(context.Context) (deploy.Cluster, error), requests ...Request) error {
	last := requests[len(requests)-1]
	if _, err := s.About(ctx, Job(id), http.MethodGet, last.Path, nil, nil); !errors.Is(err, deploy.ErrNoJob) {
		return err // nil if an earlier Submit succeeded and its answer was lost
	}
	c, err := cluster(ctx)
	if err != nil {
		return err
	}
	if err := fits(s.engine, job, c); err != nil {
		return err
	}
	for _, r := range requests {
		if _, err := s.Do(ctx, http.MethodPut, r.Path, r.Body, nil); err != nil {
			return err
		}
	}
	return nil
}

// DeleteCluster deletes a cluster and waits until it is gone. One that is gone
// already is not an error.
func (s *Service) DeleteCluster(ctx context.Context, name, path string) error {
	_, err := s.About(ctx, Cluster(name), http.MethodDelete, path, nil, nil)
	if errors.Is(err, deploy.ErrNoCluster) {
		return nil
	}
	return err
}

// Follow is Client.Follow.
func (s *Service) Follow(ctx context.Context, t *Tail, follow bool, look Look) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	return c.Follow(ctx, t, follow, look)
}

// Save is Client.Save.
func (s *Service) Save(ctx context.Context, files []File, folder string) error {
	c, err := s.client()
	if err != nil {
		return err
	}
	if err := c.Save(ctx, files, folder); err != nil {
		return fmt.Errorf("%s: %w", s.engine, err)
	}
	return nil
}
