package preprocess

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestNoFusedProducts tests that nothing here adds a product to a number with a point without a
// conversion between: where the processor has an instruction for both, as arm64 has, Go rounds
// once, and a pixel may become another one.
func TestNoFusedProducts(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		seen++
		ast.Inspect(f, func(n ast.Node) bool {
			if e, ok := n.(*ast.BinaryExpr); ok && fused(e) {
				t.Errorf("%s: the product is not converted before the addition", files.Position(e.Pos()))
			}
			return true
		})
		return nil
	})
	if err != nil || seen < 50 {
		t.Fatalf("%d files were read: %v", seen, err)
	}
	for text, want := range map[string]bool{
		"v*255 + 0.5": true, "0.5 - (v * w)": true, "float32(v*255) + 0.5": false, "v*255 + 1": false, "v + 0.5": false,
	} {
		e, err := parser.ParseExpr(text)
		if err != nil || fused(e.(*ast.BinaryExpr)) != want {
			t.Errorf("%s: fused is not %t: %v", text, want, err)
		}
	}
}

// fused reports whether a number with a point is added to a product or taken from it, or the
// other way round.
func fused(e *ast.BinaryExpr) bool {
	if e.Op != token.ADD && e.Op != token.SUB {
		return false
	}
	product := func(x ast.Expr) bool {
		b, ok := ast.Unparen(x).(*ast.BinaryExpr)
		return ok && b.Op == token.MUL
	}
	point := func(x ast.Expr) bool {
		l, ok := ast.Unparen(x).(*ast.BasicLit)
		return ok && l.Kind == token.FLOAT
	}
	return product(e.X) && point(e.Y) || point(e.X) && product(e.Y)
}
