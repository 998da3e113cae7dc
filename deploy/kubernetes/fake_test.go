package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/batchscore/batchscore/deploy/launchtest"
)

// fakeVar names the folder of a fake cluster. With it, a program kubectl that is this
// test's own binary acts as kubectl for that cluster.
const fakeVar = "BATCHSCORE_TEST_FAKE_CLUSTER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(fakeVar); folder != "" && filepath.Base(os.Args[0]) == "kubectl" {
		os.Exit(fakeKubectl(folder, os.Args[1:]))
	}
	launchtest.EchoMain(m)
}

// fake is a cluster of files: objects that it was sent or that the test puts there, logs
// by pod, and messages of calls that should fail.
type fake struct {
	t      *testing.T
	folder string
}

// newFake puts its own kubectl on the PATH.
func newFake(t *testing.T) fake {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := fake{t, t.TempDir()}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "kubectl")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	t.Setenv(fakeVar, f.folder)
	// The race detector would keep every call for a second.
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	return f
}

func (f fake) path(parts ...string) string {
	return filepath.Join(append([]string{f.folder}, parts...)...)
}

func (f fake) write(text string, parts ...string) {
	f.t.Helper()
	if err := f.save(text, parts...); err != nil {
		f.t.Fatal(err)
	}
}

func (f fake) save(text string, parts ...string) error {
	if err := os.MkdirAll(filepath.Dir(f.path(parts...)), 0o755); err != nil {
		return err
	}
	return os.WriteFile(f.path(parts...), []byte(text), 0o644)
}

func (f fake) read(parts ...string) string {
	body, err := os.ReadFile(f.path(parts...))
	if err != nil && !os.IsNotExist(err) {
		f.t.Fatal(err)
	}
	return string(body)
}

// put sets an object as a cluster would have it, written as YAML.
func (f fake) put(text string) {
	f.t.Helper()
	if err := f.set(text); err != nil {
		f.t.Fatal(err)
	}
}

func (f fake) set(text string) error {
	var o struct {
		Kind     string
		Metadata struct{ Name string }
	}
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	return f.save(text, "objects", strings.ToLower(o.Kind)+"."+o.Metadata.Name)
}

// failing makes calls of a verb, or of a verb for a kind, end with a message of
// kubectl.
func (f fake) failing(verb, message string) { f.write(message, "fail", verb) }

func (f fake) objects() []string {
	files, err := filepath.Glob(f.path("objects", "*"))
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	return files
}

// flagsOf are the flags that each verb of kubectl must be called with. A missing flag or
// another one is an error.
var flagsOf = map[string][]string{
	"apply":      {"--server-side", "--field-manager=batchscore", "--filename=-", "--output=json", "--request-timeout=30s"},
	"get":        {"--selector=*", "--output=json", "--request-timeout=30s"},
	"get events": {"--field-selector=type=Warning,involvedObject.name=*", "--output=json", "--request-timeout=30s"},
	"patch":      {"--type=merge", "--patch=*", "--request-timeout=30s"},
	"delete":     {"--request-timeout=30s"},
	"logs":       {},
}

var mayHave = map[string][]string{
	"delete": {"--cascade=foreground", "--wait=false", "--ignore-not-found"},
	"logs":   {"--prefix", "--follow"},
}

func fakeKubectl(folder string, args []string) int {
	f := fake{folder: folder}
	fail := func(format string, args ...any) int {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
		return 1
	}
	stdin, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fail("fake: %v", err)
	}
	log, err := os.OpenFile(f.path("calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fail("fake: %v", err)
	}
	_, err = fmt.Fprintf(log, "%s\n", strings.Join(args, " "))
	if err = errors.Join(err, log.Close()); err != nil {
		return fail("fake: %v", err)
	}

	var words, flags []string
	for _, a := range args {
		switch {
		case a == "--context=prod", a == "--namespace=labels":
		case strings.HasPrefix(a, "-"):
			flags = append(flags, a)
		default:
			words = append(words, a)
		}
	}
	if len(words) == 0 {
		return fail("fake: no verb: %q", args)
	}
	verb := words[0]
	known, ok := flagsOf[strings.Join(words[:min(2, len(words))], " ")]
	if !ok {
		known, ok = flagsOf[verb]
	}
	if !ok {
		return fail("fake: unknown verb %s", verb)
	}
	matches := func(pattern, a string) bool {
		prefix, any := strings.CutSuffix(pattern, "*")
		return pattern == a || any && strings.HasPrefix(a, prefix)
	}
	for _, pattern := range known {
		if !slices.ContainsFunc(flags, func(a string) bool { return matches(pattern, a) }) {
			return fail("fake: %s lacks %s: %q", verb, pattern, args)
		}
	}
	for _, a := range flags {
		if !slices.ContainsFunc(append(mayHave[verb], known...), func(pattern string) bool { return matches(pattern, a) }) {
			return fail("fake: %s has an unknown flag %s", verb, a)
		}
	}
	for _, key := range []string{verb, strings.Join(words[:min(2, len(words))], " ")} {
		if message, err := os.ReadFile(f.path("fail", key)); err == nil {
			return fail("%s", message)
		}
	}
	switch verb {
	case "apply":
		return f.apply(stdin, fail)
	case "get":
		return f.get(words[1:], flags, fail)
	case "patch":
		return f.patch(words[1:], flags, fail)
	case "delete":
		name := strings.ToLower(words[1]) + "." + words[2]
		if err := os.Remove(f.path("objects", name)); err != nil && !slices.Contains(flags, "--ignore-not-found") {
			return fail("Error from server (NotFound): %s not found", name)
		}
		return 0
	}
	return f.logs(words[1:], flags, fail)
}

