package output

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// folder is an output folder whose manifest is frozen, opened for reading.
type folder struct {
	st       store.Store
	job      Job
	manifest *shard.Manifest
	chunks   shard.Chunks
	done     *Set
}

func openFolder(ctx context.Context, st store.Store) (*folder, error) {
	job, err := ReadJob(ctx, st)
	if err != nil {
		return nil, notOutput(st, err)
	}
	m, err := ReadManifest(ctx, st)
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s has no manifest yet; finish the run first", ErrIncomplete, st)
	}
	if err != nil {
		return nil, err
	}
	f := &folder{st: st, job: job, manifest: m, chunks: job.Chunks(m.Len())}
	if f.done, err = Done(ctx, st, f.chunks, job.Format); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *folder) Close() { f.manifest.Close() }

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
