package scorer

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/preprocess/native"
	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/output/agreement"
	"github.com/batchscore/batchscore/scorer/prune"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// plan decides what a new job keeps of the output that it continues, and makes that part of
// the job that o asks for. It writes nothing.
func (p *participant) plan(ctx context.Context, o *Options, listed *shard.Manifest) (*increment.Plan, error) {
	prev, err := increment.Find(ctx, o.Out, o.After.Place, &o.Job, o.Log)
	if err != nil {
		return nil, err
	}
	asked := o.After.Asked
	if prev != nil {
		made, err := agreement.Recorded(ctx, prev.Store)
		if err != nil {
			return nil, err
		}
		asked.Other = agreement.Differs(made, o.identity())
	}
	plan, err := increment.Decide(ctx, o.Out, prev, listed, o.Job, asked)
	if err != nil {
		return nil, err
	}
	o.Job.After, o.Job.Listed = &plan.After, max(plan.Own, 1)
	switch {
	case prev == nil:
		event.NothingKept.At(o.Log, zerolog.InfoLevel).Str("after", o.After.Place).
			Msg("there is no complete output before this one: all images are scored")
	case plan.After.Nothing != "":
		event.NothingKept.On(o.Log).Str("after", prev.Store.String()).Str("why", plan.After.Nothing).
			Msgf("no row of %s is kept, and all images are scored, because this job is another one: %s", prev.Store, plan.After.Nothing)
	default:
		// The limits on images are those of the rows that are kept.
		pixels, bytes := prev.Job.Bounds()
		o.Job.MaxPixels, o.Job.MaxBytes = cmp.Or(o.Job.MaxPixels, pixels), cmp.Or(o.Job.MaxBytes, bytes)
		o.Job.MaxMemory = cmp.Or(o.Job.MaxMemory, prev.Job.MaxMemory)
		c := plan.Counts
		event.RowsKept.On(o.Log).Str("after", prev.Store.String()).Int("images", listed.Len()).Int("new", c.New).Int("changed", c.Changed).
			Int("retried", c.Retried).Int("renamed", c.Renamed).Int("kept", c.Kept).Int("gone", c.Gone).
			Msgf("of %d images, %d have their row in %s and are kept, %d are new, %d changed, %d are scored again, %d take the row of an equal image; %d are gone",
				listed.Len(), c.Kept, prev.Store, c.New, c.Changed, c.Retried, c.Renamed, c.Gone)
	}
	return plan, nil
}

// identity returns what identifies the native libraries of this machine.
func (o *Options) identity() func(library string) string {
	if o.libraries != nil {
		return o.libraries
	}
	return func(library string) string {
		for _, l := range native.Libraries() {
			if l.Name == library {
				if identity, err := l.Identity(); err == nil {
					return identity
				}
			}
		}
		return ""
	}
}

// keepDecoders makes the native libraries that made rows which a job keeps, or a retry adds to,
// those of the job.
func (p *participant) keepDecoders(ctx context.Context, job *output.Job) error {
	var from []store.Store
	if p.root != nil {
		from = append(from, p.root)
	}
	if job.After != nil {
		for i := range job.After.Sources {
			st, err := job.After.Sources[i].Open(p.opt.Out)
			if err != nil {
				return err
			}
			from = append(from, st)
		}
	}
	for _, st := range from {
		made, err := agreement.Recorded(ctx, st)
		if err != nil {
			return err
		}
		if err := agreement.Keep(ctx, p.opt.Out, made); err != nil {
			return err
		}
	}
	return nil
}

// continues returns ErrOtherJob if a job that exists does not continue the output that this
// command names. The record decides which of a folder of outputs is continued: there may be
// later ones by now.
func (p *participant) continues(ctx context.Context, job *output.Job) error {
	o := &p.opt
	if o.After == nil || job.Retry != nil {
		return nil
	}
	if job.After == nil {
		return fmt.Errorf("%w: %s was begun without --after and scores all images; leave --after out to continue it, or choose another --out",
			output.ErrOtherJob, o.Out)
	}
	st, err := store.Neighbor(o.Out, o.After.Place)
	if err != nil {
		return fmt.Errorf("--after: %w", err)
	}
	named, err := output.ReadJob(ctx, st)
	if errors.Is(err, store.ErrNotExist) {
		return nil // a folder of outputs
	}
	if err != nil {
		return err
	}
	if named.ID != job.After.Job {
		return fmt.Errorf("%w: %s was begun --after %s, not after %s; give that to continue it, or choose another --out",
			output.ErrOtherJob, o.Out, cmp.Or(job.After.Previous, "another output"), st)
	}
	return nil
}

// frozen are the lists of a job that are frozen.
type frozen struct {
	manifest *shard.Manifest
	// collection has all images of an increment; nil if this worker found the manifest there.
	collection *shard.Manifest
}

func (f *frozen) close() {
	for _, m := range []*shard.Manifest{f.manifest, f.collection} {
		if m != nil {
			m.Close()
		}
	}
}

// freeze returns the lists of a job, once this worker or another has stored them. listed are
// the images if this worker has listed them, which freeze then closes, and plan is what it has
// planned; both may be nil. The caller closes the result.
func (p *participant) freeze(ctx context.Context, job *output.Job, listed *shard.Manifest, plan *increment.Plan, list lister) (f frozen, err error) {
	build := func(ctx context.Context) (*shard.Manifest, error) {
		if m := listed; m != nil {
			listed = nil
			return m, nil
		}
		return list(ctx, job)
	}
	defer func() {
		if listed != nil {
			listed.Close()
		}
	}()
	out := p.opt.Out
	if !job.Increments() {
		f.manifest, err = output.Freeze(ctx, out, build)
		return f, err
	}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	f.manifest, err = output.Freeze(ctx, out, func(ctx context.Context) (*shard.Manifest, error) {
		all, err := output.FreezeCollection(ctx, out, build)
		if err != nil {
			return nil, err
		}
		f.collection = all
		if err := prune.Announce(ctx, out, job, func(err error) {
			event.SourceUnmarked.On(p.opt.Log).Err(err).Msg("an output whose rows are kept could not be marked as needed")
		}); err != nil {
			return nil, err
		}
		d, err := increment.Derive(ctx, out, job, all, plan)
		if err != nil {
			return nil, err
		}
		gone, err := output.FreezeGone(ctx, out, func(context.Context) (*shard.Manifest, error) { return d.Gone, nil })
		if err != nil {
			d.Own.Close()
			return nil, err
		}
		gone.Close()
		return d.Own, nil
	})
	return f, err
}

// allOf returns all images of a job. The caller calls done.
func (f *frozen) allOf(ctx context.Context, out store.Store, job *output.Job) (all *shard.Manifest, done func(), err error) {
	switch {
	case !job.Increments():
		return f.manifest, func() {}, nil
	case f.collection != nil:
		return f.collection, func() {}, nil
	}
	all, err = output.ReadCollection(ctx, out)
	if err != nil {
		return nil, nil, err
	}
	return all, all.Close, nil
}
