package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
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
	o := &oneFile{flag: "--merge", file: f.merge, format: format, absolute: f.absolute, replace: consent{given: f.force}}
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
// file cannot be written in the end.
func (o *oneFile) early(ctx context.Context, places *placeFlags, out store.Store) error {
	// The file comes first: another rank may write _SUCCESS and then the file now.
	state, digest, err := o.find(ctx, places, out, nil)
	if state != foreign || err != nil || o.replace.given {
		return err
	}
	s, err := output.ReadSuccess(ctx, out)
	switch {
	case errors.Is(err, store.ErrNotExist): // there are no rows that it could hold
		return o.replace.toReplace(o.file)
	case err != nil:
		return err
	}
	held, err := o.current(ctx, places, out)
	switch {
	case err != nil:
		return err
	case held: // merge wrote it; from now on it is the job's own
		return output.RecordDelivery(ctx, out, s.Delivers(digest, o.options()))
	}
	return o.replace.toReplace(o.file)
}

// fileState is what the file of a job holds.
type fileState int

const (
	absent    fileState = iota // there is no file
	delivered                  // the rows of the job as they are
	own                        // other rows that this job wrote, or one that it continues
	foreign                    // something else
)

// find returns what the file holds, as the records in the output tell, and its digest.
// A nil s is for a job that is not complete: nothing is delivered then.
func (o *oneFile) find(ctx context.Context, places *placeFlags, out store.Store, s *output.Success) (fileState, string, error) {
	digest, err := o.digest(ctx, places)
	if digest == "" || err != nil {
		return absent, "", err
	}
	written, err := output.Deliveries(ctx, out, digest)
	switch {
	case err != nil:
		return absent, "", err
	case len(written) == 0:
		state, err := o.earlier(ctx, out, digest)
		return state, digest, err
	case s != nil && slices.Contains(written, s.Delivers(digest, o.options())):
		return delivered, digest, nil
	}
	return own, digest, nil
}

// earlier returns whether a file has the rows that an earlier output delivered which this one
// continues: own or foreign.
func (o *oneFile) earlier(ctx context.Context, out store.Store, digest string) (fileState, error) {
	if o.after == "" {
		return foreign, nil
	}
	state := foreign
	err := increment.Earlier(ctx, out, o.after, func(st store.Store) (more bool, err error) {
		written, err := output.Deliveries(ctx, st, digest)
		if len(written) > 0 {
			state = own
		}
		return state == foreign, err
	})
	return state, err
}

// delivery returns the file of a run as the pipeline wants it.
func (o *oneFile) delivery(ctx context.Context, places *placeFlags, out store.Store, world shard.World, log zerolog.Logger) (*scorer.Delivery, error) {
	if o == nil {
		return nil, nil
	}
	if err := o.early(ctx, places, out); err != nil {
		return nil, err
	}
	o.replace.ask = nil // nobody may be there any more in the end
	if world.Rank == 0 && world.LocalSize < world.Size && isLocal(o.file) {
		event.MergeOneMachine.On(log).Str("file", o.file).Msg("one rank writes this file, on its own machine: if the ranks are on several machines," +
			" give --merge a file in object storage or in a folder that all of them share")
	}
	return &scorer.Delivery{
		Holds: func(ctx context.Context, done *output.Success) (bool, error) {
			state, _, err := o.find(ctx, places, out, done)
			return state == delivered, err
		},
		Write: func(ctx context.Context, done *output.Success) error {
			testPoint("before delivery")
			if err := o.deliver(ctx, places, out, done); err != nil {
				return err
			}
			event.RowsMerged.On(log).Str("file", o.file).Msg("all rows are in one file")
			return nil
		},
	}, nil
}

// deliver writes the rows of a complete job to the file, and records that. A file that
// the job wrote before is replaced.
func (o *oneFile) deliver(ctx context.Context, places *placeFlags, out store.Store, s *output.Success) error {
	for again := true; ; again = false {
		state, _, err := o.find(ctx, places, out, s)
		if state == delivered || err != nil {
			return err
		}
		now := *o
		now.replace.given = o.replace.given || state == own
		now.written = func(digest string) error {
			return output.RecordDelivery(ctx, out, s.Delivers(digest, o.options()))
		}
		if err = now.write(ctx, places, out); !errors.Is(err, store.ErrChanged) || !again {
			return err // else another rank was faster
		}
	}
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
	if job.Schedule != "" && job.Continues() == "" && !strings.Contains(file, deploy.RunName) {
		return usagef("--merge %s: a scheduled job whose runs do not continue each other needs a file of its own for every run: "+
			"put %s into its name, such as labels/%s.csv", file, deploy.RunName, deploy.RunName)
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
	if o == nil || err != nil {
		return nil, places, err
	}
	if after := seenFromHere(w.r.Engine, w.r.Job, w.r.Job.Continues()); after != "" {
		o.after, err = afterPlace(after)
	}
	return o, places, err
}

// askBefore asks, before a job is launched, whether its --merge file may be replaced: the
// ranks have nobody to ask.
func (w *watched) askBefore(ctx context.Context, ask func(string) bool) error {
	o, places, err := w.mergeFile()
	if o == nil || err != nil {
		return err
	}
	o.replace.ask = ask
	if err := o.early(ctx, &places, w.out); err != nil {
		return err
	}
	if o.replace.given {
		set(&w.r.Job.Run, "force", "true")
	}
	return nil
}

// unmerged returns an error if the --merge file of a complete job does not hold its rows.
// failed is what the engine reports, or nil.
func (w *watched) unmerged(ctx context.Context, s *output.Success, failed error) error {
	o, places, err := w.mergeFile()
	if o == nil || err != nil {
		return err
	}
	state, _, err := o.find(ctx, &places, w.out, s)
	switch {
	case err != nil:
		return err
	case state == absent:
		return fmt.Errorf("%w: the result is complete, but %s was not written; launch it again to write it", output.ErrIncomplete, o.file)
	case state == delivered:
		return nil
	}
	if held, err := o.current(ctx, &places, w.out); held || err != nil {
		return err
	}
	if failed == nil {
		failed = output.ErrIncomplete
	}
	return fmt.Errorf("%w; the result is complete, but %s holds something else", failed, o.file)
}
