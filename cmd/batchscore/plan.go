package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/shard"
)

func newPlan() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan --images PLACE [--world N]",
		Short: "Print which rank would start with which images, without scoring",
		Long: `plan lists the images and prints the chunks that each rank would start with. Ranks
that are faster steal chunks from slower ones later.

` + placesHelp,
		Example: "  batchscore plan --images photos --world 4",
		Args:    noArgs,
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
	allFiles            bool
}

func (f *planFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.images, "images", "", "plan for the images in `PLACE`: "+placeKinds+" (required)")
	fs.IntVar(&f.world, "world", 1, "plan for `N` ranks")
	fs.IntVar(&f.limit, "max", 0, "plan for at most `N` images, the first ones in the order of their names (default all)")
	fs.IntVar(&f.batch, "batch", 0, "assume batches of `N` images; a chunk holds at least two batches")
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
	st, err := f.places.open("--images", f.images)
	if err != nil {
		return err
	}
	log := zerolog.New(console(stderr, isTerminal(stderr))).With().Timestamp().Logger()
	m, passed, err := listing.Manifest(ctx, st, filesTaken(f.allFiles), f.limit, log)
	if err != nil {
		return err
	}
	defer m.Close()
	chunk := f.chunk
	if chunk == 0 {
		chunk = shard.DefaultChunk(m.Len(), f.batch)
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
		fmt.Fprintf(w, "%d\t%d\t%s\t%d\t\n", r, hi-lo, span, c.ShareImages(r, f.world))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d images in %d chunks of %d on %d ranks; manifest %s%s\n",
		m.Len(), c.Count(), chunk, f.world, m.Digest(), andPassedOver(passed))
	return err
}
