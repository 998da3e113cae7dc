package output

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// folder is an output folder whose manifest is frozen, opened for reading.
type folder struct {
	st       store.Store
	job      Job
	state    state
	base     *shard.Manifest // that was frozen
	manifest *shard.Manifest // with the entries of retried images
	chunks   shard.Chunks
	done     *shard.Set
}

// openFolder opens a folder for reading. One in which the rows of a retry are
// being put into the parts is ErrIncomplete.
func openFolder(ctx context.Context, st store.Store) (*folder, error) {
	job, err := ExistingJob(ctx, st)
	if err != nil {
		return nil, err
	}
	m, err := ReadManifest(ctx, st)
	if errors.Is(err, store.ErrNotExist) {
		if ended, err := exists(ctx, st, SuccessName); err != nil || ended {
			return nil, cmp.Or(err, fmt.Errorf("%s: the content %w: there is no %s; choose another folder, or remove this one to begin again",
				st, ErrMismatch, manifestName))
		}
		return nil, fmt.Errorf("%w: %s has no manifest yet; finish the run first", ErrIncomplete, st)
	}
	if err != nil {
		return nil, err
	}
	f := &folder{st: st, job: job, base: m, manifest: m, chunks: job.Chunks(m.Len())}
	if err := f.settle(ctx); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// settle finds out which rows the parts have.
func (f *folder) settle(ctx context.Context) (err error) {
	if f.state, err = readState(ctx, f.st, &f.job); err != nil {
		return err
	}
	if err := f.state.settled(f.st); err != nil {
		return err
	}
	m, err := current(ctx, f.st, f.base, f.state.generation())
	if err != nil {
		return err
	}
	f.manifest = m
	f.done, err = Done(ctx, f.st, f.chunks, f.job.Format)
	return err
}

func (f *folder) Close() {
	f.base.Close()
	if f.manifest != f.base {
		f.manifest.Close()
	}
}

// ExistingJob returns the record of a place that should be an output folder. Where
// there is none, the error says so and wraps store.ErrNotExist. A damaged record
// is ErrMismatch.
func ExistingJob(ctx context.Context, st store.Store) (Job, error) {
	job, err := ReadJob(ctx, st)
	return job, notOutput(st, err)
}

// notOutput says more of a folder that has no record.
func notOutput(st store.Store, err error) error {
	if errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("%s is not an output folder: %w", st, err)
	}
	return err
}

// parts calls fn for every part that stands, in order, one at a time.
func (f *folder) parts(ctx context.Context, fn func(part) error) error {
	return inOrder(ctx, f.chunks.Count(), func(ctx context.Context, chunk int) (part, error) {
		if !f.done.Has(chunk) {
			return part{}, nil
		}
		return readPart(ctx, f.st, &f.job, f.manifest, chunk)
	}, func(chunk int, p part) error {
		if !f.done.Has(chunk) {
			return nil
		}
		return fn(p)
	})
}

// undisturbed is err, but where a part did not fit because a retry went on while
// the folder was read.
func (f *folder) undisturbed(ctx context.Context, err error) error {
	if errors.Is(err, ErrMismatch) && f.state.moved(ctx, f.st, &f.job) {
		return fmt.Errorf("%w: the rows of a retry were put into the parts of %s while they were read; do it again", ErrIncomplete, f.st)
	}
	return err
}

// proven compares the digests of all parts with those that _SUCCESS proves, if
// there is one.
func (f *folder) proven(lines []byte) error {
	if s := f.state.success; s != nil && digest(lines) != s.Digests.Parts {
		return fmt.Errorf("%s: the content %w: a part is not what it was when the job was complete; 'batchscore verify' says which; %s",
			f.st, ErrMismatch, repairAdvice(f.st))
	}
	return nil
}

// Rows calls fn for the row of every image whose part stands, in manifest
// order, and stops at its first error and returns that. A part that does not
// fit the manifest is ErrMismatch; once the job is complete so is one, after its
// rows, that is not what it was then. It holds a few parts in memory at a time.
func Rows(ctx context.Context, st store.Store, fn func(row.Row) error) error {
	f, err := openFolder(ctx, st)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.undisturbed(ctx, f.eachRow(ctx, fn))
}

func (f *folder) eachRow(ctx context.Context, fn func(row.Row) error) error {
	var lines []byte
	if err := f.parts(ctx, func(p part) error {
		lines = appendDigest(lines, p.digest, p.name)
		for _, r := range p.rows {
			if err := fn(r); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if !f.done.All() {
		return nil
	}
	return f.proven(lines)
}
