package output

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// A retry scores some images of a complete output again. It makes a generation of the
// output: a job of its own in _batchscore/retry/0001/ of the output, with a record, a
// manifest of those images as they are now, claims, parts and _SUCCESS. When it is
// complete, its rows are put into the parts of the output (publish.go). The output
// is then at that generation, which its _SUCCESS names.

// Retry is the part of a job's record that makes the job a retry.
type Retry struct {
	Of         string        `json:"of"` // ID of the job whose rows are scored again
	Generation int           `json:"generation"`
	Statuses   row.Selection `json:"statuses"` // of the rows that are scored again
}

// Equal reports whether both are the same retry, or both are nil.
func (r *Retry) Equal(o *Retry) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.Of == o.Of && r.Generation == o.Generation && slices.Equal(r.Statuses, o.Statuses)
}

const (
	retryFolder = Folder + "retry/"
	// publishedName, in the folder of a retry, holds the digests that the parts of
	// the output have with the rows of the retry. It is created before the first part
	// is replaced.
	publishedName = Folder + "published.sha256"
	// previousName, there too, holds the _SUCCESS that the output had before.
	previousName = Folder + "previous_SUCCESS"
)

// Generation returns the place of retry number n >= 1 of an output.
func Generation(st store.Store, n int) store.Store {
	return store.NewSub(st, fmt.Sprintf("%s%04d/", retryFolder, n))
}

// Retries is the progress of an output's retries.
type Retries struct {
	// Complete is the number of retries that have a row for each of their images.
	Complete int
	// Publishing reports whether the rows of the last of them are being put into the
	// parts, or have been.
	Publishing bool
	// Begun is the record of the next retry, nil if there is none.
	Begun *Job
}

// ReadRetries returns the progress of an output's retries. A damaged record is
// ErrMismatch.
func ReadRetries(ctx context.Context, st store.Store) (Retries, error) {
	var r Retries
	for {
		place := Generation(st, r.Complete+1)
		job, err := ReadJob(ctx, place)
		if errors.Is(err, store.ErrNotExist) {
			break
		}
		if err != nil {
			return r, err
		}
		if job.Retry == nil || job.Retry.Generation != r.Complete+1 {
			return r, fmt.Errorf("%s of %s: %w: it is not the record of retry %d", jobName, place, ErrMismatch, r.Complete+1)
		}
		if _, err := ReadSuccess(ctx, place); errors.Is(err, store.ErrNotExist) {
			r.Begun = &job
			break
		} else if err != nil {
			return r, err
		}
		r.Complete++
	}
	if r.Complete == 0 {
		return r, nil
	}
	var err error
	r.Publishing, err = exists(ctx, Generation(st, r.Complete), publishedName)
	return r, err
}

func exists(ctx context.Context, st store.Store, name string) (bool, error) {
	body, _, err := st.Open(ctx, name, "")
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, body.Close()
}

// Started returns when the job that writes to st was begun, by the store's clock.
func Started(ctx context.Context, st store.Store) (time.Time, error) {
	_, o, err := readWhole(ctx, st, jobName, recordMost)
	return o.Modified, err
}

// RetryStarted is Started for retry n of an output.
func RetryStarted(ctx context.Context, st store.Store, n int) (time.Time, error) {
	return Started(ctx, Generation(st, n))
}

// Generation returns the last retry whose rows are in the parts, 0 before the first.
func (s *Success) Generation() int {
	if s.Retry == nil {
		return 0
	}
	return s.Retry.Generation
}

// state tells how far an output and its retries are.
type state struct {
	success *Success // nil while there is none
	Retries
}

func readState(ctx context.Context, st store.Store, job *Job) (state, error) {
	var s state
	// The retries come first. If _SUCCESS was read before them, it could be older than
	// the retries that are found.
	if job.Retry == nil {
		var err error
		if s.Retries, err = ReadRetries(ctx, st); err != nil {
			return s, err
		}
	}
	success, err := ReadSuccess(ctx, st)
	if err == nil {
		s.success = &success
	}
	if errors.Is(err, store.ErrNotExist) {
		err = nil
	}
	return s, err
}

// generation returns the last retry whose rows the parts have or are about to have.
func (s *state) generation() int {
	if s.success != nil && !s.unsettled() {
		return s.success.Generation()
	}
	return s.Complete
}

// unsettled reports whether some parts may have the rows of a retry that other parts
// lack: the retry is being published, or the output was repaired since.
func (s *state) unsettled() bool {
	if s.success == nil {
		return s.Complete > 0
	}
	return s.success.Generation() < s.Complete && s.Publishing
}

// moved reports whether a retry has progressed since s was read.
func (s *state) moved(ctx context.Context, st store.Store, job *Job) bool {
	now, err := readState(ctx, st, job)
	return err == nil && (now.Complete != s.Complete || now.Publishing != s.Publishing || now.generation() != s.generation())
}

// settled returns ErrIncomplete while the output is unsettled.
func (s *state) settled(st store.Store) error {
	if !s.unsettled() {
		return nil
	}
	return fmt.Errorf("%w: the rows of retry %d are being put into the parts of %s; run the job again to finish that",
		ErrIncomplete, s.Complete, st)
}

