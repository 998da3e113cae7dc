package shard

import (
	"bufio"
	"bytes"
	"container/heap"
	"crypto/md5" //nolint:gosec // G501: the digest that blob storage keeps
	"fmt"
	"io"
	"strings"
	"unsafe"
)

// blockSize is the size of an arena block. No text spans two blocks.
const blockSize = 1 << 20

// ref locates one entry's text in the arena. It has no pointers, so the garbage
// collector need not scan a list of many.
type ref struct {
	key           uint64 // eight bytes of the path, while sorting
	block, offset uint32
	path, etag    uint32 // lengths in bytes; the etag follows the path, the MD5 the etag
	size          int64
}

const refSize = int(unsafe.Sizeof(ref{}))

// withMD5 is set in ref.etag if there is an MD5.
const withMD5 = 1 << 31

// Builder sorts the entries of a manifest, which may be added in any order. If they
// need more memory than Room allows, it sorts them in runs, writes those to a
// scratch and merges them. It must be used by one goroutine only. The zero value is
// ready to use and keeps everything in memory.
type Builder struct {
	Room Room

	// The run that is being filled, and blocks to be reused.
	blocks, spare [][]byte
	refs          []ref
	held          int // bytes of text and refs

	runs       spool   // sorted runs, as lines of a manifest
	ends       []int64 // where each run ends
	added      int     // entries in the runs
	duplicates int
}

// Add adds one listed image. Other errors than those of the scratch are for entries that say
// something of a row, which a Builder does not keep: see Entry.Version.
func (b *Builder) Add(e Entry) error {
	if e.Copied() || e.FromRow != 0 || e.From != "" || e.Why != "" || e.Status != "" {
		return fmt.Errorf("sort the manifest: the entry of %q says something of its row", e.Path)
	}
	if len(e.MD5) != md5.Size {
		e.MD5 = ""
	}
	// At least one byte, since the order of offsets is the order of adding.
	need := max(len(e.Path)+len(e.ETag)+len(e.MD5), 1)
	if b.held += need + refSize; b.Room.exceeds(b.held) && len(b.refs) > 0 {
		if err := b.spill(); err != nil {
			return err
		}
		b.held = need + refSize
	}
	last := len(b.blocks) - 1
	if last < 0 || cap(b.blocks[last])-len(b.blocks[last]) < need {
		b.blocks = append(b.blocks, b.block(need))
		last++
	}
	block := b.blocks[last]
	r := ref{
		block: uint32(last), offset: uint32(len(block)),
		path: uint32(len(e.Path)), etag: uint32(len(e.ETag)), size: e.Size,
	}
	if e.MD5 != "" {
		r.etag |= withMD5
	}
	b.refs = append(b.refs, r)
	block = append(block, e.Path...)
	block = append(block, e.ETag...)
	block = append(block, e.MD5...)
	b.blocks[last] = block[:int(r.offset)+need]
	return nil
}

func (b *Builder) block(need int) []byte {
	if last := len(b.spare) - 1; last >= 0 && need <= blockSize {
		block := b.spare[last]
		b.spare = b.spare[:last]
		return block
	}
	return make([]byte, 0, max(need, blockSize))
}

// text returns n bytes of the arena as a string without copying them.
func (b *Builder) text(block, offset, n uint32) string {
	if n == 0 {
		return ""
	}
	return unsafe.String(&b.blocks[block][offset], n)
}

func (b *Builder) path(r ref) string { return b.text(r.block, r.offset, r.path) }

// entry is valid until the arena is used again.
func (b *Builder) entry(r ref) Entry {
	etag := r.etag &^ withMD5
	e := Entry{Path: b.path(r), Size: r.size, ETag: b.text(r.block, r.offset+r.path, etag)}
	if r.etag&withMD5 != 0 {
		e.MD5 = b.text(r.block, r.offset+r.path+etag, md5.Size)
	}
	return e
}

// spill writes the run that is being filled to the scratch.
func (b *Builder) spill() error {
	b.added += len(b.refs)
	b.sort()
	b.runs.room = Room{Scratch: b.Room.Scratch}
	var buf []byte
	for i, r := range b.refs {
		buf = appendEntry(buf, b.entry(r))
		if len(buf) >= flushAt || i == len(b.refs)-1 {
			if _, err := b.runs.Write(buf); err != nil {
				return fmt.Errorf("sort the manifest: %w", err)
			}
			buf = buf[:0]
		}
	}
	b.ends = append(b.ends, b.runs.size)
	for _, block := range b.blocks {
		if cap(block) == blockSize {
			b.spare = append(b.spare, block[:0])
		}
	}
	b.blocks, b.refs, b.held = b.blocks[:0], b.refs[:0], 0
	return nil
}

