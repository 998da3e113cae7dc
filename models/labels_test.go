package models_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
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
