package output

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// A complete output has a list of the failed images of its collection, with the status of
// each, in the form of a manifest. So an increment need not read the rows that it keeps to know
// their statuses.

// failedPlace returns where the list is: after a retry, with the records of that retry.
func failedPlace(st store.Store, generation int) store.Store {
	if generation == 0 {
		return st
	}
	return Generation(st, generation)
}

// FailedImages returns the failed images of the collection of a complete output, each with the
// status of its row. The caller closes it. Of an output without such a list, which an older
// release made, it reads the rows.
func (s *Success) FailedImages(ctx context.Context, st store.Store) (*shard.Manifest, error) {
	if s.FailedDigest == "" {
		return failedRows(ctx, st)
	}
	place := failedPlace(st, s.Generation())
	m, err := readList(ctx, st, place, failedName)
	if err != nil {
		return nil, err
	}
	if m.Digest() != s.FailedDigest {
		m.Close()
		return nil, fmt.Errorf("%s of %s: %w: it has changed since the job completed; %s", failedName, place, ErrMismatch, repairAdvice(st))
	}
	return m, nil
}

func failedRows(ctx context.Context, st store.Store) (*shard.Manifest, error) {
	w := shard.NewWriter(room)
	err := Results(ctx, st, func(e shard.Entry, r row.Row) error {
		if r.Status == row.StatusOK {
			return nil
		}
		return w.Add(failedEntry(e, r.Status))
	})
	if err != nil {
		w.Close()
		return nil, err
	}
	return w.Manifest()
}

func failedEntry(e shard.Entry, status string) shard.Entry {
	return shard.Entry{Path: e.Path, Size: e.Size, ETag: e.ETag, MD5: e.MD5, Status: status}
}

// failures makes the list from the own rows of an output and, of an increment, from the list of
// the output that it continues.
type failures struct {
	w    *shard.Writer
	kept *keptFailures // nil unless the output is an increment
	own  int
	// statuses are those of all failed images, judged those of new and changed images.
	statuses, judged map[string]int
}

// keptFailures are the failed images of the output that an increment continues.
type keptFailures struct {
	was, all *shard.Manifest // failed images of the other output; the collection
	given    bool            // all is not closed here
	at       *shard.Walk
	in       *shard.Lines
}

// newFailures returns the failures of a job's output. all is the collection if the caller has
// it; else nil. The caller closes the failures.
func newFailures(ctx context.Context, st store.Store, job *Job, all *shard.Manifest) (*failures, error) {
	f := &failures{w: shard.NewWriter(room), statuses: map[string]int{}, judged: map[string]int{}}
	if !job.Increments() {
		return f, nil
	}
	sources := job.After.Sources
	last, s, err := sources[len(sources)-1].open(ctx, st)
	if err != nil {
		return nil, err
	}
	k := &keptFailures{all: all, given: all != nil}
	if k.was, err = s.FailedImages(ctx, last); err != nil {
		return nil, err
	}
	if !k.given {
		if k.all, err = readCollection(ctx, st); err != nil {
			k.was.Close()
			return nil, err
		}
	}
	k.at, k.in = shard.NewWalk(k.was), shard.NewLines(k.all)
	f.kept = k
	return f, nil
}

func (f *failures) close() {
	if f.w != nil {
		f.w.Close()
	}
	if f.kept != nil {
		f.kept.was.Close()
		if !f.kept.given {
			f.kept.all.Close()
		}
	}
}

// add adds own rows and their entries, which come in order.
func (f *failures) add(entries []shard.Entry, rows []row.Row) error {
	for i := range rows {
		f.own++
		if f.kept != nil {
			if err := f.keep(func(path string) bool { return path < entries[i].Path }); err != nil {
				return err
			}
			if k := f.kept.at; !k.Done && k.Path == entries[i].Path {
				k.Next() // the own row counts
			}
		}
		status := rows[i].Status
		if entries[i].Counts() {
			f.judged[status]++
		}
		if status == row.StatusOK {
			continue
		}
		f.statuses[status]++
		if err := f.w.Add(failedEntry(entries[i], status)); err != nil {
			return err
		}
	}
	return nil
}

