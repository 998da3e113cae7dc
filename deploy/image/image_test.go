package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// need finds a program that make deps installs.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: make deps", program)
	}
	t.Skipf("%s is missing: make deps", program)
	return ""
}

func read(t *testing.T, file string) string {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("*.sh") // those of deploy/deps have their own test
	if err != nil || len(scripts) < 2 {
		t.Fatalf("scripts %q, %v; want 3 or more", scripts, err)
	}
	if out, err := exec.Command(need(t, "shellcheck"), scripts...).CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %s", out)
	}
}

// pinned matches an image with a version, and with a digest if it has one.
var pinned = regexp.MustCompile(`^[a-z][a-z0-9./-]*:[a-z-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?$`)

// bases returns the images that a Dockerfile names in arguments before its first stage.
func bases(dockerfile string) map[string]string {
	before, _, _ := strings.Cut(dockerfile, "\nFROM ")
	images := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^ARG ([A-Z]+)=(\S+)$`).FindAllStringSubmatch(before, -1) {
		images[m[1]] = m[2]
	}
	return images
}

func TestPinned(t *testing.T) {
	sum := strings.Repeat("0123456789abcdef", 4)
	for image, want := range map[string]bool{
		"debian:bookworm-20260824-slim": true, "ubuntu:24.04": true, "ubuntu:24.04@sha256:" + sum: true, "mirror.example/golang:1.26.8-bookworm": true,
		"ubuntu": false, "ubuntu:latest": false, "ubuntu:24.04@sha256:" + sum[1:]: false, "ubuntu:24.04@" + sum: false,
		"ubuntu@sha256:" + sum: false, "ubuntu:24.04@": false,
	} {
		if pinned.MatchString(image) != want {
			t.Errorf("%s is pinned: %v, want %v", image, !want, want)
		}
	}
}

// TestPin pins with a program in the place of crane, twice: the second digest replaces the
// first. A digest that is none changes nothing.
func TestPin(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "Dockerfile")
	before := read(t, "Dockerfile")
	if err := os.WriteFile(file, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	workflow := filepath.Join(dir, "ci.yml")
	if err := os.WriteFile(workflow, []byte(read(t, "../../.github/workflows/ci.yml")), 0o644); err != nil {
		t.Fatal(err)
	}
	pin := func(sum string) error {
		if err := os.WriteFile(filepath.Join(dir, "crane"), []byte("#!/bin/sh\n[ \"$1\" = digest ] && echo "+sum+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("./pin.sh")
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "DOCKERFILE="+file, "WORKFLOW="+workflow)
		return cmd.Run()
	}
	for _, digit := range []string{"a", "b"} {
		sum := "sha256:" + strings.Repeat(digit, 64)
		if err := pin(sum); err != nil {
			t.Fatal(err)
		}
		for name, image := range bases(before) {
			want, _, _ := strings.Cut(image, "@")
			if got := bases(read(t, file))[name]; got != want+"@"+sum || !pinned.MatchString(got) {
				t.Errorf("%s is %s, want %s@%s", name, got, want, sum)
			}
			if jobs := read(t, workflow); !strings.Contains(jobs, "image: "+want+"@"+sum) || strings.Contains(jobs, image) {
				t.Errorf("the workflow's jobs do not run on %s@%s", want, sum)
			}
		}
	}
	after := read(t, file)
	if err := pin("sha256:b"); err == nil || read(t, file) != after {
		t.Errorf("a malformed digest was accepted: %v", err)
	}
}

// TestSnapshot: a snapshot that is not a time is refused before anything is installed.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "apt-get"), []byte("#!/bin/sh\n[ \"$2\" = update ]\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("./system.sh", "yesterday")
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 64 {
		t.Errorf("%v: %s", cmd.ProcessState, out)
	}
}

// TestDockerfile: what the Dockerfile copies is there, what it runs is a script
// that image-check runs too, bases are pinned, and nothing runs as root.
func TestDockerfile(t *testing.T) {
	text := strings.ReplaceAll(read(t, "Dockerfile"), "\\\n", " ")
	var stage, user string
	stages := map[string]string{} // who a stage's processes are
	checked := 0
	if images := bases(text); len(images) != 1 || !pinned.MatchString(images["DEBIAN"]) {
		t.Errorf("the bases are %v, want one, DEBIAN, with a version and no malformed digest", images)
	}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		switch words[0] {
		case "FROM":
			stage, user = words[3], "root"
			if words[1] != "${DEBIAN}" && stages[words[1]] == "" {
				t.Errorf("%s: its base %s is neither the argument nor a stage before it", stage, words[1])
			}
		case "USER":
			user = words[1]
		case "COPY":
			for _, source := range words[1 : len(words)-1] {
				if strings.HasPrefix(source, "--from=") {
					break
				}
				if _, err := os.Stat(filepath.Join("..", "..", source)); err != nil {
					t.Errorf("COPY %s: %v", source, err)
				}
			}
		case "RUN":
			for _, word := range words {
				script, ok := strings.CutPrefix(word, "/src/")
				if !ok {
					continue
				}
				if strings.HasPrefix(script, "deploy/") {
					script = filepath.Join("..", "..", script)
				}
				info, err := os.Stat(script)
				if err != nil || info.Mode()&0o111 == 0 {
					t.Errorf("%s cannot be run: %v", script, err)
				}
				checked++
			}
		}
		stages[stage] = user
	}
	if checked != 4 {
		t.Errorf("%d scripts run, want 4", checked)
	}
	for _, final := range []string{"cpu", "gpu"} {
		if stages[final] != "10001:10001" {
			t.Errorf("%s runs as %q, want 10001:10001", final, stages[final])
		}
	}
}

// TestAgreements checks names and numbers that several files repeat.
func TestAgreements(t *testing.T) {
	for _, c := range []struct{ what, file, holds string }{
		{what: "the ranks' user", file: "system.sh", holds: "id=10001\n"},
		{what: "the ranks' user", file: "../kubernetes/kubernetes.go", holds: "cmp.Or(o.User, 10001)"},
		{what: "the operator's user", file: "system.sh", holds: "user=mpiuser\n"},
		{what: "the operator's user", file: "../kubernetes/mpi.go", holds: `"/home/mpiuser/.sshd_config"`},
		{what: "sshd's configuration", file: "system.sh", holds: `"$home/.sshd_config"`},
		{what: "sshd's port", file: "sshd_config", holds: "\nPort 2222\n"},
		{what: "ssh's port", file: "system.sh", holds: "    Port 2222\n"},
		{what: "sshd's port", file: "../kubernetes/mpi.go", holds: "sshPort   = 2222\n"},
		{what: "the drain", file: "check.sh", holds: "/kubernetes/worker.sh"},
		{what: "the drain", file: "../kubernetes/worker.sh", holds: "\ndrain) drain ;;\n"},
	} {
		if !strings.Contains(read(t, c.file), c.holds) {
			t.Errorf("%s: %q is not in %s", c.what, c.holds, c.file)
		}
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../../go.mod"))
	if version == nil || !strings.Contains(read(t, "golang.sh"), "\ngo_version="+version[1]+".") {
		t.Errorf("go.mod requires Go %v, and golang.sh fetches another version", version)
	}
}
