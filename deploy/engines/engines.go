// Package engines lists the engines that jobs can be launched on. A new engine is
// a package that implements deploy.Launcher and declares a deploy.Driver, and a
// line in All.
package engines

import (
	"slices"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/azureml"
	"github.com/batchscore/batchscore/deploy/batchai"
	"github.com/batchscore/batchscore/deploy/kubernetes"
	"github.com/batchscore/batchscore/deploy/local"
	"github.com/batchscore/batchscore/deploy/slurm"
)

// All lists the engines in the order of their names.
var All = []deploy.Driver{
	azureml.Driver,
	batchai.Driver,
	kubernetes.Driver,
	local.Driver,
	slurm.Driver,
}

// Find returns the engine of that name, and whether there is one.
func Find(name string) (deploy.Driver, bool) {
	i := slices.IndexFunc(All, func(d deploy.Driver) bool { return d.Name == name })
	if i < 0 {
		return deploy.Driver{}, false
	}
	return All[i], true
}

// Names returns the names of the engines that meet every condition, in the order
// of All.
func Names(conditions ...func(deploy.Driver) bool) []string {
	var names []string
	for _, d := range All {
		if !slices.ContainsFunc(conditions, func(suits func(deploy.Driver) bool) bool { return !suits(d) }) {
			names = append(names, d.Name)
		}
	}
	return names
}
