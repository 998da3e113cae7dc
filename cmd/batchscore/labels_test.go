package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestFault38_LabelFiles checks that files of labels are read in their format, from a flag, from
// model.yaml and from the registry, or refused with both counts: a file of 4 lines does
// not always hold 4 labels.
func TestFault38_LabelFiles(t *testing.T) {
	needRuntime(t)
	images := colourImages(t)
	for _, c := range []struct {
		name, file, text string
		code             int
		says             []string
		labels           string // of the red, the green and the blue image
	}{
		{name: "plain", text: "red\ngreen\nblue\nblack\n", labels: "red green blue"},
		{name: "numbered", text: "3,black\n2,blue\n1,green\n0,red\n", labels: "red green blue"},
		{name: "config.json", file: "config.json", text: `{"id2label":{"0":"red","1":"green","2":"blue","3":"black"}}`, labels: "red green blue"},
		{name: "class_indices.json", file: "class_indices.json", text: `{"black":3,"blue":2,"green":1,"red":0}`, labels: "red green blue"},
		{
			name:   "ImageNet's index",
			text:   `{"0":["n00000001","red"],"1":["n00000002","green"],"2":["n00000003","blue"],"3":["n00000004","black"]}`,
			labels: "red green blue",
		},
		{
			name: "JSON of two labels on four lines",
			text: "[\n \"red\",\n \"green\"\n]\n",
			code: 78,
			says: []string{"2 labels for an output of 4 classes", "JSON list"},
		},
		{
			name: "table of three labels on four lines",
			text: "id,label\n0,red\n1,green\n2,blue\n",
			code: 78,
			says: []string{"3 labels for an output of 4 classes", "header"},
		},
		{
			name: "YAML of three labels on four lines",
			text: "names:\n- red\n- green\n- blue\n",
			code: 78,
			says: []string{"3 labels for an output of 4 classes", "YAML list"},
		},
		{name: "numbered from 1", text: "1,red\n2,green\n3,blue\n4,black\n", code: 78, says: []string{"from 1 to 4", "of 4 labels (the model has 4 classes)"}},
		{name: "comment", text: "# colours\nred\ngreen\nblue\n", code: 78, says: []string{"comment", "(the model has 4 classes)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			model := filepath.Join(dir, "model.onnx")
			if c.file == "" {
				c.file = "labels.txt"
			}
			labels := filepath.Join(dir, c.file)
			writeFile(t, model, graphtest.Colours(4, nil))
			writeFile(t, labels, []byte(c.text))
			contract := append([]string{"--activation", "logits"}, graphtest.Pixels...)
			run := func(args ...string) {
				t.Helper()
				out := filepath.Join(t.TempDir(), "out")
				r := mustPlain(t, c.code, slices.Concat([]string{"run", "--provider", "cpu", "--images", images, "--out", out}, args)...)
				says(t, r, c.says...)
				if c.code != 0 {
					says(t, r, labels)
					wantEmpty(t, out)
					return
				}
				var got []string
				for _, row := range rowsOf(t, out) {
					got = append(got, row.Label)
				}
				if strings.Join(got, " ") != c.labels {
					t.Errorf("labels are %q, want %q", got, c.labels)
				}
			}
			run(slices.Concat([]string{"--model", model, "--labels", labels}, contract)...)
			models := filepath.Join(dir, "models")
			mustPlain(t, c.code, slices.Concat([]string{"models", "add", "mine", model, "--models", models, "--labels", labels}, contract)...)
			if c.code == 0 {
				run("--model", "mine", "--models", models)
			}
			writeFile(t, filepath.Join(dir, "model.yaml"), []byte("labels_file: "+c.file+"\n"))
			run(append([]string{"--model", model}, contract...)...)
		})
	}
}
