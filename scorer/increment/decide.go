package increment

import (
	"context"
	"fmt"
	"slices"

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
	p.After.Previous, p.After.Job = store.Relative(out, prev.Store.String()), prev.Job.ID
	if have := prev.Job.Images; !output.SameImages(&prev.Job, &want) {
		return nil, fmt.Errorf("--after: %w: %s has the images of %s, this command has --images %s; "+
			"name an output of the same images, or leave out --after to score all", output.ErrOtherJob, prev.Store, have, want.Images)
	}
	if p.After.Nothing = output.Differs(prev.Job, want); p.After.Nothing != "" {
		return p, nil
	}
	if prev.Success.MixedDecoding {
		p.After.Nothing = "decoders of images: some rows there were made by another release"
		return p, nil
	}
	var err error
	if p.After.Sources, err = sources(out, prev); err != nil {
		return nil, err
	}
	last := &p.After.Sources[len(p.After.Sources)-1]
	was, failed, err := last.OpenCollection(ctx, out)
	if err != nil {
		return nil, err
	}
	defer was.Close()
	defer failed.Close()
	if p.changes, err = compare(now, was, failed, asked.Retry, asked.ReuseByContent); err != nil {
		return nil, err
	}
	p.Counts = p.changes.Counts
	p.Own = fold(p.After.Sources, p.Scored()+p.Renamed, now.Len())
	return p, nil
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
			s.Place = store.Relative(out, st.String())
			all = append(all, s)
		}
	}
	s := &prev.Success
	return append(all, output.Source{Place: store.Relative(out, prev.Store.String()), Job: prev.Job.ID,
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
