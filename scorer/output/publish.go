package output

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// publication puts the rows of complete retries into the parts of an output, in steps.
// After a crash in any step the next worker continues.
//
//  1. Read all parts and compare them with their digests. In the folder of the last
//     retry, store the digests that the parts will have, and the old _SUCCESS. From
//     then on the output is unsettled.
//  2. Replace each part that changes. At any time a part is either as it was or as it
//     will be: with the newer rows it has the stored digest.
//  3. Replace the file of digests, and then _SUCCESS.
//
// Several workers may do this at once; they write the same bytes.
type publication struct {
	st       store.Store
	job      *Job
	state    state
	base     *shard.Manifest // as it was frozen
	manifest *shard.Manifest // with the entries of the retries
	chunks   shard.Chunks
	retries  []*folder // with rows to publish

	before   []byte     // the file of digests, of the parts as they were read
	after    []byte     // and of the parts with the newer rows
	changed  *shard.Set // parts that differ; nil if not known
	statuses map[string]int
	answers  *row.Summing
	failed   *failures   // those of the rows that were counted; nil before
	modified []time.Time // when the parts were created or replaced
}

// publish puts the rows of all complete retries into the parts of an output, updates
// _SUCCESS and returns it. Every part must exist.
func publish(ctx context.Context, st store.Store, job *Job, base *shard.Manifest, was state, opt FinishOptions) (Success, error) {
	p := &publication{st: st, job: job, base: base, state: was, chunks: job.Chunks(base.Len())}
	defer func() {
		if p.failed != nil {
			p.failed.close()
		}
	}()
	var err error
	if p.manifest, err = current(ctx, st, base, was.Complete); err != nil {
		return Success{}, err
	}
	defer p.manifest.Close()
	from := 0
	if was.success != nil {
		from = was.success.Generation()
	}
	for n := from; n < was.Complete; n++ {
		f, err := openFolder(ctx, Generation(st, n+1))
		if err != nil {
			return Success{}, fmt.Errorf("retry %d: %w", n+1, err)
		}
		defer f.Close()
		p.retries = append(p.retries, f)
	}
	if err := p.prepare(ctx, opt.MayChange); err != nil {
		return Success{}, err
	}
	if err := p.replace(ctx); err != nil {
		return Success{}, err
	}
	if done, err := p.overtaken(ctx); err != nil {
		return Success{}, err
	} else if done != nil {
		return *done, nil
	}
	if err := put(ctx, st, digestsName, p.after); err != nil {
		return Success{}, fmt.Errorf("store the digests of the parts: %w", err)
	}
	return p.succeed(ctx, opt)
}

// place returns the place of the last retry.
func (p *publication) place() store.Store { return Generation(p.st, p.state.Complete) }

// prepare takes step 1.
func (p *publication) prepare(ctx context.Context, may func(context.Context) error) error {
	if done, err := p.prepared(ctx); done || err != nil {
		return err
	}
	err := p.foresee(ctx, may)
	if errors.Is(err, ErrMismatch) {
		// Another worker may have begun step 2 in the meantime.
		if done, err := p.prepared(ctx); done || err != nil {
			return err
		}
	}
	return err
}

// prepared reports whether step 1 is done already, and reads what it stored.
func (p *publication) prepared(ctx context.Context) (bool, error) {
	stored, _, err := readWhole(ctx, p.place(), publishedName, digestsMost(p.chunks.Count()))
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	p.after, p.changed = stored, nil // compare all parts
	return err == nil, err
}

