package increment

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Derived is what follows from a frozen collection and the record of a job.
type Derived struct {
	// Own is the manifest of the images that are scored or copied, Gone that of those that
	// no longer exist.
	Own, Gone *shard.Manifest
}

// Derive makes the manifests of an increment. plan, if not nil, may spare some work. The caller
// closes both manifests.
func Derive(ctx context.Context, out store.Store, job *output.Job, now *shard.Manifest, plan *Plan) (Derived, error) {
	c, err := changesOf(ctx, out, job.After, now, plan)
	if err != nil {
		return Derived{}, err
	}
	defer c.close()
	d := &derivation{out: out, after: job.After, now: now, changes: c}
	own, err := d.own(ctx)
	if err != nil {
		return Derived{}, err
	}
	gone := c.gone
	c.gone = nil
	return Derived{Own: own, Gone: gone}, nil
}

// changesOf returns the changes of a plan that is that of the job, or finds them.
func changesOf(ctx context.Context, out store.Store, a *output.After, now *shard.Manifest, plan *Plan) (*changes, error) {
	if plan != nil && plan.changes != nil && plan.now == now.Digest() && plan.After.Job == a.Job &&
		slices.Equal(plan.After.Retry, a.Retry) && plan.After.ReuseByContent == a.ReuseByContent {
		c := plan.changes
		plan.changes = nil
		return c, nil
	}
	was, failed, err := openLast(ctx, out, a.Sources)
	if err != nil {
		return nil, err
	}
	defer was.Close()
	defer failed.Close()
	return compare(now, was, failed, a.Retry, a.ReuseByContent)
}

// openLast returns the collection of the last source, and which of its images failed or have rows
// of other versions than those listed. The caller closes both.
func openLast(ctx context.Context, out store.Store, sources []output.Source) (was, failed *shard.Manifest, err error) {
	last := &sources[len(sources)-1]
	was, failed, err = last.OpenCollection(ctx, out)
	if err != nil {
		return nil, nil, err
	}
	st, err := last.Open(out)
	var done output.Success
	if err == nil {
		done, err = output.ReadSuccess(ctx, st)
	}
	if err != nil {
		was.Close()
		failed.Close()
		return nil, nil, err
	}
	if failed, err = unproven(ctx, st, done.Generation(), failed); err != nil {
		was.Close()
		return nil, nil, err
	}
	return was, failed, nil
}

// derivation makes the own manifest of an increment.
type derivation struct {
	out     store.Store
	after   *output.After
	now     *shard.Manifest
	changes *changes
}

func (d *derivation) own(ctx context.Context) (*shard.Manifest, error) {
	lists := []*shard.Walk{shard.NewWalk(d.changes.scored)}
	for _, make := range []func(context.Context) (*shard.Manifest, error){d.renamed, d.folded} {
		m, err := make(ctx)
		if err != nil {
			return nil, err
		}
		if m != nil {
			defer m.Close()
			lists = append(lists, shard.NewWalk(m))
		}
	}
	w := shard.NewWriter(room)
	if err := merge(lists, func(at *shard.Walk) error { return w.Add(at.Entry) }); err != nil {
		w.Close()
		return nil, err
	}
	return w.Manifest()
}

// merge calls fn for each path of sorted lists, in order, with the first list that has it.
func merge(lists []*shard.Walk, fn func(at *shard.Walk) error) error {
	for {
		var least *shard.Walk
		for _, l := range lists {
			if l.Err != nil {
				return l.Err
			}
			if !l.Done && (least == nil || l.Path < least.Path) {
				least = l
			}
		}
		if least == nil {
			return nil
		}
		if err := fn(least); err != nil {
			return err
		}
		path := least.Path
		for _, l := range lists {
			if !l.Done && l.Path == path {
				l.Next()
			}
		}
	}
}

// folded returns the images whose rows are in folded sources and still count; nil if no source
// is folded. Which source is folded depends on the newer ones, which are folded as well.
func (d *derivation) folded(ctx context.Context) (*shard.Manifest, error) {
	var lists []*shard.Walk
	source := map[*shard.Walk]int{}
	for i := range slices.Backward(d.after.Sources) {
		s := &d.after.Sources[i]
		if !s.Folded {
			break
		}
		m, err := s.OpenManifest(ctx, d.out)
		if err != nil {
			return nil, err
		}
		defer m.Close()
		at := shard.NewWalk(m)
		source[at] = i
		lists = append(lists, at)
	}
	if len(lists) == 0 {
		return nil, nil //nolint:nilnil // documented
	}
	now, scored := shard.NewLines(d.now), shard.NewLines(d.changes.scored)
	w := shard.NewWriter(room)
	err := merge(lists, func(at *shard.Walk) error {
		if !now.Seek(at.Path) || scored.Seek(at.Path) {
			return errors.Join(now.Err, scored.Err)
		}
		e, err := now.Entry()
		if err != nil {
			return err
		}
		e = plain(e)
		e.FromOutput, e.FromRow = source[at]+1, at.Index
		return w.Add(e)
	})
	if err != nil {
		w.Close()
		return nil, err
	}
	return w.Manifest()
}

// renamed returns the images that take the row of another one, with where that is; nil if there
// are none.
func (d *derivation) renamed(ctx context.Context) (*shard.Manifest, error) {
	if d.changes.renamed == nil {
		return nil, nil //nolint:nilnil // documented
	}
	var sources []*shard.Manifest // from the newest on
	for i := range slices.Backward(d.after.Sources) {
		m, err := d.after.Sources[i].OpenManifest(ctx, d.out)
		if err != nil {
			return nil, err
		}
		defer m.Close()
		sources = append(sources, m)
	}
	w := shard.NewWriter(room)
	at := shard.NewWalk(d.changes.renamed)
	for ; !at.Done; at.Next() {
		e := at.Entry
		found := false
		for i := 0; i < len(sources) && !found; i++ {
			var err error
			if e.FromRow, found, err = sources[i].Find(e.From); err != nil {
				return nil, err
			}
			e.FromOutput = len(sources) - i
		}
		if !found {
			w.Close()
			return nil, fmt.Errorf("%w: no output that %s refers to has a row of %q", output.ErrMismatch, d.out, e.From)
		}
		if err := w.Add(e); err != nil {
			w.Close()
			return nil, err
		}
	}
	if at.Err != nil {
		return nil, at.Err
	}
	return w.Manifest()
}
