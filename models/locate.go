package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// DirVar names the environment variable that overrides the models folder.
const DirVar = "BATCHSCORE_MODELS"

// Known is a model that has a name and does a task.
type Known struct {
	Name  string // a name for --model, and the stem of its file
	Task  string // what --inference calls it
	Title string
}

// Registry is the known models.
var Registry = []Known{
	{"inception_v3", "classification", "Inception V3"},
	{"vgg16", "cloth_recognition", "VGG-16"},
}

// Tasks are what --inference takes.
func Tasks() []string {
	var tasks []string
	for _, k := range Registry {
		tasks = append(tasks, k.Task)
	}
	return tasks
}

// Dir is the folder of the user's model files and of their registry:
// $BATCHSCORE_MODELS, else batchscore/models in the user's configuration
// folder.
func Dir() (string, error) {
	if dir := os.Getenv(DirVar); dir != "" {
		return dir, nil
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the models folder: %w; set %s", err, DirVar)
	}
	return filepath.Join(config, "batchscore", "models"), nil
}

// Locate is Find in Dir, for a caller that wants the file alone.
func Locate(word string) (string, error) {
	path, _, err := Find("", word)
	return path, err
}

// Find finds the model file that a path, a name or a task stands for. A path
// is what holds a separator or ends in .onnx; any other word is looked up in
// the models folder dir (Dir, if that is empty): in its registry, then as
// WORD.onnx, a task under its model's name as well. The entry is nil for a
// file that is not registered. A model that is not there is an error wrapping
// ErrModel that says how to get one.
func Find(dir, word string) (path string, entry *Entry, err error) {
	if strings.ContainsRune(word, filepath.Separator) || strings.HasSuffix(word, ".onnx") {
		return word, nil, nil
	}
	if word == "" {
		return "", nil, fmt.Errorf("%w: no model is named", ErrModel)
	}
	if dir == "" {
		if dir, err = Dir(); err != nil {
			return "", nil, err
		}
	}
	entries, err := ReadRegistry(dir)
	if err != nil {
		return "", nil, err
	}
	switch entry, err = find(entries, word); {
	case err != nil:
		return "", nil, err
	case entry != nil:
		return entry.File, entry, nil
	}
	stems, title := []string{word}, word
	for _, k := range Registry {
		if word == k.Task {
			stems, title = append(stems, k.Name), k.Title+" for "+k.Task
		}
	}
	var looked []string
	for _, stem := range stems {
		path := filepath.Join(dir, stem+".onnx")
		if _, err := os.Stat(path); err == nil {
			return path, nil, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", nil, fmt.Errorf("look for a model: %w", err)
		}
		looked = append(looked, path)
	}
	if _, err := os.Stat(word); err == nil && taskFlag(word) == "" {
		return word, nil, nil // a file or a folder, which says of itself what it is
	}
	return "", nil, fmt.Errorf("%w: no model %s: %s names none, and there is no %s;"+
		" make one with \"batchscore models import SOURCE -o %s\" or \"batchscore models build\","+
		" register one that you have with \"batchscore models add NAME FILE%s\","+
		" or name another folder with --models DIR or %s",
		ErrModel, title, registryPath(dir), strings.Join(looked, " nor "), looked[0], taskFlag(word), DirVar)
}

// OpenNamed opens the model that Find finds. A registered one is opened with
// the answers it was registered with, after those in o; it is an error wrapping
// ErrModel when its file is missing or has other bytes than it had then.
func OpenNamed(dir, word string, o OpenOptions) (*Model, error) {
	path, entry, err := Find(dir, word)
	if err != nil {
		return nil, err
	}
	again := ""
	if entry != nil {
		o.Given = append(slices.Clone(o.Given), entry.Given())
		again = fmt.Sprintf("register it anew with \"batchscore models add --replace %s FILE\"", entry.Name)
	}
	m, err := Open(path, o)
	switch {
	case entry == nil:
		return m, err
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: model %s: %w; %s", ErrModel, entry.Name, err, again)
	case err != nil:
		return nil, fmt.Errorf("model %s: %w", entry.Name, err)
	case m.Digest != entry.Digest:
		return nil, fmt.Errorf("%w: model %s: %s is not the file that was registered: its digest is %s, not %s; %s",
			ErrModel, entry.Name, path, m.Digest, entry.Digest, again)
	}
	return m, nil
}

// find is the entry of that name, or the only one for that task; nil if there
// is none.
func find(entries []Entry, word string) (*Entry, error) {
	var forTask []string
	var found *Entry
	for i := range entries {
		switch {
		case entries[i].Name == word:
			return &entries[i], nil
		case entries[i].Task == word:
			found = &entries[i]
			forTask = append(forTask, found.Name)
		}
	}
	if len(forTask) > 1 {
		return nil, fmt.Errorf("%w: %d models are registered for %s: choose one with --model %s",
			ErrModel, len(forTask), word, strings.Join(forTask, " or --model "))
	}
	return found, nil
}

func taskFlag(word string) string {
	for _, k := range Registry {
		if word == k.Task {
			return " --task " + word
		}
	}
	return ""
}