// foresee checks the parts and stores the digests that they will have.
func (p *publication) foresee(ctx context.Context, may func(context.Context) error) error {
	known, err := p.knownDigests(ctx)
	if err != nil {
		return err
	}
	p.changed = shard.NewSet(p.chunks.Count())
	var after []byte
	if err := p.each(ctx, nil, func(chunk int, n newPart) error {
		if known != nil && !known[string(appendDigest(nil, n.was, n.name))] {
			return damagedPart(n.name, p.st, fmt.Errorf("the content %w: it has changed since the job completed", ErrMismatch))
		}
		if n.body != nil {
			p.changed.Add(chunk)
		}
		p.before = appendDigest(p.before, n.was, n.name)
		after = appendDigest(after, n.digest, n.name)
		return nil
	}); err != nil {
		return err
	}
	if s := p.state.success; s != nil {
		if digest(p.before) != s.Digests.Parts {
			return fmt.Errorf("%s: the content %w: a part has changed since the job completed; %s", p.st, ErrMismatch, repairAdvice(p.st))
		}
		body, err := encodeRecord(s)
		if err == nil {
			_, _, _, err = createOrRead(ctx, p.place(), previousName, body)
		}
		if err != nil {
			return fmt.Errorf("keep the last %s: %w", SuccessName, err)
		}
	}
	if may != nil {
		if err := may(ctx); err != nil {
			return err
		}
	}
	var how outcome
	if p.after, _, how, err = createOrRead(ctx, p.place(), publishedName, after); err != nil {
		return fmt.Errorf("store the digests that the parts will have: %w", err)
	}
	if how != created {
		p.changed = nil // another worker publishes too: compare all parts
	}
	return nil
}

// knownDigests returns the lines of the file of the parts' digests, nil if it is
// missing.
func (p *publication) knownDigests(ctx context.Context) (map[string]bool, error) {
	body, _, err := readWhole(ctx, p.st, digestsName, digestsMost(p.chunks.Count()))
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for line := range bytes.Lines(body) {
		known[string(line)] = true
	}
	return known, nil
}

// replacers is how many parts are replaced at once.
const replacers = 16

