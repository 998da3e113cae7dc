package deps

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// altered writes fetch.sh, and what it reads next to it, in a tree of the test, with lines before
// the one that begins with a text.
func altered(t *testing.T, before, lines string) (script string) {
	t.Helper()
	tree := t.TempDir()
	text := read(t, "fetch.sh")
	if strings.Count(text, "\n"+before) != 1 {
		t.Fatalf("fetch.sh has not one line that begins with %q", before)
	}
	script = filepath.Join(tree, "deploy/deps/fetch.sh")
	write(t, script, strings.Replace(text, "\n"+before, "\n"+lines+"\n"+before, 1))
	for _, file := range []string{"pins.sh", "distribution.sh", "nvimgcodec.txt"} {
		write(t, filepath.Join(filepath.Dir(script), file), read(t, file))
	}
	return script
}

// TestDefaultParts: without a part, the script fetches nothing that takes Python or is
// large. The README's machine has no Python.
func TestDefaultParts(t *testing.T) {
	names := regexp.MustCompile(`(?m)^get_(\w+)\(\) \{`).FindAllStringSubmatch(read(t, "fetch.sh")+read(t, "distribution.sh"), -1)
	var replaced strings.Builder
	for _, name := range names {
		fmt.Fprintf(&replaced, "get_%[1]s() { echo 'part %[1]s'; }\n", name[1])
	}
	cmd := exec.Command(altered(t, "all=(", replaced.String()))
	cmd.Env = append(os.Environ(), "CI=true", "BATCHSCORE_CACHE="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got := strings.Join(regexp.MustCompile(`(?m)^part .*$`).FindAllString(string(out), -1), "\n")
	const want = "part system\npart runtime\npart model\npart photos\npart samples\npart demo\npart azurite\npart tmux\npart browser\n" +
		"part checkers\npart emulator\npart cluster"
	if got != want {
		t.Errorf("fetched\n%s\nwant\n%s", got, want)
	}
	for _, rule := range []string{"\ntest-deps: deps ", "fetch.sh cudatest nvimgcodec\n", "\ntest: test-deps "} {
		if !strings.Contains(read(t, "../../Makefile"), rule) {
			t.Errorf("the Makefile has no %q, so that a first make test has no GPU libraries", rule)
		}
	}
}

// TestPipIsInstalled: what comes through pip takes pip from the distribution if the machine
// has none, and says what to do if it has no apt-get either.
func TestPipIsInstalled(t *testing.T) {
	const python = "#!/bin/sh\ncase \"$*\" in\n'-m pip --version') ;;\n*) echo \"python3 $*\" >>\"$LOG\"; exit 1 ;;\nesac\n"
	for _, test := range []struct {
		name    string
		python  string // of the machine; none if empty
		apt     bool
		install bool
		says    string
	}{
		{name: "no python3", apt: true, install: true, says: "pip could not fetch nvidia-nvimgcodec-cu12"},
		{name: "python3 without pip", python: "#!/bin/sh\nexit 1\n", apt: true, install: true, says: "pip could not fetch nvidia-nvimgcodec-cu12"},
		{name: "pip", python: python, apt: true, says: "pip could not fetch nvidia-nvimgcodec-cu12"},
		{name: "no apt-get", says: "Python 3 with pip is missing, and this system has no apt-get"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bin, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
			for _, program := range strings.Fields("awk bash cat cut df dirname env flock grep id mkdir mktemp mv rm rmdir sha256sum") {
				path, err := exec.LookPath(program)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(path, filepath.Join(bin, program)); err != nil {
					t.Fatal(err)
				}
			}
			write(t, filepath.Join(bin, "uname"), "#!/bin/sh\necho Linux x86_64\n")
			write(t, filepath.Join(bin, "sudo"), "#!/bin/sh\nexec \"$@\"\n")
			if test.python != "" {
				write(t, filepath.Join(bin, "python3"), test.python)
			}
			if test.apt {
				write(t, filepath.Join(bin, "apt-cache"), "#!/bin/sh\necho '  Candidate: 1.0'\n")
				write(t, filepath.Join(bin, "apt-get"), "#!/bin/bash\necho \"apt-get $*\" >>\"$LOG\"\nrm -f \"$BIN/python3\"\n"+
					"printf '%s' \"$PYTHON\" >\"$BIN/python3\"\n"+"\"$CHMOD\" +x \"$BIN/python3\"\n")
			}
			chmod, err := exec.LookPath("chmod")
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(filepath.Join(bin, "bash"), altered(t, "all=(", ""), "nvimgcodec")
			cmd.Env = []string{"PATH=" + bin, "BIN=" + bin, "LOG=" + log, "PYTHON=" + python, "CHMOD=" + chmod, "BATCHSCORE_CACHE=" + t.TempDir()}
			out, err := cmd.CombinedOutput()
			logged, _ := os.ReadFile(log)
			if installs := strings.Contains(string(logged), "install -y --no-install-recommends python3-pip\n"); err == nil ||
				installs != test.install || !strings.Contains(string(out), test.says) {
				t.Errorf("%v, installed: %t, want %t; %s%s", err, installs, test.install, out, logged)
			}
		})
	}
}
