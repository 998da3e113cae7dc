package models

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
)

const (
	registryFile    = "registry.yaml"
	registryVersion = 1
	maxRegistry     = 16 << 20
)

// Entry is a registered model: where it lies, what it was when it was
// registered, and what its file does not say of itself.
type Entry struct {
	Name string `yaml:"name"`
	// File is an absolute path.
	File string `yaml:"file"`
	// Digest is "sha256:" and hex, over the whole file.
	Digest string `yaml:"digest"`
	// Task is what --inference calls it; empty for a model without one.
	Task     string  `yaml:"task,omitempty"`
	Contract Answers `yaml:"contract,omitempty"`
}

// State is what has become of a registered file.
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

// ReadRegistry lists the registered models of a models folder in order of
// their names. There need be neither folder nor file. Errors about the file's
// content wrap ErrModel.
func ReadRegistry(dir string) ([]Entry, error) {
	path := registryPath(dir)
	text, err := readSmall(path, maxRegistry)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("models registry: %w", err)
	}
	entries, err := parseRegistry(text)
	if err != nil {
		return nil, fmt.Errorf("%w: models registry %s: %w", ErrModel, path, err)
	}
	return entries, nil
}

func parseRegistry(text []byte) ([]Entry, error) {
	var r registry
	if err := parseYAML(text, &r); err != nil {
		return nil, err
	}
	if r.Version != registryVersion {
		return nil, fmt.Errorf("it has version %d, and this batchscore knows %d", r.Version, registryVersion)
	}
	names := map[string]bool{}
	for _, e := range r.Models {
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("model %q: %w", e.Name, err)
		}
		if names[e.Name] {
			return nil, fmt.Errorf("model %q stands in it twice", e.Name)
		}
		names[e.Name] = true
	}
	return r.Models, nil
}

var entryName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

func (e *Entry) check() error {
	switch {
	case !entryName.MatchString(e.Name) || filepath.Ext(e.Name) == ".onnx":
		return errors.New("a name is letters, digits, _, - and ., at most 100, and does not end in .onnx")
	case slices.Contains(Tasks(), e.Name):
		return errors.New("this is the name of a task; take another")
	case !filepath.IsAbs(e.File):
		return fmt.Errorf("file %q is no absolute path", e.File)
	case e.Task != "" && !slices.Contains(Tasks(), e.Task):
		return fmt.Errorf("there is no task %q, only %s", e.Task, Tasks())
	}
	return e.Contract.Check()
}

// State compares the file, and any that its weights lie in, with what was
// registered. It reads them whole.
func (e *Entry) State() (State, error) {
	h, _, err := readFile(e.File)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrModel):
		return StateMissing, nil
	case errors.Is(err, ErrModel), err == nil && h.digest != e.Digest:
		return StateChanged, nil
	case err != nil:
		return "", err
	}
	return StateOK, nil
}

// Given is the entry's answers, as OpenOptions take them.
func (e *Entry) Given() Given { return Given{"registered for " + e.Name, e.Contract} }

// Register adds an entry to the registry of a models folder, which is made if
// need be. With replace an entry of that name gives way, else it is an error
// wrapping ErrRegistered. Registering at once from several processes loses
// none of them.
func Register(dir string, e Entry, replace bool) error {
	if err := e.check(); err != nil {
		return fmt.Errorf("%w: register model %q: %w", ErrModel, e.Name, err)
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

// Unregister takes an entry out of the registry; its file stays.
func Unregister(dir, name string) error {
	return changeRegistry(dir, func(entries []Entry) ([]Entry, error) {
		i := slices.IndexFunc(entries, func(x Entry) bool { return x.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("%w: no model %q is registered in %s", ErrModel, name, registryPath(dir))
		}
		return slices.Delete(entries, i, i+1), nil
	})
}

// changeRegistry reads, changes and replaces the registry while it holds a
// lock on a file beside it. The lock ends with the process that holds it.
func changeRegistry(dir string, change func([]Entry) ([]Entry, error)) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("models registry: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "."+registryFile+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
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
	entries, err := ReadRegistry(dir)
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
	return Save(registryPath(dir), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
