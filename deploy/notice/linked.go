package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/golist"
)

// A part is a module that is linked into the program.
type part struct {
	name     string // with its version
	licences []string
	texts    []string // of its licences and notices
}

// The text is that of the release that go.mod asks for. It hardly ever changes.
//
//go:embed texts/go.txt
var goLicence string

//go:embed texts/onnxruntime.txt
var onnxRuntimeLicence string

func onnxRuntime() part {
	return part{name: "ONNX Runtime", texts: []string{tidy([]byte(onnxRuntimeLicence))}}
}

// A listed is what go list says of a package.
type listed struct {
	Dir    string
	Module *module
}

// A module is what go list says of one.
type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module // that is used in its place
}

var legal = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|unlicense)(\.(txt|md))?$`)

// linked returns the modules that the program is linked of, on each kind of processor.
func linked(ctx context.Context) ([]part, error) {
	files := map[string]map[string]bool{} // of each module, with its version
	for _, arch := range []string{"amd64", "arm64"} {
		packages, err := golist.List[listed](ctx, []string{"GOOS=linux", "GOARCH=" + arch, "CGO_ENABLED=1"},
			"-deps", "-json=Dir,Module", "github.com/batchscore/batchscore/cmd/batchscore")
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			if p.Module == nil || p.Module.Main {
				continue // Go's own library, and this module
			}
			used := p.Module
			if used.Replace != nil {
				used = used.Replace
			}
			name := used.Path + " " + used.Version
			if files[name] == nil {
				files[name] = map[string]bool{}
			}
			// A folder of a module may have a licence of its own.
			for folder := p.Dir; strings.HasPrefix(folder, p.Module.Dir); folder = filepath.Dir(folder) {
				entries, err := os.ReadDir(folder)
				if err != nil {
					return nil, err
				}
				for _, e := range entries {
					if !e.IsDir() && legal.MatchString(e.Name()) {
						files[name][filepath.Join(folder, e.Name())] = true
					}
				}
			}
		}
	}
	parts := []part{{name: "Go's runtime and standard library", texts: []string{tidy([]byte(goLicence))}}}
	for name, paths := range files {
		p := part{name: name}
		var sorted []string
		for path := range paths {
			sorted = append(sorted, path)
		}
		slices.Sort(sorted)
		for _, path := range sorted {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			p.texts = append(p.texts, tidy(text))
		}
		parts = append(parts, p)
	}
	slices.SortFunc(parts[1:], func(a, b part) int { return strings.Compare(a.name, b.name) })
	for i := range parts {
		licences, err := recognise(parts[i].texts)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", parts[i].name, err)
		}
		parts[i].licences = licences
	}
	return parts, nil
}

// tidy returns a text without what differs for no reason: the ends of lines and of the file.
func tidy(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		b.WriteString(strings.TrimRight(line, " \t\r\n") + "\n")
	}
	return strings.Trim(b.String(), "\n")
}
