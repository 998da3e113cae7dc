package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/engines"
)

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
		if _, known := engines.Find(name); !known {
			return yaml.Node{}, "", config(fmt.Errorf("%s: there is no engine %q: its sections are %s", path, name, strings.Join(engines.Names(), ", ")))
		}
	}
	return sections[engine], path + ", section " + engine, nil
}

// launcher opens an engine as service.yaml says, and the settings in over which
// stand over that. It returns the section that it was opened with.
func (f *serviceFlags) launcher(engine string, over yaml.Node) (deploy.Launcher, yaml.Node, error) {
	driver, known := engines.Find(engine)
	if !known {
		return nil, yaml.Node{}, usagef("--to %q: it takes %s", engine, strings.Join(engines.Names(), ", "))
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
	l, err := driver.Open(&section)
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
