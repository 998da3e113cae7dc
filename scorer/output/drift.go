package output

import (
	"context"
	"errors"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Drift counts how the images differ from the manifest that was frozen.
type Drift struct {
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Changed int `json:"changed"`
}

// MeasureDrift lists the images again and compares. Names for which keep is
// false count for nothing. When truncated is true, the manifest is only the
// beginning of what was listed, and what comes after its last path does not
// count as added.
func MeasureDrift(ctx context.Context, images store.Store, m *shard.Manifest, truncated bool,
	keep func(name string) bool) (Drift, error) {
	b := shard.Builder{Room: room}
	defer b.Close()
	err := images.List(ctx, "", func(o store.Object) error {
		if !keep(o.Name) {
			return nil
		}
		return b.Add(shard.Entry{Path: o.Name, Size: o.Size, ETag: o.ETag})
	})
	if err != nil {
		return Drift{}, err
	}
	now, _, err := b.Build(0)
	if err != nil {
		return Drift{}, err
	}
	defer now.Close()
	return driftBetween(m, now, truncated)
}

// driftBetween walks both lists, which are in the same order.
func driftBetween(m, now *shard.Manifest, truncated bool) (d Drift, err error) {
	was, is := walk{m: m}, walk{m: now}
	was.next()
	is.next()
	for !was.done || !is.done {
		switch {
		case is.done, !was.done && was.e.Path < is.e.Path:
			d.Removed++
			was.next()
		case was.done, is.e.Path < was.e.Path:
			if !was.done || !truncated {
				d.Added++
			}
			is.next()
		default:
			if was.e.Size != is.e.Size || was.e.ETag != is.e.ETag {
				d.Changed++
			}
			was.next()
			is.next()
		}
	}
	return d, errors.Join(was.err, is.err)
}

// walk goes through a manifest.
type walk struct {
	m    *shard.Manifest
	e    shard.Entry // the present one, unless done
	done bool
	err  error

	page []shard.Entry
	i, n int // of page used; entries used
}

// walkPage is how many entries are read at once.
const walkPage = 1024

func (w *walk) next() {
	if w.done = w.n == w.m.Len(); w.done {
		return
	}
	if w.i == len(w.page) {
		w.i = 0
		w.page, w.err = w.m.Entries(w.page, w.n, min(w.n+walkPage, w.m.Len()))
		if w.done = w.err != nil; w.done {
			return
		}
	}
	w.e = w.page[w.i]
	w.i++
	w.n++
}
