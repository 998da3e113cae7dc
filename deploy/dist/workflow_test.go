package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestNotes checks which part of the changelog is the text of a release.
func TestNotes(t *testing.T) {
	t.Parallel()
	changelog := write(t, filepath.Join(t.TempDir(), "changelog.md"), `# Changelog

## [Unreleased]

soon

## [1.2.0] - 2026-01-02

### Added

- new

## [1.2.0-beta.1]

tried

## [1.10.0]

## [0.1.0]

first
`)
	for version, want := range map[string]string{
		"1.2.0": "### Added\n\n- new\n", "1.2.0-rc.1": "### Added\n\n- new\n", "1.2.0-beta.1": "tried\n", "1.3.0-rc.1": "soon\n", "0.1.0": "first\n",
		"1.2": "", "1.10.0": "", "1.3.0": "", "1x2.0": "",
	} {
		got, err := exec.Command("./notes.sh", version, changelog).Output()
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v; want %q", version, got, err, want)
		}
	}
}

// TestWorkflow checks what actionlint does not: where the workflow's pins come from, and
// that a token that may write is there for the release only.
func TestWorkflow(t *testing.T) {
	t.Parallel()
	workflow, dockerfile := read(t, "../../.github/workflows/ci.yml"), read(t, "../image/Dockerfile")
	base := regexp.MustCompile(`(?m)^ARG DEBIAN=(\S+)$`).FindStringSubmatch(dockerfile)
	images := regexp.MustCompile(`(?m)^ +image: (\S+)$`).FindAllStringSubmatch(workflow, -1)
	if base == nil || len(images) == 0 {
		t.Fatal("there is no base, or no job runs on it")
	}
	for _, image := range images {
		if image[1] != base[1] {
			t.Errorf("a job runs on %s, and the images' base is %s: deploy/image/pin.sh writes both", image[1], base[1])
		}
	}
	for _, action := range regexp.MustCompile(`uses: (\S+)`).FindAllStringSubmatch(workflow, -1) {
		if !regexp.MustCompile(`^actions/[a-z-]+@(v\d+|[0-9a-f]{40})$`).MatchString(action[1]) {
			t.Errorf("%s is not an action of GitHub's own, or not pinned", action[1])
		}
	}
	before, release, _ := strings.Cut(workflow, "\n  release:\n")
	if strings.Contains(before, ": write") || strings.Contains(before, "github.token") || strings.Contains(workflow, "secrets.") {
		t.Error("a job that runs code of the repository can write to it, or sees a secret")
	}
	if strings.Contains(release, "actions/checkout") || strings.Count(workflow, "actions/checkout@") != strings.Count(workflow, "persist-credentials: false") {
		t.Error("a token stays in a checkout")
	}
	if jobs := regexp.MustCompile(`(?m)^    runs-on: `).FindAllString(workflow, -1); len(jobs) != strings.Count(workflow, "timeout-minutes: ") {
		t.Errorf("some of the %d jobs have no timeout", len(jobs))
	}
}

// TestPinActions pins the actions of a workflow by the commits of a repository here.
func TestPinActions(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		checkout := filepath.Join(root, "actions", "checkout")
		cmd := exec.Command("git", append([]string{"-C", checkout, "-c", "user.name=a", "-c", "user.email=a@b.example"}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", cmd, err)
		}
		return strings.TrimSpace(string(out))
	}
	if err := os.MkdirAll(filepath.Join(root, "actions", "checkout"), 0o755); err != nil {
		t.Fatal(err)
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "first")
	first := git("rev-parse", "HEAD")
	git("tag", "-a", "v6", "-m", "v6")
	git("commit", "-q", "--allow-empty", "-m", "second")
	git("tag", "v60")

	script := write(t, filepath.Join(root, ".github", "pin.sh"), read(t, "../../.github/pin.sh"))
	const head, tail = "steps:\n  # uses: actions/checkout@v1 is old\n", "        with:\n          uses-nothing: 1\n"
	workflow := write(t, filepath.Join(root, ".github", "workflows", "ci.yml"), head+"      - uses: actions/checkout@v6\n"+tail)
	pin := func() error {
		cmd := exec.Command("bash", script)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://"+root+"/.insteadOf", "GIT_CONFIG_VALUE_0=https://github.com/")
		return cmd.Run()
	}
	want := head + "      - uses: actions/checkout@" + first + " # v6\n" + tail
	for range 2 { // what is pinned stays
		if err := pin(); err != nil || read(t, workflow) != want {
			t.Fatalf("%v: got\n%s\nwant\n%s", err, read(t, workflow), want)
		}
	}
	write(t, workflow, "      - uses: actions/checkout@v7\n")
	if err := pin(); err == nil || read(t, workflow) != "      - uses: actions/checkout@v7\n" {
		t.Errorf("a tag that is not there: %v, and the file is\n%s", err, read(t, workflow))
	}
}
