package models_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

func TestReadLabels(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
		says string
	}{
		"plain":            {text: "cat\ndog\n", want: []string{"cat", "dog"}},
		"no newline":       {text: "cat\ndog", want: []string{"cat", "dog"}},
		"Windows":          {text: "\ufeffcat\r\nhot dog\r\n\r\n", want: []string{"cat", "hot dog"}},
		"doubled":          {text: "crane\ncrane\n", want: []string{"crane", "crane"}},
		"empty":            {text: "\n", says: "no label"},
		"blank in between": {text: "cat\n\ndog\n", says: "line 2 is blank"},
		"not UTF-8":        {text: "cat\nd\xf6g\n", says: "line 2 is not UTF-8"},
		"binary":           {text: "cat\x00\n", says: "line 1"},
		"huge":             {text: strings.Repeat("x", 17<<20), says: "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "labels.txt")
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := models.ReadLabels(path)
			if c.says == "" {
				if err != nil || !slices.Equal(got, c.want) {
					t.Errorf("got %q, %v; want %q", got, err, c.want)
				}
				return
			}
			if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want ErrModel about %q in %s", err, c.says, path)
			}
		})
	}
}

// The word imagenet is 1,000 different names in ImageNet's order, for a model of as many classes.
func TestLabelsOfImageNet(t *testing.T) {
	names, err := models.ReadLabels("imagenet")
	if err != nil || len(names) != 1000 {
		t.Fatalf("%d names, %v", len(names), err)
	}
	for class, want := range map[int]string{0: "tench", 1: "goldfish", 134: "crane bird", 281: "tabby", 517: "crane", 817: "sports car", 999: "toilet tissue"} {
		if names[class] != want {
			t.Errorf("class %d is %q, want %q", class, names[class], want)
		}
	}
	slices.Sort(names)
	if n := len(slices.Compact(names)); n != 1000 {
		t.Errorf("%d different names", n)
	}
	t.Chdir(t.TempDir())
	if err := os.Mkdir("imagenet", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := models.ReadLabels("imagenet"); err != nil {
		t.Errorf("a folder of that name: %v", err)
	}
	if err := errors.Join(os.Remove("imagenet"), os.WriteFile("imagenet", []byte("cat\ndog\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := models.ReadLabels("imagenet"); !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "the file is ./imagenet") {
		t.Errorf("a file of that name: %v", err)
	}
	if names, err := models.ReadLabels("./imagenet"); err != nil || len(names) != 2 {
		t.Errorf("the file itself: %v, %v", names, err)
	}
	if err := os.Remove("imagenet"); err != nil {
		t.Fatal(err)
	}
	beside := graphtest.Write(t, graphtest.Options{Input: graphtest.FloatImage, Size: 224, NoContract: true})
	t.Chdir(filepath.Dir(beside))
	if err := os.WriteFile("model.yaml", []byte("preset: torchvision\nlabels_file: imagenet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, "model.onnx"); err != nil {
		t.Fatal(err)
	}
	if _, err := models.Open("model.onnx", models.OpenOptions{}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("labels_file of a file that does not exist: %v", err)
	}
	answers := models.Answers{Preset: "torchvision", LabelsPath: "imagenet"}
	file := graphtest.Write(t, graphtest.Options{Input: graphtest.FloatImage, Size: 224, NoContract: true})
	_, err = models.Open(file, models.OpenOptions{Given: []models.Given{{From: "flags", Answers: answers}}})
	if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "for an output of 10 classes") {
		t.Errorf("got %v, want that the model has 10 classes", err)
	}
}