// replace takes step 2.
func (p *publication) replace(ctx context.Context) error {
	lines := bytes.SplitAfter(p.after, []byte("\n"))
	if len(lines) != p.chunks.Count()+1 {
		return fmt.Errorf("%s of %s: %w: it does not list the parts; %s", publishedName, p.place(), ErrMismatch, repairAdvice(p.st))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(replacers)
	err := p.each(ctx, p.changed, func(chunk int, n newPart) error {
		if !bytes.Equal(appendDigest(nil, n.digest, n.name), lines[chunk]) {
			return damagedPart(n.name, p.st, fmt.Errorf("the content %w: it matches neither the old nor the new digest", ErrMismatch))
		}
		if n.body != nil {
			g.Go(func() error { return p.replaceOne(ctx, n) })
		}
		return nil
	})
	return errors.Join(g.Wait(), err)
}

func (p *publication) replaceOne(ctx context.Context, n newPart) error {
	_, err := store.Replace(ctx, p.st, n.name, n.body, n.etag)
	if errors.Is(err, store.ErrChanged) { // by another worker, or by this call, whose answer was lost
		stored, _, readErr := readWhole(ctx, p.st, n.name, int64(len(n.body)))
		if readErr == nil && hexDigest(stored) == n.digest {
			return nil
		}
		err = errors.Join(err, readErr)
	}
	if err != nil {
		return fmt.Errorf("put the rows of retry %d into %s: %w", p.state.Complete, n.name, err)
	}
	return nil
}

// newPart is a part with the newer rows.
type newPart struct {
	name   string
	was    string // the digest of the stored part, hex
	etag   string // the version of the stored part
	digest string // the digest with the newer rows, hex
	body   []byte // with the newer rows; nil if they change nothing
}

// each calls fn for every part in order, or for those of a set if only is not nil.
// Over all parts, it also counts the rows by status.
func (p *publication) each(ctx context.Context, only *shard.Set, fn func(chunk int, n newPart) error) error {
	var newer []*overlay
	for _, f := range p.retries {
		o := newOverlay(f.rows(ctx), p.job.Schema().Equal)
		defer o.close()
		newer = append(newer, o)
	}
	skip := func(chunk int) bool { return only != nil && !only.Has(chunk) }
	if only == nil {
		f, err := newFailures(ctx, p.st, p.job, nil)
		if err != nil {
			return err
		}
		if p.failed != nil {
			p.failed.close()
		}
		p.failed = f
		p.statuses, p.answers, p.modified = map[string]int{}, p.job.Schema().NewSumming(), nil
	}
	err := inOrder(ctx, p.chunks.Count(), func(ctx context.Context, chunk int) (part, error) {
		if skip(chunk) {
			return part{}, nil
		}
		return decodePart(ctx, p.st, p.job, p.chunks, chunk)
	}, func(chunk int, stored part) error {
		if skip(chunk) {
			return nil
		}
		n := newPart{name: stored.name, was: stored.digest, etag: stored.etag, digest: stored.digest}
		changed := false
		for _, o := range newer {
			c, err := o.replace(stored.rows)
			if err != nil {
				return damagedPart(n.name, p.st, err)
			}
			changed = changed || c
		}
		entries, err := p.check(chunk, stored.rows)
		if err != nil {
			return damagedPart(n.name, p.st, err)
		}
		if changed {
			var err error
			if n.body, err = p.job.Schema().Encode(stored.rows); err != nil {
				return fmt.Errorf("%s: %w", n.name, err)
			}
			n.digest = hexDigest(n.body)
		}
		if only == nil {
			for i := range stored.rows {
				p.statuses[stored.rows[i].Status]++
			}
			if err := p.failed.add(entries, stored.rows); err != nil {
				return err
			}
			p.answers.Add(stored.rows)
			p.modified = append(p.modified, stored.modified)
		}
		return fn(chunk, n)
	})
	if err != nil || only != nil {
		return err
	}
	for i, o := range newer {
		if m := p.retries[i].manifest; o.used != m.Len() {
			return fmt.Errorf("%s: %w: the parts have a place for only %d of the %d rows of a retry", p.st, ErrMismatch, o.used, m.Len())
		}
	}
	return nil
}

// check compares the rows of a chunk, including the newer ones, with the manifest, and returns
// the entries.
func (p *publication) check(chunk int, rows []row.Row) ([]shard.Entry, error) {
	first, last := p.chunks.Range(chunk)
	entries, err := p.manifest.Entries(nil, first, last)
	if err != nil {
		return nil, err
	}
	return entries, p.job.checkRows(entries, rows)
}

// succeed ends step 3.
func (p *publication) succeed(ctx context.Context, opt FinishOptions) (Success, error) {
	retried, err := ReadSuccess(ctx, p.place())
	if err != nil {
		return Success{}, err
	}
	record, err := ReadJob(ctx, p.place())
	if err != nil {
		return Success{}, err
	}
	if p.statuses == nil {
		if err := p.each(ctx, nil, func(int, newPart) error { return nil }); err != nil {
			return Success{}, err
		}
	}
	var s Success
	if p.state.success != nil {
		s = *p.state.success // which has the makespan of the job without its retries
	} else {
		s = newSuccess(p.job, p.chunks, opt.Versions)
		if err := s.timing(ctx, p.st, p.job, p.modified); err != nil {
			return Success{}, err
		}
		if err := s.bill(ctx, p.st, p.job, opt.Bill); err != nil {
			return Success{}, err
		}
	}
	for _, f := range p.retries {
		s.MixedDecoding = s.MixedDecoding || f.job.Decoding != p.job.Decoding || f.state.success != nil && f.state.success.MixedDecoding
		if again := f.state.success; again != nil && len(s.GPUKinds)+len(again.GPUKinds) > 0 {
			s.GPUKinds = joined(s.GPUKinds, again.GPUKinds)
		}
		if again := f.state.success; again != nil {
			s.Hours, s.Cost = cost.AddHours(s.Hours, again.Hours), cost.Add(s.Cost, again.Cost, s.scored())
		}
	}
	s.Statuses, s.Answers, s.Drift = p.statuses, p.answers.Summary(), nil
	s.ImagesPlace, s.MaxErrors = p.job.Images, cmp.Or(opt.MaxErrors, s.MaxErrors)
	s.Digests = digestsOf(p.job, p.manifest, p.after)
	s.Retry = &RetryOutcome{
		Generation: p.state.Complete, Statuses: record.Retry.Statuses, Images: retried.Images,
		Now: maps.Clone(retried.Statuses), MakespanSeconds: retried.MakespanSeconds, Ended: retried.Ended,
	}
	if err := p.failed.store(ctx, p.st, p.job, p.manifest, &s); err != nil {
		return Success{}, err
	}
	if opt.Drift != nil {
		s.Drift = opt.Drift(p.manifest)
	}
	if opt.PassedOver != nil {
		s.PassedOver = opt.PassedOver()
	}
	body, err := s.encode(p.st, p.job)
	if err != nil {
		return Success{}, err
	}
	if done, err := p.overtaken(ctx); err != nil {
		return Success{}, err
	} else if done != nil {
		return *done, nil
	}
	if err := put(ctx, p.st, SuccessName, body); err != nil {
		return Success{}, fmt.Errorf("replace %s: %w", SuccessName, err)
	}
	stored, err := ReadSuccess(ctx, p.st)
	stored.Mine = err == nil
	return stored, err
}

// overtaken returns _SUCCESS if another worker has replaced it in the meantime, for
// this retry or a later one, or else nil.
func (p *publication) overtaken(ctx context.Context) (*Success, error) {
	s, err := ReadSuccess(ctx, p.st)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil || s.Generation() < p.state.Complete {
		return nil, err
	}
	return &s, nil
}

// put creates or replaces an object.
func put(ctx context.Context, st store.Store, name string, body []byte) error {
	stored, o, _, err := createOrRead(ctx, st, name, body)
	if err != nil || bytes.Equal(stored, body) {
		return err
	}
	_, err = store.Replace(ctx, st, name, body, o.ETag)
	if errors.Is(err, store.ErrChanged) { // by another worker that writes the same
		return nil
	}
	return err
}

// overlay replaces rows with newer ones of the same images. Both come in manifest
// order, so that neither is held in memory as a whole.
type overlay struct {
	equal func(a, b *row.Row) bool
	next  func() (row.Row, error, bool)
	stop  func()
	row   row.Row // the next newer row, unless over
	path  string  // of row
	over  bool    // there are no more newer rows
	err   error   // of the newer rows
	used  int     // newer rows that had an older one
}

// newOverlay returns an overlay with those newer rows. equal compares two rows. The
// caller closes the overlay.
func newOverlay(newer iter.Seq2[row.Row, error], equal func(a, b *row.Row) bool) *overlay {
	o := &overlay{equal: equal}
	o.next, o.stop = iter.Pull2(newer)
	o.advance()
	return o
}

func (o *overlay) close() { o.stop() }

func (o *overlay) advance() {
	var ok bool
	if o.row, o.err, ok = o.next(); !ok || o.err != nil {
		o.over = true
		return
	}
	o.path, o.err = o.row.Name()
	o.over = o.err != nil
}

// replace replaces elements of rows with newer rows, and reports whether any of them
// differs. Rows must come in order from call to call. It skips newer rows of images
// that are between those of two calls.
func (o *overlay) replace(rows []row.Row) (changed bool, err error) {
	for i := range rows {
		path, err := rows[i].Name()
		if err != nil {
			return changed, fmt.Errorf("%w: %w", ErrMismatch, err)
		}
		for !o.over && o.path < path {
			o.advance()
		}
		if o.err != nil {
			return changed, o.err
		}
		if o.over || o.path != path {
			continue
		}
		if !o.equal(&rows[i], &o.row) {
			rows[i], changed = o.row, true
		}
		o.used++
		o.advance()
	}
	return changed, o.err
}

// rows returns the rows of a folder in manifest order.
func (f *folder) rows(ctx context.Context) iter.Seq2[row.Row, error] {
	stopped := errors.New("the caller wants no more rows")
	return func(yield func(row.Row, error) bool) {
		err := f.parts(ctx, func(p part) error {
			for _, r := range p.rows {
				if !yield(r, nil) {
					return stopped
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(row.Row{}, err)
		}
	}
}
