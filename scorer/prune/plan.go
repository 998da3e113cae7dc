package prune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// State is how far an output is.
type State string

// The states of an output.
const (
	Complete   State = "complete"
	Incomplete State = "incomplete"
	// HalfDeleted is an output whose deletion was interrupted after it had begun.
	HalfDeleted State = "half deleted"
	// Link is a link to an output, which is never deleted by way of it.
	Link State = "link"
)

// Run is an output that may be deleted.
type Run struct {
	Name  string `json:"name"`
	Place string `json:"place"`
	Job   string `json:"job,omitempty"`
	State State  `json:"state"`
	// Keep says why it is kept; empty for one that is dropped.
	Keep string `json:"keep,omitempty"`
	// Objects and Bytes are those of one that is dropped, Others the objects in its folder that
	// are not its own, and stay.
	Objects int   `json:"objects,omitempty"`
	Bytes   int64 `json:"bytes,omitempty"`
	Others  int   `json:"others,omitempty"`
	// Deleted reports whether it was deleted.
	Deleted bool `json:"deleted"`

	// Abandoned reports whether it is dropped because it was never completed and nothing has been
	// written to it for as long as Rules.Abandoned says.
	Abandoned bool `json:"abandoned,omitempty"`

	st      store.Store
	job     output.Job
	flagged bool // it has the mark of a deletion
	open    bool // it can be finished
}

// Rules say what is dropped.
type Rules struct {
	// Keep is how many complete runs of each collection are kept, at least one.
	Keep int
	// Abandoned is for how long nothing must have been written to a run that was never completed
	// for it to be dropped; 0 keeps all of them.
	Abandoned time.Duration
	// Forget has places of increments elsewhere that no longer exist.
	Forget []string
}

// Plan says which outputs are dropped, and why the others are kept.
type Plan struct {
	Place string `json:"place"`
	// Folder reports whether Place is a folder of runs, and not one output.
	Folder bool   `json:"folder"`
	Runs   []*Run `json:"runs"`

	st     store.Store
	rules  Rules
	jobs   map[string][]*Run // by ID: a copy of an output has that of the original
	places map[string]*Run   // by real place
	above  store.Store       // of one output: the folder that it is in; nil if there is none
}

// Look returns what can be deleted in a place: an output, or a folder of runs. Of the runs of each
// collection of images, by name, the last complete ones are kept, as many as the rules say. So is
// what they need, and what is not complete, unless it is abandoned. Nothing is changed. If one of
// these has lost rows, all complete runs of its collection are kept. Links are not followed, but st
// itself may be one.
//
// For one output that others need the error is ErrNeeded. It is store.ErrNotExist if there is no
// output.
func Look(ctx context.Context, st store.Store, rules Rules) (*Plan, error) {
	st, err := store.Resolve(st)
	if err != nil {
		return nil, err
	}
	p := &Plan{Place: st.String(), st: st, rules: rules, jobs: map[string][]*Run{}, places: map[string]*Run{}}
	one := &Run{Name: base(st.String()), st: st}
	is, err := one.read(ctx)
	if err != nil {
		return nil, err
	}
	if is {
		p.Runs = []*Run{one}
		return p, p.lookAtOne(ctx, one)
	}
	p.Folder = true
	if err := p.readRuns(ctx); err != nil {
		return nil, err
	}
	if len(p.Runs) == 0 {
		return nil, fmt.Errorf("%s: %w: it is neither an output folder nor a folder of them", st, store.ErrNotExist)
	}
	return p, p.decide(ctx, max(rules.Keep, 1))
}

func (p *Plan) lookAtOne(ctx context.Context, one *Run) error {
	if err := p.abandon(ctx, one); err != nil {
		return err
	}
	if one.Keep != "" {
		return fmt.Errorf("%s: %w: %s", one.Place, output.ErrIncomplete, one.Keep)
	}
	if one.State == Complete {
		all, err := p.dependents(ctx, one)
		if err != nil {
			return err
		}
		if len(all) > 0 {
			return fmt.Errorf("%s: %w: %s", one.st, ErrNeeded, list(all))
		}
		p.above = parent(one.st)
		if by, err := p.newNeed(ctx, one); err != nil || by != "" {
			return errors.Join(err, needed(one, by))
		}
	}
	return one.measure(ctx)
}

