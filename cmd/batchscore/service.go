package main

import (
	"bytes"
	"cmp"
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
	"github.com/batchscore/batchscore/scorer/cost"
)

// serviceVar is the environment variable with the path of service.yaml.
const serviceVar = "BATCHSCORE_SERVICE"

// serviceFlags say where service.yaml is.
type serviceFlags struct{ path string }

func (f *serviceFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "service", "",
		"read from `FILE` how to reach each engine (default $"+serviceVar+", else batchscore/service.yaml in your configuration folder)")
}

// file returns the path of service.yaml, and whether the user named it.
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

// noEngine returns the error of a --to that names no engine.
func noEngine(name string) error {
	return oneOf("to", name, engines.Names())
}

// section returns an engine's section of service.yaml. It is empty if the file or the
// section is missing. source says where it is from, for errors; it is empty if the file
// is missing.
func (f *serviceFlags) section(engine string) (section yaml.Node, source string, err error) {
	path, asked := f.file()
	body, err := readService(path)
	switch {
	case path == "" || errors.Is(err, fs.ErrNotExist) && !asked:
		return yaml.Node{}, "", nil
	case err != nil:
		return yaml.Node{}, "", config(fmt.Errorf("service.yaml: %w", err))
	}
	sections := map[string]yaml.Node{}
	if err := yaml.Load(bytes.TrimSpace(body), &sections); err != nil && len(bytes.TrimSpace(body)) > 0 {
		return yaml.Node{}, "", config(fmt.Errorf("%s: %w", path, deploy.YAMLError(err)))
	}
	for name := range sections {
		if _, known := engines.Find(name); !known {
			return yaml.Node{}, "", config(fmt.Errorf("%s: there is no engine %q: sections are %s", path, name, strings.Join(engines.Names(), ", ")))
		}
	}
	return sections[engine], path + ", section " + engine, nil
}

// readService reads service.yaml.
func readService(path string) ([]byte, error) {
	body, err := deploy.ReadNamed(path)
	if err == nil {
		err = deploy.CheckYAML(body)
	}
	return body, err
}

// launcher opens an engine with its section of service.yaml, overridden by the
// settings in over. It returns the section that it used, too.
func (f *serviceFlags) launcher(engine string, over yaml.Node) (deploy.Launcher, yaml.Node, error) {
	driver, known := engines.Find(engine)
	if !known {
		return nil, yaml.Node{}, noEngine(engine)
	}
	section, source, err := f.section(engine)
	if err != nil {
		return nil, section, err
	}
	if over.Kind != 0 {
		if section, err = withSettings(section, over); err != nil {
			return nil, section, config(fmt.Errorf("%s: %w", cmp.Or(source, "flags"), err))
		}
	}
	rest, _, err := takePrice(section)
	if err != nil {
		return nil, section, config(fmt.Errorf("%s: %w", cmp.Or(source, "flags"), err))
	}
	l, err := driver.Open(&rest)
	switch {
	case err == nil:
		return l, section, nil
	case errors.Is(err, deploy.ErrService) && source == "" && section.Kind == 0:
		path, _ := f.file()
		return nil, section, config(fmt.Errorf("%s needs a section in service.yaml, and there is no %s; --service names another file", engine, path))
	}
	return nil, section, config(fmt.Errorf("%s: %w", cmp.Or(source, "flags"), err))
}

// takePrice returns a section of service.yaml without its price, which every engine may have:
// that of one of its machines for an hour.
func takePrice(section yaml.Node) (rest yaml.Node, price string, err error) {
	if section.Kind != yaml.MappingNode {
		return section, "", nil
	}
	rest = section
	rest.Content = nil
	for i := 0; i+1 < len(section.Content); i += 2 {
		if section.Content[i].Value != "price" {
			rest.Content = append(rest.Content, section.Content[i], section.Content[i+1])
			continue
		}
		p, err := cost.ParsePrice(section.Content[i+1].Value)
		if err != nil || p.PerNode || section.Content[i+1].Kind != yaml.ScalarNode {
			return rest, "", errors.New("price: want that of one machine for an hour, such as 3.06 or 3.06EUR")
		}
		p.PerNode = true
		price = p.String()
	}
	return rest, price, nil
}

// withSettings returns a section with the settings in over replaced.
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
