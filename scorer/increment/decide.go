package increment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Asked is what a command asks for.
type Asked struct {
	// Retry has the statuses of kept images that are scored again.
	Retry row.Selection
	// ReuseByContent gives a new image the row of one with the same content.
	ReuseByContent bool
	// MaxGone is how many images of the collection before may be gone; the zero value is the
	// default.
	MaxGone judge.Most
	// Other says why no row of the output before is kept, apart from what its record says;
	// empty for no such reason.
	Other string
}

// ErrGone means that more images of the collection before are gone than may be.
var ErrGone = errors.New("too many images are gone")

// mostGone is the default of Asked.MaxGone, for collections of at least mostGoneFrom images.
const (
	mostGone     = "50%"
	mostGoneFrom = 100
)

// checkGone returns ErrGone if too many images are gone of those of an output.
func (a *Asked) checkGone(prev *Previous, gone, images int) error {
	if images < mostGoneFrom && a.MaxGone == (judge.Most{}) {
		return nil
	}
	most, err := judge.ParseMost(mostGone)
	if err != nil {
		panic(err)
	}
	most = a.MaxGone.Or(most)
	if gone <= most.Of(images) {
		return nil
	}
	return fmt.Errorf("%w: %d of the %d images of %s are not in %s, and --max-gone allows %s; nothing was written; "+
		"if a part of them is not mounted or not copied yet, bring it back and run again; if they were deleted, run once with --max-gone 100%%",
		ErrGone, gone, images, prev.Store, prev.Job.Images, most)
}

// Plan is what a job keeps and scores.
type Plan struct {
	After output.After
	// Counts compares the collections; zero if no row is kept.
	Counts
	// Own is about how many images the job's own manifest has.
	Own int

	now     string // digest of the collection
	changes *changes
}

// Close releases what the plan holds.
func (p *Plan) Close() {
	if p.changes != nil {
		p.changes.close()
	}
}

// first says why the first night keeps nothing.
const first = "there is no complete output before this one"

// Decide makes the plan of a job that would be want and writes to out. prev is the output that it
// continues, nil for none, and now are the images that exist. Images of another place are
// output.ErrOtherJob. The caller closes the plan.
func Decide(ctx context.Context, out store.Store, prev *Previous, now *shard.Manifest, want output.Job, asked Asked) (*Plan, error) {
	p := &Plan{now: now.Digest(), Own: now.Len(), After: output.After{Retry: asked.Retry, ReuseByContent: asked.ReuseByContent}}
	if prev == nil {
		p.After.Nothing = first
		return p, nil
	}
	p.After.Previous, p.After.Job = relative(out, prev.Store.String()), prev.Job.ID
	if have := prev.Job.Images; !output.SameImages(&prev.Job, &want) {
		return nil, fmt.Errorf("--after: %w: %s has the images of %s, this command has --images %s; "+
			"name an output of the same images, or leave out --after to score all", output.ErrOtherJob, prev.Store, have, want.Images)
	}
	if p.After.Nothing = cmp.Or(prev.nothing(&want), asked.Other); p.After.Nothing != "" {
		return p, nil
	}
	var err error
	if p.After.Sources, err = sources(out, prev); err != nil {
		return nil, err
	}
	for i := range p.After.Sources {
		if err := p.After.Sources[i].Check(ctx, out); err != nil {
			return nil, fmt.Errorf("--after: %w", err)
		}
	}
	was, failed, err := openLast(ctx, out, p.After.Sources)
	if err != nil {
		return nil, err
	}
	defer was.Close()
	defer failed.Close()
	if p.changes, err = compare(now, was, failed, asked.Retry, asked.ReuseByContent); err != nil {
		return nil, err
	}
	if err := asked.checkGone(prev, p.changes.Gone, was.Len()); err != nil {
		p.Close()
		return nil, err
	}
	p.Counts = p.changes.Counts
	p.Own = fold(p.After.Sources, p.Scored()+p.Renamed, now.Len())
	return p, nil
}

// nothing says why no row of an output is one of the job want; empty if rows are.
func (p *Previous) nothing(want *output.Job) string {
	if text := output.Differs(p.Job, *want); text != "" {
		return text
	}
	switch {
	case p.Success.MixedDecoding:
		return "decoders of images: some rows there were made by another release"
	case want.DependentRows:
		return "--allow-dependent-rows: the rows of images depend on which images are scored with them, and new ones would change that"
	}
	return ""
}

// sources returns the outputs that have rows of an output, as seen from out, oldest first.
func sources(out store.Store, prev *Previous) ([]output.Source, error) {
	var all []output.Source
	if prev.Job.Increments() {
		for _, s := range prev.Job.After.Sources {
			if s.Folded {
				continue
			}
			st, err := s.Open(prev.Store)
			if err != nil {
				return nil, err
			}
			s.Place = relative(out, st.String())
			all = append(all, s)
		}
	}
	s := &prev.Success
	return append(all, output.Source{Place: relative(out, prev.Store.String()), Job: prev.Job.ID,
		Manifest: s.Digests.Manifest, Parts: s.Digests.Parts, Images: s.Images}), nil
}

// fold marks the sources whose rows are copied, and returns about how many images the own
// manifest then has. own is their number without copies, all that of the collection.
//
// The sources that stay are each larger than all that is newer. So there are few: each has twice
// the rows of the one after the next. Those that are folded are together at least twice as large
// as each of them, so a row is copied few times. If more than half of all rows no longer count,
// all are folded.
func fold(sources []output.Source, own, all int) int {
	newer, first := own, len(sources)
	for i := range slices.Backward(sources) {
		if sources[i].Images <= newer {
			first = i
		}
		newer += sources[i].Images
	}
	if newer > 2*all {
		first = 0
	}
	size := own
	for i := first; i < len(sources); i++ {
		sources[i].Folded = true
		size += sources[i].Images
	}
	return min(size, all)
}

// relative is store.Relative for the place that out leads to by links: all others are such places.
func relative(out store.Store, place string) string {
	if here, err := store.Resolve(out); err == nil {
		out = here
	}
	return store.Relative(out, place)
}
