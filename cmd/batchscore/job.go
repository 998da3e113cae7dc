package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/output"
)

// jobFlags say what is to be scored and with which model: all that decides the
// bytes of the result.
type jobFlags struct {
	contractFlags
	placeFlags
	boundFlags
	images, out      string
	inference, model string
	labels           string
	max              int
	batch            amount
	chunk, topK      int
	format           string
	scaledDecode     bool
	allFiles         bool
	dependentRows    bool
}

// check finds what is wrong with the flags by themselves.
func (f *jobFlags) check(cmd *cobra.Command) (output.Format, error) {
	format, err := output.ParseFormat(f.format)
	set := cmd.Flags().Changed
	switch {
	case f.images == "":
		return "", usagef("--images is missing: the place of the images")
	case f.out == "":
		return "", usagef("--out is missing: the place for the result")
	case f.model == "" && f.inference == "":
		return "", usagef("no model: give --model FILE or --inference classification|cloth_recognition")
	case f.model != "" && f.inference != "":
		return "", usagef("--model and --inference exclude each other")
	case f.max < 0 || set("max") && f.max == 0:
		return "", usagef("--max %d: it takes a number of images above zero", f.max)
	case f.chunk < 0 || set("chunk") && f.chunk == 0:
		return "", usagef("--chunk %d: a chunk holds at least one image", f.chunk)
	case f.topK < 1:
		return "", usagef("--top-k %d: at least one class is kept", f.topK)
	case err != nil:
		return "", usagef("--format: %v", err)
	}
	if err := f.boundFlags.check(cmd); err != nil {
		return "", err
	}
	if _, err := spelled(f.images); err != nil {
		return "", usagef("--images: %w", err)
	}
	if _, err := spelled(f.out); err != nil {
		return "", usagef("--out: %w", err)
	}
	return format, nil
}

// job opens what the flags name and describes the job.
func (f *jobFlags) job(cmd *cobra.Command, format output.Format) (*models.Model, output.Job, error) {
	name := f.model
	if name == "" {
		name = f.inference
	}
	m, err := f.locate(cmd, name, f.labels)
	if err != nil {
		return nil, output.Job{}, err
	}
	m.Contract.Preprocess.ScaledDecode = m.Contract.Preprocess.ScaledDecode || f.scaledDecode
	images, err := spelled(f.images)
	if err != nil {
		return nil, output.Job{}, usagef("--images: %w", err)
	}
	return m, output.Job{
		Images: images, Files: filesTaken(f.allFiles), Max: f.max,
		Model: filepath.Base(m.Path), ModelDigest: m.Digest,
		PreprocessDigest: m.Contract.PreprocessDigest(), LabelsDigest: m.Contract.LabelsDigest(),
		Activation: string(m.Contract.Output), OutputName: m.Contract.OutputName, JPEGDecoder: jpegKind(),
		Batch: f.batch.n, Chunk: f.chunk, TopK: min(f.topK, m.Contract.Labelled()), Format: format,
		DependentRows: f.dependentRows,
	}, nil
}

func (f *jobFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.images, "images", "", "place of the images: a folder, or blob storage (required)")
	fs.StringVar(&f.out, "out", "", "place for the result: a folder, or blob storage (required)")
	f.placeFlags.register(cmd)
	registerAllFiles(fs, &f.allFiles)
	fs.StringVar(&f.inference, "inference", "", "task: classification (Inception V3) or cloth_recognition (VGG-16)")
	fs.StringVar(&f.model, "model", "", "ONNX file, or name of a registered model; in place of --inference")
	f.contractFlags.register(cmd)
	fs.StringVar(&f.labels, "labels", "", "file of labels in the order of the classes: one a line, JSON (such as config.json of Hugging Face), YAML, a numbered list or a table with a header; by default those in the model, or the numbers of the classes")
	fs.IntVar(&f.max, "max", 0, "score at most this many images, the first in order of their names; 0 is all")
	fs.Var(&f.batch, "batch", "images per batch, or auto to measure what suits the device; by default 4 on a CPU and 32 on a GPU; an existing job keeps its own")
	fs.IntVar(&f.chunk, "chunk", 0, "images per chunk, the unit of work and of a part; by default 16 to 128, from the size of the collection, and two batches at least")
	fs.IntVar(&f.topK, "top-k", 5, "classes kept per image, or all if the model has fewer")
	fs.StringVar(&f.format, "format", "jsonl", "jsonl, csv or parquet")
	f.boundFlags.register(cmd)
	fs.BoolVar(&f.dependentRows, "allow-dependent-rows", false, "accept a model whose scores of an image depend on the other images of its batch, or on chance; the job's record and _SUCCESS say so")
	fs.BoolVar(&f.scaledDecode, "scaled-decode", false, "let the JPEG decoder shrink large photographs while it decodes: faster, with other pixels")
}
