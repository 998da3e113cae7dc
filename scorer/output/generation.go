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

// A retry scores some images of a complete output again. It is a generation of
// the output: a job of its own, whose place is _batchscore/retry/0001/ of the
// first, with a record, a manifest of those images as they are now, claims, parts
// and _SUCCESS. When it is complete, its rows are put into the parts of the output
// (publish.go), which is then at that generation, as its _SUCCESS says.

// Retry in a job's record says that it is a retry.
type Retry struct {
	Of         string        `json:"of"` // ID of the job whose rows are scored again
	Generation int           `json:"generation"`
	Statuses   row.Selection `json:"statuses"` // of the rows that are scored again
}

// Alike reports whether both are the same retry, or neither is one.
func (r *Retry) Alike(o *Retry) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.Of == o.Of && r.Generation == o.Generation && slices.Equal(r.Statuses, o.Statuses)
}

const (
	retryFolder = Folder + "retry/"
	// publishedName, in the place of a retry, holds the digests that the parts of
	// the output have with its rows. It is created before the first part is
	// replaced.
	publishedName = Folder + "published.sha256"
	// previousName holds the _SUCCESS that the output had before.
	previousName = Folder + "previous_SUCCESS"
)

// Generation is the place of retry number n >= 1 of an output.
func Generation(st store.Store, n int) store.Store {
	return store.NewSub(st, fmt.Sprintf("%s%04d/", retryFolder, n))
}

// Retries says how far the retries of an output are.
type Retries struct {
	// Complete is how many have a row for each of their images.
	Complete int
	// Publishing reports whether the last of those is being put into the parts, or was.
	Publishing bool
	// Begun is the record of the one after those, nil if there is none.
	Begun *Job
}

// ReadRetries reads what retries an output has had. A damaged record is
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

// RetryStarted is when retry n of an output was begun, by the store's clock.
func RetryStarted(ctx context.Context, st store.Store, n int) (time.Time, error) {
	_, o, err := store.ReadAll(ctx, Generation(st, n), jobName)
	return o.Modified, err
}

// Generation is the last retry whose rows are in the parts, 0 before the first.
func (s *Success) Generation() int {
	if s.Retry == nil {
		return 0
	}
	return s.Retry.Generation
}

// state is where an output is between its first rows and those of its last retry.
type state struct {
	success *Success // nil while there is none
	Retries
}

func readState(ctx context.Context, st store.Store, job *Job) (state, error) {
	var s state
	// The retries first: whoever finds an old _SUCCESS then finds no news below.
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

// generation is the last retry whose images the parts hold or are about to.
func (s *state) generation() int {
	if s.success != nil && !s.unsettled() {
		return s.success.Generation()
	}
	return s.Complete
}

// unsettled reports whether some parts may hold rows of a retry that others do
// not: it is being published, or the output was repaired since.
func (s *state) unsettled() bool {
	if s.success == nil {
		return s.Complete > 0
	}
	return s.success.Generation() < s.Complete && s.Publishing
}

// moved reports whether a retry went on since s was read.
func (s *state) moved(ctx context.Context, st store.Store, job *Job) bool {
	now, err := readState(ctx, st, job)
	return err == nil && (now.Complete != s.Complete || now.Publishing != s.Publishing || now.generation() != s.generation())
}

// settled is ErrIncomplete while the output is unsettled.
func (s *state) settled(st store.Store) error {
	if !s.unsettled() {
		return nil
	}
	return fmt.Errorf("%w: the rows of retry %d are being put into the parts of %s; run the job again to finish that",
		ErrIncomplete, s.Complete, st)
}

// current is the manifest of an output at a generation: base, in which an image
// that was scored again has the entry of the last time. The caller closes it,
// unless it is base.
func current(ctx context.Context, st store.Store, base *shard.Manifest, generation int) (*shard.Manifest, error) {
	if generation == 0 {
		return base, nil
	}
	b := shard.Builder{Room: room} // of several entries with one path it keeps the last
	defer b.Close()
	if err := eachEntry(base, b.Add); err != nil {
		return nil, err
	}
	for n := range generation {
		if err := addRetried(ctx, Generation(st, n+1), b.Add); err != nil {
			return nil, fmt.Errorf("retry %d: %w", n+1, err)
		}
	}
	m, _, err := b.Build(0)
	if err == nil && m.Len() != base.Len() {
		m.Close()
		return nil, fmt.Errorf("%s: %w: its retries have images that its manifest does not have", st, ErrMismatch)
	}
	return m, err
}

// addRetried calls fn with the entries of a retry that is complete.
func addRetried(ctx context.Context, place store.Store, fn func(shard.Entry) error) error {
	if there, err := exists(ctx, place, jobName); err != nil {
		return err
	} else if !there {
		return goneRecord(place, jobName)
	}
	m, err := ReadManifest(ctx, place)
	if errors.Is(err, store.ErrNotExist) {
		return goneRecord(place, manifestName)
	}
	if err != nil {
		return err
	}
	defer m.Close()
	return eachEntry(m, fn)
}

// goneRecord is what a missing record is in an output that was complete: nothing
// else says what it said.
func goneRecord(place store.Store, name string) error {
	return fmt.Errorf("%s is gone from %s, which was complete: the content %w; choose another folder, or remove this one to begin again",
		name, place, ErrMismatch)
}

func eachEntry(m *shard.Manifest, fn func(shard.Entry) error) error {
	w := walk{m: m}
	for w.next(); !w.done; w.next() {
		if err := fn(w.e); err != nil {
			return err
		}
	}
	return w.err
}

// RetryManifest is the manifest of a retry: the images of a complete output whose
// rows have one of those statuses, as a look at each shows them now. An image that
// cannot be opened keeps the entry it had. The caller closes it.
func RetryManifest(ctx context.Context, st, images store.Store, chosen row.Selection) (*shard.Manifest, error) {
	f, err := openFolder(ctx, st)
	if err != nil {
		return nil, err
	}
	defer f.Close()
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
			if chosen.Has(p.rows[i].Status) {
				again = append(again, e)
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

// asNow is the entry of an image as it is now.
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
