package shard

import (
	"crypto/md5" //nolint:gosec // G501: the digest that blob storage keeps
	"crypto/sha256"
	"hash"
	"slices"
	"strings"
	"sync"
	"unsafe"
)

// Entry is one image of a manifest.
type Entry struct {
	// Path is the object's name, byte for byte as the store spells it.
	Path string
	Size int64 // bytes
	// ETag is the version that was listed.
	ETag string
	// MD5 is the digest of that version, 16 bytes, or empty where the place
	// does not know it.
	MD5 string
}

// blockSize is how much text an arena block holds. Text never crosses blocks.
const blockSize = 1 << 20

// ref places one entry's text in the arena. It holds no pointer, so that the
// garbage collector passes over a list of millions.
type ref struct {
	block, offset uint32
	path, etag    uint32 // lengths in bytes; the etag follows the path, the MD5 the etag
	size          int64
}

// withMD5 is set in ref.etag if there is an MD5.
const withMD5 = 1 << 31

// Builder collects the entries of a manifest in any order. Its zero value is
// ready for use; it is for one goroutine.
type Builder struct {
	blocks [][]byte
	refs   []ref
}

// Add takes one listed image.
func (b *Builder) Add(e Entry) {
	if len(e.MD5) != md5.Size {
		e.MD5 = ""
	}
	need := len(e.Path) + len(e.ETag) + len(e.MD5)
	last := len(b.blocks) - 1
	if last < 0 || cap(b.blocks[last])-len(b.blocks[last]) < need {
		b.blocks = append(b.blocks, make([]byte, 0, max(need, blockSize)))
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
	b.blocks[last] = append(block, e.MD5...)
}

// BuildStats says what Build found.
type BuildStats struct {
	// Duplicates counts the entries dropped because their path was there
	// before; of several the one added last is kept.
	Duplicates int
}

// Build sorts the entries by the bytes of their paths, drops duplicates and
// returns the frozen manifest. The builder is empty afterwards.
func (b *Builder) Build() (*Manifest, BuildStats) {
	m := &Manifest{blocks: b.blocks, refs: b.refs}
	*b = Builder{}
	slices.SortFunc(m.refs, func(x, y ref) int {
		if c := strings.Compare(m.path(x), m.path(y)); c != 0 {
			return c
		}
		if x.block != y.block { // the one added last comes first, and is kept
			return int(y.block) - int(x.block)
		}
		return int(y.offset) - int(x.offset)
	})
	n := len(m.refs)
	m.refs = slices.CompactFunc(m.refs, func(x, y ref) bool { return m.path(x) == m.path(y) })
	stats := BuildStats{Duplicates: n - len(m.refs)}
	m.refs = slices.Clip(m.refs)
	return m, stats
}

// Manifest is the frozen, sorted list of the images of a job, without
// duplicates. It is compact (24 bytes an entry beside the text) and safe for
// use by any number of goroutines.
type Manifest struct {
	blocks [][]byte
	refs   []ref
	once   sync.Once
	sum    string
}

// text returns n bytes of the arena as a string without copying them. Blocks
// are never written again where text stands.
func (m *Manifest) text(block, offset, n uint32) string {
	if n == 0 {
		return ""
	}
	return unsafe.String(&m.blocks[block][offset], n)
}

func (m *Manifest) path(r ref) string { return m.text(r.block, r.offset, r.path) }

// Len is the number of entries.
func (m *Manifest) Len() int { return len(m.refs) }

// At returns entry i in the order of paths. It does not allocate: the strings
// lie in the manifest and keep it alive.
func (m *Manifest) At(i int) Entry {
	r := m.refs[i]
	etag := r.etag &^ withMD5
	e := Entry{Path: m.path(r), Size: r.size, ETag: m.text(r.block, r.offset+r.path, etag)}
	if r.etag&withMD5 != 0 {
		e.MD5 = m.text(r.block, r.offset+r.path+etag, md5.Size)
	}
	return e
}

// Find returns the index of the entry with that path.
func (m *Manifest) Find(path string) (int, bool) {
	return slices.BinarySearchFunc(m.refs, path, func(r ref, p string) int {
		return strings.Compare(m.path(r), p)
	})
}

// Head returns a manifest of the first n entries, which shares this one's
// memory; all of them when there are no more than n.
func (m *Manifest) Head(n int) *Manifest {
	if n >= len(m.refs) {
		return m
	}
	return &Manifest{blocks: m.blocks, refs: m.refs[:n:n]}
}

// Digest identifies the manifest: "sha256:" and the hex SHA-256 of its encoded
// form up to the trailer line.
func (m *Manifest) Digest() string {
	m.once.Do(func() {
		if m.sum == "" {
			h := sha256.New()
			_ = m.encodeBody(h) // a hash takes every write
			m.sum = digestOf(h)
		}
	})
	return m.sum
}

func digestOf(h hash.Hash) string { return digestPrefix + hexSum(h) }