// read reads what a run is. It reports whether it is an output, or was one.
func (r *Run) read(ctx context.Context) (bool, error) {
	var err error
	r.Place = r.st.String()
	if r.flagged, err = has(ctx, r.st, pruningName); err != nil && !errors.Is(err, store.ErrNotExist) {
		return false, err
	}
	r.job, err = output.ReadJob(ctx, r.st)
	switch {
	case errors.Is(err, store.ErrNotExist):
		r.State = HalfDeleted
		return r.flagged, nil
	case errors.Is(err, output.ErrMismatch):
		r.State, r.Keep = Incomplete, "its record is damaged"
		return true, nil
	case err != nil:
		return false, err
	}
	r.Job = r.job.ID
	var mark deletionMark
	if r.flagged {
		if mark, err = readDeletion(ctx, r.st); err != nil {
			return false, err
		}
	}
	s, err := output.ReadSuccess(ctx, r.st)
	switch {
	case errors.Is(err, store.ErrNotExist) && r.flagged && !mark.Abandoned:
		r.State = HalfDeleted
		return true, nil
	case errors.Is(err, store.ErrNotExist):
		r.State, r.Keep, r.open = Incomplete, "it is not complete: finish it, or --incomplete DAYS deletes it", true
		return true, nil
	case errors.Is(err, output.ErrMismatch):
		r.State, r.Keep = Incomplete, output.SuccessName+" is damaged: repair it first"
		return true, nil
	case err != nil:
		return false, err
	}
	r.State = Complete
	retries, err := output.ReadRetries(ctx, r.st)
	if err != nil && !errors.Is(err, output.ErrMismatch) {
		return false, err
	}
	if err != nil || retries.Begun != nil || retries.Complete > s.Generation() {
		r.Keep = "a retry of it is not finished"
	}
	return true, nil
}

