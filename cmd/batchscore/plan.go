package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/telemetry/columns"
	"github.com/batchscore/batchscore/shard"
)

func newPlan() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan --images PLACE [--world N]",
		Short: "Print which rank would start with which images, without scoring",
		Long: `plan lists the images and prints the chunks that each rank would start with. Ranks
that are faster steal chunks from slower ones later. The division is that of run with
the same --provider, --batch and --chunk: without --chunk, the size of a chunk depends on
the batch, and the batch on the device.

` + placesHelp,
		Example: `  batchscore plan --images photos --world 4
  batchscore plan --images photos --world 4 --provider cuda`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd)
	return cmd
}

// planFlags describe the job to plan.
type planFlags struct {
	places              placeFlags
	images              string
	limit, batch, chunk int
	world               int
	provider            string
	allFiles            bool
}

func (f *planFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.images, "images", "", "plan for the images in `PLACE`: "+placeKinds+" (required)")
	fs.IntVar(&f.world, "world", 1, "plan for `N` ranks")
	fs.IntVar(&f.limit, "max", 0, "plan for at most `N` images, the first ones in the order of their names (default all)")
	fs.IntVar(&f.batch, "batch", 0,
		"assume batches of `N` images; a chunk holds at least two batches, or four of 32 or more (default what run takes on the device)")
	fs.StringVar(&f.provider, "provider", ort.Auto, "plan for `DEVICE`, as for run: auto means that of this machine")
	chooseOne(cmd, "provider", allProviders())
	fs.IntVar(&f.chunk, "chunk", 0, "put `N` images into a chunk (default depending on the size of the collection)")
	registerAllFiles(fs, &f.allFiles)
	groupFlags(cmd, "Storage flags", func() { f.places.register(cmd) })
}

// run prints the plan.
func (f *planFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	switch {
	case f.images == "":
		return usagef("--images is missing: the place of the images")
	case f.world < 1:
		return invalid("world", f.world, "a number of ranks above zero")
	case f.limit < 0, f.batch < 0, f.chunk < 0:
		return usagef("--max, --batch and --chunk must be numbers of images above zero")
	}
	batch, why, err := f.batches()
	if err != nil {
		return err
	}
	st, err := f.places.open("--images", f.images)
	if err != nil {
		return err
	}
	log := zerolog.New(redacting(console(styled(stderr), isTerminal(stderr)))).With().Timestamp().Logger()
	m, passed, err := listing.Manifest(ctx, st, filesTaken(f.allFiles), f.limit, log)
	if err != nil {
		return err
	}
	defer m.Close()
	chunk := f.chunk
	if chunk == 0 {
		chunk = shard.DefaultChunk(m.Len(), batch)
		why = fmt.Sprintf("chunks of %d images: whole batches of %d, %s", chunk, batch, why)
	} else {
		why = fmt.Sprintf("chunks of %d images: --chunk", chunk)
	}
	c := shard.Chunks{Entries: m.Len(), Size: chunk}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "rank\tchunks\tfirst\tlast\timages\t")
	for r := range f.world {
		lo, hi := c.Share(r, f.world)
		span := "-\t-"
		if hi > lo {
			span = fmt.Sprintf("%d\t%d", lo, hi-1)
		}
		printf(w, "%d\t%d\t%s\t%d\t\n", r, hi-lo, span, c.ShareImages(r, f.world))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	count := fmt.Sprintf("%d images in %d chunks of %d on %d ranks; manifest %s%s",
		m.Len(), c.Count(), chunk, f.world, m.Digest(), andPassedOver(passed))
	lines := append(columns.Fit(why, widthOf(stdout)), columns.Fit(count, widthOf(stdout))...)
	_, err = fmt.Fprintln(stdout, strings.Join(lines, "\n"))
	return err
}

// batches returns how many images run puts into a batch, and why.
func (f *planFlags) batches() (n int, why string, err error) {
	device, simulating, err := simulated(f.provider)
	switch {
	case err != nil:
		return 0, "", err
	case f.batch > 0:
		return f.batch, "as --batch says", nil
	case simulating:
		return device.Batch, "the default of " + f.provider, nil
	}
	on := f.provider
	if on == ort.Auto { // an ONNX Runtime without CUDA does not use a GPU
		usable := func(p ort.ProviderInfo) bool { return p.Name == ort.CUDA && p.Err == nil }
		if info, err := ort.Probe(""); err == nil && !slices.ContainsFunc(info.Providers, usable) {
			on = ort.CPU
		}
	}
	n = ort.DefaultBatch(on)
	what := "a GPU"
	if n == ort.DefaultBatch(ort.CPU) {
		what = "a CPU"
	}
	if f.provider == ort.Auto {
		return n, "the default of " + what + ", which auto finds on this machine; plan for another device with --provider", nil
	}
	return n, "the default of " + what, nil
}
