package output

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Drift counts how the images differ from the manifest that was frozen.
type Drift struct {
	Added   int `json:"added"`
	Removed int `json:"removed"`
	Changed int `json:"changed"`
	// Names are the first of them; nil for no drift, and in a Drift from a record.
	Names *DriftNames `json:"-"`
}

// DriftNames are the names of the first images that differ, of each kind mostNamed at most.
type DriftNames struct{ Added, Removed, Changed []string }

const mostNamed = 3

// Counts returns d without names.
func (d Drift) Counts() Drift {
	d.Names = nil
	return d
}

// String says what differs, and what to do about images that were added or changed;
// empty for no drift.
func (d Drift) String() string {
	var names DriftNames
	if d.Names != nil {
		names = *d.Names
	}
	var all []string
	if d.Added > 0 {
		all = append(all, choose(d.Added, "1 image is not in this job: it was added", "%d images are not in this job: they were added")+
			" after the images were listed"+firstOf(names.Added, d.Added))
	}
	if d.Removed > 0 {
		all = append(all, choose(d.Removed, "1 image of this job was removed since it was listed",
			"%d images of this job were removed since they were listed")+firstOf(names.Removed, d.Removed))
	}
	if d.Changed > 0 {
		all = append(all, choose(d.Changed, "1 image of this job has changed since it was listed",
			"%d images of this job have changed since they were listed")+firstOf(names.Changed, d.Changed))
	}
	if d.Added > 0 {
		all = append(all, "to score what is new, use another --out; if the new images have a folder or prefix of their own, give that as --images")
	}
	if d.Changed > 0 {
		all = append(all, "to score what has changed again, run the same command with --rescore-changed")
	}
	return strings.Join(all, "; ")
}

// firstOf returns the names of the first of n images, in parentheses; empty for none.
func firstOf(first []string, n int) string {
	if len(first) == 0 {
		return ""
	}
	var quoted []string
	for _, name := range first {
		quoted = append(quoted, strconv.Quote(name))
	}
	text := strings.Join(quoted, ", ")
	if more := n - len(first); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return " (" + text + ")"
}

// choose returns one if n is 1, else many with n in it.
func choose(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf(many, n)
}

// Lister calls fn for every image that exists now.
type Lister = func(fn func(store.Object) error) error

// MeasureDrift compares the manifest with the images that list lists now, in the
// same way as they were listed for the manifest. If truncated is true, the manifest
// is only the beginning of what was listed, and images after its last path do not
// count as added.
func MeasureDrift(m *shard.Manifest, truncated bool, list Lister) (Drift, error) {
	return measureDrift(m, truncated, list, func(int) {})
}

// measureDrift is MeasureDrift, and calls changed with the number of each entry of the
// manifest whose image has changed.
func measureDrift(m *shard.Manifest, truncated bool, list Lister, changed func(i int)) (Drift, error) {
	b := shard.Builder{Room: room}
	defer b.Close()
	err := list(func(o store.Object) error {
		return b.Add(shard.Entry{Path: o.Name, Size: o.Size, ETag: o.ETag})
	})
	if err != nil {
		return Drift{}, err
	}
	return driftSince(m, b.Sorted, truncated, changed)
}

// driftSince compares the manifest with the images that exist now, which come in
// the same order. It calls changed with the number of each entry whose image has changed.
func driftSince(m *shard.Manifest, now func(func(shard.Entry) error) error, truncated bool, changed func(i int)) (Drift, error) {
	var d Drift
	var names DriftNames
	note := func(n *int, names *[]string, path string) {
		if *n++; len(*names) < mostNamed {
			*names = append(*names, strings.Clone(path))
		}
	}
	was := shard.NewWalk(m)
	err := now(func(is shard.Entry) error {
		for ; !was.Done && was.Path < is.Path; was.Next() {
			note(&d.Removed, &names.Removed, was.Path)
		}
		switch {
		case !was.Done && was.Path == is.Path:
			if was.Size != is.Size || was.ETag != is.ETag {
				note(&d.Changed, &names.Changed, is.Path)
				changed(was.Index)
			}
			was.Next()
		case !was.Done || !truncated:
			note(&d.Added, &names.Added, is.Path)
		}
		return was.Err
	})
	if err != nil {
		return Drift{}, err
	}
	for ; !was.Done; was.Next() {
		note(&d.Removed, &names.Removed, was.Path)
	}
	if d != (Drift{}) {
		d.Names = &names
	}
	return d, was.Err
}