// readRuns reads the runs of a folder, in order of their names.
func (p *Plan) readRuns(ctx context.Context) error {
	names, err := names(ctx, p.st)
	if err != nil {
		return err
	}
	runs := make([]*Run, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, name := range names {
		g.Go(func() error {
			r := &Run{Name: name, st: store.NewSub(p.st, name+"/")}
			is, err := r.readLinked(ctx)
			if is {
				runs[i] = r
			}
			if err != nil {
				return err
			}
			return p.abandon(ctx, r)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, r := range runs {
		if r == nil {
			continue
		}
		p.Runs = append(p.Runs, r)
		if r.Job != "" {
			p.jobs[r.Job] = append(p.jobs[r.Job], r)
		}
		if r.State != Link {
			p.places[r.Place] = r
		}
	}
	return nil
}

func names(ctx context.Context, st store.Store) ([]string, error) {
	var names []string
	err := store.Folders(ctx, st, "", func(name string) error {
		if utf8.ValidString(name) { // no job writes to such a place and is continued
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the runs in %s: %w", st, err)
	}
	slices.Sort(names)
	return names, nil
}

// decide says of each run why it is kept, if it is.
func (p *Plan) decide(ctx context.Context, keep int) error {
	if err := p.keepLast(ctx, keep); err != nil {
		return err
	}
	for again := true; again; {
		again = false
		for _, r := range p.Runs {
			if r.Keep != "" && r.State != HalfDeleted {
				again = p.keepFor(r) || again
			}
		}
		more, err := p.keepMarked(ctx)
		if err != nil {
			return err
		}
		again = again || more
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, r := range p.Runs {
		if r.Keep == "" {
			g.Go(func() error { return r.measure(ctx) })
		}
	}
	return g.Wait()
}

// keepFor keeps what a run needs. It reports whether that is more than before.
func (p *Plan) keepFor(r *Run) (more bool) {
	if !r.job.Increments() {
		return false
	}
	for _, s := range r.job.After.Sources {
		if s.Folded && r.State == Complete {
			continue
		}
		for _, source := range p.sources(r, &s) {
			if source.Keep == "" && source.State == Complete {
				source.Keep, more = r.Name+" keeps rows of it", true
			}
		}
	}
	return more
}

// keepMarked keeps the runs that increments outside the folder need, according to their marks.
func (p *Plan) keepMarked(ctx context.Context) (bool, error) {
	why := make([]string, len(p.Runs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, r := range p.Runs {
		if r.Keep != "" || r.State != Complete {
			continue
		}
		g.Go(func() (err error) {
			why[i], err = p.marked(ctx, r)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	more := false
	for i, text := range why {
		if text != "" {
			p.Runs[i].Keep, more = text, true
		}
	}
	return more, nil
}

// abandon drops a run that was never completed, if the rules say so.
func (p *Plan) abandon(ctx context.Context, r *Run) error {
	if !r.open || p.rules.Abandoned <= 0 {
		return nil
	}
	idle, err := r.idle(ctx)
	if err != nil {
		return err
	}
	if r.Abandoned = idle >= p.rules.Abandoned; r.Abandoned {
		r.Keep = ""
	} else {
		r.Keep = "it is not complete, and somebody may be at work on it: finish it first"
	}
	return nil
}

// idle returns for how long nothing has been written to a run, by the store's clock. Whoever is at
// work on one renews claims.
func (r *Run) idle(ctx context.Context) (time.Duration, error) {
	all, _, err := own(ctx, r.st)
	if err != nil {
		return 0, err
	}
	var last time.Time
	for _, o := range all {
		if o.Name != pruningName && !claim.IsClock(o.Name) && o.Modified.After(last) {
			last = o.Modified
		}
	}
	now, err := claim.Now(ctx, r.st, claim.ThisProcess(shard.World{Size: 1}))
	return now.Sub(last), err
}

// marked returns which increments need a run that are not themselves dropped; empty for none.
func (p *Plan) marked(ctx context.Context, r *Run) (string, error) {
	all, err := p.dependents(ctx, r)
	if err != nil {
		return "", err
	}
	all = slices.DeleteFunc(all, func(d Dependent) bool {
		run := p.at(r.st, d.Place)
		return run != nil && run.Job == d.Job && run.Keep == ""
	})
	if len(all) == 0 {
		return "", nil
	}
	return "rows of it are kept by " + list(all), nil
}

// measure counts what is deleted with a run.
func (r *Run) measure(ctx context.Context) error {
	all, others, err := own(ctx, r.st)
	r.Objects, r.Bytes, r.Others = len(all), 0, others
	for _, o := range all {
		r.Bytes += o.Size
	}
	return err
}

// Dropped returns the runs that are dropped, and what they hold.
func (p *Plan) Dropped() (runs []*Run, bytes int64) {
	for _, r := range p.Runs {
		if r.Keep == "" {
			runs = append(runs, r)
			bytes += r.Bytes
		}
	}
	return runs, bytes
}

// Delete deletes the runs that are dropped, each before those whose rows it keeps: whenever it
// ends, what is left is whole. A run that something has begun to need meanwhile stays. tidy, if not
// nil, is called with the name of each run that was deleted.
func (p *Plan) Delete(ctx context.Context, tidy func(r *Run) error) error {
	for _, r := range p.Runs {
		if r.flagged && r.Keep != "" { // an interrupted deletion of what is needed now
			if err := remove(ctx, r.st, pruningName); err != nil {
				return err
			}
		}
	}
	for _, r := range p.inOrder() {
		why, err := deletes(ctx, r.st, deletionMark{r.Abandoned}, func() (string, error) { return p.neededNow(ctx, r) })
		if err != nil {
			return err
		}
		if r.Keep = why; why != "" {
			p.keepFor(r)
			continue
		}
		r.Deleted = true
		if tidy == nil {
			continue
		}
		if err := tidy(r); err != nil {
			return err
		}
	}
	return nil
}

// inOrder returns the runs that are dropped, each before those whose rows it keeps.
func (p *Plan) inOrder() []*Run {
	runs, _ := p.Dropped()
	depth := map[*Run]int{}
	var of func(r *Run) int
	of = func(r *Run) int {
		if d, known := depth[r]; known {
			return d
		}
		depth[r] = 0 // a record may name itself
		if r.job.Increments() {
			for _, s := range r.job.After.Sources {
				for _, source := range p.sources(r, &s) {
					depth[r] = max(depth[r], of(source)+1)
				}
			}
		}
		return depth[r]
	}
	slices.SortStableFunc(runs, func(a, b *Run) int { return cmp.Compare(of(b), of(a)) })
	return runs
}

// neededNow returns why a run is needed after all; empty if it is not. It has the mark of a
// deletion by now.
func (p *Plan) neededNow(ctx context.Context, r *Run) (string, error) {
	if r.State == HalfDeleted {
		return "", nil
	}
	if r.Keep != "" {
		return r.Keep, nil
	}
	if r.Abandoned {
		if idle, err := r.idle(ctx); err != nil || idle < p.rules.Abandoned {
			return "somebody is at work on it", err
		}
	}
	all, err := p.dependents(ctx, r)
	if err != nil {
		return "", err
	}
	if len(all) > 0 {
		return "rows of it are kept by " + list(all), nil
	}
	// A run that has begun since may have failed to leave its mark.
	by, err := p.newNeed(ctx, r)
	if by != "" {
		by += " keeps rows of it"
	}
	return by, err
}
