package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	const fuzzing = `fuzz: elapsed: 0s, gathering baseline coverage: 0/12 completed
fuzz: elapsed: 0s, gathering baseline coverage: 12/12 completed, now fuzzing with 2 workers
fuzz: elapsed: 3s, execs: 102 (34/sec), new interesting: 5 (total: 17)
fuzz: elapsed: 5s, execs: 204 (50/sec), new interesting: 6 (total: 18)
`
	for _, c := range []struct {
		name, text string
		want       result
	}{
		{name: "ok", text: fuzzing + "PASS\n", want: result{inputs: 204, fresh: 6, corpus: 18}},
		{name: "without coverage", text: "fuzz: elapsed: 0s, execs: 200 (1020/sec)\nPASS\n", want: result{inputs: 200}},
		{name: "no input ran", text: "fuzz: elapsed: 9s, gathering baseline coverage: 3/12 completed\nPASS\n", want: result{}},
		{
			name: "failure",
			text: fuzzing + "--- FAIL: FuzzA (5.01s)\n    a_test.go:3: wrong\n    Failing input written to testdata/fuzz/FuzzA/97a8\n",
			want: result{
				inputs: 204, fresh: 6, corpus: 18, crash: "testdata/fuzz/FuzzA/97a8",
				report: "--- FAIL: FuzzA (5.01s)\n    a_test.go:3: wrong\n    Failing input written to testdata/fuzz/FuzzA/97a8\n",
			},
		},
		{
			name: "a seed fails",
			text: "failure while testing seed corpus entry: FuzzA/seed#0\n",
			want: result{crash: "seed#0", report: "failure while testing seed corpus entry: FuzzA/seed#0\n"},
		},
	} {
		if got := read(c.text); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	a := target{pkg: "models/a", name: "FuzzA"}
	good := result{target: a, took: 2 * time.Second, cpu: 4 * time.Second, inputs: 100, fresh: 3, corpus: 7}
	bad := good
	bad.crash = "testdata/fuzz/FuzzA/97a8"
	for _, c := range []struct {
		name    string
		results []result
		want    string
		good    bool
	}{
		{name: "good", results: []result{good}, want: " 50      25    3       7      ok  models/a FuzzA\n", good: true},
		{name: "few", results: []result{good, {target: a, took: time.Second, inputs: 9}}, want: "TOO FEW", good: false},
		{name: "crash", results: []result{bad, good}, want: "go test -count=1 -run '^FuzzA$/^97a8$' ./models/a\n", good: false},
		{name: "broken", results: []result{{target: a, broken: "no compiler"}}, want: "DID NOT RUN", good: false},
		{name: "none", results: nil, want: "target", good: false},
	} {
		var out strings.Builder
		if got := table(&out, c.results, options{least: 10}); got != c.good || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v with\n%swant %v with %q", c.name, got, out.String(), c.good, c.want)
		}
	}
	t.Setenv("CGO_CFLAGS", "-fsanitize=undefined")
	if got := bad.reproduce(options{asan: true}); !strings.HasPrefix(got, "CGO_CFLAGS='-fsanitize=undefined' ") || !strings.Contains(got, "go test -asan ") {
		t.Errorf("under AddressSanitizer, reproduce by %q", got)
	}
}

// TestFindC tests which targets run under AddressSanitizer.
func TestFindC(t *testing.T) {
	dir := t.TempDir()
	const fuzz = "import \"testing\"\n\nfunc FuzzA(f *testing.F) {}\n"
	write(t, dir, map[string]string{
		"go.mod":         "module example\n\ngo 1.26\n",
		"c/c.go":         "package c\n\nimport \"C\"\n",
		"c/c.c":          "int x;\n",
		"c/c_test.go":    "package c\n\n" + fuzz,
		"user/u.go":      "package user\n\nimport _ \"example/c\"\n",
		"user/u_test.go": "package user\n\n" + fuzz,
	})
	t.Chdir(dir)
	for _, c := range []struct {
		asan     bool
		packages []string
		want     string
	}{
		{asan: false, want: "c user"},
		{asan: true, want: "c"},
		{asan: true, packages: []string{"./user"}, want: "user"},
	} {
		targets, err := find(t.Context(), options{asan: c.asan, run: regexp.MustCompile("")}, c.packages)
		var got []string
		for _, target := range targets {
			got = append(got, target.pkg)
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("asan %v, packages %q: %q, %v, want %q", c.asan, c.packages, got, err, c.want)
		}
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		options
		good bool
	}{
		{options: options{time: "30s", minimize: "20x", cache: "c"}, good: true},
		{options: options{time: "200x", minimize: "1m", cache: "c"}, good: true},
		{options: options{time: "200", minimize: "20x", cache: "c"}, good: false},
		{options: options{time: "30s", minimize: "x", cache: "c"}, good: false},
		{options: options{time: "30s", minimize: "20x"}, good: false},
	} {
		if err := c.check(""); (err == nil) != c.good {
			t.Errorf("%+v: %v, want good = %v", c.options, err, c.good)
		}
	}
}

// TestFuzz fuzzes two targets of a small module, one of which has a fault.
func TestFuzz(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"go.mod": "module example\n\ngo 1.26\n",
		"p/p.go": "package p\n",
		"p/p_test.go": `package p

import "testing"

/*
func FuzzComment(f *testing.F) {
*/

func FuzzGood(f *testing.F) {
	f.Add([]byte("a"))
	f.Fuzz(func(t *testing.T, b []byte) {})
}

func FuzzBad(f *testing.F) {
	f.Add([]byte("a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 1 {
			t.Error("the fault")
		}
	})
}
`,
	})
	t.Chdir(dir)
	o := options{time: "2000x", minimize: "20x", cache: filepath.Join(dir, "cache"), run: regexp.MustCompile(""), parallel: 1, least: 2000, race: true}
	var out strings.Builder
	if err := fuzz(t.Context(), &out, o, nil); err == nil || !strings.Contains(out.String(), "the fault") {
		t.Errorf("fuzz() = %v with\n%s", err, out.String())
	}
	if !regexp.MustCompile(`2000 .* ok  p FuzzGood`).MatchString(out.String()) {
		t.Errorf("FuzzGood has not run 2000 inputs:\n%s", out.String())
	}
	if strings.Contains(out.String(), "FuzzComment") {
		t.Errorf("a comment was taken for a target:\n%s", out.String())
	}
	_, command, _ := strings.Cut(out.String(), "to reproduce: ")
	kept, err := os.ReadDir("p/testdata/fuzz/FuzzBad")
	if err != nil || len(kept) != 1 || !strings.Contains(command, kept[0].Name()) {
		t.Fatalf("%v are kept, %v; the command is %q", kept, err, command)
	}
	if text, err := exec.Command("sh", "-c", command).CombinedOutput(); err == nil || !strings.Contains(string(text), "the fault") {
		t.Errorf("%s: %v\n%s", command, err, text)
	}
	o.run = regexp.MustCompile("None")
	if err := fuzz(t.Context(), io.Discard, o, nil); err == nil {
		t.Error("fuzz() without a target succeeded")
	}
}
