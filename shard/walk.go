package shard

// Walk visits the entries of a manifest in order. Begin with NewWalk.
type Walk struct {
	Entry // the current one, unless Done
	Index int
	Done  bool
	Err   error // of the scratch

	m    *Manifest
	page []Entry
	next int // in the page
}

// walkPage is how many entries are read at once.
const walkPage = 1024

// NewWalk returns a walk at the first entry. Entries stay valid.
func NewWalk(m *Manifest) *Walk {
	w := &Walk{m: m, Index: -1}
	w.Next()
	return w
}

// Next goes to the next entry.
func (w *Walk) Next() {
	if w.Index++; w.Index >= w.m.n {
		w.Done = true
		return
	}
	if w.next == len(w.page) {
		w.next = 0
		if w.page, w.Err = w.m.Entries(w.page, w.Index, min(w.Index+walkPage, w.m.n)); w.Err != nil {
			w.Done = true
			return
		}
	}
	w.Entry = w.page[w.next]
	w.next++
}

// Seek goes to the first entry, from the current one on, whose path does not come before
// that one, and reports whether it has it.
func (w *Walk) Seek(path string) bool {
	for !w.Done && w.Path < path {
		w.Next()
	}
	return !w.Done && w.Path == path
}
