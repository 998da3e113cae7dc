package output

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Drift counts how the images differ from the manifest that was frozen.
type Drift struct {
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Changed int `json:"changed"`
}

// String says what differs, and what to do about images that were added; empty for
// no drift.
func (d Drift) String() string {
	var all []string
	if d.Added > 0 {
		all = append(all, choose(d.Added, "1 image is not in this job: it was added", "%d images are not in this job: they were added")+
			" after the images were listed; to score what is new, use another --out, and if it has a folder or prefix of its own, give that as --images")
	}
	if d.Removed > 0 {
		all = append(all, choose(d.Removed, "1 image of this job was removed", "%d images of this job were removed")+" after that")
	}
	if d.Changed > 0 {
		all = append(all, choose(d.Changed, "1 image of this job has changed", "%d images of this job have changed")+" since they were listed")
	}
	return strings.Join(all, "; ")
}

// choose returns one if n is 1, else many with n in it.
func choose(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

// MeasureDrift compares the manifest with the images that list lists now, in the
// same way as they were listed for the manifest. If truncated is true, the manifest
// is only the beginning of what was listed, and images after its last path do not
// count as added.
func MeasureDrift(m *shard.Manifest, truncated bool, list func(fn func(store.Object) error) error) (Drift, error) {
	b := shard.Builder{Room: room}
	defer b.Close()
	err := list(func(o store.Object) error {
		return b.Add(shard.Entry{Path: o.Name, Size: o.Size, ETag: o.ETag})
	})
	if err != nil {
		return Drift{}, err
	}
	return driftSince(m, b.Sorted, truncated)
}

// driftSince compares the manifest with the images that exist now, which come in
// the same order.
func driftSince(m *shard.Manifest, now func(func(shard.Entry) error) error, truncated bool) (Drift, error) {
	var d Drift
	was := walk{m: m}
	was.next()
	err := now(func(is shard.Entry) error {
		for ; !was.done && was.e.Path < is.Path; was.next() {
			d.Removed++
		}
		switch {
		case !was.done && was.e.Path == is.Path:
			if was.e.Size != is.Size || was.e.ETag != is.ETag {
				d.Changed++
			}
			was.next()
		case !was.done || !truncated:
			d.Added++
		}
		return was.err
	})
	if err != nil {
		return Drift{}, err
	}
	for ; !was.done; was.next() {
		d.Removed++
	}
	return d, was.err
}

// walk visits the entries of a manifest in order.
type walk struct {
	m    *shard.Manifest
	e    shard.Entry // the current one, unless done
	done bool
	err  error

	page []shard.Entry
	i, n int // entries visited of the page, and of the manifest
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
