package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/formats"
	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/origin"
	"github.com/batchscore/batchscore/models/weights"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// builtOf builds the network whose weights are in a folder of timm or transformers without an
// ONNX file, as the file out. It returns the model's path, and the folder whose files come with it
// if that is another. Any other path it returns as it is.
func builtOf(cmd *cobra.Command, path, out string, replace bool) (file, from string, err error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path, "", recognised(cmd, path) //nolint:nilerr // what reads the model has an error about it
	}
	for _, pattern := range []string{"*.onnx", "onnx/*.onnx"} {
		entries, err := fs.Glob(os.DirFS(path), pattern)
		if err == nil && len(entries) > 0 {
			return path, "", nil
		}
	}
	source, network, variant, err := networks.Folder(path)
	if errors.Is(err, networks.ErrNoNetwork) {
		if _, none := origin.Read(path); none == nil || origin.Refused(path) != "" {
			return path, "", nil
		}
		return "", "", config(fmt.Errorf("%w; %s", err, formats.ExportHint(path)))
	}
	if err != nil {
		return "", "", err
	}
	if _, err := os.Lstat(out); err == nil && !replace {
		return "", "", config(fmt.Errorf("%w: %s exists; --replace replaces it", models.ErrModel, out))
	}
	w, err := weights.Open(cmd.Context(), source, weights.Options{})
	if err != nil {
		return "", "", config(err)
	}
	defer w.Close()
	if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
		return "", "", fmt.Errorf("models folder: %w", err)
	}
	o := networks.Options{Network: network, Variant: variant, Weights: w, Source: filepath.Base(source), Bare: true}
	width, height := origin.Size(path)
	if width != height {
		return "", "", config(fmt.Errorf("%w: the settings in %s make images of %dx%d pixels, and %s is built for square ones",
			models.ErrModel, path, width, height, network))
	}
	o.Size = width
	if _, err := networks.BuildFile(cmd.Context(), out, o); err != nil {
		return "", "", config(err)
	}
	printf(cmd.ErrOrStderr(), "%s: built from %s as %s of %s\n", printable.Line(out), printable.Line(filepath.Base(source)), network, variant)
	return out, filepath.Clean(path), nil
}

// recognised returns an error about a file of weights that says which networks' they are, or why
// they cannot be read, such as a whole model that was pickled. It is nil for any other file.
func recognised(cmd *cobra.Command, path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".pth", ".pt", ".bin", ".safetensors":
	default:
		return nil
	}
	if !strings.Contains(formats.DescribeFile(path), "weights without a network") {
		return nil
	}
	w, err := weights.Open(cmd.Context(), path, weights.Options{})
	if err != nil {
		return config(err)
	}
	defer w.Close()
	found := networks.Recognise(cmd.Context(), w)
	if len(found) == 0 {
		return nil
	}
	return config(fmt.Errorf("%w: %s holds weights, whose tensors are those of %s: batchscore models build %s --variant %s --weights %s -o %s",
		models.ErrModel, path, strings.Join(asWords(found), " or "), found[0], strings.Join(asWords(networks.VariantsOf(found[0])), "|"),
		shellquote.Quote(path), shellquote.Quote(strings.TrimSuffix(path, filepath.Ext(path))+".onnx")))
}
