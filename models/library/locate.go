// Package library knows where the user's models are: the models folder, the
// registry in it, and which file a name or a task stands for.
package library

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/origin"
)

// DirVar is the environment variable that overrides the models folder.
const DirVar = "BATCHSCORE_MODELS"

// Network is a network that batchscore can make a model of.
type Network struct {
	Name  string // the word for --model, and the stem of the model's file
	Task  string // the word for --inference
	Title string
}

// Networks are all of them.
var Networks = []Network{
	{Name: "inception_v3", Task: "classification", Title: "Inception V3"},
	{Name: "vgg16", Task: "cloth_recognition", Title: "VGG-16"},
}

// Tasks returns the words that --inference takes.
func Tasks() []string {
	var tasks []string
	for _, n := range Networks {
		tasks = append(tasks, n.Task)
	}
	return tasks
}

// Names returns the words that Find finds in a models folder: the names of
// registered models, and the files WORD.onnx. What cannot be read is left out.
func Names(dir string) []string {
	var names []string
	entries, _ := Entries(dir)
	for _, e := range entries {
		names = append(names, e.Name)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.onnx"))
	for _, file := range files {
		if stem := strings.TrimSuffix(filepath.Base(file), ".onnx"); !slices.Contains(names, stem) {
			names = append(names, stem)
		}
	}
	return names
}

// networkFor returns the network for a task, if the word is one.
func networkFor(task string) (n Network, ok bool) {
	i := slices.IndexFunc(Networks, func(n Network) bool { return n.Task == task })
	if i < 0 {
		return n, false
	}
	return Networks[i], true
}

// Dir returns the models folder: $BATCHSCORE_MODELS, or batchscore/models in the
// user's configuration folder if that is not set.
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

// Find returns the model file that a path, a name or a task stands for, and its
// registration if it has one.
//
// A word that holds a separator or ends in .onnx is a path. Any other word is
// looked up in the models folder dir (Dir if that is empty): first in its
// registry, then as WORD.onnx, and for a task also under its network's name. A
// model that does not exist is an error that wraps models.ErrModel and says how
// to get one.
func Find(dir, word string) (path string, entry *Entry, err error) {
	if strings.ContainsRune(word, filepath.Separator) || strings.HasSuffix(word, ".onnx") {
		return word, nil, nil
	}
	if word == "" {
		return "", nil, fmt.Errorf("%w: no model name given", models.ErrModel)
	}
	if dir == "" {
		if dir, err = Dir(); err != nil {
			return "", nil, err
		}
	}
	entries, err := Entries(dir)
	if err != nil {
		return "", nil, err
	}
	switch entry, err = findEntry(entries, word); {
	case err != nil:
		return "", nil, err
	case entry != nil:
		return entry.File, entry, nil
	}
	path, err = findFile(dir, word)
	return path, nil, err
}

// findEntry returns the entry of that name, or the only one for that task; nil
// if there is none.
func findEntry(entries []Entry, word string) (*Entry, error) {
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
			models.ErrModel, len(forTask), word, strings.Join(forTask, " or --model "))
	}
	return found, nil
}

// findFile looks for the file of a word that is not registered.
func findFile(dir, word string) (string, error) {
	network, isTask := networkFor(word)
	stems, taskFlag := []string{word}, ""
	problem, hint := "no model is registered as "+word, "; tasks are "+strings.Join(Tasks(), " and ")
	if isTask {
		stems, taskFlag = append(stems, network.Name), " --task "+word
		problem, hint = fmt.Sprintf("no model is registered for %s (%s)", word, network.Title), ""
	}
	var looked []string
	for _, stem := range stems {
		path := filepath.Join(dir, stem+".onnx")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("look for a model: %w", err)
		}
		looked = append(looked, path)
	}
	if _, err := os.Stat(word); err == nil && !isTask {
		return word, nil // a file or a folder; opening it says what it is
	}
	return "", fmt.Errorf("%w: %s in %s, and there is no %s%s;"+
		" register one that you have with \"batchscore models add NAME FILE%s\","+
		" make one with \"batchscore models import SOURCE -o %s\" or \"batchscore models build\","+
		" or name another folder with --models DIR or %s",
		models.ErrModel, problem, registryPath(dir), strings.Join(looked, " or "), hint, taskFlag, looked[0], DirVar)
}

// Open opens the model that Find finds. A registered model is opened with the
// answers of its registration, which come after those in o. It is an error
// wrapping models.ErrModel if its file is missing or has changed since.
func Open(dir, word string, o models.OpenOptions) (*models.Model, error) {
	path, entry, err := Find(dir, word)
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return openPath(path, o)
	}
	remedy := fmt.Sprintf("register it again with \"batchscore models add --replace %s FILE\"", shellquote.Quote(entry.Name))
	o.Given = append(slices.Clone(o.Given), entry.Given())
	m, err := models.Open(path, o)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: model %s: %w; %s", models.ErrModel, entry.Name, err, remedy)
	case err != nil:
		return nil, fmt.Errorf("model %s: %w", entry.Name, err)
	case m.Digest != entry.Digest:
		return nil, fmt.Errorf("%w: model %s: %s is not the file that was registered: its digest is %s, not %s; %s",
			models.ErrModel, entry.Name, path, m.Digest, entry.Digest, remedy)
	}
	m.Conflicts = slices.DeleteFunc(m.Conflicts, func(c string) bool { return slices.Contains(entry.Told, c) })
	return m, nil
}

// openPath opens a model that is not registered. What comes with it (package origin)
// answers if path is a folder, or if the file leaves questions open.
func openPath(path string, o models.OpenOptions) (*models.Model, error) {
	var first error
	if !isFolder(path) {
		m, err := models.Open(path, o)
		if err == nil || !errors.Is(err, models.ErrModel) || o.Contract != nil {
			return m, err
		}
		first = err
	}
	found, err := origin.Read(path)
	switch {
	case err != nil && first != nil, err == nil && first != nil && len(found.Given) == 0:
		return nil, first
	case err != nil:
		return nil, err
	}
	m, err := models.Open(found.File, withOrigin(o, found))
	if err != nil {
		return nil, err
	}
	m.Conflicts = append(m.Conflicts, found.Notes...)
	return m, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// withOrigin adds what comes with a model to the answers in o.
func withOrigin(o models.OpenOptions, found *origin.Found) models.OpenOptions {
	o.Given = append(slices.Clone(o.Given), found.Given...)
	return o
}

// Inspect inspects the model that Find finds as Open would open it. It also returns what
// comes with the model: nil if it is registered. Errors are those of models.Inspect.
func Inspect(dir, word string, o models.OpenOptions) (*models.Inspection, *origin.Found, error) {
	path, entry, err := Find(dir, word)
	if err != nil {
		return nil, nil, err
	}
	if entry != nil {
		o.Given = append(slices.Clone(o.Given), entry.Given())
		in, err := models.Inspect(path, o)
		return in, nil, err
	}
	found, err := origin.Read(path)
	if err != nil {
		return nil, nil, err
	}
	in, err := models.Inspect(found.File, o)
	if err != nil {
		return nil, nil, err
	}
	if in.Refused == "" && !isFolder(path) {
		found.Given, found.Notes = nil, nil // Open does not need them
		return in, found, nil
	}
	if len(found.Given) > 0 {
		if in, err = models.Inspect(found.File, withOrigin(o, found)); err != nil {
			return nil, nil, err
		}
	}
	return in, found, nil
}