// BuildStats counts what Build found.
type BuildStats struct {
	// Duplicates is the number of entries dropped because another one has the same
	// path. The entry that was added last is kept.
	Duplicates int
}

// Build sorts the entries by the bytes of their paths, drops duplicates and
// returns the frozen manifest. If most is above zero, it has only the first most
// entries. The builder is empty afterwards. The only errors are those of the
// scratch.
func (b *Builder) Build(most int) (*Manifest, BuildStats, error) {
	defer b.Close()
	w := newWriter(b.Room)
	var m *Manifest
	err := b.write(w, most)
	if err == nil {
		m, err = w.end()
	}
	if err != nil {
		w.text.Close()
	}
	return m, BuildStats{Duplicates: b.duplicates}, err
}

// Close discards what was added. It need not be called after Build.
func (b *Builder) Close() {
	b.runs.Close()
	*b = Builder{Room: b.Room}
}

// Sorted calls fn for each entry that Build would put into the manifest, in its
// order. It stops at the first error and returns it. An entry is valid until fn
// returns. The builder is empty afterwards. The only other errors are those of the
// scratch.
func (b *Builder) Sorted(fn func(Entry) error) error {
	defer b.Close()
	return b.each(0, func(e Entry, _ []byte) error { return fn(e) })
}

func (b *Builder) write(w *writer, most int) error {
	var buf []byte
	return b.each(most, func(e Entry, line []byte) error {
		if line == nil {
			buf = appendEntry(buf[:0], e)
			line = buf
		}
		return w.add(line)
	})
}

// each calls fn for the first most entries, or for all if most is 0. The line is
// nil unless the entry was written to the scratch. Both are valid until fn returns.
func (b *Builder) each(most int, fn func(e Entry, line []byte) error) error {
	if len(b.ends) > 0 {
		if err := b.spill(); err != nil {
			return err
		}
		b.blocks, b.spare, b.refs = nil, nil, nil
		return b.merge(most, fn)
	}
	b.sort()
	for i, r := range b.refs {
		if most > 0 && i == most {
			break
		}
		if err := fn(b.entry(r), nil); err != nil {
			return err
		}
	}
	return nil
}

// merge does what each does, over the runs.
func (b *Builder) merge(most int, fn func(e Entry, line []byte) error) error {
	var h cursors
	from := int64(0)
	for i, end := range b.ends {
		c := &cursor{run: i, lines: bufio.NewScanner(b.runs.section(from, end))}
		c.lines.Buffer(make([]byte, 0, flushAt), maxLine)
		c.lines.Split(wholeLines)
		from = end
		if ok, err := c.next(); err != nil {
			return err
		} else if ok {
			h = append(h, c)
		}
	}
	heap.Init(&h)
	var last []byte
	n := 0
	for len(h) > 0 {
		c := h[0]
		if n > 0 && c.entry.Path == string(last) {
			b.duplicates++
		} else {
			if most <= 0 || n < most {
				if err := fn(c.entry, c.lines.Bytes()); err != nil {
					return err
				}
			}
			n++
			last = append(last[:0], c.entry.Path...)
		}
		ok, err := c.next()
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
	if n+b.duplicates != b.added {
		return fmt.Errorf("merge the manifest: the temporary file is damaged: of %d entries %d came back", b.added, n+b.duplicates)
	}
	return nil
}

// cursor is a position in a run.
type cursor struct {
	run   int
	lines *bufio.Scanner
	entry Entry // of the current line; valid until the next
}

func (c *cursor) next() (bool, error) {
	if !c.lines.Scan() {
		if err := c.lines.Err(); err != nil {
			return false, fmt.Errorf("merge the manifest: %w", err)
		}
		return false, nil
	}
	var err error
	if c.entry, err = parseEntry(view(c.lines.Bytes())); err != nil {
		return false, fmt.Errorf("merge the manifest: the temporary file is damaged: %w", err)
	}
	return true, nil
}

// wholeLines is a bufio.SplitFunc that keeps the ends of lines.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	n := bytes.IndexByte(data, '\n') + 1
	if n == 0 {
		if atEOF && len(data) > 0 {
			return 0, nil, io.ErrUnexpectedEOF
		}
		return 0, nil, nil
	}
	return n, data[:n], nil
}

// cursors is a heap of the positions in all runs. On top is the first path; among
// equal paths, the one of the last run.
type cursors []*cursor

func (h cursors) Len() int { return len(h) }
func (h cursors) Less(i, j int) bool {
	if c := strings.Compare(h[i].entry.Path, h[j].entry.Path); c != 0 {
		return c < 0
	}
	return h[i].run > h[j].run
}
func (h cursors) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *cursors) Push(x any)   { *h = append(*h, x.(*cursor)) }
func (h *cursors) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
