package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// inUnits matches the name of a field of the log that holds a time.
var inUnits = regexp.MustCompile(`_(s|ms)(_|$)`)

// TestLogFieldsHaveUnits checks the rule for the fields of the log: a time is a number
// whose name ends in its unit, such as pause_s.
func TestLogFieldsHaveUnits(t *testing.T) {
	t.Parallel()
	fields := 0
	packages := typedPackages(t)
	for _, p := range packages {
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				method, name := logField(p.info, call)
				if method == "" {
					return true
				}
				fields++
				at := p.fset.Position(call.Pos())
				switch holds := slices.ContainsFunc(call.Args[1:], func(e ast.Expr) bool { return holdsDuration(p.info, e) }); {
				case slices.Contains([]string{"Dur", "Durs", "TimeDiff"}, method):
					t.Errorf("%s: %s(%q) writes a bare number: want Float64(%q, telemetry.Seconds(...))", at, method, name, name+"_s")
				case holds && (!inUnits.MatchString(name) || method == "Stringer" || method == "Interface" || method == "Any"):
					t.Errorf("%s: %s(%q) holds a time: want Float64(%q, telemetry.Seconds(...))", at, method, name, name+"_s")
				}
				return true
			})
		}
	}
	if fields < 60 || len(packages) < 4 {
		t.Errorf("found %d fields of the log in %d packages, want 60 in 4 at least", fields, len(packages))
	}
}

// logField returns the method of a call that adds a field to the log, and the name of
// the field; empty for any other call.
func logField(info *types.Info, call *ast.CallExpr) (method, name string) {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) < 2 {
		return "", ""
	}
	literal, ok := call.Args[0].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", ""
	}
	of := strings.TrimPrefix(fmt.Sprint(info.TypeOf(selector.X)), "*")
	if !slices.Contains([]string{"github.com/rs/zerolog.Event", "github.com/rs/zerolog.Context"}, of) {
		return "", ""
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil {
		return "", ""
	}
	return selector.Sel.Name, name
}

// holdsDuration reports whether an expression is a time.Duration or is made of one.
func holdsDuration(info *types.Info, e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && fmt.Sprint(info.TypeOf(e)) == "time.Duration" {
			found = true
		}
		return !found
	})
	return found
}

// typedPackage is a package with the types of its expressions.
type typedPackage struct {
	path  string
	fset  *token.FileSet
	files []*ast.File
	info  *types.Info
}

// typedPackages returns the packages of the repository that import zerolog or name lines of
// the log. Tests share them.
func typedPackages(t *testing.T) []typedPackage {
	t.Helper()
	all, err := readTypedPackages()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var readTypedPackages = sync.OnceValues(func() ([]typedPackage, error) {
	root := filepath.Join("..", "..")
	list := exec.Command("go", "list", "-export", "-deps", "-f",
		`{{.ImportPath}}|{{.Export}}|{{if .Module}}{{.Module.Main}}{{end}}|{{join .Imports ","}}|{{.Dir}}|{{join .GoFiles ","}},{{join .CgoFiles ","}}`, "./...")
	list.Dir = root
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	exports := map[string]string{}
	var own [][]string
	for line := range strings.Lines(string(out)) {
		columns := strings.Split(strings.TrimSpace(line), "|")
		exports[columns[0]] = columns[1]
		if columns[2] == "true" && (strings.Contains(columns[3], "rs/zerolog") || strings.Contains(columns[3], eventPackage)) {
			own = append(own, columns)
		}
	}
	// One importer for all packages reads what they import once.
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var all []typedPackage
	for _, columns := range own {
		p := typedPackage{path: columns[0], fset: fset, info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{},
			Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}}
		for name := range strings.SplitSeq(columns[5], ",") {
			if name == "" {
				continue
			}
			file, err := parser.ParseFile(p.fset, filepath.Join(columns[4], name), nil, 0)
			if err != nil {
				return nil, err
			}
			p.files = append(p.files, file)
		}
		check := types.Config{FakeImportC: true, Importer: imports}
		// The types of C are not known here.
		c := !strings.HasSuffix(columns[5], ",")
		if c {
			check.Error = func(error) {}
		}
		if _, err := check.Check(columns[0], p.fset, p.files, p.info); err != nil && !c {
			return nil, fmt.Errorf("%s: %w", columns[0], err)
		}
		all = append(all, p)
	}
	return all, nil
})
