package deploy

import "context"

// Cluster is a set of equal machines that an engine keeps for jobs and scales
// by itself between two sizes.
type Cluster struct {
	Name     string   `json:"name"`
	VMSize   string   `json:"vmSize"`
	Priority Priority `json:"priority"`
	// MinNodes to MaxNodes is the range that it scales in; a cluster that
	// starts from 0 costs nothing while no job runs.
	MinNodes int `json:"minNodes"`
	MaxNodes int `json:"maxNodes"`
	// IdleTime is how long a node stays without work; not every engine can be
	// told.
	IdleTime Duration `json:"idleTime,omitempty"`
	// State is the engine's own word; Nodes is how many there are now, Busy how
	// many of them run a job. All three are what Show tells.
	State string `json:"state,omitempty"`
	Nodes int    `json:"nodes"`
	Busy  int    `json:"busy"`
}

// Clusters is an engine whose machines an administrator sets up with us.
// ErrNoCluster says that there is none of that name.
type Clusters interface {
	// ClusterDocuments are what CreateCluster would send; it sends nothing.
	ClusterDocuments(c Cluster) ([]Document, error)
	// CreateCluster makes the cluster and waits until it can take jobs. One
	// that exists with the same settings is left as it is.
	CreateCluster(ctx context.Context, c Cluster) error
	ShowCluster(ctx context.Context, name string) (Cluster, error)
	ResizeCluster(ctx context.Context, name string, minNodes, maxNodes int) error
	// DeleteCluster waits until it is gone; one that is gone is no error.
	DeleteCluster(ctx context.Context, name string) error
}
