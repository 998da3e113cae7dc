package batchai

import (
	"context"
	"fmt"
	"net/http"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
)

type (
	workspaceBody struct {
		Location string `json:"location"`
	}
	clusterBody struct {
		Properties clusterProperties `json:"properties"`
	}
	clusterProperties struct {
		VMSize   string        `json:"vmSize,omitempty"`
		Priority string        `json:"vmPriority,omitempty"`
		Scale    scaleSettings `json:"scaleSettings"`
		User     *userAccount  `json:"userAccountSettings,omitempty"`

		arm.Allocation
	}
	scaleSettings struct {
		Auto *autoScale `json:"autoScale,omitempty"`
		// Manual is set for clusters of a fixed size, which batchscore does not
		// create.
		Manual *struct {
			Nodes int `json:"targetNodeCount"`
		} `json:"manual,omitempty"`
	}
	autoScale struct {
		Min     int `json:"minimumNodeCount"`
		Max     int `json:"maximumNodeCount"`
		Initial int `json:"initialNodeCount"`
	}
	userAccount struct {
		Name      string `json:"adminUserName"`
		PublicKey string `json:"adminUserSshPublicKey,omitempty"`
		Password  string `json:"adminUserPassword,omitempty"` //nolint:gosec // G117: the service takes it so
	}
)

// priorities are the service's words for them.
var priorities = map[deploy.Priority]string{deploy.Dedicated: "dedicated", deploy.Low: "lowpriority"}

// checkCluster checks the name of a cluster, which becomes part of a path.
func checkCluster(name string) error {
	if !resourceName.MatchString(name) {
		return fmt.Errorf("%s: cluster %s: want a name of 1 to 64 letters, digits, hyphens and underscores: %w", engine, deploy.Shown(name), deploy.ErrUnsupported)
	}
	return nil
}

func (e *Engine) clusterBody(c deploy.Cluster, shown bool) (clusterBody, error) {
	if c.Priority == "" {
		c.Priority = deploy.Dedicated
	}
	switch {
	case !resourceName.MatchString(c.Name):
		return clusterBody{}, checkCluster(c.Name)
	case c.VMSize == "":
		return clusterBody{}, deploy.Lacking(engine, "vmSize", "a cluster needs one, such as STANDARD_NC6")
	case c.IdleTime != 0:
		return clusterBody{}, deploy.Unsupported(engine, "idleTime", "Batch AI itself decides when a node has been idle for long enough")
	case e.o.AdminPublicKey == "" && !e.adminPassword.given():
		return clusterBody{}, fmt.Errorf("%s: a cluster needs adminPublicKey in service.yaml: %w", engine, deploy.ErrService)
	}
	if err := arm.CheckSizes(engine, c.MinNodes, c.MaxNodes); err != nil {
		return clusterBody{}, err
	}
	user := &userAccount{Name: e.o.AdminUser, PublicKey: e.o.AdminPublicKey}
	if e.adminPassword.given() {
		user.Password = values{shown: shown}.text(e.adminPassword)
	}
	return clusterBody{clusterProperties{
		VMSize: c.VMSize, Priority: priorities[c.Priority],
		Scale: scaleSettings{Auto: &autoScale{c.MinNodes, c.MaxNodes, c.MinNodes}}, User: user,
	}}, nil
}

// ClusterDocuments implements deploy.Clusters.
func (e *Engine) ClusterDocuments(c deploy.Cluster) ([]deploy.Document, error) {
	body, err := e.clusterBody(c, true)
	if err != nil {
		return nil, err
	}
	if e.o.Location == "" {
		return nil, fmt.Errorf("%s: a workspace needs location in service.yaml: %w", engine, deploy.ErrService)
	}
	return e.service.Documents(
		arm.Request{Path: e.workspace(), Body: workspaceBody{e.o.Location}},
		arm.Request{Path: e.cluster(c.Name), Body: body},
	)
}

// CreateCluster implements deploy.Clusters. It creates the workspace if there is
// none.
func (e *Engine) CreateCluster(ctx context.Context, c deploy.Cluster) error {
	if _, err := e.ClusterDocuments(c); err != nil {
		return err
	}
	body, err := e.clusterBody(c, false)
	if err != nil {
		return err
	}
	if _, err := e.service.Do(ctx, http.MethodGet, e.workspace(), nil, nil); arm.IsStatus(err, http.StatusNotFound) {
		if _, err := e.service.Do(ctx, http.MethodPut, e.workspace(), workspaceBody{e.o.Location}, nil); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	_, err = e.service.Do(ctx, http.MethodPut, e.cluster(c.Name), body, nil)
	return err
}

// ShowCluster implements deploy.Clusters.
func (e *Engine) ShowCluster(ctx context.Context, name string) (deploy.Cluster, error) {
	if err := checkCluster(name); err != nil {
		return deploy.Cluster{}, err
	}
	var body clusterBody
	if _, err := e.service.About(ctx, arm.Cluster(name), http.MethodGet, e.cluster(name), nil, &body); err != nil {
		return deploy.Cluster{}, err
	}
	p := body.Properties
	c := deploy.Cluster{Name: name, VMSize: p.VMSize, Priority: deploy.Dedicated}
	p.Tell(&c)
	switch {
	case p.Scale.Auto != nil:
		c.MinNodes, c.MaxNodes = p.Scale.Auto.Min, p.Scale.Auto.Max
	case p.Scale.Manual != nil:
		c.MinNodes, c.MaxNodes = p.Scale.Manual.Nodes, p.Scale.Manual.Nodes
	}
	if p.Priority == priorities[deploy.Low] {
		c.Priority = deploy.Low
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
	body := clusterBody{clusterProperties{Scale: scaleSettings{Auto: &autoScale{minNodes, maxNodes, minNodes}}}}
	_, err := e.service.About(ctx, arm.Cluster(name), http.MethodPatch, e.cluster(name), body, nil)
	return err
}

// DeleteCluster implements deploy.Clusters.
func (e *Engine) DeleteCluster(ctx context.Context, name string) error {
	if err := checkCluster(name); err != nil {
		return err
	}
	return e.service.DeleteCluster(ctx, name, e.cluster(name))
}