type refuse = func(format string, args ...any) int

// apply takes one object, as kubectl's server-side apply does for a new one.
func (f fake) apply(stdin []byte, fail refuse) int {
	var o map[string]any
	if err := yaml.UnmarshalStrict(stdin, &o); err != nil {
		return fail("error: error parsing STDIN: %v", err)
	}
	meta, kind := o["metadata"].(map[string]any), strings.ToLower(o["kind"].(string))
	if message, err := os.ReadFile(f.path("fail", "apply "+kind)); err == nil {
		return fail("%s", message)
	}
	meta["uid"] = "uid-of-" + meta["name"].(string)
	body, err := json.Marshal(o)
	if err != nil {
		return fail("fake: %v", err)
	}
	if err := f.set(string(body)); err != nil {
		return fail("fake: %v", err)
	}
	fmt.Println(string(body))
	return 0
}

func (f fake) get(words, flags []string, fail refuse) int {
	// A step that the test has prepared happens now.
	steps, err := filepath.Glob(f.path("steps", "*"))
	if err != nil {
		return fail("fake: %v", err)
	}
	if len(steps) > 0 && words[0] != "mpijobs.kubeflow.org" && words[0] != "events" {
		body, err := os.ReadFile(steps[0])
		if err != nil {
			return fail("fake: %v", err)
		}
		for part := range strings.SplitSeq(string(body), "\n---\n") {
			if err := f.set(part); err != nil {
				return fail("fake: %v", err)
			}
		}
		os.Remove(steps[0])
	}
	if words[0] == "events" {
		return f.events(flags, fail)
	}
	selector := ""
	for _, a := range flags {
		if s, ok := strings.CutPrefix(a, "--selector=batchscore.io/job="); ok {
			selector = s
		}
	}
	list := []any{}
	files, err := filepath.Glob(f.path("objects", "*"))
	if err != nil {
		return fail("fake: %v", err)
	}
	for _, file := range files {
		kind, _, _ := strings.Cut(filepath.Base(file), ".")
		if !slices.ContainsFunc(strings.Split(words[0], ","), func(k string) bool { return strings.HasPrefix(k, kind+"s") }) {
			continue
		}
		body, err := os.ReadFile(file)
		if err != nil {
			return fail("fake: %v", err)
		}
		var o map[string]any
		if err := yaml.Unmarshal(body, &o); err != nil {
			return fail("fake: %v", err)
		}
		labels, _ := o["metadata"].(map[string]any)["labels"].(map[string]any)
		if labels["batchscore.io/job"] == selector {
			list = append(list, o)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"kind": "List", "items": list}); err != nil {
		return fail("fake: %v", err)
	}
	return 0
}

// events lists the warnings about an object, which are objects of the kind Event.
func (f fake) events(flags []string, fail refuse) int {
	files, err := filepath.Glob(f.path("objects", "event.*"))
	if err != nil {
		return fail("fake: %v", err)
	}
	list := []any{}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			return fail("fake: %v", err)
		}
		var o map[string]any
		if err := yaml.Unmarshal(body, &o); err != nil {
			return fail("fake: %v", err)
		}
		about := "--field-selector=type=Warning,involvedObject.name=" + fmt.Sprint(o["involvedObject"].(map[string]any)["name"])
		if slices.Contains(flags, about) {
			list = append(list, o)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"kind": "List", "items": list}); err != nil {
		return fail("fake: %v", err)
	}
	return 0
}

func (f fake) patch(words, flags []string, fail refuse) int {
	for _, a := range flags {
		if p, ok := strings.CutPrefix(a, "--patch="); ok {
			if err := os.WriteFile(f.path("patch."+words[0]+"."+words[1]), []byte(p), 0o644); err != nil {
				return fail("fake: %v", err)
			}
		}
	}
	return 0
}

func (f fake) logs(words, flags []string, fail refuse) int {
	pod, ok := strings.CutPrefix(words[0], "pod/")
	if !ok {
		return fail("fake: logs of %q", words)
	}
	body, err := os.ReadFile(f.path("logs", pod))
	if err != nil {
		return fail("Error from server (NotFound): pods %q not found", pod)
	}
	for line := range strings.Lines(string(body)) {
		if slices.Contains(flags, "--prefix") {
			line = "[pod/" + pod + "/rank] " + line
		}
		fmt.Print(line)
	}
	return 0
}
