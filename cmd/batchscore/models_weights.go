package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/weights"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// builtOf builds the network whose weights are in a folder of timm or transformers without an
// ONNX file, as the file out. It returns the model's path, and the folder whose files come with it
// if that is another. Any other path it returns as it is.
func builtOf(cmd *cobra.Command, path, out string, replace bool) (file, from string, err error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path, "", nil //nolint:nilerr // what reads the model has an error about it
	}
	for _, pattern := range []string{"*.onnx", "onnx/*.onnx"} {
		entries, err := fs.Glob(os.DirFS(path), pattern)
		if err == nil && len(entries) > 0 {
			return path, "", nil
		}
	}
	source, network, variant, err := networks.Folder(path)
	if errors.Is(err, networks.ErrNoNetwork) {
		printf(cmd.ErrOrStderr(), "note: %s\n", printable.Line(err.Error()))
		return path, "", nil
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
	if _, err := networks.BuildFile(cmd.Context(), out, o); err != nil {
		return "", "", config(err)
	}
	printf(cmd.ErrOrStderr(), "%s: built from %s as %s of %s\n", printable.Line(out), printable.Line(filepath.Base(source)), network, variant)
	return out, filepath.Clean(path), nil
}
