package webp

// A header reads what VP8L data have before their pixels, to find what golang.org/x/image/vp8l
// allocates for it. It keeps no pixel: a copy of pixels or a colour of the cache adds no value
// that the image had not before, and the length of both is in the codes. ok becomes false at
// the end of the data and at all that libwebp refuses.
type header struct {
	data  []byte
	at    int // in bits
	ok    bool
	bytes int64
}

// bit reads a bit.
func (h *header) bit() int {
	if h.at>>3 >= len(h.data) {
		h.ok = false
		return 0
	}
	b := int(h.data[h.at>>3]>>(h.at&7)) & 1
	h.at++
	return b
}

// read reads n bits, the lowest first.
func (h *header) read(n int) int {
	v := 0
	for i := range n {
		v |= h.bit() << i
	}
	return v
}

// take counts an allocation of n bytes, which Go rounds up: a small one by an eighth at most, a
// large one to whole pages.
func (h *header) take(n int64) {
	const page = 8 << 10
	h.bytes += n + min(n/8, page)
}

// longestCode is how many bits a code has at most.
const longestCode = 15

// A tree is a canonical Huffman code.
type tree struct {
	symbols []uint16 // by code
	count   [longestCode + 1]int
}

// next reads a symbol.
func (t *tree) next(h *header) int {
	if len(t.symbols) == 1 {
		return int(t.symbols[0])
	}
	code, first, index := 0, 0, 0
	for _, n := range t.count[1:] {
		code |= h.bit()
		if code-first < n {
			return int(t.symbols[index+code-first])
		}
		index += n
		first = (first + n) << 1
		code <<= 1
	}
	h.ok = false
	return 0
}

// set makes the code of these lengths, 0 for a symbol that has none. It reports whether they
// are those of a complete code.
func (t *tree) set(lengths []uint8) bool {
	t.count = [longestCode + 1]int{}
	for _, n := range lengths {
		t.count[n]++
	}
	used := len(lengths) - t.count[0]
	t.count[0] = 0
	var at [longestCode + 2]int
	left := 1
	for n, c := range t.count {
		at[n+1] = at[n] + c
		if n > 0 {
			left = left<<1 - c
		}
		if left < 0 {
			return false
		}
	}
	t.symbols = append(t.symbols[:0], make([]uint16, used)...)
	for symbol, n := range lengths {
		if n > 0 {
			t.symbols[at[n]] = uint16(symbol)
			at[n]++
		}
	}
	return left == 0 || used == 1
}

// The symbols of the five trees of a group.
const (
	literals  = 256
	lengths   = 24
	distances = 40
)

// alphabets are the symbols of each tree, without those of the colour cache.
var alphabets = [5]int{literals + lengths, literals, literals, literals, distances}

// A group is the trees of green, lengths and cached colours, of red, blue, alpha, and
// distances.
type group [len(alphabets)]tree

// groups reads n groups into the same memory, with a cache of so many colours.
func (h *header) groups(g *group, n, cached int) {
	for range n {
		for i, alphabet := range alphabets {
			if i == 0 {
				alphabet += cached
			}
			if h.tree(&g[i], alphabet); !h.ok {
				return
			}
		}
	}
}

// tree reads a tree of an alphabet.
func (h *header) tree(t *tree, alphabet int) {
	const node = 8
	defer func() { h.take(int64(2*len(t.symbols)) * node) }()
	if h.bit() == 1 { // of one or two symbols
		two, wide := h.bit(), h.bit()
		t.symbols, t.count = append(t.symbols[:0], uint16(h.read(1+7*wide))), [longestCode + 1]int{}
		if two == 1 {
			t.symbols, t.count[1] = append(t.symbols, uint16(h.read(8))), 2
		}
		for _, s := range t.symbols {
			h.ok = h.ok && int(s) < alphabet
		}
		return
	}
	h.take(2 * 4 * int64(alphabet)) // lengths and codes
	const ofLengths = 512           // the same of these lengths' tree
	h.take(ofLengths)
	var lengths [literals + lengths + 1<<11]uint8
	h.ok = h.lengths(t, lengths[:alphabet]) && h.ok && t.set(lengths[:alphabet])
}

