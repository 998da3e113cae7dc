package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// eventPackage is the only one that begins lines of the log.
const eventPackage = module + "/scorer/telemetry/event"

// begins are the methods of zerolog.Logger that begin a line.
var begins = []string{"Trace", "Debug", "Info", "Warn", "Error", "Fatal", "Panic", "Err", "Log", "WithLevel", "Print", "Printf", "Println"}

// TestEveryLineHasAnEvent checks that no line of the log begins other than by a kind of
// package event, that each kind has lines, and that each field of a line is among those that
// docs/reference.md gives for its kind.
func TestEveryLineHasAnEvent(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	kinds := map[string]*event.Kind{}
	lines := 0
	packages := typedPackages(t)
	for _, p := range packages {
		for name, object := range p.info.Defs {
			if v, ok := object.(*types.Var); ok && p.path == eventPackage && v.Parent() == v.Pkg().Scope() && ast.IsExported(name.Name) {
				kinds[name.Name] = nil
			}
		}
	}
	for _, p := range packages {
		if p.path == eventPackage {
			nameKinds(p.files, kinds)
			continue
		}
		for _, object := range p.info.Uses {
			if object.Pkg() != nil && object.Pkg().Path() == eventPackage {
				used[object.Name()] = true
			}
		}
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				selector, ok := call.Fun.(*ast.SelectorExpr)
				if ok && (slices.Contains(begins, selector.Sel.Name) || strings.HasPrefix(selector.Sel.Name, "Msg")) {
					of := strings.TrimPrefix(fmt.Sprint(p.info.TypeOf(selector.X)), "*")
					if of == "github.com/rs/zerolog.Logger" && slices.Contains(begins, selector.Sel.Name) {
						t.Errorf("%s: a line begins with %s: want a kind of package event, as event.ChunkRaced.On(log)",
							p.fset.Position(call.Pos()), selector.Sel.Name)
					}
					if strings.HasPrefix(selector.Sel.Name, "Msg") && strings.HasSuffix(of, "zerolog.Event") {
						lines++
						checkFields(t, p.fset, selector.X, kinds)
					}
				}
				return true
			})
		}
	}
	for name, kind := range kinds {
		switch {
		case kind == nil:
			t.Errorf("event.%s is not a kind with a name of its own", name)
		case !used[name]:
			t.Errorf("event.%s is never used: no line has the event %s", name, kind.Name)
		}
	}
	if lines < 70 || len(kinds) != len(event.All()) {
		t.Errorf("found %d lines and %d kinds, want 70 at least and %d", lines, len(kinds), len(event.All()))
	}
}

// nameKinds finds the kind of each variable by the name that it is declared with.
func nameKinds(files []*ast.File, kinds map[string]*event.Kind) {
	byName := map[string]*event.Kind{}
	for _, k := range event.All() {
		byName[k.Name] = k
	}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if _, ok := kinds[spec.Names[0].Name]; !ok {
				return true
			}
			ast.Inspect(spec.Values[0], func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if ok && literal.Kind == token.STRING && kinds[spec.Names[0].Name] == nil {
					name, _ := strconv.Unquote(literal.Value)
					kinds[spec.Names[0].Name] = byName[name]
				}
				return true
			})
			return false
		})
	}
}

// checkFields checks the fields that a chain of calls adds to a line, if it says of which kind
// that is.
func checkFields(t *testing.T, fset *token.FileSet, chain ast.Expr, kinds map[string]*event.Kind) {
	var fields []string
	for {
		call, ok := chain.(*ast.CallExpr)
		if !ok {
			return
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return
		}
		switch method := selector.Sel.Name; method {
		case "On", "At", "In":
			if of, ok := selector.X.(*ast.SelectorExpr); ok && kinds[of.Sel.Name] != nil {
				for _, field := range fields {
					if k := kinds[of.Sel.Name]; !strings.Contains(k.Fields, "`"+field+"`") {
						t.Errorf("%s: the line has the field %s, which event.%s does not name", fset.Position(call.Pos()), field, of.Sel.Name)
					}
				}
			}
			return
		case "Err":
			fields = append(fields, "error")
		default:
			if len(call.Args) > 0 {
				if literal, ok := call.Args[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
					field, _ := strconv.Unquote(literal.Value)
					fields = append(fields, field)
				}
			}
		}
		chain = selector.X
	}
}

// TestLinesAreInPackagesThatNameThem checks by the text that no file ends a line of the log
// in a package that TestEveryLineHasAnEvent does not read.
func TestLinesAreInPackagesThatNameThem(t *testing.T) {
	t.Parallel()
	ends := regexp.MustCompile(`(?m)\.\s*(?:Msg|Msgf|MsgFunc|Send)\(`)
	reads := map[string]bool{}
	for _, p := range typedPackages(t) {
		reads[strings.TrimPrefix(p.path, module+"/")] = true
	}
	for _, file := range trackedFiles(t) {
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || reads[filepath.ToSlash(filepath.Dir(file))] {
			continue
		}
		body, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
		if err == nil && ends.Match(body) && strings.Contains(string(body), "zerolog") {
			t.Errorf("%s logs, and its package imports neither zerolog nor package event", file)
		}
	}
}

// describeEvents returns the kinds of lines of the log as a table in Markdown.
func describeEvents() string {
	var b strings.Builder
	b.WriteString("| event | level | meaning | fields |\n|---|---|---|---|\n")
	for _, k := range event.All() {
		var levels []string
		for _, level := range k.Levels {
			levels = append(levels, level.String())
		}
		text := strings.Join(levels, ", ")
		if k.Person {
			text += ", needs a person"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, text, k.Means, k.Fields)
	}
	return b.String()
}

// TestWhys checks that the last line of the log has a word for each exit code of the help.
func TestWhys(t *testing.T) {
	t.Parallel()
	for _, m := range regexp.MustCompile(`(?m)^  (\d+) `).FindAllStringSubmatch(exitCodesHelp, -1) {
		if code, err := strconv.Atoi(m[1]); err != nil || whys[code] == "" {
			t.Errorf("the last line of the log has no word for the exit code %s", m[1])
		}
	}
}
