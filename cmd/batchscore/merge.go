package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

func newMerge() *cobra.Command {
	var f mergeFlags
	cmd := &cobra.Command{
		SuggestFor: []string{"concat", "join"},
		Use:        "merge OUT -o FILE",
		Short:      "Write all rows of an output folder to one file, in manifest order",
		Long: `merge writes the parts of a complete output folder to one file. The file depends only on
the images, the model and the options: with one rank or many, restarted or not, it is
the same, byte for byte. "-o -" writes to standard output.

An output that keeps rows of others, as run --after makes, is merged with all rows of its
collection. --new-rows leaves out those that it keeps: the rest is what it has scored.

FILE ends in .jsonl, .csv, .parquet or .npy, unless --format says what it holds. It appears
whole or not at all. A file that exists and holds something else is replaced only with
--force, or if you say so on the terminal; one that holds these rows is left as it is.

Vectors, as rows of the answer embed have, can be written as .npy: a matrix of NumPy's that
programs map into memory, with a row for each image, in manifest order. Where an image
failed, all numbers of its row are NaN (-128 in a matrix of int8). The rows without the
vectors, in the same order, are written next to it: to vectors.ids.jsonl for vectors.npy.

Rows with several answers, of several models or outputs, have all of them, in columns that
begin with their names. --head NAME writes that answer alone, as a job with it alone would
have it: a matrix has the vectors of one answer. Statuses are those of the rows: where
another answer was NaN, the status is not_finite.

With --absolute, rows have the full address of each image instead of its name below
--images: an absolute path, or one that begins with az://. It is that of the job
record, as the ranks saw it. Parts never hold it.

` + placesHelp,
		Example: `  batchscore merge result -o labels.csv
  batchscore merge result -o labels.csv --absolute --force
  batchscore merge result -o vectors.npy --head features
  batchscore merge az://acme/labels/2019 -o labels.parquet`,
		Args: oneArg("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return explainHead(f.run(cmd.Context(), cmd.OutOrStdout(), args[0], asker(cmd.InOrStdin(), cmd.ErrOrStderr())))
		},
	}
	f.register(cmd)
	return cmd
}

// mergeFlags say which file to write, and how.
type mergeFlags struct {
	places       placeFlags
	file, format string
	absolute     bool
	newRows      bool
	head         string
	force        bool
}

func (f *mergeFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&f.file, "output", "o", "", "write to `FILE`: a local file, an object in object storage, or - for standard output (required)")
	fs.StringVar(&f.format, "format", "", "write rows as `FORMAT`: jsonl, csv, parquet or npy (default by the file's ending, else that of the parts)")
	fs.BoolVar(&f.absolute, "absolute", false, "give each image its full address instead of its name below --images")
	fs.BoolVar(&f.newRows, "new-rows", false, "write only the rows of images that OUT has scored itself, not those that it keeps of other outputs")
	registerHead(fs, &f.head)
	fs.BoolVar(&f.force, "force", false, "replace the file if it exists and holds something else")
	groupFlags(cmd, "Storage flags", func() {
		f.places.register(cmd)
		f.places.registerCreate(cmd)
	})
	chooseOne(cmd, "format", asWords(mergeFormats()))
}

// run merges the output folder out. ask asks the user; nil if there is nobody to ask.
func (f *mergeFlags) run(ctx context.Context, stdout io.Writer, out string, ask func(string) bool) error {
	if f.file == "" {
		return usagef("-o is missing: the file to write, or - for standard output")
	}
	format, err := fileFormat("-o", f.file, f.format)
	if err != nil {
		return err
	}
	to := oneFile{flag: "-o", file: f.file, format: format, absolute: f.absolute, newRows: f.newRows, head: f.head, replace: consent{given: f.force, ask: ask}}
	if err := to.check(out); err != nil {
		return err
	}
	st, err := f.places.open("OUT", out)
	if err != nil {
		return err
	}
	if f.file == "-" {
		// A write that nobody reads does not hear a signal.
		done := make(chan error, 1)
		go func() { done <- to.mergeTo(ctx, st, stdout) }()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := f.writeIDs(ctx, to, st); err != nil {
		return err
	}
	if err := to.write(ctx, &f.places, st); err != nil || isSpecial(f.file) {
		return err
	}
	s, err := output.ReadSuccess(ctx, st)
	if errors.Is(err, store.ErrNotExist) {
		return sayLine(stdout, printable.Text(f.file)+" has the rows of all parts; run the job again to finish it")
	}
	if err != nil {
		return err
	}
	rows := s.CollectionSize()
	if inc := s.Increment; inc != nil && f.newRows {
		rows = inc.New + inc.Changed + inc.Retried
	}
	return sayLine(stdout, fmt.Sprintf("%s has the rows of %s", printable.Text(f.file), images(rows)))
}

// writeIDs writes the rows without their vectors next to a matrix of vectors.
func (f *mergeFlags) writeIDs(ctx context.Context, to oneFile, st store.Store) error {
	if to.format != row.Npy {
		return nil
	}
	job, err := output.ExistingJob(output.ForHead(ctx, f.head), st)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil // merging says so
	case err != nil:
		return err
	case len(job.HeadNames()) > 0:
		return oneAnswer(&job)
	case !row.HasVectors(job.Schema().Task):
		return usagef("-o %s: %w: %s holds those of the task %s", f.file, row.ErrNoVector, st, job.Schema().Task.Name())
	case isSpecial(f.file):
		return nil
	}
	ids := to
	ids.file, ids.format, ids.bare = idsOf(f.file), row.JSONL, true
	return ids.write(ctx, &f.places, st)
}

// idsOf returns the name of the file of rows next to a matrix.
func idsOf(file string) string {
	if stem := len(file) - len(".npy"); stem > 0 && strings.EqualFold(file[stem:], ".npy") {
		file = file[:stem]
	}
	return file + ".ids.jsonl"
}
