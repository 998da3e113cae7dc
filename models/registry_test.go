package models_test

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
	"github.com/batchscore/batchscore/models/preprocess"
)

// entry is a registration of a real file.
func entry(t testing.TB, name, task, file string, a models.Answers) models.Entry {
	t.Helper()
	m, err := models.Open(file, models.OpenOptions{Given: []models.Given{{From: "flags", Answers: a}}})
	if err != nil {
		t.Fatal(err)
	}
	return models.Entry{Name: name, File: file, Digest: m.Digest, Task: task, Contract: a}
}

func TestRegister(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	file := graphtest.Write(t, graphtest.Options{Input: graphtest.FloatImage, Size: 224, NoContract: true})
	answers := models.Answers{Preset: "torchvision", BGR: ptr(true), Std: []float32{1, 2, 3}, Labels: strings.Split("abcdefghij", "")}
	if err := models.Register(dir, entry(t, "mine", "classification", file, answers), false); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"mine", "classification"} {
		m, err := models.OpenNamed(dir, word, models.OpenOptions{})
		if err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		p := m.Contract.Preprocess
		if m.Path != file || p.ResizeTo != 256 || !p.BGR || p.Std[1] != 2 || m.Contract.Labels[9] != "j" {
			t.Errorf("%s: got %s, %+v", word, m.Path, m.Contract)
		}
	}
	m, err := models.OpenNamed(dir, "mine", models.OpenOptions{Given: []models.Given{{From: "flags", Answers: models.Answers{BGR: ptr(false)}}}})
	if err != nil || m.Contract.Preprocess.BGR {
		t.Errorf("flags stand before what was registered; got %+v, %v", m, err)
	}

	other := graphtest.Write(t, graphtest.Options{Seed: 1})
	again := entry(t, "mine", "", other, models.Answers{})
	if err := models.Register(dir, again, false); !errors.Is(err, models.ErrRegistered) || !strings.Contains(err.Error(), file) {
		t.Errorf("a name that is taken: got %v, want ErrRegistered and the file", err)
	}
	if err := models.Register(dir, again, true); err != nil {
		t.Fatal(err)
	}
	if m, err := models.OpenNamed(dir, "mine", models.OpenOptions{}); err != nil || m.Path != other {
		t.Errorf("after replacing: %+v, %v", m, err)
	}
	if err := models.Unregister(dir, "mine"); err != nil {
		t.Fatal(err)
	}
	if err := models.Unregister(dir, "mine"); !errors.Is(err, models.ErrModel) {
		t.Errorf("twice removed: got %v, want ErrModel", err)
	}
	_, err = models.OpenNamed(dir, "classification", models.OpenOptions{})
	if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "models add NAME FILE --task classification") ||
		!strings.Contains(err.Error(), filepath.Join(dir, "inception_v3.onnx")) {
		t.Errorf("got %v, want ErrModel and how to get a model", err)
	}
}

func TestRegisteredFilesAreWatched(t *testing.T) {
	dir := t.TempDir()
	file := graphtest.Write(t, graphtest.Options{})
	e := entry(t, "mine", "", file, models.Answers{})
	if err := models.Register(dir, e, false); err != nil {
		t.Fatal(err)
	}
	state := func(want models.State) {
		t.Helper()
		if s, err := e.State(); s != want || err != nil {
			t.Errorf("state is %q, %v; want %s", s, err, want)
		}
	}
	state(models.StateOK)
	if err := os.WriteFile(file, graphtest.Tiny(graphtest.Options{Seed: 7}), 0o644); err != nil {
		t.Fatal(err)
	}
	state(models.StateChanged)
	if _, err := models.OpenNamed(dir, "mine", models.OpenOptions{}); !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "--replace mine") {
		t.Errorf("changed file: got %v, want ErrModel and how to go on", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	state(models.StateMissing)
	if _, err := models.OpenNamed(dir, "mine", models.OpenOptions{}); !errors.Is(err, models.ErrModel) {
		t.Errorf("missing file: got %v, want ErrModel", err)
	}
}

func TestTwoModelsForATask(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		e := entry(t, fmt.Sprintf("m%d", i), "cloth_recognition", graphtest.Write(t, graphtest.Options{}), models.Answers{})
		if err := models.Register(dir, e, false); err != nil {
			t.Fatal(err)
		}
	}
	_, err := models.OpenNamed(dir, "cloth_recognition", models.OpenOptions{})
	if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "--model m0 or --model m1") {
		t.Errorf("got %v, want ErrModel and both names", err)
	}
}

func TestRegisterAtOnce(t *testing.T) {
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
			errs[i] = models.Register(dir, e, false)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	entries, err := models.ReadRegistry(dir)
	if err != nil || len(entries) != many || entries[0].Name != "model-00" || *entries[many-1].Contract.Resize != preprocess.Area {
		t.Errorf("%d of %d entries stand, %v", len(entries), many, err)
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
		dir := t.TempDir()
		path := filepath.Join(dir, "registry.yaml")
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := models.ReadRegistry(dir)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an error about %q in %s", name, err, c.says, path)
		}
		if !errors.Is(err, models.ErrModel) {
			t.Errorf("%s: %v does not wrap ErrModel", name, err)
		}
		// A registry that cannot be read is not written over.
		if err := models.Register(dir, models.Entry{Name: "b", File: "/b.onnx"}, true); err == nil {
			t.Errorf("%s: a damaged registry was replaced", name)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != c.text {
			t.Errorf("%s: the registry was changed, %v", name, err)
		}
	}
}
