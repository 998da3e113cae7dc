package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models"
)

// TestModelsBuildRandom checks that a model with random weights scores, and that the log and
// every label say that it has them.
func TestModelsBuildRandom(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	dir := t.TempDir()
	model, labels, out := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "labels.txt"), filepath.Join(dir, "out")
	writeFile(t, labels, []byte("cat\ndog\nemu\n"))
	r := mustPlain(t, 0, "models", "build", "inception_v3", "--variant", "keras", "--weights", "random", "--seed", "3", "--labels", labels, "-o", model)
	says(t, r, "inception_v3-keras-random", "299x299", "3 classes")
	again := []string{"models", "build", "inception_v3", "--variant", "keras", "--weights", "random", "--seed", "3", "--labels", labels, "-o", model}
	says(t, must(t, 78, again...), "exists already", "--force")
	mustPlain(t, 0, append(again, "--force")...)
	m, err := models.Open(model, models.OpenOptions{})
	if err != nil || m.Contract.Source != "random:seed=3" {
		t.Fatalf("opens as %+v, %v", m, err)
	}
	r = mustPlain(t, 0, "run", "--provider", "cpu", "--images", pictures(t, 2), "--model", model, "--out", out)
	says(t, r, "random weights (random:seed=3)")
	rows, err := filepath.Glob(filepath.Join(out, "part-*"))
	if err != nil || len(rows) != 1 {
		t.Fatalf("parts are %q, %v", rows, err)
	}
	text, err := os.ReadFile(rows[0])
	if err != nil {
		t.Fatal(err)
	}
	says(t, processResult{stdout: string(text)}, `"label":"random:`)
	for _, args := range [][]string{
		{"models", "build", "resnet", "--variant", "keras", "--weights", "random", "-o", model},
		{"models", "build", "vgg16", "--variant", "caffe", "--weights", "random", "-o", model},
		{"models", "build", "vgg16", "--variant", "keras", "-o", model},
	} {
		must(t, 64, args...)
	}
	must(t, 78, "models", "build", "vgg16", "--variant", "keras", "--weights", model, "-o", model+"2")
}

// Weights do not show whether Inception V3 of torchvision transforms its input. The user
// must say so, and inspect shows it.
func TestModelsBuildTransformInput(t *testing.T) {
	build := []string{"models", "build", "inception_v3", "--variant", "torchvision", "-o", filepath.Join(t.TempDir(), "m.onnx")}
	says(t, must(t, 64, append(build, "--weights", "none.safetensors")...), "--transform-input=true or --transform-input=false", "weights=None")
	says(t, must(t, 64, "models", "build", "vgg16", "--variant", "keras", "--weights", "random", "--transform-input", "-o", "m.onnx"),
		"--transform-input is for inception_v3")
	for _, given := range []string{"true", "false"} {
		says(t, mustPlain(t, 0, append(build, "--force", "--weights", "random", "--classes", "3", "--transform-input="+given)...), "transform_input is "+given)
		says(t, must(t, 0, "models", "inspect", build[len(build)-1]), "transform_input "+given)
	}
}

func TestModelsBuildRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	labels, cut := filepath.Join(dir, "labels.txt"), filepath.Join(dir, "cut.safetensors")
	writeFile(t, labels, []byte("cat\ndog\n"))
	writeFile(t, cut, append(binary.LittleEndian.AppendUint64(nil, 4000), `{"features.0.weight":`...))
	hostile := filepath.Join(dir, "hostile.pth")
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	w, err := z.Create("w/data.pkl")
	if err == nil {
		_, err = w.Write([]byte("\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R."))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	writeFile(t, hostile, archive.Bytes())
	build := []string{"models", "build"}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"network": {args: []string{"vgg19", "--variant", "keras", "--weights", "random", "-o", "x"}, code: 64, says: "vgg19"},
		"variant of others": {
			args: []string{"resnet50", "--variant", "keras", "--weights", "random", "-o", "x"}, code: 64, says: "torchvision, timm or transformers",
		},
		"no size":    {args: []string{"vit_b_16", "--variant", "timm", "--weights", "random", "--resize-to", "0", "-o", "x"}, code: 64, says: "--resize-to"},
		"small size": {args: []string{"vit_b_16", "--variant", "timm", "--weights", "random", "--resize-to", "9", "-o", "x"}, code: 78, says: "crop of 224"},
		"a command": {
			args: []string{"resnet18", "--variant", "torchvision", "--weights", hostile, "-o", "x"}, code: 78, says: `"os.system", which is refused`,
		},
		"no variant": {args: []string{"vgg16", "--weights", "random", "-o", "x"}, code: 64, says: "--variant"},
		"no weights": {args: []string{"vgg16", "--variant", "keras", "-o", "x"}, code: 64, says: "--weights"},
		"no output":  {args: []string{"vgg16", "--variant", "keras", "--weights", "random"}, code: 64, says: "-o"},
		"seed":       {args: []string{"vgg16", "--variant", "keras", "--weights", "f", "--seed", "1", "-o", "x"}, code: 64, says: "--seed"},
		"classes":    {args: []string{"vgg16", "--variant", "keras", "--weights", "random", "--classes", "0", "-o", "x"}, code: 64, says: "--classes"},
		"absent":     {args: []string{"vgg16", "--variant", "keras", "--weights", filepath.Join(dir, "none"), "-o", "x"}, code: 78, says: "none"},
		"other file": {args: []string{"vgg16", "--variant", "keras", "--weights", labels, "-o", "x"}, code: 78, says: "neither safetensors"},
		"truncated":  {args: []string{"vgg16", "--variant", "torchvision", "--weights", cut, "-o", "x"}, code: 78, says: "4000 bytes"},
		"label count": {
			args: []string{"inception_v3", "--variant", "keras", "--weights", "random", "--classes", "3", "--labels", labels, "-o", "x"},
			code: 78,
			says: "2 labels",
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "m.onnx")
			args := append([]string{}, c.args...)
			if n := len(args); args[n-1] == "x" {
				args[n-1] = out
			}
			says(t, must(t, c.code, append(build, args...)...), c.says)
			if _, err := os.Stat(out); !os.IsNotExist(err) {
				t.Errorf("a model is there: %v", err)
			}
		})
	}
}
