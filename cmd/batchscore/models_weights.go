package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/weights"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// builtInFolder writes model.onnx into a folder of timm or transformers that has weights but no
// ONNX file, and reports whether it has. A folder of a network that cannot be built is
// left as it is.
func builtInFolder(cmd *cobra.Command, dir string) (bool, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return false, nil //nolint:nilerr // the caller has an error about it
	}
	for _, sub := range []string{".", "onnx"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
		for _, e := range entries {
			if filepath.Ext(e.Name()) == ".onnx" {
				return false, nil
			}
		}
	}
	file, network, variant, err := networks.Folder(dir)
	if errors.Is(err, networks.ErrNoNetwork) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	source, err := weights.Open(cmd.Context(), file, weights.Options{})
	if err != nil {
		return false, config(err)
	}
	defer source.Close()
	out := filepath.Join(dir, "model.onnx")
	o := networks.Options{Network: network, Variant: variant, Weights: source, Source: filepath.Base(file), Bare: true}
	if _, err := networks.BuildFile(cmd.Context(), out, o); err != nil {
		return false, err
	}
	_, err = printf(cmd.ErrOrStderr(), "%s: built from %s as %s of %s\n", printable.Line(out), printable.Line(filepath.Base(file)), network, variant)
	return true, err
}
