package serve

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEachCharacterOfSecretsCounts changes, leaves out and adds single characters.
func TestEachCharacterOfSecretsCounts(t *testing.T) {
	s := startJob(begin(t, 8))
	stranger := s.visitor()
	for what, secret := range map[string]string{"token": s.guard.token, "session": s.guard.session} {
		refused := func(wrong string) {
			t.Helper()
			r := s.request(http.MethodGet, "/?token="+wrong)
			want := http.StatusForbidden
			if what == "session" {
				r, want = s.request(http.MethodGet, "/progress"), http.StatusUnauthorized
				r.AddCookie(&http.Cookie{Name: cookie, Value: wrong})
			}
			if got := s.do(stranger, r); got.code != want {
				t.Errorf("%s %q, which is %q: %d, want %d", what, wrong, secret, got.code, want)
			}
		}
		for i := range secret {
			other := byte('A')
			if secret[i] == 'A' {
				other = 'B'
			}
			refused(secret[:i] + string(other) + secret[i+1:])
			refused(secret[:i])
			refused(secret[i:] + "A")
		}
		refused(strings.ToLower(secret))
		refused(strings.ToUpper(secret))
		refused(secret + secret)
	}
}

// TestSecretsAreComparedInConstantTime reads the code, because a clock proves nothing here: a
// secret goes to same, to the address and to the cookie, and same compares as it should.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	files := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	compared := map[string]int{}
	constant := false
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		allowed := map[ast.Node]bool{}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "same" {
					constant = comparesInConstantTime(n)
				}
			case *ast.CallExpr:
				for _, arg := range n.Args {
					if called(n) == "same" {
						compared[secretOf(arg)]++
					}
					allowed[arg] = called(n) == "same" || called(n) == "url.QueryEscape"
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Value" {
					allowed[n.Value] = true
				}
			case *ast.SelectorExpr:
				if secretOf(n) != "" && secretOf(n) != "folder" && !allowed[n] { // the folder is in addresses
					t.Errorf("%s: the %s is used in another way than in same(), the address and the cookie", files.Position(n.Pos()), secretOf(n))
				}
			}
			return true
		})
	}
	if !constant {
		t.Error("same is not only a comparison of both texts by subtle.ConstantTimeCompare")
	}
	if compared["token"] != 1 || compared["session"] != 1 || compared["folder"] != 1 {
		t.Errorf("same compares this often, want the token, the session and the folder once each: %v", compared)
	}
}

// called returns the name of a function that is called.
func called(c *ast.CallExpr) string {
	switch f := c.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if in, ok := f.X.(*ast.Ident); ok {
			return in.Name + "." + f.Sel.Name
		}
	}
	return ""
}

// secretOf returns which field with a secret an expression is.
func secretOf(e ast.Expr) string {
	if s, ok := e.(*ast.SelectorExpr); ok && slices.Contains([]string{"token", "session", "folder"}, s.Sel.Name) {
		return s.Sel.Name
	}
	return ""
}

// comparesInConstantTime reports whether all that a function does is to return whether
// subtle.ConstantTimeCompare of its two parameters is 1.
func comparesInConstantTime(f *ast.FuncDecl) bool {
	if len(f.Body.List) != 1 || len(f.Type.Params.List) != 1 || len(f.Type.Params.List[0].Names) != 2 {
		return false
	}
	r, ok := f.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(r.Results) != 1 {
		return false
	}
	b, ok := r.Results[0].(*ast.BinaryExpr)
	if !ok || b.Op != token.EQL {
		return false
	}
	c, ok := b.X.(*ast.CallExpr)
	if one, is := b.Y.(*ast.BasicLit); !is || one.Value != "1" || !ok || called(c) != "subtle.ConstantTimeCompare" || len(c.Args) != 2 {
		return false
	}
	for i, arg := range c.Args {
		bytes, ok := arg.(*ast.CallExpr)
		if !ok || len(bytes.Args) != 1 {
			return false
		}
		if _, ok := bytes.Fun.(*ast.ArrayType); !ok {
			return false
		}
		if name, ok := bytes.Args[0].(*ast.Ident); !ok || name.Name != f.Type.Params.List[0].Names[i].Name {
			return false
		}
	}
	return true
}
