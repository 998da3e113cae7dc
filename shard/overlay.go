package shard

import (
	"errors"
	"fmt"
)

// ErrStray means that a manifest has an entry that the one below it does not have.
var ErrStray = errors.New("the manifest below it does not have this image")

// Overlay returns base with the entries of other manifests in place of those with the same
// paths: of several it takes that of the last. put returns the entry to keep of the two. The
// error is ErrStray if base does not have a path.
func Overlay(room Room, base *Manifest, newer []*Manifest, put func(was, now Entry) Entry) (*Manifest, error) {
	w := NewWriter(room)
	m, err := overlay(w, base, newer, put)
	if err != nil {
		w.Close()
	}
	return m, err
}

func overlay(w *Writer, base *Manifest, newer []*Manifest, put func(was, now Entry) Entry) (*Manifest, error) {
	walks := make([]*Walk, len(newer))
	for i, m := range newer {
		walks[i] = NewWalk(m)
	}
	at := NewWalk(base)
	for ; !at.Done; at.Next() {
		e := at.Entry
		for _, n := range walks {
			if n.Done || n.Path > at.Path {
				continue
			}
			if n.Path < at.Path {
				return nil, stray(n)
			}
			e = put(at.Entry, n.Entry)
			n.Next()
		}
		if err := w.Add(e); err != nil {
			return nil, err
		}
	}
	if at.Err != nil {
		return nil, at.Err
	}
	for _, n := range walks {
		switch {
		case n.Err != nil:
			return nil, n.Err
		case !n.Done:
			return nil, stray(n)
		}
	}
	return w.Manifest()
}

func stray(w *Walk) error { return fmt.Errorf("%w: %q", ErrStray, w.Path) }
