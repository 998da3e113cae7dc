package shard

import "fmt"

// Writer makes a manifest of entries that come in order.
type Writer struct {
	w    *writer
	line []byte
	last []byte // path of the last entry
}

// NewWriter returns a Writer of a manifest that is kept in that room.
func NewWriter(room Room) *Writer { return &Writer{w: newWriter(room)} }

// Add adds an entry whose path comes after that of the last one. It keeps no memory of the
// entry.
func (w *Writer) Add(e Entry) error {
	if w.w.n > 0 && e.Path <= string(w.last) {
		return fmt.Errorf("write the manifest: %q does not come after %q", e.Path, w.last)
	}
	w.last = append(w.last[:0], e.Path...)
	w.line = appendEntry(w.line[:0], e)
	return w.w.add(w.line)
}

// Len returns how many entries were added.
func (w *Writer) Len() int { return w.w.n }

// Manifest returns the manifest of the entries that were added. Nothing can be added after
// that.
func (w *Writer) Manifest() (*Manifest, error) { return w.w.end() }

// Close discards what was added. Call it instead of Manifest.
func (w *Writer) Close() { w.w.text.Close() }
