package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// runMergeFlags name the file that a run writes all rows to.
type runMergeFlags struct {
	merge           string
	absolute, force bool
}

func (f *runMergeFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.merge, "merge", "", "once the job is complete, write all rows to one `FILE` as well: a local file or an object in object storage,"+
		" whose name ends in .jsonl, .csv or .parquet")
	fs.BoolVar(&f.absolute, "absolute", false, "give each image in the --merge file its full address instead of its name below --images")
	fs.BoolVar(&f.force, "force", false, "replace the --merge file if it exists and holds something else")
}

// file returns the file that the flags name, for the output folder out; nil for none.
func (f *runMergeFlags) file(out string) (*oneFile, error) {
	switch {
	case f.merge == "" && f.absolute:
		return nil, usagef("--absolute needs --merge: parts hold names only")
	case f.merge == "" && f.force:
		return nil, usagef("--force needs --merge, the file to replace")
	case f.merge == "":
		return nil, nil
	case f.merge == "-":
		return nil, usagef("--merge takes a file: standard output has the lines of the run")
	}
	format, err := fileFormat("--merge", f.merge, "")
	if err != nil {
		return nil, err
	}
	o := &oneFile{flag: "--merge", file: f.merge, format: format, absolute: f.absolute, force: f.force}
	if err := o.check(out); err != nil {
		return nil, err
	}
	if isLocal(f.merge) {
		if info, err := os.Stat(f.merge); err == nil && !info.Mode().IsRegular() {
			return nil, usagef("--merge %s: this is a folder or a device: name a file", f.merge)
		}
		if _, err := os.Stat(filepath.Dir(f.merge)); err != nil && !sameFolder(filepath.Dir(f.merge), out) { // the job makes its folder
			return nil, config(err)
		}
	}
	return o, nil
}

// early looks at the file before the job begins, so that nobody waits for a job whose
// file cannot be written in the end. It reports whether the file exists.
func (o *oneFile) early(ctx context.Context, places *placeFlags, out store.Store) (existed bool, err error) {
	// The file comes first: another rank may write _SUCCESS and then the file now.
	if existed, err = o.exists(ctx, places); !existed || err != nil {
		return existed, err
	}
	_, err = output.ReadSuccess(ctx, out)
	if errors.Is(err, store.ErrNotExist) {
		// There was nothing yet that this job could have written to it.
		err = o.mayReplace()
		o.force = err == nil
	}
	return existed, err
}

// delivery returns the file of a run as the pipeline wants it. retry is whether the run
// scores images of a complete job again; rank is that of this process.
func (o *oneFile) delivery(
	ctx context.Context, places *placeFlags, out store.Store, rank int, retry row.Selection, log zerolog.Logger,
) (*scorer.Delivery, error) {
	if o == nil {
		return nil, nil
	}
	existed, err := o.early(ctx, places, out)
	if err != nil {
		return nil, err
	}
	if existed && retry != nil && rank == 0 && !o.force {
		// A file with the rows of before the retry is the job's own.
		if o.force, err = o.current(ctx, places, out); err != nil {
			return nil, err
		}
	}
	if retry != nil || !existed {
		o.ask = nil // nobody may be there any more in the end
	}
	return &scorer.Delivery{
		Existed: existed,
		Exists:  func(ctx context.Context) (bool, error) { return o.exists(ctx, places) },
		Write: func(ctx context.Context) error {
			testPoint("before delivery")
			if err := o.write(ctx, places, out); err != nil {
				return err
			}
			log.Info().Str("file", o.file).Msg("all rows are in one file")
			return nil
		},
	}, nil
}

// current reports whether the file holds the rows of a complete output.
func (o *oneFile) current(ctx context.Context, places *placeFlags, out store.Store) (bool, error) {
	to, err := places.destination(ctx, o.flag, o.file)
	if err != nil {
		return false, err
	}
	was, err := to.open(ctx)
	if err != nil {
		return false, err
	}
	defer was.Close()
	return o.heldBy(ctx, out, was)
}

// settleMerge makes the path of the --merge file of a launched job absolute. Ranks that
// do not see the files of this machine need a place that outlives them.
func settleMerge(engine string, job *deploy.Job) error {
	file, ok := job.Run["merge"]
	if !ok {
		return nil
	}
	if job.Schedule != "" && !strings.Contains(file, deploy.RunName) {
		return usagef("--merge %s: a scheduled job needs a file of its own for every run: put %s into its name, such as labels/%s.csv",
			file, deploy.RunName, deploy.RunName)
	}
	settled, err := spelled(file)
	switch {
	case err != nil:
		return usagef("--merge: %w", err)
	case !isLocal(file) || mounted(*job, file) != nil:
	case !sharesFiles(engine):
		return usagef("--merge %s: the ranks do not see the files of this machine: name a file in object storage or below a mount", file)
	default:
		set(&job.Run, "merge", settled)
	}
	return nil
}

// mergeFile returns the --merge file of a launched job as this machine sees it, and
// how to reach it; nil if there is none, or if this machine cannot see it.
func (w *watched) mergeFile() (*oneFile, placeFlags, error) {
	run := w.r.Job.Run
	f := runMergeFlags{merge: run["merge"], absolute: run["absolute"] == "true", force: run["force"] == "true"}
	places := w.reach()
	if f.merge == "" || w.out == nil {
		return nil, places, nil
	}
	if f.merge = seenFromHere(w.r.Engine, w.r.Job, f.merge); f.merge == "" || isLocal(f.merge) && !sharesFiles(w.r.Engine) {
		return nil, places, nil
	}
	o, err := f.file(w.r.Job.Out)
	return o, places, err
}

// askBefore asks, before a job is launched, whether its --merge file may be replaced: the
// ranks have nobody to ask.
func (w *watched) askBefore(ctx context.Context, ask func(string) bool) error {
	o, places, err := w.mergeFile()
	if o == nil || err != nil || o.force {
		return err
	}
	o.ask = ask
	if _, err := o.early(ctx, &places, w.out); err != nil {
		return err
	}
	if o.force {
		set(&w.r.Job.Run, "force", "true")
	}
	return nil
}

// unmerged returns an error if the --merge file of a complete job is missing, or if a
// rank failed and the file does not hold the rows.
func (w *watched) unmerged(ctx context.Context, failed error) error {
	o, places, err := w.mergeFile()
	if o == nil || err != nil {
		return err
	}
	switch there, err := o.exists(ctx, &places); {
	case err != nil:
		return err
	case !there:
		return fmt.Errorf("%w: the result is complete, but %s was not written; launch it again to write it", output.ErrIncomplete, o.file)
	case failed == nil:
		return nil
	}
	if held, err := o.current(ctx, &places, w.out); held || err != nil {
		return err
	}
	return fmt.Errorf("%w; the result is complete, but %s holds something else", failed, o.file)
}
