package deploy

import "context"

// Cluster is a set of equal machines that an engine keeps for jobs and scales
// between two sizes.
type Cluster struct {
	Name     string   `json:"name"`
	VMSize   string   `json:"vmSize"`
	Priority Priority `json:"priority"`
	// MinNodes to MaxNodes is the range that it scales in; a cluster that
	// starts from 0 costs nothing while no job runs.
	MinNodes int `json:"minNodes"`
	MaxNodes int `json:"maxNodes"`
	// IdleTime is how long a node stays without work. Not every engine lets us
	// choose it.
	IdleTime Duration `json:"idleTime,omitempty"`
	// State is the engine's own word, Nodes how many there are now, Busy how many
	// of them run a job. ShowCluster fills in all three.
	State string `json:"state,omitempty"`
	Nodes int    `json:"nodes"`
	Busy  int    `json:"busy"`
}

// Clusters is an engine whose machines an administrator sets up with batchscore.
// For a name that the engine does not know the methods return ErrNoCluster.
type Clusters interface {
	// ClusterDocuments returns what CreateCluster would send. It sends nothing.
	ClusterDocuments(c Cluster) ([]Document, error)
	// CreateCluster creates the cluster and waits until it can take jobs. An
	// existing one with the same settings is left unchanged.
	CreateCluster(ctx context.Context, c Cluster) error
	ShowCluster(ctx context.Context, name string) (Cluster, error)
	ResizeCluster(ctx context.Context, name string, minNodes, maxNodes int) error
	// DeleteCluster waits until the cluster is gone. That it is gone already is
	// not an error.
	DeleteCluster(ctx context.Context, name string) error
}
