package shard

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/batchscore/batchscore/shard/jsonform"
)

// Lines visits the lines of a manifest in order, without parsing them: of many entries a
// caller may need few. Begin with NewLines.
type Lines struct {
	// Line is the text of the current entry with its end, unless Done. It is valid until the
	// next call.
	Line  string
	Index int
	Done  bool
	Err   error // of the scratch

	m     *Manifest
	page  []byte // what was read, and the rest of it after Line
	rest  string
	ahead int    // how many strides are read next
	probe []byte // for Seek
}

// mostAhead is how many strides are read at once.
const mostAhead = walkPage / stride

// NewLines returns a Lines at the first entry.
func NewLines(m *Manifest) *Lines {
	l := &Lines{m: m, Index: -1, ahead: mostAhead}
	l.Next()
	return l
}

// Next goes to the next entry.
func (l *Lines) Next() {
	if l.Index++; l.Index >= l.m.n {
		l.Done = true
		return
	}
	if l.rest == "" {
		first := l.Index / stride
		if l.page, l.Err = l.m.strides(l.page, first, l.ahead); l.Err != nil {
			l.Done = true
			return
		}
		l.rest = view(l.page)
		l.ahead = min(2*l.ahead, mostAhead)
	}
	end := strings.IndexByte(l.rest, '\n') + 1
	l.Line, l.rest = l.rest[:end], l.rest[end:]
}

// Entry returns the current entry. It is valid until the next call.
func (l *Lines) Entry() (Entry, error) {
	e, err := parseEntry(l.Line)
	if err != nil {
		err = fmt.Errorf("read entry %d of the manifest: it is damaged: %w", l.Index, err)
	}
	return e, err
}

// Seek goes to the first entry, from the current one on, whose path does not come before
// that one, and reports whether it has it. It reads few of the entries between.
func (l *Lines) Seek(path string) bool {
	if l.Done || pathOf(l.Line) >= path {
		return !l.Done && pathOf(l.Line) == path
	}
	l.skip(path)
	for !l.Done && pathOf(l.Line) < path {
		l.Next()
	}
	return !l.Done && pathOf(l.Line) == path
}

// skip goes to the last stride that begins before path, if that is a later one.
func (l *Lines) skip(path string) {
	here := l.Index / stride
	strides := len(l.m.marks) - 1
	before := func(i int) bool {
		if l.Err == nil {
			l.probe, l.Err = l.m.strides(l.probe, i, 1)
		}
		return l.Err == nil && pathOf(view(l.probe)) < path
	}
	// First in steps that double, then between the last two.
	lo, step := here, 1
	for lo+step < strides && before(lo+step) {
		lo += step
		step *= 2
	}
	lo += sort.Search(min(step, strides-lo)-1, func(i int) bool { return !before(lo + 1 + i) })
	if l.Err != nil {
		l.Done = true
		return
	}
	if lo > here {
		l.Index, l.rest, l.ahead = lo*stride-1, "", 1
		l.Next()
	}
}

// strides reads count strides of lines from number first on, or as many as there are.
func (m *Manifest) strides(buf []byte, first, count int) ([]byte, error) {
	from, to := m.marks[first], m.marks[min(first+count, len(m.marks)-1)]
	if size := int(to - from); cap(buf) < size {
		buf = make([]byte, size)
	} else {
		buf = buf[:size]
	}
	if _, err := m.text.ReadAt(buf, from); err != nil {
		return nil, fmt.Errorf("read entry %d of the manifest: %w", first*stride, err)
	}
	return buf, nil
}

// pathOf returns the path of the entry that text begins with.
func pathOf(text string) string {
	p := jsonform.Parse(text)
	p.Take(`{`)
	return takeText(&p, `"path":`, `,"path_base64":`)
}

// Diff calls fn, in order, for each path whose lines in two manifests differ: with nil for an
// entry that does not exist. Entries are valid until fn returns. Equal lines are not parsed.
// Diff stops at the first error.
func Diff(a, b *Manifest, fn func(a, b *Entry) error) error {
	x, y := NewLines(a), NewLines(b)
	for !x.Done || !y.Done {
		if !x.Done && !y.Done && x.Line == y.Line {
			x.Next()
			y.Next()
			continue
		}
		if err := differ(x, y, fn); err != nil {
			return err
		}
	}
	return errors.Join(x.Err, y.Err)
}

// differ calls fn for the first of two different lines, or for both, and continues.
func differ(x, y *Lines, fn func(a, b *Entry) error) error {
	if err := errors.Join(x.Err, y.Err); err != nil {
		return err
	}
	var a, b *Entry
	for _, at := range []struct {
		l *Lines
		e **Entry
	}{{x, &a}, {y, &b}} {
		if at.l.Done {
			continue
		}
		e, err := at.l.Entry()
		if err != nil {
			return err
		}
		*at.e = &e
	}
	switch {
	case a != nil && b != nil && a.Path < b.Path:
		b = nil
	case a != nil && b != nil && b.Path < a.Path:
		a = nil
	}
	if err := fn(a, b); err != nil {
		return err
	}
	if a != nil {
		x.Next()
	}
	if b != nil {
		y.Next()
	}
	return nil
}
