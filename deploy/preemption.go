package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// MetadataEndpoint is the metadata service of virtual machines on Azure. Each
// machine reaches its own.
const MetadataEndpoint = "http://169.254.169.254"

// Preemption asks Azure's scheduled events whether this machine is about to be
// taken away. A low-priority node is told 30 seconds before.
type Preemption struct {
	Endpoint string
	Client   *http.Client
	// Every is the time between two requests; the service wants 1 s or more.
	Every time.Duration
	// Failed is called with the error of a request that got no answer. Wait then
	// continues.
	Failed func(error)
}

// Event is something that is about to happen to machines.
type Event struct {
	ID        string   `json:"EventId"`
	Type      string   `json:"EventType"`
	Status    string   `json:"EventStatus"`
	Resources []string `json:"Resources"`
	NotBefore string   `json:"NotBefore"`
}

// ends reports whether the event ends the machine's processes. They survive a
// freeze.
func (e Event) ends() bool {
	return slices.Contains([]string{"Preempt", "Terminate", "Reboot", "Redeploy"}, e.Type)
}

// Wait returns the first event that ends this machine, or ctx's error.
func (p Preemption) Wait(ctx context.Context) (Event, error) {
	var machine string
	var event Event
	err := Poll(ctx, p.Every, func(ctx context.Context) (found bool, err error) {
		event, found, err = p.look(ctx, &machine)
		switch {
		case found:
			return true, nil
		case err != nil && ctx.Err() == nil:
			p.Failed(err)
		}
		return false, ctx.Err()
	})
	return event, err
}

func (p Preemption) look(ctx context.Context, machine *string) (Event, bool, error) {
	if *machine == "" {
		name, err := p.get(ctx, "/metadata/instance/compute/name?api-version=2021-02-01&format=text")
		if err != nil {
			return Event{}, false, err
		}
		*machine = strings.TrimSpace(string(name))
	}
	body, err := p.get(ctx, "/metadata/scheduledevents?api-version=2020-07-01")
	if err != nil {
		return Event{}, false, err
	}
	var events struct{ Events []Event }
	if err := json.Unmarshal(body, &events); err != nil {
		return Event{}, false, fmt.Errorf("scheduled events: %w", err)
	}
	for _, e := range events.Events {
		if e.ends() && slices.Contains(e.Resources, *machine) {
			return e, true, nil
		}
	}
	return Event{}, false, nil
}

// maxMetadata is far above the size of any answer.
const maxMetadata = 1 << 20

func (p Preemption) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Endpoint+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Metadata", "true")
	res, err := p.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the metadata service: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxMetadata))
	if err != nil {
		return nil, fmt.Errorf("ask the metadata service: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the metadata service: %s", res.Status)
	}
	return body, nil
}
