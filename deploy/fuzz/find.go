package main

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/golist"
)

// A target is one fuzz function.
type target struct {
	path   string // of the package, to import it
	pkg    string // the same, within the module
	folder string
	name   string
	covers []string // packages of the module that it depends on, and its own
}

// A listed is what go list says of a package.
type listed struct {
	ImportPath, Dir           string
	Module                    *struct{ Path string }
	CFiles, Deps              []string
	TestGoFiles, XTestGoFiles []string
}

// find lists the fuzz targets of packages, by default of the whole module, in the order
// of their names. Under AddressSanitizer the default is the packages that have C code:
// others import those, but hardly give them what they have read.
func find(ctx context.Context, o options, packages []string) ([]target, error) {
	all := len(packages) == 0
	if all {
		packages = []string{"./..."}
	}
	chosen, err := golist.List[listed](ctx, nil, append([]string{"-json"}, packages...)...)
	if err != nil {
		return nil, err
	}
	var targets []target
	for _, p := range chosen {
		covers := []string{p.ImportPath}
		for _, dep := range p.Deps {
			if p.Module != nil && strings.HasPrefix(dep, p.Module.Path+"/") {
				covers = append(covers, dep)
			}
		}
		if o.asan && all && len(p.CFiles) == 0 {
			continue
		}
		for _, file := range append(slices.Clone(p.TestGoFiles), p.XTestGoFiles...) {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			for _, d := range parsed.Decls {
				f, ok := d.(*ast.FuncDecl)
				if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Fuzz") {
					continue
				}
				t := target{path: p.ImportPath, pkg: strings.TrimPrefix(p.ImportPath, p.Module.Path+"/"), folder: p.Dir, name: f.Name.Name, covers: covers}
				if o.run.MatchString(t.pkg + " " + t.name) {
					targets = append(targets, t)
				}
			}
		}
	}
	if len(targets) == 0 {
		return nil, errors.New("there is no such fuzz target")
	}
	slices.SortFunc(targets, func(a, b target) int { return strings.Compare(a.pkg+" "+a.name, b.pkg+" "+b.name) })
	return targets, nil
}
