package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxLineLength   = 160 // characters of a line of source
	maxFileLines    = 599 // lines of a file
	maxPackageFiles = 25  // files of a package that are not tests
)

// TestStyleLineLength keeps lines of source short enough to read next to one another.
// Prose in Markdown is free.
func TestStyleLineLength(t *testing.T) {
	t.Parallel()
	for _, file := range writtenFiles(t) {
		if !isSource(file.path) {
			continue
		}
		for _, line := range longLines(file) {
			t.Error(line)
		}
	}
}

// TestStyleFileLength keeps files of source short.
func TestStyleFileLength(t *testing.T) {
	t.Parallel()
	for _, file := range writtenFiles(t) {
		if n := strings.Count(file.text, "\n"); isSource(file.path) && n > maxFileLines {
			t.Errorf("%s has %d lines, want at most %d: split it by subject", file.path, n, maxFileLines)
		}
	}
}

// TestStylePackageSize keeps packages small. The commands are flat, one file each.
func TestStylePackageSize(t *testing.T) {
	t.Parallel()
	for folder, n := range packageFiles(writtenFiles(t)) {
		if n > maxPackageFiles && folder != "cmd/batchscore" {
			t.Errorf("%s has %d files that are not tests, want at most %d: split it by subject", folder, n, maxPackageFiles)
		}
	}
}

// TestStyleTablesNameFields keeps tables of tests readable: each value says which
// field it is for.
func TestStyleTablesNameFields(t *testing.T) {
	t.Parallel()
	folders := map[string][]sourceFile{}
	for _, file := range writtenFiles(t) {
		if strings.HasSuffix(file.path, ".go") {
			folder := path.Dir(file.path)
			folders[folder] = append(folders[folder], file)
		}
	}
	for _, files := range folders {
		for _, at := range unnamedFields(t, files) {
			t.Errorf("%s: values of a table without the names of their fields", at)
		}
	}
}

// TestStyleFindsFaults proves that the checks above find what they are for.
func TestStyleFindsFaults(t *testing.T) {
	t.Parallel()
	t.Run("long line", func(t *testing.T) {
		file := sourceFile{path: "x.go", text: "package x\n// " + strings.Repeat("é", maxLineLength-3) + "\n//" + strings.Repeat("é", maxLineLength-1) + "\n"}
		if got := longLines(file); len(got) != 1 || !strings.HasPrefix(got[0], "x.go:3:") {
			t.Errorf("longLines = %q, want line 3", got)
		}
	})
	t.Run("large package", func(t *testing.T) {
		files := []sourceFile{{path: "a/x.go"}, {path: "a/x_test.go"}, {path: "a/x.c"}, {path: "a/x.h"}, {path: "a/x.md"}, {path: "a/b/x.go"}}
		got := packageFiles(files)
		if got["a"] != 3 || got["a/b"] != 1 {
			t.Errorf("packageFiles = %v, want 3 in a and 1 in a/b", got)
		}
	})
	for _, test := range []struct {
		name, code string
		want       int
	}{
		{name: "struct in place", code: "var x = []struct{ a, b int }{{1, 2}, {a: 1}}", want: 1},
		{name: "pointers", code: "var x = []*struct{ a, b int }{{1, 2}}", want: 1},
		{name: "map", code: "var x = map[string]struct{ a int }{\"k\": {1}}", want: 1},
		{name: "named type", code: "type row struct{ a int }\nvar x = [...]row{{1}, {}}", want: 1},
		{name: "type of the package", code: "var x = []plain{{1}}", want: 0},
		{name: "local type", code: "func f() { type row struct{ a int }; _ = []row{{1}, row{2}} }", want: 2},
		{name: "arrays", code: "var x = [][]int{{1, 2}}", want: 0},
		{name: "array type", code: "type pair [2]int\nvar x = []pair{{1, 2}}", want: 0},
		{name: "named", code: "var x = []struct{ a, b int }{{a: 1, b: 2}}", want: 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := unnamedFields(t, []sourceFile{
				{path: "x.go", text: "package x\ntype plain struct{ a int }\n"},
				{path: "x_test.go", text: "package x\n" + test.code + "\n"},
			})
			if len(got) != test.want {
				t.Errorf("unnamedFields = %q, want %d of them", got, test.want)
			}
		})
	}
}

// isSource reports whether a path is of code, not of prose.
func isSource(file string) bool {
	return path.Ext(file) != ".md" && path.Ext(file) != ".tmpl"
}

func longLines(file sourceFile) []string {
	var long []string
	number := 0
	for line := range strings.Lines(file.text) {
		number++
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > maxLineLength {
			long = append(long, fmt.Sprintf("%s:%d: %d characters, want at most %d", file.path, number, n, maxLineLength))
		}
	}
	return long
}

// packageFiles counts the files of each folder that belong to a package and are
// not tests.
func packageFiles(files []sourceFile) map[string]int {
	counts := map[string]int{}
	for _, file := range files {
		if slices.Contains([]string{".go", ".c", ".h"}, path.Ext(file.path)) && !strings.HasSuffix(file.path, "_test.go") {
			counts[path.Dir(file.path)]++
		}
	}
	return counts
}

// unnamedFields returns the places in the tests of one package where an element
// of a slice, an array or a map is a struct whose values are not named, and the
// struct is declared there or elsewhere in the tests.
func unnamedFields(t *testing.T, files []sourceFile) []string {
	t.Helper()
	set := token.NewFileSet()
	structs := map[string]bool{} // by name, of the types that tests declare
	var tests []*ast.File
	for _, file := range files {
		if !strings.HasSuffix(file.path, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(set, file.path, file.text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if _, ok := spec.Type.(*ast.StructType); ok {
					structs[spec.Name.Name] = true
				}
			}
			return true
		})
		tests = append(tests, parsed)
	}
	isStruct := func(e ast.Expr) bool {
		if star, ok := e.(*ast.StarExpr); ok {
			e = star.X
		}
		if name, ok := e.(*ast.Ident); ok {
			return structs[name.Name]
		}
		_, ok := e.(*ast.StructType)
		return ok
	}
	var unnamed []string
	for _, file := range tests {
		ast.Inspect(file, func(n ast.Node) bool {
			table, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			var element ast.Expr
			switch kind := table.Type.(type) {
			case *ast.ArrayType:
				element = kind.Elt
			case *ast.MapType:
				element = kind.Value
			}
			if element == nil || !isStruct(element) {
				return true
			}
			for _, value := range table.Elts {
				if pair, ok := value.(*ast.KeyValueExpr); ok {
					value = pair.Value
				}
				row, ok := value.(*ast.CompositeLit)
				if !ok || len(row.Elts) == 0 {
					continue
				}
				if _, named := row.Elts[0].(*ast.KeyValueExpr); !named {
					unnamed = append(unnamed, set.Position(row.Pos()).String())
				}
			}
			return true
		})
	}
	return unnamed
}
