package main

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestModelsAddOffersPreset: the first question is where the model is from, and its answer spares
// those about the pixels. A word that is none of the origins is asked for again.
func TestModelsAddOffersPreset(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "m.onnx")
	writeFile(t, path, graphtest.Tiny(graphtest.Options{Input: graphtest.FloatImage, Size: 224, NoContract: true}))
	for _, c := range []struct {
		name    string
		words   []string
		preset  string
		last    string // the flag that is asked for last
		refused bool
	}{
		{name: "torchvision", words: []string{"torchvission", "torchvision"}, preset: "torchvision"},
		{name: "none", words: []string{""}, last: "resize", refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var flags []string
			words := slices.Clone(c.words)
			a := addition{ask: func(*cobra.Command) func(models.Question) (string, bool) {
				return func(q models.Question) (string, bool) {
					flags = append(flags, q.Flag())
					if len(words) == 0 {
						return "", false
					}
					word := words[0]
					words = words[1:]
					return word, true
				}
			}}
			cmd := &cobra.Command{}
			cmd.SetErr(io.Discard)
			a.f.register(cmd)
			_, _, err := a.open(cmd, path, "")
			if a.f.preset != c.preset || (err != nil) != c.refused || flags[0] != "preset" {
				t.Errorf("preset %q, asked for %s: %v", a.f.preset, strings.Join(flags, " "), err)
			}
			if c.last != "" && flags[len(flags)-1] != c.last {
				t.Errorf("asked for %s", strings.Join(flags, " "))
			}
		})
	}
}
