package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

func newVerify() *cobra.Command {
	var places placeFlags
	var asJSON, strictDrift, ownRows bool
	var images string
	cmd := &cobra.Command{
		Use:   "verify OUT",
		Short: "Prove that an output folder holds exactly one row for every image",
		Long: `verify reads every part of an output folder and compares its rows with the frozen
manifest: paths, sizes and order, and the digests of manifest, job record and parts. It
reports what is missing, duplicated or altered.

It exits with 0 if the rows match the manifest and _SUCCESS exists, and with 10 if not.
Any other code means that it could not check: 78 if OUT is not an output folder.

Of an output that keeps rows of others, it also proves that each image of the collection
has one row, of the version that was listed. The kept rows are proven by the digests that
the job recorded, and the copied ones are compared with those that they were copied from.
Images are never read. --own-rows leaves out the other outputs, which is quicker and
proves less.

With --strict-drift it also lists the images again, and exits with 4 if some were
added, removed or changed since the job listed them. --images names their place where the
record of OUT may not: in another account than OUT, unless the credentials name it.

` + placesHelp,
		Example: "  batchscore verify result",
		Args:    oneArg("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			st, err := places.open("OUT", args[0])
			if err != nil {
				return err
			}
			if images != "" && !strictDrift {
				return usagef("--images is for --strict-drift")
			}
			if err := verify(cmd.Context(), cmd.OutOrStdout(), st, ownRows, asJSON); err != nil || !strictDrift {
				return err
			}
			return verifyImages(cmd.Context(), places, st, args[0], images)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&ownRows, "own-rows", false, "check only the rows in OUT, not those that it keeps in other outputs")
	cmd.Flags().BoolVar(&strictDrift, "strict-drift", false, "list the images again too, and exit with code 4 if they are not those of the job")
	cmd.Flags().StringVar(&images, "images", "", "with --strict-drift, list the images in `PLACE` (default the one that the job records)")
	groupFlags(cmd, "Storage flags", func() { places.register(cmd) })
	return cmd
}

// verify prints the report on an output, and returns an error unless it is complete.
func verify(ctx context.Context, stdout io.Writer, st store.Store, ownRows, asJSON bool) error {
	prove := output.Verify
	if ownRows {
		prove = output.VerifyOwn
	}
	report, err := prove(ctx, st)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(stdout, report)
	} else {
		if report.Complete {
			// If _SUCCESS cannot be read, the report says so.
			if s, err := output.ReadSuccess(ctx, st); err == nil {
				report.Speed = speed(&s)
			}
		}
		_, err = io.WriteString(stdout, report.String())
	}
	if err != nil {
		return err
	}
	return proof(&report)
}

// verifyImages lists the images of a complete job again, and returns scorer.ErrDrifted
// if they are not those that its rows are of.
//
// They are looked for in the place from, by default where the record of the output out says.
func verifyImages(ctx context.Context, places placeFlags, st store.Store, out, from string) error {
	job, err := output.ReadJob(ctx, st)
	if err != nil {
		return err
	}
	done, err := output.ReadSuccess(ctx, st)
	if err != nil {
		return err
	}
	if from == "" {
		from = job.ImagesPlace()
		if err := places.checkRecorded("the images of the job", from, out); err != nil {
			return err
		}
	}
	images, err := places.open("the images of the job", from)
	if err != nil {
		return err
	}
	d, err := scorer.Drift(ctx, images, st, done)
	if err == nil && d != (output.Drift{}) {
		err = fmt.Errorf("%w: %s", scorer.ErrDrifted, d)
	}
	return err
}
