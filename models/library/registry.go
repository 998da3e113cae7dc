package library

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
	"golang.org/x/sys/unix"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/onnxfile"
)

const (
	registryFile    = "registry.yaml"
	registryVersion = 1
	maxRegistry     = 16 << 20
)

// Entry is a registered model: where its file is, what the file was when it was
// registered, and what it does not say about itself.
type Entry struct {
	Name string `yaml:"name"`
	// File is an absolute path.
	File string `yaml:"file"`
	// Digest is "sha256:" and hex, over the file and the weight files next to it.
	Digest string `yaml:"digest"`
	// Task is the name that --inference takes; empty for a model without one.
	Task     string         `yaml:"task,omitempty"`
	Contract models.Answers `yaml:"contract,omitempty"`
	// Told are the conflicts between the answers and the file that whoever registered the model was
	// told. Open does not report them again.
	Told []string `yaml:"told,omitempty"`
}

// State is the state of a registered file.
type State string

// The states of an Entry.
const (
	StateOK      State = "ok"
	StateMissing State = "missing"
	StateChanged State = "changed" // not the bytes that were registered
)

// ErrRegistered means that a name is taken.
var ErrRegistered = errors.New("a model of that name is registered")

type registry struct {
	Version int     `yaml:"version"`
	Models  []Entry `yaml:"models"`
}

func registryPath(dir string) string { return filepath.Join(dir, registryFile) }

// Entries lists the registered models of a models folder in order of their
// names. There are none if the folder or its registry does not exist. Errors
// about the registry's content wrap models.ErrModel.
func Entries(dir string) ([]Entry, error) {
	return models.ReadSettings("models registry", registryPath(dir), maxRegistry, parseRegistry)
}

func parseRegistry(text []byte) ([]Entry, error) {
	var r registry
	if err := yaml.Load(text, &r, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("%w: %w", models.ErrModel, err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", models.ErrModel, err)
	}
	return r.Models, nil
}

func (r *registry) check() error {
	if r.Version != registryVersion {
		return fmt.Errorf("it has version %d, but this batchscore reads version %d", r.Version, registryVersion)
	}
	names := map[string]bool{}
	for _, e := range r.Models {
		if err := e.check(); err != nil {
			return fmt.Errorf("model %q: %w", e.Name, err)
		}
		if names[e.Name] {
			return fmt.Errorf("model %q is listed twice", e.Name)
		}
		names[e.Name] = true
	}
	return nil
}

var entryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

func (e *Entry) check() error {
	switch {
	case !entryName.MatchString(e.Name) || filepath.Ext(e.Name) == ".onnx":
		return errors.New("a name has letters, digits, _, - and ., at most 100 of them, and does not end in .onnx")
	case slices.Contains(Tasks(), e.Name):
		return errors.New("this is the name of a task; choose another")
	case !filepath.IsAbs(e.File):
		return fmt.Errorf("file %q is not an absolute path", e.File)
	case e.Task != "" && !slices.Contains(Tasks(), e.Task):
		return fmt.Errorf("there is no task %q; the tasks are %s", e.Task, strings.Join(Tasks(), ", "))
	}
	return e.Contract.Check()
}

// State compares the file, and the weight files next to it, with what was
// registered. It reads all of them.
func (e *Entry) State() (State, error) {
	f, err := onnxfile.Read(e.File)
	switch {
	case errors.Is(err, models.ErrModel):
		return StateChanged, nil
	case errors.Is(err, fs.ErrNotExist):
		return StateMissing, nil
	case err != nil:
		return "", err
	case f.Digest != e.Digest:
		return StateChanged, nil
	}
	return StateOK, nil
}

// Given returns the entry's answers, as models.OpenOptions take them.
func (e *Entry) Given() models.Given {
	return models.Given{From: "registered for " + e.Name, Answers: e.Contract}
}

// Conflicts returns how the answers of an entry conflict with its file: what Open would report.
func (e *Entry) Conflicts() ([]string, error) {
	m, err := models.Open(e.File, models.OpenOptions{Given: []models.Given{e.Given()}})
	if err != nil {
		return nil, err
	}
	return m.Conflicts, nil
}

// Register adds an entry to the registry of a models folder, which is created if
// necessary. An entry of the same name is replaced if replace is set; otherwise
// it is an error wrapping ErrRegistered. Several processes may register at the
// same time without losing entries.
func Register(dir string, e Entry, replace bool) error {
	if err := e.check(); err != nil {
		return fmt.Errorf("%w: register model %q: %w", models.ErrModel, e.Name, err)
	}
	return changeRegistry(dir, func(entries []Entry) ([]Entry, error) {
		i := slices.IndexFunc(entries, func(x Entry) bool { return x.Name == e.Name })
		switch {
		case i < 0:
			return append(entries, e), nil
		case !replace:
			return nil, fmt.Errorf("%w: %s is %s", ErrRegistered, e.Name, entries[i].File)
		}
		entries[i] = e
		return entries, nil
	})
}

// Unregister removes an entry from the registry; its file stays.
func Unregister(dir, name string) error {
	return changeRegistry(dir, func(entries []Entry) ([]Entry, error) {
		i := slices.IndexFunc(entries, func(x Entry) bool { return x.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%w: no model %q is registered in %s", models.ErrModel, name, registryPath(dir))
		}
		return slices.Delete(entries, i, i+1), nil
	})
}

// changeRegistry reads, changes and replaces the registry while it holds a lock
// on a file next to it. The lock ends with the process that holds it.
func changeRegistry(dir string, change func([]Entry) ([]Entry, error)) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("models registry: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "."+registryFile+".lock"), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o666)
	if err != nil {
		return fmt.Errorf("models registry: %w", err)
	}
	defer lock.Close()
	for {
		err := unix.Flock(int(lock.Fd()), unix.LOCK_EX)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lock the models registry in %s: %w", dir, err)
		}
	}
	entries, err := Entries(dir)
	if err != nil {
		return err
	}
	if entries, err = change(entries); err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	text, err := yaml.Dump(registry{registryVersion, entries})
	if err != nil {
		return fmt.Errorf("models registry: %w", err)
	}
	return models.Save(registryPath(dir), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
