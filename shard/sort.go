package shard

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// few is the number of entries up to which whole paths are compared.
const few = 16

// sort sorts the run that is being filled and drops its duplicates.
func (b *Builder) sort() {
	b.order(b.refs, 0)
	n := len(b.refs)
	b.refs = slices.CompactFunc(b.refs, func(x, y ref) bool { return b.path(x) == b.path(y) })
	b.duplicates += n - len(b.refs)
}

// order sorts entries whose paths agree in their first depth bytes. It compares
// eight bytes at a time, from where the paths differ. These are stored in the refs,
// so it need not look at the paths, which are scattered over the arena.
func (b *Builder) order(refs []ref, depth int) {
	if len(refs) <= few {
		b.orderFew(refs, depth)
		return
	}
	depth = b.agree(refs, depth)
	for i := range refs {
		refs[i].key = eight(b.path(refs[i])[depth:])
	}
	slices.SortFunc(refs, func(x, y ref) int { return cmp.Compare(x.key, y.key) })
	for len(refs) > 0 {
		n, ends := 0, false
		for ; n < len(refs) && refs[n].key == refs[0].key; n++ {
			ends = ends || int(refs[n].path) < depth+8
		}
		if ends {
			b.orderFew(refs[:n], depth)
		} else {
			b.order(refs[:n], depth+8)
		}
		refs = refs[n:]
	}
}

// orderFew sorts by comparing whole paths. Among equal paths, the one added last
// comes first and is kept.
func (b *Builder) orderFew(refs []ref, depth int) {
	slices.SortFunc(refs, func(x, y ref) int {
		return cmp.Or(
			strings.Compare(b.path(x)[depth:], b.path(y)[depth:]),
			cmp.Compare(y.block, x.block),
			cmp.Compare(y.offset, x.offset),
		)
	})
}

// agree returns the length of the common prefix of the paths, which is at least
// depth.
func (b *Builder) agree(refs []ref, depth int) int {
	first := b.path(refs[0])
	for _, r := range refs[1:] {
		path := b.path(r)
		n := depth
		for n < len(first) && n < len(path) && first[n] == path[n] {
			n++
		}
		if first = first[:n]; n == depth {
			break
		}
	}
	return len(first)
}

// eight returns the first eight bytes of s, padded with zeros, as a number that
// compares as they do.
func eight(s string) uint64 {
	if len(s) >= 8 {
		s = s[:8]
		return uint64(s[0])<<56 | uint64(s[1])<<48 | uint64(s[2])<<40 | uint64(s[3])<<32 |
			uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7])
	}
	var b [8]byte
	copy(b[:], s)
	return binary.BigEndian.Uint64(b[:])
}