// retried returns ErrIncomplete if a retry was begun whose rows are not in the parts.
func (s *state) retried(st store.Store) error {
	n, statuses := s.Complete, ""
	switch {
	case s.success == nil || s.unsettled():
		return nil // which settled says
	case s.Begun != nil:
		n, statuses = n+1, " "+s.Begun.Retry.Statuses.String()
	case s.success.Generation() >= s.Complete:
		return nil
	}
	return fmt.Errorf("%w: retry %d of %s was begun and may still change its rows; to finish it, run the command of that output again with --retry%s; "+
		"to give it up, remove %s", ErrIncomplete, n, st, statuses, Generation(st, n))
}

// current returns the manifest of an output at a generation: base, but with the last
// entry of each image that was scored again. The caller closes it, unless it is base.
func current(ctx context.Context, st store.Store, base *shard.Manifest, generation int) (*shard.Manifest, error) {
	if generation == 0 {
		return base, nil
	}
	var retried []*shard.Manifest
	defer func() {
		for _, m := range retried {
			m.Close()
		}
	}()
	for n := range generation {
		m, err := openRetried(ctx, Generation(st, n+1))
		if err != nil {
			return nil, fmt.Errorf("retry %d: %w", n+1, err)
		}
		retried = append(retried, m)
	}
	m, err := shard.Overlay(room, base, retried, scoredAgain)
	if errors.Is(err, shard.ErrStray) {
		return nil, fmt.Errorf("%s: %w: a retry has an image that its manifest does not have: %w", st, ErrMismatch, err)
	}
	return m, err
}

// scoredAgain returns the entry of an image whose row is that of a retry: the version is that of
// the retry. A row that was copied is not any more.
func scoredAgain(was, now shard.Entry) shard.Entry {
	e := now.Version()
	e.Why = was.Why
	if was.Copied() {
		e.Why = shard.Retried
	}
	return e
}

// openRetried returns the manifest of a complete retry.
func openRetried(ctx context.Context, place store.Store) (*shard.Manifest, error) {
	if there, err := exists(ctx, place, jobName); err != nil {
		return nil, err
	} else if !there {
		return nil, goneRecord(place, jobName)
	}
	m, err := ReadManifest(ctx, place)
	if errors.Is(err, store.ErrNotExist) {
		return nil, goneRecord(place, manifestName)
	}
	return m, err
}

// goneRecord returns the error of a record that is missing from an output that was
// complete. It cannot be created again from anything else.
func goneRecord(place store.Store, name string) error {
	return fmt.Errorf("%s is gone from %s, which was complete: the content %w; choose another folder, or remove this one to begin again",
		name, place, ErrMismatch)
}

// RetryManifest returns the manifest of a retry: the images of a complete output
// whose rows have one of the chosen statuses, as they are now. If the status "changed"
// is among them, these are also the images that have changed since they were listed,
// whatever their rows say: list lists them. It opens each image; one that cannot be
// opened keeps its entry. The caller closes the manifest.
func RetryManifest(ctx context.Context, st, images store.Store, chosen row.Selection, list Lister) (*shard.Manifest, error) {
	f, err := openFolder(ctx, st)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	changed := shard.NewSet(f.manifest.Len())
	if chosen.Drifted() {
		if _, err := measureDrift(f.manifest, true, list, func(i int) { changed.Add(i) }); err != nil {
			return nil, fmt.Errorf("list the images to see which have changed: %w", err)
		}
	}
	b := shard.Builder{Room: room}
	defer b.Close()
	if err := f.parts(ctx, func(p part) error {
		first, last := f.chunks.Range(p.chunk)
		entries, err := f.manifest.Entries(nil, first, last)
		if err != nil {
			return err
		}
		var again []shard.Entry
		for i, e := range entries {
			if chosen.Has(p.rows[i].Status) || changed.Has(first+i) {
				again = append(again, e.Version())
			}
		}
		return inOrder(ctx, len(again), func(ctx context.Context, i int) (shard.Entry, error) {
			return asNow(ctx, images, again[i])
		}, func(_ int, e shard.Entry) error { return b.Add(e) })
	}); err != nil {
		return nil, err
	}
	m, _, err := b.Build(0)
	return m, err
}

// asNow returns the entry of an image as it is now.
func asNow(ctx context.Context, images store.Store, e shard.Entry) (shard.Entry, error) {
	r, o, err := images.Open(ctx, e.Path, "")
	switch {
	case errors.Is(err, store.ErrNotExist), errors.Is(err, store.ErrUnreadable), errors.Is(err, store.ErrChanged):
		return e, nil
	case err != nil:
		return e, fmt.Errorf("look at image %q of %s: %w", e.Path, images, err)
	}
	r.Close()
	if o.Size != e.Size || o.ETag != e.ETag {
		e = shard.Entry{Path: e.Path, Size: o.Size, ETag: o.ETag}
	}
	return e, nil
}
