package library_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/models/preprocess"
)

func ptr[T any](v T) *T { return &v }

// entry returns a registration of a model file.
func entry(t testing.TB, name, task, file string, a models.Answers) library.Entry {
	t.Helper()
	m, err := models.Open(file, models.OpenOptions{Given: []models.Given{{From: "flags", Answers: a}}})
	if err != nil {
		t.Fatal(err)
	}
	return library.Entry{Name: name, File: file, Digest: m.Digest, Task: task, Contract: a}
}

func TestRegister(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	file := graphtest.Write(t, graphtest.Options{Input: graphtest.FloatImage, Size: 224, NoContract: true})
	answers := models.Answers{Preset: "torchvision", BGR: ptr(true), Std: []float32{1, 2, 3}, Labels: strings.Split("abcdefghij", "")}
	if err := library.Register(dir, entry(t, "mine", "classification", file, answers), false); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"mine", "classification"} {
		m, err := library.Open(dir, word, models.OpenOptions{})
		if err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		p := m.Contract.Preprocess
		if m.Path != file || p.ResizeTo != 256 || !p.BGR || p.Std[1] != 2 || m.Contract.Labels[9] != "j" {
			t.Errorf("%s: got %s, %+v", word, m.Path, m.Contract)
		}
	}
	m, err := library.Open(dir, "mine", models.OpenOptions{Given: []models.Given{{From: "flags", Answers: models.Answers{BGR: ptr(false)}}}})
	if err != nil || m.Contract.Preprocess.BGR {
		t.Errorf("flags override what was registered; got %+v, %v", m, err)
	}

	other := graphtest.Write(t, graphtest.Options{Seed: 1})
	again := entry(t, "mine", "", other, models.Answers{})
	if err := library.Register(dir, again, false); !errors.Is(err, library.ErrRegistered) || !strings.Contains(err.Error(), file) {
		t.Errorf("name in use: got %v, want ErrRegistered and the file", err)
	}
	if err := library.Register(dir, again, true); err != nil {
		t.Fatal(err)
	}
	if m, err := library.Open(dir, "mine", models.OpenOptions{}); err != nil || m.Path != other {
		t.Errorf("after replacing: %+v, %v", m, err)
	}
	if err := library.Unregister(dir, "mine"); err != nil {
		t.Fatal(err)
	}
	if err := library.Unregister(dir, "mine"); !errors.Is(err, models.ErrModel) {
		t.Errorf("twice removed: got %v, want ErrModel", err)
	}
	_, err = library.Open(dir, "classification", models.OpenOptions{})
	if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "models add NAME FILE --task classification") ||
		!strings.Contains(err.Error(), filepath.Join(dir, "inception_v3.onnx")) {
		t.Errorf("got %v, want ErrModel and how to get a model", err)
	}
}

// Who registers a model is told of its conflicts; no run tells them again, but those with its own flags.
func TestToldConflicts(t *testing.T) {
	dir := t.TempDir()
	file := graphtest.Write(t, graphtest.Options{Input: graphtest.FloatImage, Size: 224})
	e := entry(t, "mine", "", file, models.Answers{Resize: ptr(preprocess.PillowLanczos)})
	var err error
	if e.Told, err = e.Conflicts(); err != nil || len(e.Told) != 1 || !strings.Contains(e.Told[0], "resize is pillow-lanczos (registered for mine)") {
		t.Fatalf("told %q, %v", e.Told, err)
	}
	if err := library.Register(dir, e, false); err != nil {
		t.Fatal(err)
	}
	m, err := library.Open(dir, "mine", models.OpenOptions{})
	if err != nil || len(m.Conflicts) != 0 || m.Contract.Preprocess.Resize != preprocess.PillowLanczos {
		t.Errorf("conflicts %q, %v; want none", m.Conflicts, err)
	}
	given := []models.Given{{From: "flags", Answers: models.Answers{Resize: ptr(preprocess.Area)}}}
	if m, err = library.Open(dir, "mine", models.OpenOptions{Given: given}); err != nil || len(m.Conflicts) != 2 {
		t.Errorf("conflicts %q, %v; want those with the flags", m.Conflicts, err)
	}

	// 0.1.0 reads a registry in which nothing was told.
	plain := t.TempDir()
	e = entry(t, "mine", "", file, models.Answers{})
	if e.Told, err = e.Conflicts(); err != nil {
		t.Fatal(err)
	}
	if err := library.Register(plain, e, false); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(plain, "registry.yaml")); err != nil || strings.Contains(string(text), "told") {
		t.Errorf("%s, %v; want nothing told", text, err)
	}
}

