package gpucheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rowsOf writes rows of scores of two classes, by image.
func rowsOf(t *testing.T, lines ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

const (
	cat  = `{"path":"a","status":"ok","class_id":0,"topk":[{"class_id":0,"score":0.75},{"class_id":1,"score":0.25}]}`
	dog  = `{"path":"a","status":"ok","class_id":1,"topk":[{"class_id":1,"score":0.5625},{"class_id":0,"score":0.4375}]}`
	like = `{"path":"a","status":"ok","class_id":0,"topk":[{"class_id":0,"score":0.7490},{"class_id":1,"score":0.2510}]}`
	bad  = `{"path":"b","status":"empty","class_id":null,"topk":[]}`
	fine = `{"path":"b","status":"ok","class_id":1,"topk":[{"class_id":1,"score":1}]}`
)

func TestAlike(t *testing.T) {
	for _, test := range []struct {
		name string
		a, b []string
		says string
		ok   bool
	}{
		{name: "equal", a: []string{cat, bad}, b: []string{cat, bad}, ok: true, says: "1 of 1 images have the same first class, largest difference 0"},
		{name: "close", a: []string{cat}, b: []string{like}, ok: true, says: "largest difference 0.001 (a)"},
		{name: "class", a: []string{cat}, b: []string{dog}, says: "0 of 1 images have the same first class, largest difference 0.31 (a)"},
		{name: "status", a: []string{cat, bad}, b: []string{cat, fine}, says: "the status of b differs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o, err := alike(rowsOf(t, test.a...), rowsOf(t, test.b...), 0.01)
			if err != nil || o.Holds != test.ok || !strings.Contains(o.Measured, test.says) {
				t.Errorf("%+v, %v; want %v, %q", o, err, test.ok, test.says)
			}
		})
	}
	if o, err := alike(rowsOf(t, cat), rowsOf(t, like), 0.0001); err != nil || o.Holds {
		t.Errorf("%+v, %v: want a difference above the limit refused", o, err)
	}
	for _, other := range [][]string{{bad}, {cat, cat}, {"x"}} {
		if o, err := alike(rowsOf(t, cat), rowsOf(t, other...), 1); err == nil {
			t.Errorf("%v compares with %s as %+v, want an error", cat, other, o)
		}
	}
}

func TestRepeated(t *testing.T) {
	var lines []string
	for range repeats * batch {
		lines = append(lines, cat)
	}
	if o, err := repeated(rowsOf(t, lines...)); err != nil || !o.Holds {
		t.Errorf("%+v, %v; want equal scores", o, err)
	}
	lines[70] = like
	const differs = "1 of 3168 rows differ from those of the first batch, by 0.001"
	if o, err := repeated(rowsOf(t, lines...)); err != nil || o.Holds || !strings.HasPrefix(o.Measured, differs) {
		t.Errorf("%+v, %v; want one row that differs", o, err)
	}
	if o, err := repeated(rowsOf(t, cat)); err == nil {
		t.Errorf("one row gives %+v, want an error", o)
	}
}

func TestSameBytes(t *testing.T) {
	a := rowsOf(t, cat, bad)
	for _, test := range []struct {
		name string
		b    []string
		want string
	}{
		{name: "equal", b: []string{cat, bad}},
		{name: "row", b: []string{cat, fine}, want: "1 of 2 rows differ, the first in line 2: "},
		{name: "shorter", b: []string{cat}, want: "one has 2 lines, the other 1"},
	} {
		got, err := sameBytes(a, rowsOf(t, test.b...))
		if err != nil || !strings.HasPrefix(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}
