package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/azureml"
	"github.com/batchscore/batchscore/deploy/batchai"
	"github.com/batchscore/batchscore/deploy/kubernetes"
	"github.com/batchscore/batchscore/deploy/local"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/deploy/slurm"
)

// engines are what --to takes: each opens its launcher with its section of
// service.yaml, which may be empty.
var engines = map[string]func(section *yaml.Node) (deploy.Launcher, error){
	"local":      opener(openLocal),
	"slurm":      opener(openSlurm),
	"kubernetes": opener(kubernetes.New),
	"batchai":    opener(batchai.New),
	"azureml":    opener(azureml.New),
}

// containers are the engines whose ranks run in containers, with paths of their
// own.
var containers = map[string]bool{"kubernetes": true, "batchai": true, "azureml": true}

// openLocal opens mpirun with the folder of this user in which jobs keep their
// output and their exit status.
func openLocal(o local.Options) (*local.Engine, error) {
	var err error
	if o.Folder, err = stateFolder("local"); err != nil {
		return nil, err
	}
	return local.New(o)
}

// openSlurm opens Slurm with the logs in a folder of this user, unless
// service.yaml names another: compute nodes mostly see the home folders.
func openSlurm(o slurm.Options) (*slurm.Engine, error) {
	if o.Folder == "" {
		var err error
		if o.Folder, err = stateFolder("slurm"); err != nil {
			return nil, err
		}
	}
	return slurm.New(o)
}

// stateFolder lies beside the records of jobs.
func stateFolder(name string) (string, error) {
	jobs, err := record.Folder()
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(jobs), name), nil
}

func engineNames() []string { return slices.Sorted(maps.Keys(engines)) }

// opener reads the section of an engine into its options.
func opener[O any, L deploy.Launcher](open func(O) (L, error)) func(*yaml.Node) (deploy.Launcher, error) {
	return func(section *yaml.Node) (deploy.Launcher, error) {
		var o O
		if section.Kind != 0 {
			if err := section.Load(&o, yaml.WithKnownFields()); err != nil {
				return nil, deploy.YAMLError(err)
			}
		}
		return open(o)
	}
}

// serviceVar names service.yaml where --service does not.
const serviceVar = "BATCHSCORE_SERVICE"

// serviceFlags say where service.yaml lies.
type serviceFlags struct{ path string }

func (f *serviceFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "service", "",
		"file that says where each engine is reached; by default $"+serviceVar+" or batchscore/service.yaml in your configuration folder")
}

// file is the path of service.yaml, and whether somebody asked for it.
func (f *serviceFlags) file() (path string, asked bool) {
	if f.path != "" {
		return f.path, true
	}
	if path := os.Getenv(serviceVar); path != "" {
		return path, true
	}
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", false
	}
	return filepath.Join(folder, "batchscore", "service.yaml"), false
}

// section is an engine's part of service.yaml. It is empty where the file or
// the part is missing; source says which, for an engine that cannot do without.
func (f *serviceFlags) section(engine string) (section yaml.Node, source string, err error) {
	path, asked := f.file()
	body, err := os.ReadFile(path)
	switch {
	case path == "" || errors.Is(err, fs.ErrNotExist) && !asked:
		return yaml.Node{}, fmt.Sprintf("there is no service.yaml (%s; --service names another)", path), nil
	case err != nil:
		return yaml.Node{}, "", config(fmt.Errorf("service.yaml: %w", err))
	}
	sections := map[string]yaml.Node{}
	if err := yaml.Load(bytes.TrimSpace(body), &sections); err != nil && len(bytes.TrimSpace(body)) > 0 {
		return yaml.Node{}, "", config(fmt.Errorf("%s: %w", path, deploy.YAMLError(err)))
	}
	for name := range sections {
		if engines[name] == nil {
			return yaml.Node{}, "", config(fmt.Errorf("%s: there is no engine %q: its sections are %s", path, name, strings.Join(engineNames(), ", ")))
		}
	}
	return sections[engine], path + ", section " + engine, nil
}

// launcher opens an engine as service.yaml says, and the settings in over which
// stand over that. It returns the section that it was opened with.
func (f *serviceFlags) launcher(engine string, over yaml.Node) (deploy.Launcher, yaml.Node, error) {
	if engines[engine] == nil {
		return nil, yaml.Node{}, usagef("--to %q: it takes %s", engine, strings.Join(engineNames(), ", "))
	}
	section, source, err := f.section(engine)
	if err != nil {
		return nil, section, err
	}
	if over.Kind != 0 {
		if section, err = withSettings(section, over); err != nil {
			return nil, section, config(fmt.Errorf("%s: %w", source, err))
		}
	}
	l, err := engines[engine](&section)
	if err != nil {
		return nil, section, config(fmt.Errorf("%s: %w", source, err))
	}
	return l, section, nil
}

// withSettings is a section with some of its settings replaced.
func withSettings(section, over yaml.Node) (yaml.Node, error) {
	all := map[string]any{}
	for _, node := range []yaml.Node{section, over} {
		if node.Kind == 0 {
			continue
		}
		if err := node.Decode(&all); err != nil {
			return section, err
		}
	}
	var sum yaml.Node
	err := sum.Encode(all)
	return sum, err
}
