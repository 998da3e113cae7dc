package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, file, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAgreeFindsWhoComputesSomethingElse(t *testing.T) {
	labels := map[string]int{}
	var same, other strings.Builder
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		labels[name] = 2
		same.WriteString(name + "\t2\t0.9\n")
		other.WriteString(name + "\t" + map[bool]string{true: "1", false: "2"}[name < "c"] + "\t0.9\n")
	}
	for name, c := range map[string]struct{ rows, why string }{
		"all agree":         {rows: same.String(), why: ""},
		"one in ten not":    {rows: strings.Replace(same.String(), "a\t2", "a\t3", 1), why: ""},
		"two in ten not":    {rows: other.String(), why: "8 of 10"},
		"no rows":           {rows: "", why: "0 of 0"},
		"another image":     {rows: "z\t2\t0.9\n", why: `"z"`},
		"another kind":      {rows: "a\tNeutral\t0.9\n", why: "Neutral"},
		"a line of its own": {rows: "hello\n", why: "hello"},
	} {
		err := agree(write(t, filepath.Join(t.TempDir(), "rows"), c.rows, 0o600), labels)
		if c.why == "" && err != nil || c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%s: %v, want %q", name, err, c.why)
		}
	}
}

// TestPeerIsRunAsAsked has a program in the place of Python that tells what it
// was given.
func TestPeerIsRunAsAsked(t *testing.T) {
	folder := t.TempDir()
	photos := filepath.Join(folder, "photos")
	for _, name := range []string{"1", "2", "3"} {
		write(t, filepath.Join(photos, name), name, 0o600)
	}
	p := &peer{name: "fake", venv: "fake", program: "fake.py", photos: photos, rows: filepath.Join(folder, "rows"),
		options: options{programs: folder, venvs: folder, model: "m.onnx", cores: 3, scaled: true}}
	script := write(t, filepath.Join(folder, "fake", "bin", "python"), "#!/bin/sh\necho \"$@\" >"+folder+"/args\n"+
		`while [ "$1" != --images ]; do shift; done; echo '{"images": '$(ls "$2" | wc -l)', "seconds": 0.5, "cpu_seconds": null}'`+"\n", 0o755)
	r, err := p.run(t.Context(), way{"threads", 4}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if r.Images != 2 || r.rate() != 4 || r.CPU != nil {
		t.Errorf("report %+v, want 2 images at 4 per second", r)
	}
	args, err := os.ReadFile(filepath.Join(folder, "args"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{folder + "/fake.py --model m.onnx --images " + photos + "-first --rows " + folder +
		"/rows --cores 3 --batch 4 --form threads --draft"}, " ")
	if strings.TrimSpace(string(args)) != want {
		t.Errorf("have %s\nwant %s", args, want)
	}
	write(t, script, "#!/bin/sh\necho broken >&2; exit 1\n", 0o755)
	if _, err := p.run(t.Context(), way{"threads", 4}, 0); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("run of a failing peer: %v, want its message", err)
	}
}

// TestProgramsAreSound compiles the peers' programs where there is a Python.
func TestProgramsAreSound(t *testing.T) {
	programs, err := filepath.Glob("*.py")
	if err != nil || len(programs) < len(all) {
		t.Fatalf("programs %v, %v; want %d or more", programs, err, len(all))
	}
	for _, p := range all {
		if _, err := os.Stat(p.program); err != nil {
			t.Error(err)
		}
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Log("there is no python3 to compile them with")
		return
	}
	for _, program := range programs {
		if out, err := exec.Command(python, "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())", program).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", program, err, out)
		}
	}
}
