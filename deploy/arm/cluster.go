package arm

import "github.com/batchscore/batchscore/deploy"

// CheckSizes checks the two sizes between which a cluster is to scale.
func CheckSizes(engine string, minNodes, maxNodes int) error {
	if minNodes < 0 || maxNodes < max(minNodes, 1) {
		return deploy.Unsupported(engine, "nodes", "a cluster cannot scale from %d to %d", minNodes, maxNodes)
	}
	return nil
}

// Allocation is what a service says about the nodes that a cluster has now.
// Requests leave it empty.
type Allocation struct {
	State   string `json:"allocationState,omitempty"`
	Current int    `json:"currentNodeCount,omitempty"`
	Nodes   *struct {
		Running int `json:"runningNodeCount"`
	} `json:"nodeStateCounts,omitempty"`
}

// Tell copies the allocation into the description of its cluster.
func (a *Allocation) Tell(c *deploy.Cluster) {
	c.State, c.Nodes = a.State, a.Current
	if a.Nodes != nil {
		c.Busy = a.Nodes.Running
	}
}
