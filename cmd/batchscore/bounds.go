package main

import (
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models/preprocess"
)

// boundFlags limit how large an image may be. The limits decide rows, so they are
// part of the job record.
type boundFlags struct {
	maxPixels int64
	maxBytes  byteSize
	maxMemory byteSize
}

func (f *boundFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Int64Var(&f.maxPixels, "max-pixels", 0, fmt.Sprintf("refuse to decode an image of more than `N` pixels, as its header gives them (default %d);"+
		" its row has the status too_large; without it, an existing job continues with its limit", preprocess.DefaultMaxPixels))
	fs.Var(&f.maxBytes, "max-bytes", "refuse to read an image file of more than `SIZE`, such as 800MB or 2GiB"+
		" (default 9 bytes per pixel of --max-pixels, at least 256MiB); without it, an existing job continues with its limit")
	fs.Var(&f.maxMemory, "max-image-memory", "refuse to decode an image that takes more than `SIZE` of memory, such as 800MiB, as its header gives"+
		" it (default half of --decode-memory, which is for all images, where the job begins); its row has the status too_large;"+
		" without it, an existing job continues with its limit")
}

// maxMaxPixels is the largest --max-pixels that the decoders support: they count
// sides and rows in 32 bits, and a pixel has 4 bytes.
const maxMaxPixels = math.MaxInt32

func (f *boundFlags) check(cmd *cobra.Command) error {
	set := cmd.Flags().Changed
	switch {
	case f.maxPixels < 0 || set("max-pixels") && f.maxPixels == 0 || f.maxPixels > maxMaxPixels:
		return invalid("max-pixels", f.maxPixels, fmt.Sprintf("1 to %d pixels", maxMaxPixels))
	case set("max-bytes") && f.maxBytes < 1:
		return invalid("max-bytes", int64(f.maxBytes), "at least one byte")
	case set("max-image-memory") && f.maxMemory < 1:
		return invalid("max-image-memory", int64(f.maxMemory), "at least one byte")
	}
	return nil
}

// options returns the limits for the decoder; 0 means the job's or the default.
func (f *boundFlags) options() preprocess.Options {
	return preprocess.Options{MaxPixels: f.maxPixels, MaxBytes: int64(f.maxBytes), MaxMemory: int64(f.maxMemory)}
}
