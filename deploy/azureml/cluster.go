package azureml

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
)

type (
	computeBody struct {
		Location   string           `json:"location,omitempty"`
		Identity   *computeIdentity `json:"identity,omitempty"`
		Properties compute          `json:"properties"`
	}
	computeIdentity struct {
		Type string              `json:"type"`
		User map[string]struct{} `json:"userAssignedIdentities,omitempty"`
	}
	compute struct {
		Type       string     `json:"computeType"`
		Properties amlCompute `json:"properties"`
		// State is set by the service.
		State string `json:"provisioningState,omitempty"`
	}
	amlCompute struct {
		VMSize   string        `json:"vmSize"`
		Priority string        `json:"vmPriority"`
		OS       string        `json:"osType"`
		Scale    scaleSettings `json:"scaleSettings"`
		arm.Allocation
	}
	scaleSettings struct {
		Min  int    `json:"minNodeCount"`
		Max  int    `json:"maxNodeCount"`
		Idle string `json:"nodeIdleTimeBeforeScaleDown"`
	}
	// resizeBody is the body of a PATCH.
	resizeBody struct {
		Properties struct {
			Properties struct {
				Scale scaleSettings `json:"scaleSettings"`
			} `json:"properties"`
		} `json:"properties"`
	}
)

// priorities are the service's words for them.
var priorities = map[deploy.Priority]string{deploy.Dedicated: "Dedicated", deploy.Low: "LowPriority"}

// defaultIdle is how long a node stays without work unless the cluster says
// otherwise.
const defaultIdle = 2 * time.Minute

// withDefaults returns the cluster with defaults for what was left out.
func withDefaults(c deploy.Cluster) deploy.Cluster {
	if c.Priority == "" {
		c.Priority = deploy.Dedicated
	}
	if c.IdleTime == 0 {
		c.IdleTime = deploy.Duration(defaultIdle)
	}
	return c
}

// checkCluster checks the name of a cluster, which becomes part of a path.
func checkCluster(name string) error {
	if !clusterName.MatchString(name) {
		return deploy.Unsupported(engine, "name", "%s: want 3 to 24 letters, digits and hyphens, a letter first", deploy.Shown(name))
	}
	return nil
}

func (e *Engine) computeBody(c deploy.Cluster) (computeBody, error) {
	c = withDefaults(c)
	switch {
	case !clusterName.MatchString(c.Name):
		return computeBody{}, checkCluster(c.Name)
	case c.VMSize == "":
		return computeBody{}, deploy.Lacking(engine, "vmSize", "a cluster needs one, such as Standard_NC24ads_A100_v4")
	case e.o.Location == "":
		return computeBody{}, fmt.Errorf("%s: a cluster needs location in service.yaml: %w", engine, deploy.ErrService)
	}
	if err := arm.CheckSizes(engine, c.MinNodes, c.MaxNodes); err != nil {
		return computeBody{}, err
	}
	body := computeBody{
		Location: e.o.Location, Identity: &computeIdentity{Type: "SystemAssigned"},
		Properties: compute{Type: "AmlCompute", Properties: amlCompute{
			VMSize: c.VMSize, Priority: priorities[c.Priority], OS: "Linux",
			Scale: scaleSettings{c.MinNodes, c.MaxNodes, arm.Duration(time.Duration(c.IdleTime))},
		}},
	}
	if e.o.IdentityID != "" {
		body.Identity = &computeIdentity{Type: "UserAssigned", User: map[string]struct{}{e.o.IdentityID: {}}}
	}
	return body, nil
}

// ClusterDocuments implements deploy.Clusters.
func (e *Engine) ClusterDocuments(c deploy.Cluster) ([]deploy.Document, error) {
	body, err := e.computeBody(c)
	if err != nil {
		return nil, err
	}
	return e.service.Documents(arm.Request{Path: e.compute(c.Name), Body: body})
}

// CreateCluster implements deploy.Clusters.
func (e *Engine) CreateCluster(ctx context.Context, c deploy.Cluster) error {
	body, err := e.computeBody(c)
	if err != nil {
		return err
	}
	there, err := e.ShowCluster(ctx, c.Name)
	switch {
	case err == nil:
		return checkSame(withDefaults(c), there)
	case !errors.Is(err, deploy.ErrNoCluster):
		return err
	}
	_, err = e.service.Do(ctx, http.MethodPut, e.compute(c.Name), body, nil)
	return err
}

// checkSame returns an error if a cluster that exists differs from the one that is
// asked for.
func checkSame(asked, there deploy.Cluster) error {
	if strings.EqualFold(asked.VMSize, there.VMSize) && asked.Priority == there.Priority &&
		asked.MinNodes == there.MinNodes && asked.MaxNodes == there.MaxNodes && asked.IdleTime == there.IdleTime {
		return nil
	}
	return fmt.Errorf("%s: the cluster %s exists with other settings (%s, %s, %d to %d nodes, idle %s): resize it, or delete it first",
		engine, there.Name, there.VMSize, there.Priority, there.MinNodes, there.MaxNodes, there.IdleTime)
}

// ShowCluster implements deploy.Clusters.
func (e *Engine) ShowCluster(ctx context.Context, name string) (deploy.Cluster, error) {
	if err := checkCluster(name); err != nil {
		return deploy.Cluster{}, err
	}
	var body computeBody
	if _, err := e.service.About(ctx, arm.Cluster(name), http.MethodGet, e.compute(name), nil, &body); err != nil {
		return deploy.Cluster{}, err
	}
	p := body.Properties.Properties
	var idle time.Duration
	if p.Scale.Idle != "" {
		var err error
		if idle, err = arm.ParseDuration(p.Scale.Idle); err != nil {
			return deploy.Cluster{}, fmt.Errorf("%s: cluster %s: idle time: %w", engine, name, err)
		}
	}
	c := deploy.Cluster{
		Name: name, VMSize: p.VMSize, Priority: deploy.Dedicated, MinNodes: p.Scale.Min, MaxNodes: p.Scale.Max,
		IdleTime: deploy.Duration(idle),
	}
	p.Tell(&c)
	if p.Priority == priorities[deploy.Low] {
		c.Priority = deploy.Low
	}
	if state := body.Properties.State; state != "Succeeded" {
		c.State = state
	}
	return c, nil
}

// ResizeCluster implements deploy.Clusters.
func (e *Engine) ResizeCluster(ctx context.Context, name string, minNodes, maxNodes int) error {
	if err := checkCluster(name); err != nil {
		return err
	}
	if err := arm.CheckSizes(engine, minNodes, maxNodes); err != nil {
		return err
	}
	there, err := e.ShowCluster(ctx, name)
	if err != nil {
		return err
	}
	var body resizeBody
	body.Properties.Properties.Scale = scaleSettings{minNodes, maxNodes, arm.Duration(time.Duration(there.IdleTime))}
	_, err = e.service.About(ctx, arm.Cluster(name), http.MethodPatch, e.compute(name), body, nil)
	return err
}

// DeleteCluster implements deploy.Clusters.
func (e *Engine) DeleteCluster(ctx context.Context, name string) error {
	if err := checkCluster(name); err != nil {
		return err
	}
	return e.service.DeleteCluster(ctx, name, e.compute(name)+"?underlyingResourceAction=Delete")
}
