package increment

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// rescoredFolder, in an output, has lists of the images whose rows are of another version than
// the one that was listed, each in the form of a manifest. The next increment scores them again.
// A list may name an image whose row is of the listed version after all: a worker that died, or
// lost the chunk to another one, may have written it.
const rescoredFolder = output.Folder + "rescored/"

// Rescored collects the images that a worker scores as another version than the one that was
// listed. Any number of goroutines may use it.
type Rescored struct {
	mu    sync.Mutex
	paths map[string]bool
}

// Note adds an image.
func (r *Rescored) Note(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paths == nil {
		r.paths = map[string]bool{}
	}
	r.paths[strings.Clone(path)] = true // a chunk uses its memory again
}

// take returns those of the entries that were noted, and forgets them.
func (r *Rescored) take(entries []shard.Entry) []shard.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.paths) == 0 {
		return nil
	}
	var noted []shard.Entry
	for i := range entries {
		if r.paths[entries[i].Path] {
			noted = append(noted, plain(entries[i]))
			delete(r.paths, entries[i].Path)
		}
	}
	return noted
}

// Mark stores which of the images of a chunk were noted. Call it before the chunk's rows are
// committed.
func (r *Rescored) Mark(ctx context.Context, out store.Store, entries []shard.Entry) error {
	noted := r.take(entries)
	if len(noted) == 0 {
		return nil
	}
	w := shard.NewWriter(room)
	for _, e := range noted {
		if err := w.Add(e); err != nil {
			w.Close()
			return err
		}
	}
	m, err := w.Manifest()
	if err != nil {
		return err
	}
	defer m.Close()
	digest := strings.TrimPrefix(m.Digest(), "sha256:")
	name := rescoredFolder + digest[:16] + ".jsonl" // lists of the same images are one
	if _, err := store.CreateFrom(ctx, out, name, m.Encode); err != nil && !errors.Is(err, store.ErrExist) {
		return fmt.Errorf("store which images are scored as another version than listed: %w", err)
	}
	return nil
}

// unproven returns the failed images of a complete output, and with the status changed those
// whose rows are of another version than the listed one. It closes failed, unless that is the
// result. The caller closes the result.
func unproven(ctx context.Context, st store.Store, generation int, failed *shard.Manifest) (_ *shard.Manifest, err error) {
	all := failed
	defer func() {
		if all != failed || err != nil {
			failed.Close()
		}
	}()
	b := shard.Builder{Room: room}
	defer b.Close()
	found := false
	for n := range generation + 1 {
		place := st
		if n > 0 {
			place = output.Generation(st, n)
		}
		if err := eachRescored(ctx, place, func(e shard.Entry) error {
			found = true
			return b.Add(e)
		}); err != nil {
			return nil, err
		}
	}
	if !found {
		return all, nil
	}
	rescored, _, err := b.Build(0)
	if err != nil {
		return nil, err
	}
	defer rescored.Close()
	marked := shard.NewWalk(rescored)
	w := shard.NewWriter(room)
	if err := merge([]*shard.Walk{marked, shard.NewWalk(failed)}, func(at *shard.Walk) error {
		e := at.Entry
		if at == marked {
			e.Status = row.StatusChanged
		}
		return w.Add(e)
	}); err != nil {
		w.Close()
		return nil, err
	}
	m, err := w.Manifest()
	if err == nil {
		all = m
	}
	return m, err
}

// eachRescored calls fn for the images in all lists of an output.
func eachRescored(ctx context.Context, st store.Store, fn func(shard.Entry) error) error {
	var names []string
	err := store.Names(ctx, st, rescoredFolder, func(name string) error {
		names = append(names, name)
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("list %s of %s: %w", rescoredFolder, st, err)
	}
	for _, name := range names {
		m, err := readRescored(ctx, st, name)
		if err != nil {
			return err
		}
		w := shard.NewWalk(m)
		for ; !w.Done && err == nil; w.Next() {
			err = fn(w.Entry)
		}
		m.Close()
		if err = errors.Join(err, w.Err); err != nil {
			return err
		}
	}
	return nil
}

func readRescored(ctx context.Context, st store.Store, name string) (*shard.Manifest, error) {
	r, _, err := st.Open(ctx, name, "")
	if err != nil {
		return nil, fmt.Errorf("read %s of %s: %w", name, st, err)
	}
	defer r.Close()
	m, err := shard.DecodeManifest(r, room)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: the content %w: %w; bring back what it was, or run once without --after in another --out",
			name, st, output.ErrMismatch, err)
	}
	return m, nil
}