// lengths reads the lengths of codes, which are coded themselves. It may overwrite t.
func (h *header) lengths(t *tree, out []uint8) bool {
	var coded [19]uint8
	for i := range 4 + h.read(4) {
		coded["\x11\x12\x00\x01\x02\x03\x04\x05\x10\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"[i]] = uint8(h.read(3))
	}
	if !t.set(coded[:]) {
		return false
	}
	most := len(out)
	if h.bit() == 1 {
		most = 2 + h.read(2+2*h.read(3))
	}
	if most > len(out) {
		return false
	}
	previous := uint8(8)
	for i := 0; i < len(out) && most > 0 && h.ok; most-- {
		s := t.next(h)
		n, repeated := 1, uint8(s)
		switch s {
		case 16:
			n, repeated = 3+h.read(2), previous
		case 17:
			n, repeated = 3+h.read(3), 0
		case 18:
			n, repeated = 11+h.read(7), 0
		default:
			if s > 0 {
				previous = repeated
			}
		}
		if i+n > len(out) {
			return false
		}
		for range n {
			out[i] = repeated
			i++
		}
	}
	return true
}

// cache reads the size of the colour cache: 0 for none.
func (h *header) cache() int {
	if h.bit() == 0 {
		return 0
	}
	bits := h.read(4)
	if bits < 1 || bits > 11 {
		h.ok = false
		return 0
	}
	h.take(4 << bits)
	return 1 << bits
}

// mostGroups is how many groups x/image/vp8l takes.
const mostGroups = 2600

// groupBytes is what a group takes besides its trees' nodes.
const groupBytes = 5 * (24 + 512) // a slice and a table for each tree

// pixels reads an image of w x h pixels inside the header, and calls yield with red and green
// of those that are not copies.
func (h *header) pixels(w, height int, yield func(red, green int)) {
	cached := h.cache()
	var g group
	h.take(groupBytes)
	if h.groups(&g, 1, cached); !h.ok {
		return
	}
	h.take(4 * int64(w) * int64(height))
	for left := w * height; left > 0 && h.ok; {
		green := g[0].next(h)
		switch {
		case green < literals:
			yield(g[1].next(h), green)
			g[2].next(h)
			g[3].next(h)
			left--
		case green < literals+lengths:
			left -= h.number(green - literals)
			h.number(g[4].next(h))
		default:
			yield(0, 0) // what the cache holds at first
			left--
		}
	}
}

// number reads the rest of a length or distance.
func (h *header) number(symbol int) int {
	if symbol < 4 {
		return symbol + 1
	}
	extra := (symbol - 2) >> 1
	return (2+symbol&1)<<extra + h.read(extra) + 1
}

// allocated returns what is allocated for an image of w x height pixels whose data, after the
// sides, begin here. It reports whether the data are whole that far.
func allocated(data []byte, w, height int) (int64, bool) {
	h := &header{data: data, ok: true}
	tiles := func(n, bits int) int { return (n + 1<<bits - 1) >> bits }
	none := func(int, int) {}
	seen, all := [4]bool{}, w
	for h.bit() == 1 && h.ok {
		kind := h.read(2)
		h.ok = h.ok && !seen[kind]
		seen[kind] = true
		const green, palette = 2, 3
		switch kind {
		case green:
		case palette:
			n := 1 + h.read(8)
			h.take(4 * 256)
			h.pixels(n, 1, none)
			switch {
			case n <= 2:
				w = tiles(w, 3)
			case n <= 4:
				w = tiles(w, 2)
			case n <= 16:
				w = tiles(w, 1)
			}
		default: // predictor, colours
			bits := 2 + h.read(3)
			h.pixels(tiles(w, bits), tiles(height, bits), none)
		}
	}
	cached, n := h.cache(), 1
	if h.bit() == 1 && h.ok {
		bits := 2 + h.read(3)
		across, down := tiles(w, bits), tiles(height, bits)
		var used [1 << 16]bool
		h.pixels(across, down, func(red, green int) { used[red<<8|green] = true })
		kept := 0
		for i, is := range used {
			if is {
				n = i + 1
				kept++
			}
		}
		if n > mostGroups && h.ok {
			return h.bytes, true // x/image/vp8l fails
		}
		if n <= 1000 && n <= across*down {
			kept = n // only if they are many, does it leave out those that are not used
		}
		h.take(2*int64(n) + int64(kept)*groupBytes)
	} else {
		h.take(groupBytes)
	}
	if h.groups(&group{}, n, cached); !h.ok {
		return 0, false
	}
	h.take(4 * int64(w) * int64(height))
	if w < all {
		h.take(4 * int64(all) * int64(height))
	}
	return h.bytes, true
}