func TestRegisteredFilesAreWatched(t *testing.T) {
	dir := t.TempDir()
	file := graphtest.Write(t, graphtest.Options{})
	e := entry(t, "mine", "", file, models.Answers{})
	if err := library.Register(dir, e, false); err != nil {
		t.Fatal(err)
	}
	state := func(want library.State) {
		t.Helper()
		if s, err := e.State(); s != want || err != nil {
			t.Errorf("state is %q, %v; want %s", s, err, want)
		}
	}
	state(library.StateOK)
	if err := os.WriteFile(file, graphtest.Tiny(graphtest.Options{Seed: 7}), 0o644); err != nil {
		t.Fatal(err)
	}
	state(library.StateChanged)
	if _, err := library.Open(dir, "mine", models.OpenOptions{}); !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "--replace mine") {
		t.Errorf("changed file: got %v, want ErrModel and the command that replaces it", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	state(library.StateMissing)
	if _, err := library.Open(dir, "mine", models.OpenOptions{}); !errors.Is(err, models.ErrModel) {
		t.Errorf("missing file: got %v, want ErrModel", err)
	}
}

// A weight file next to the model is watched as the model is.
func TestRegisteredWeightFilesAreWatched(t *testing.T) {
	model := graphtest.External(t, "model.onnx.data", nil)
	e := entry(t, "mine", "", model, models.Answers{})
	if got, err := e.State(); got != library.StateOK || err != nil {
		t.Errorf("State() = %q, %v; want %q", got, err, library.StateOK)
	}
	data, err := os.ReadFile(model + ".data")
	if err != nil {
		t.Fatal(err)
	}
	data[7] ^= 1
	if err := os.WriteFile(model+".data", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := e.State(); got != library.StateChanged || err != nil {
		t.Errorf("after the weights changed: State() = %q, %v; want %q", got, err, library.StateChanged)
	}
}

func TestTwoModelsForATask(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		e := entry(t, fmt.Sprintf("m%d", i), "cloth_recognition", graphtest.Write(t, graphtest.Options{}), models.Answers{})
		if err := library.Register(dir, e, false); err != nil {
			t.Fatal(err)
		}
	}
	_, err := library.Open(dir, "cloth_recognition", models.OpenOptions{})
	if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "--model m0 or --model m1") {
		t.Errorf("got %v, want ErrModel and both names", err)
	}
}

func TestRegisterConcurrently(t *testing.T) {
	dir := t.TempDir()
	const many = 24
	file := graphtest.Write(t, graphtest.Options{})
	e := entry(t, "", "", file, models.Answers{Resize: ptr(preprocess.Area)})
	var wg sync.WaitGroup
	errs := make([]error, many)
	for i := range many {
		wg.Go(func() {
			e := e
			e.Name = fmt.Sprintf("model-%02d", i)
			errs[i] = library.Register(dir, e, false)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	entries, err := library.Entries(dir)
	if err != nil || len(entries) != many || entries[0].Name != "model-00" || *entries[many-1].Contract.Resize != preprocess.Area {
		t.Errorf("%d entries, %v; want all %d in order", len(entries), err, many)
	}
}

func TestRegistryRefuses(t *testing.T) {
	const head = "version: 1\nmodels:\n"
	for name, c := range map[string]struct{ text, says string }{
		"version":      {text: "version: 2\nmodels: []\n", says: "version 2"},
		"no version":   {text: "models: []\n", says: "version 0"},
		"unknown key":  {text: head + "- {name: a, file: /a.onnx, digest: x, taks: b}\n", says: "taks"},
		"unknown part": {text: head + "- {name: a, file: /a.onnx, digest: x, contract: {resise: area}}\n", says: "resise"},
		"twice":        {text: head + "- {name: a, file: /a.onnx}\n- {name: a, file: /b.onnx}\n", says: "twice"},
		"relative":     {text: head + "- {name: a, file: a.onnx}\n", says: "absolute"},
		"path as name": {text: head + "- {name: ../a, file: /a.onnx}\n", says: "letters"},
		"task as name": {text: head + "- {name: classification, file: /a.onnx}\n", says: "task"},
		"unknown task": {text: head + "- {name: a, file: /a.onnx, task: sorting}\n", says: "sorting"},
		"not YAML":     {text: "\x00\x01", says: "registry"},
		"huge":         {text: "# " + strings.Repeat("x", 17<<20), says: "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "registry.yaml")
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := library.Entries(dir)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error about %q in %s", err, c.says, path)
			}
			if !errors.Is(err, models.ErrModel) {
				t.Errorf("%v does not wrap ErrModel", err)
			}
			// A registry that cannot be read is not overwritten.
			if err := library.Register(dir, library.Entry{Name: "b", File: "/b.onnx"}, true); err == nil {
				t.Error("a damaged registry was replaced")
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != c.text {
				t.Errorf("the registry was changed, %v", err)
			}
		})
	}
}

func FuzzRegistry(f *testing.F) {
	f.Add([]byte("version: 1\nmodels:\n- {name: a, file: /a.onnx, digest: x, contract: {resize: area}}\n"))
	f.Add([]byte("version: 1\nmodels: &m [*m]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "registry.yaml"), text, 0o644); err != nil {
			t.Fatal(err)
		}
		before, err := library.Entries(dir)
		if err != nil {
			if !errors.Is(err, models.ErrModel) {
				t.Errorf("%v does not wrap ErrModel", err)
			}
			return
		}
		// A registry that was read can be extended.
		if err := library.Register(dir, library.Entry{Name: "new-one", File: "/new.onnx"}, false); err != nil {
			if !errors.Is(err, library.ErrRegistered) {
				t.Fatal(err)
			}
			return
		}
		if after, err := library.Entries(dir); err != nil || len(after) != len(before)+1 {
			t.Errorf("%d entries became %d, %v", len(before), len(after), err)
		}
	})
}
