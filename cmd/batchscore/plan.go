package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/shard"
)

func newPlan() *cobra.Command {
	var places placeFlags
	var images string
	var limit, batch, chunk, world int
	var allFiles bool
	cmd := &cobra.Command{
		Use:   "plan --images PLACE --world N",
		Short: "Print which rank would start with which images, without scoring",
		Long: `plan lists the images and prints the chunks that each rank would start with. Ranks
that are faster steal chunks from slower ones later.`,
		Example: "  batchscore plan --images photos --world 4",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case images == "":
				return usagef("--images is missing: the place of the images")
			case world < 1:
				return invalid("world", world, "a number of ranks above zero")
			case limit < 0, batch < 0, chunk < 0:
				return usagef("--max, --batch and --chunk must be numbers of images above zero")
			}
			st, err := places.open("--images", images)
			if err != nil {
				return err
			}
			stderr := cmd.ErrOrStderr()
			log := zerolog.New(console(stderr, isTerminal(stderr))).With().Timestamp().Logger()
			m, passed, err := listing.Manifest(cmd.Context(), st, filesTaken(allFiles), limit, log)
			if err != nil {
				return err
			}
			defer m.Close()
			if chunk == 0 {
				chunk = shard.DefaultChunk(m.Len(), batch)
			}
			c := shard.Chunks{Entries: m.Len(), Size: chunk}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', tabwriter.AlignRight)
			fmt.Fprintln(w, "rank\tchunks\tfirst\tlast\timages\t")
			for r := range world {
				lo, hi := c.Share(r, world)
				span := "-\t-"
				if hi > lo {
					span = fmt.Sprintf("%d\t%d", lo, hi-1)
				}
				fmt.Fprintf(w, "%d\t%d\t%s\t%d\t\n", r, hi-lo, span, c.ShareImages(r, world))
			}
			if err := w.Flush(); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d images in %d chunks of %d on %d ranks; manifest %s%s\n",
				m.Len(), c.Count(), chunk, world, m.Digest(), andPassedOver(passed))
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&images, "images", "", "plan for the images in `PLACE`: a folder, or blob storage (required)")
	fs.IntVar(&world, "world", 1, "plan for `N` ranks")
	fs.IntVar(&limit, "max", 0, "plan for at most `N` images, the first ones in the order of their names (default all)")
	fs.IntVar(&batch, "batch", 0, "assume batches of `N` images; a chunk holds at least two batches")
	fs.IntVar(&chunk, "chunk", 0, "put `N` images into a chunk (default depending on the size of the collection)")
	registerAllFiles(fs, &allFiles)
	groupFlags(cmd, "Storage flags", func() { places.register(cmd) })
	return cmd
}
