package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
)

// jobFlags describe a job: what to score, with which model, and everything else
// that decides the bytes of the result.
type jobFlags struct {
	contractFlags
	placeFlags
	boundFlags
	decodeFlag
	images, out      string
	inference, model string
	labels           string
	max              int
	batch            amount
	chunk, topK      int
	format           string
	scaledDecode     bool
	rawPreview       bool
	values           valueFlags
	augment          string
	tiles            tileFlags
	allFiles         bool
	dependentRows    bool
}

// check returns the format of the result, or what is wrong with the flags by
// themselves.
func (f *jobFlags) check(cmd *cobra.Command) (row.Format, error) {
	format, err := row.Format(f.format), oneOf("format", f.format, asWords(row.Formats))
	set := cmd.Flags().Changed
	switch {
	case f.images == "":
		return "", usagef("--images is missing: the place of the images")
	case f.out == "":
		return "", usagef("--out is missing: the place for the result")
	case f.model == "" && f.inference == "":
		return "", usagef("no model: give --model FILE or --task %s", strings.Join(library.Tasks(), "|"))
	case slices.Contains(models.Tasks(), f.inference):
		return "", usagef("--task names what a registered model is for; what is made of its output is --answer %s", f.inference)
	case f.model != "" && f.inference != "":
		return "", usagef("--model and --task exclude each other")
	case f.max < 0 || set("max") && f.max == 0:
		return "", invalid("max", f.max, "a number of images above zero")
	case f.chunk < 0 || set("chunk") && f.chunk == 0:
		return "", invalid("chunk", f.chunk, "a number of images above zero")
	case f.topK < 1:
		return "", invalid("top-k", f.topK, "a number of classes above zero")
	case err != nil:
		return "", err
	}
	if err := f.boundFlags.check(cmd); err != nil {
		return "", err
	}
	if err := f.decodeFlag.check(decodeDevices); err != nil {
		return "", err
	}
	if err := f.checkWords(cmd); err != nil {
		return "", err
	}
	if err := f.values.check(); err != nil {
		return "", err
	}
	if err := f.tiles.check(cmd, f.batch.auto); err != nil {
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

// job opens the models that the flags name, and returns them with the description of
// the job.
func (f *jobFlags) job(answers models.Answers, format row.Format) (*modelSet, output.Job, error) {
	m, err := f.openModels(answers)
	if err != nil {
		return nil, output.Job{}, err
	}
	images, err := spelled(f.images)
	if err != nil {
		return nil, output.Job{}, usagef("--images: %w", err)
	}
	c := &m.contract
	pixels := c.Preprocess
	job := output.Job{
		Images: images, Files: filesTaken(f.allFiles), Max: f.max,
		PreprocessDigest: c.PreprocessDigest(), LabelsDigest: c.LabelsDigest(),
		Preprocess: &pixels,
		Activation: string(c.Output), OutputName: c.OutputName, JPEGDecoder: jpegKind(),
		Batch: f.batch.n, Chunk: f.chunk, TopK: c.Listed(f.topK), AskedTopK: f.topK, Format: format,
		DependentRows: f.dependentRows, Precision: c.Precision,
	}
	m.record(&job)
	return m, job, nil
}

// explainTask returns the error of a model that was asked for by the name of a task.
func (f *jobFlags) explainTask(word string, err error) error {
	if _, _, unknown := library.Find(f.dir, word); f.model == "" && errors.Is(unknown, models.ErrModel) && !slices.Contains(library.Tasks(), word) {
		return oneOf("task", word, library.Tasks())
	}
	return err
}

func (f *jobFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.images, "images", "", "score the images in `PLACE`: "+placeKinds+" (required)")
	fs.StringVar(&f.out, "out", "", "write the result to `PLACE`: "+placeKinds+" (required)")
	registerJoined(fs, &f.model, "model", ",", "score with `MODEL`: an ONNX file, or the name of a registered model (required, or --task); given several"+
		" times, all of them score each image, which is decoded once")
	fs.StringVar(&f.inference, "task", "",
		"score with the model registered for `TASK`: classification (Inception V3) or cloth_recognition (VGG-16); --inference is the same (required, or --model)")
	taskFlag(cmd)
	fs.StringVar(&f.format, "format", "jsonl", "write rows as `FORMAT`: jsonl, csv or parquet")
	chooseOne(cmd, "format", asWords(row.Formats))
	fs.IntVar(&f.topK, "top-k", 5, "keep the `K` best classes of each image, or all if the model has fewer")
	fs.IntVar(&f.max, "max", 0, "score at most `N` images, the first ones in the order of their names (default all)")
	groupFlags(cmd, "Tuning flags", func() {
		fs.Var(&f.batch, "batch", "score this many images per batch, or auto to measure what suits the device (default 4 on a CPU, 32 on a GPU;"+
			" with 32 or more, also on a CPU, chunks are larger and more images are requested at the same time);"+
			" without it, an existing job continues with the batch size it started with")
		fs.IntVar(&f.chunk, "chunk", 0, "put `N` images into a chunk, the unit of work, and so into a part"+
			" (default 16 to 128, or to 512 with batches of 32 or more, depending on the size of the collection, and at least two batches, or four of 32 or more);"+
			" without it, an existing job continues with its own")
	})
	groupFlags(cmd, "Image flags", func() {
		registerAllFiles(fs, &f.allFiles)
		f.boundFlags.register(cmd)
		f.decodeFlag.register(cmd, decodeDevices, "decode JPEG on `DEVICE`: cpu (with libjpeg-turbo), gpu (with NVIDIA's nvImageCodec, whose pixels differ;"+
			" not yet tried on a GPU), or auto (what an existing job began with, else cpu)")
		fs.BoolVar(&f.rawPreview, "raw-preview", false, "decode the JPEG that a camera's raw file (DNG, CR2, NEF, ARW and others) holds as its preview;"+
			" without it, such a file has the status unsupported")
		f.values.register(fs)
		fs.BoolVar(&f.scaledDecode, "scaled-decode", false, "let the JPEG decoder shrink large photographs while decoding: faster, but the pixels differ")
	})
	groupFlags(cmd, "Model flags", func() {
		fs.StringVar(&f.labels, "labels", "", "read the names of the classes, in the model's order, from `FILE`: one per line, JSON (such as config.json of"+
			" Hugging Face), YAML, a numbered list, or a table with a header; or imagenet, for the names of"+
			" ImageNet's 1,000 classes (default the labels in the model, else the numbers of the classes)")
		f.contractFlags.register(cmd)
		fs.StringVar(&f.augment, "augment", "", "score several `VIEWS` of each image and give the mean of their probabilities: flip (it and its mirror image),"+
			" five-crop (the corners and the middle, with a fit that crops) or ten-crop (these and their mirror images)")
		chooseOne(cmd, "augment", models.Augments())
		f.tiles.register(cmd)
		fs.BoolVar(&f.dependentRows, "allow-dependent-rows", false, "accept a model whose scores for an image depend on the other images in its batch,"+
			" or on chance; the job record and _SUCCESS say so")
	})
	groupFlags(cmd, "Storage flags", func() {
		f.placeFlags.register(cmd)
		f.registerCreate(cmd)
	})
}
