package main

import (
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models/preprocess"
)

// boundFlags say how large an image may be. They decide rows, so they are part of
// the job's record.
type boundFlags struct {
	maxPixels int64
	maxBytes  byteSize
}

func (f *boundFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Int64Var(&f.maxPixels, "max-pixels", 0, fmt.Sprintf("most pixels of an image, by its header; by default %d; a larger one is a row, too_large; an existing job keeps its own",
		preprocess.DefaultMaxPixels))
	fs.Var(&f.maxBytes, "max-bytes", "most bytes of an image's file, such as 800MB or 2GiB; by default 9 for each of --max-pixels, and at least 256MiB; an existing job keeps its own")
}

// mostPixels is the largest --max-pixels that the decoders take. Sides and rows are of
// 32 bits, and the pixels of 4 bytes.
const mostPixels = math.MaxInt32

func (f *boundFlags) check(cmd *cobra.Command) error {
	set := cmd.Flags().Changed
	switch {
	case f.maxPixels < 0 || set("max-pixels") && f.maxPixels == 0 || f.maxPixels > mostPixels:
		return usagef("--max-pixels %d: it takes a number of pixels from 1 to %d", f.maxPixels, mostPixels)
	case set("max-bytes") && f.maxBytes < 1:
		return usagef("--max-bytes %d: an image has at least one byte", f.maxBytes)
	}
	return nil
}

// options are the bounds for the decoder, 0 where the job or a default decides.
func (f *boundFlags) options() preprocess.Options {
	return preprocess.Options{MaxPixels: f.maxPixels, MaxBytes: int64(f.maxBytes)}
}
