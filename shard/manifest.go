package shard

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

// Entry is one image of a manifest.
type Entry struct {
	// Path is the object's name, byte for byte as the store spells it.
	Path string
	Size int64 // bytes
	// ETag is the version that was listed.
	ETag string
	// MD5 is the digest of that version: 16 bytes, or empty if the store does not
	// know it.
	MD5 string
	// FromOutput is above 0 if the image's row is copied and not scored: it is row FromRow
	// of source number FromOutput of the job. From is the name that the image has there;
	// empty if it is Path.
	FromOutput, FromRow int
	From                string
	// Why says, in the manifest of a job that keeps rows, why the image is scored: New,
	// Changed or Retried.
	Why Why
	// Status is that of the image's row, in a list of failed images.
	Status string
}

// Why is the reason for which an image is scored although rows are kept.
type Why string

// The reasons.
const (
	New     Why = "new"     // it was not there before
	Changed Why = "changed" // it was there in another version
	Retried Why = "retried" // its row had a status that is to be scored again
)

// Counts reports whether an image of a job that keeps rows is new or has changed.
func (e *Entry) Counts() bool { return e.Why == New || e.Why == Changed }

// Copied reports whether the image's row is copied and not scored.
func (e *Entry) Copied() bool { return e.FromOutput > 0 }

// Source returns the name of the image in the output that its row is copied from.
func (e *Entry) Source() string { return cmp.Or(e.From, e.Path) }

// Version returns what the entry says of the image itself, and not of its row.
func (e *Entry) Version() Entry { return Entry{Path: e.Path, Size: e.Size, ETag: e.ETag, MD5: e.MD5} }

// SameVersion reports whether two entries of one path are the same version of the image,
// as far as their store can tell.
func (e *Entry) SameVersion(o *Entry) bool {
	return e.Size == o.Size && e.ETag == o.ETag && (e.MD5 == o.MD5 || e.MD5 == "" || o.MD5 == "")
}

// stride is the distance between two entries whose offsets are known.
const stride = 64

// Manifest is the frozen, sorted list of the images of a job, without duplicates.
// It keeps its encoded form, in memory or in a scratch, and the offset of every
// 64th entry. Until Close it is safe for use by any number of goroutines.
type Manifest struct {
	text  spool
	marks []int64 // where entries 0, 64, 128... begin, and where the last ends
	n     int
	sum   string
}

// Len returns the number of entries.
func (m *Manifest) Len() int { return m.n }

// Digest returns what identifies the manifest: "sha256:" and the hex SHA-256 of its encoded
// form up to the trailer line.
func (m *Manifest) Digest() string { return m.sum }

// Entries returns entries first <= i < last, in the order of their paths. It uses
// the memory of buf if that suffices. Like slicing, it panics if there are no such
// entries. The only errors are those of the scratch.
func (m *Manifest) Entries(buf []Entry, first, last int) ([]Entry, error) {
	if first < 0 || last < first || last > m.n {
		panic(fmt.Sprintf("shard: no entries %d to %d among %d", first, last, m.n))
	}
	buf = buf[:0]
	if first == last {
		return buf, nil
	}
	from, to := m.marks[first/stride], m.marks[(last+stride-1)/stride]
	raw := make([]byte, to-from) // shared by the strings of the entries
	if _, err := m.text.ReadAt(raw, from); err != nil {
		return nil, fmt.Errorf("read entry %d of the manifest: %w", first, err)
	}
	text := view(raw)
	for i := first / stride * stride; i < last; i++ {
		end := strings.IndexByte(text, '\n') + 1
		if i >= first {
			e, err := parseEntry(text[:end])
			if err != nil {
				return nil, fmt.Errorf("read entry %d of the manifest: the temporary file is damaged: %w", i, err)
			}
			buf = append(buf, e)
		}
		text = text[end:]
	}
	return buf, nil
}

// At returns entry i.
func (m *Manifest) At(i int) (Entry, error) {
	var one [1]Entry
	e, err := m.Entries(one[:], i, i+1)
	if err != nil {
		return Entry{}, err
	}
	return e[0], nil
}

// Find returns the index of the entry with that path, and whether there is one. To
// find most of the entries, it is faster to go through all of them.
func (m *Manifest) Find(path string) (int, bool, error) {
	lo, hi := 0, m.n
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		e, err := m.At(mid)
		switch {
		case err != nil:
			return 0, false, err
		case e.Path == path:
			return mid, true, nil
		case e.Path < path:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false, nil
}

// Encode writes the manifest as JSON lines: a header, one line per entry with
// path, size and etag, with md5, from_output, from_row, from, why and status if they are
// known, and a trailer with the number of
// entries and the SHA-256 of all bytes before it. In a path that is not valid
// UTF-8, U+FFFD replaces the invalid bytes, and path_base64 has the exact ones. The
// same holds for an etag.
func (m *Manifest) Encode(w io.Writer) error {
	if _, err := io.Copy(w, m.text.section(0, m.text.size)); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

// Close releases the memory or scratch of the manifest. Call it after the last use.
func (m *Manifest) Close() { m.text.Close() }
