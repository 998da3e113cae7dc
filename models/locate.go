package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// Dir is the folder of the user's model files: $BATCHSCORE_MODELS, else
// batchscore/models in the user's configuration folder.
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

// Locate finds the model file that a name, a task or a path stands for. A path
// is what holds a separator or ends in .onnx; any other word is looked up in
// Dir as WORD.onnx, a task under its model's name as well. A model that is not
// there is an error wrapping ErrModel that says how to get one.
func Locate(word string) (string, error) {
	if strings.ContainsRune(word, filepath.Separator) || strings.HasSuffix(word, ".onnx") {
		return word, nil
	}
	if word == "" {
		return "", fmt.Errorf("%w: no model is named", ErrModel)
	}
	dir, err := Dir()
	if err != nil {
		return "", err
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
			return path, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("look for a model: %w", err)
		}
		looked = append(looked, path)
	}
	return "", fmt.Errorf("%w: no model %s: there is no %s; make one with \"batchscore models import SOURCE -o %s\", or name another folder in %s",
		ErrModel, title, strings.Join(looked, " nor "), looked[0], DirVar)
}