// keep adds kept images while their paths are wanted.
func (f *failures) keep(wanted func(path string) bool) error {
	k := f.kept
	for ; !k.at.Done && wanted(k.at.Path); k.at.Next() {
		if !k.in.Seek(k.at.Path) {
			if k.in.Err != nil {
				return k.in.Err
			}
			continue // it is gone
		}
		f.statuses[k.at.Status]++
		if err := f.w.Add(k.at.Entry); err != nil {
			return err
		}
	}
	return k.at.Err
}

// store stores the list and says in s what it shows. own is the manifest of the own rows.
func (f *failures) store(ctx context.Context, st store.Store, job *Job, own *shard.Manifest, s *Success) error {
	if job.Older() || job.Retry != nil {
		return nil
	}
	if f.kept != nil {
		if err := f.keep(func(string) bool { return true }); err != nil {
			return err
		}
	}
	m, err := f.w.Manifest()
	f.w = nil
	if err != nil {
		return err
	}
	defer m.Close()
	s.FailedDigest = m.Digest()
	place := failedPlace(st, s.Generation())
	if _, err := store.CreateFrom(ctx, place, failedName, m.Encode); err != nil {
		if ctx.Err() != nil {
			return err
		}
		if err := replaceFailed(ctx, place, m, err); err != nil {
			return fmt.Errorf("store the list of failed images: %w", err)
		}
	}
	if f.kept == nil {
		return nil
	}
	s.Increment, err = f.increment(ctx, st, job, own)
	return err
}

// replaceFailed replaces a list that could not be created, unless it is the same. Nobody relies
// on a list before _SUCCESS names it, and rows that were lost since may have been made again.
func replaceFailed(ctx context.Context, place store.Store, m *shard.Manifest, created error) error {
	stored, err := readManifest(ctx, place, failedName)
	switch {
	case err == nil:
		defer stored.Close()
		if stored.Digest() == m.Digest() {
			return nil
		}
	case !errors.Is(err, ErrMismatch):
		return created
	}
	r, o, err := place.Open(ctx, failedName, "")
	if err != nil {
		return err
	}
	r.Close()
	_, err = store.ReplaceFrom(ctx, place, failedName, o.ETag, m.Encode)
	return err
}

// increment returns what an increment did.
func (f *failures) increment(ctx context.Context, st store.Store, job *Job, own *shard.Manifest) (*Increment, error) {
	gone, err := readList(ctx, st, st, goneName)
	if err != nil {
		return nil, err
	}
	defer gone.Close()
	a := job.After
	inc := &Increment{Previous: a.Previous, PreviousJob: a.Job, Images: f.kept.all.Len(), Gone: gone.Len(), Outputs: 1,
		Statuses: f.statuses, Judged: f.judged, Collection: f.kept.all.Digest(), GoneDigest: gone.Digest()}
	at := shard.NewWalk(own)
	for ; !at.Done; at.Next() {
		switch {
		case at.Why == shard.New:
			inc.New++
		case at.Why == shard.Changed:
			inc.Changed++
		case at.Why == shard.Retried:
			inc.Retried++
		case at.From != "":
			inc.Renamed++
		default:
			inc.Copied++
		}
	}
	inc.Kept = inc.Images - inc.New - inc.Changed - inc.Retried - inc.Renamed
	for _, n := range f.statuses {
		inc.Failed += n
	}
	if ok := inc.Images - inc.Failed; ok > 0 {
		inc.Statuses[row.StatusOK] = ok
	}
	for _, s := range a.Sources {
		if !s.Folded {
			inc.Outputs++
		}
	}
	return inc, at.Err
}
