package native

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"slices"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// This file reads the boxes of HEIF: of which size the picture is, how it is turned, and
// whether the file ends before it does.

var (
	errCut    = errors.New("ends within a box")
	errDamage = errors.New("a box that cannot be read")
	errMany   = errors.New("more items, references or properties than a picture has")
)

// boxes calls yield with each box in b, until it returns an error. The last one may be
// longer than b: its body is then cut, and whole is false.
func boxes(b []byte, yield func(kind string, body []byte, whole bool) error) error {
	for len(b) > 0 {
		if len(b) < 8 {
			return errCut
		}
		size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
		kind := string(b[4:8])
		switch size {
		case 0:
			size = uint64(len(b))
		case 1:
			if len(b) < 16 {
				return errCut
			}
			size, head = binary.BigEndian.Uint64(b[8:]), 16
		}
		if size < head {
			return errDamage
		}
		end := min(size, uint64(len(b)))
		if err := yield(kind, b[head:end], end == size); err != nil {
			return err
		}
		b = b[end:]
	}
	return nil
}

// A fields reads the fields of a box. After its end they are 0 and short is true.
type fields struct {
	b     []byte
	short bool
}

func (f *fields) bytes(n int) []byte {
	if n > len(f.b) {
		f.b, f.short = nil, true
		return make([]byte, min(n, 8))
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}

// uint reads an integer of 0 to 8 bytes.
func (f *fields) uint(n int) (v uint64) {
	for _, c := range f.bytes(n) {
		v = v<<8 | uint64(c)
	}
	return v
}

// full reads the version and the flags of a box.
func (f *fields) full() (version byte, flags uint32) {
	v := f.uint(4)
	return byte(v >> 24), uint32(v & 0xffffff)
}

// What is kept of a file's boxes is bounded, since a few bytes of it may stand for more memory.
// Pictures have one item for each tile of theirs, and few properties.
const (
	mostItems      = 1 << 17 // and references between them
	mostProperties = 1 << 15 // as many as an index of 15 bits tells apart
	mostOfItem     = 255     // properties
)

type item struct {
	kind       string
	end        uint64 // of its data in the file: where the last of its extents ends
	properties []int  // in the order in which they apply
}

type property struct {
	kind string
	body []byte
}

// A meta is what the box of that name says.
type meta struct {
	primary    uint32
	items      map[uint32]*item
	properties []property
	parts      map[uint32][]uint32 // the items of which one is made
	auxiliary  map[uint32][]uint32 // such as the alpha of one
	references int                 // in parts and auxiliary
}

// item returns an item, or nil for one more than mostItems.
func (m *meta) item(id uint32) *item {
	i := m.items[id]
	if i == nil && len(m.items) < mostItems {
		i = &item{}
		m.items[id] = i
	}
	return i
}

// readMeta reads the body of a box "meta".
func readMeta(body []byte) (*meta, error) {
	m := &meta{items: map[uint32]*item{}, parts: map[uint32][]uint32{}, auxiliary: map[uint32][]uint32{}}
	f := fields{b: body}
	f.full()
	err := boxes(f.b, func(kind string, body []byte, whole bool) error {
		if !whole {
			return errCut
		}
		f := fields{b: body}
		switch kind {
		case "pitm":
			size := 2
			if version, _ := f.full(); version > 0 {
				size = 4
			}
			m.primary = uint32(f.uint(size))
		case "iinf":
			return m.readInfos(&f)
		case "iloc":
			return m.readLocations(&f)
		case "iprp":
			return m.readProperties(f.b)
		case "iref":
			return m.readReferences(&f)
		}
		if f.short {
			return errDamage
		}
		return nil
	})
	return m, err
}

func (m *meta) readInfos(f *fields) error {
	size := 2
	if version, _ := f.full(); version > 0 {
		size = 4
	}
	f.uint(size)
	return boxes(f.b, func(kind string, body []byte, whole bool) error {
		f := fields{b: body}
		version, _ := f.full()
		if kind != "infe" || version < 2 {
			return nil
		}
		size := 2
		if version > 2 {
			size = 4
		}
		id := uint32(f.uint(size))
		f.uint(2)
		i := m.item(id)
		if i == nil {
			return errMany
		}
		i.kind = string(f.bytes(4))
		return nil
	})
}

func (m *meta) readLocations(f *fields) error {
	version, _ := f.full()
	sizes := f.uint(2)
	offset, length, base, index := int(sizes>>12), int(sizes>>8&15), int(sizes>>4&15), int(sizes&15)
	if version == 0 {
		index = 0
	}
	idSize := 2
	if version > 1 {
		idSize = 4
	}
	for n := f.uint(idSize); n > 0 && !f.short; n-- {
		id, method := uint32(f.uint(idSize)), uint64(0)
		if version > 0 {
			method = f.uint(2) & 15
		}
		f.uint(2)
		start, extents := f.uint(base), f.uint(2)
		if index+offset+length == 0 { // they take no bytes, and are all the same
			extents = min(extents, 1)
		}
		if extents == 0 || method != 0 {
			f.bytes(int(extents) * (index + offset + length))
			continue
		}
		i := m.item(id)
		if i == nil {
			return errMany
		}
		for ; extents > 0 && !f.short; extents-- {
			f.uint(index)
			at, long := start+f.uint(offset), f.uint(length)
			if end, carry := bits.Add64(at, long, 0); carry > 0 {
				i.end = math.MaxUint64
			} else if !f.short {
				i.end = max(i.end, end)
			}
		}
	}
	if f.short {
		return errDamage
	}
	return nil
}

func (m *meta) readProperties(b []byte) error {
	return boxes(b, func(kind string, body []byte, whole bool) error {
		switch kind {
		case "ipco":
			return boxes(body, func(kind string, body []byte, whole bool) error {
				if len(m.properties) == mostProperties {
					return errMany
				}
				m.properties = append(m.properties, property{kind, body})
				return nil
			})
		case "ipma":
			f := fields{b: body}
			version, flags := f.full()
			for n := f.uint(4); n > 0 && !f.short; n-- {
				size := 2
				if version > 0 {
					size = 4
				}
				i := m.item(uint32(f.uint(size)))
				if i == nil {
					return errMany
				}
				for a := f.uint(1); a > 0 && !f.short; a-- {
					index := int(f.uint(1) & 0x7f)
					if flags&1 != 0 {
						index = index<<8 | int(f.uint(1))
					}
					if len(i.properties) == mostOfItem {
						return errMany
					}
					i.properties = append(i.properties, index-1)
				}
			}
		}
		return nil
	})
}

func (m *meta) readReferences(f *fields) error {
	size := 2
	if version, _ := f.full(); version > 0 {
		size = 4
	}
	return boxes(f.b, func(kind string, body []byte, whole bool) error {
		f := fields{b: body}
		from := uint32(f.uint(size))
		for n := f.uint(2); n > 0 && !f.short; n-- {
			to := uint32(f.uint(size))
			if m.references++; m.references > mostItems {
				return errMany
			}
			switch kind {
			case "dimg":
				m.parts[from] = append(m.parts[from], to)
			case "auxl":
				m.auxiliary[to] = append(m.auxiliary[to], from)
			}
		}
		return nil
	})
}

// cut reports whether the data of an item, or of those it is made of, are not all in a file
// of so many bytes.
func (m *meta) cut(id uint32, size uint64) bool {
	seen := map[uint32]bool{}
	todo := []uint32{id}
	for len(todo) > 0 {
		id, todo = todo[len(todo)-1], todo[:len(todo)-1]
		i := m.items[id]
		if seen[id] || i == nil {
			continue
		}
		seen[id] = true
		if i.end > size {
			return true
		}
		todo = append(append(todo, m.parts[id]...), m.auxiliary[id]...)
	}
	return false
}

// of yields the properties of an item in their order.
func (m *meta) of(id uint32) (list []property) {
	i := m.items[id]
	if i == nil {
		return nil
	}
	for _, index := range i.properties {
		if index >= 0 && index < len(m.properties) {
			list = append(list, m.properties[index])
		}
	}
	return list
}

// A picture is what a file of HEIF says of its primary one.
type picture struct {
	width, height int // as it is coded
	turns         []property
	samples       samples
	tiles         bool
	alpha         bool
}

// samples is how many bytes the planes of a pixel take, the worst of all items.
type samples struct {
	bits   int
	chroma int // 0 for none, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4
}

func (s samples) bytes() float64 {
	each := 1.0
	if s.bits > 8 {
		each = 2
	}
	return each * []float64{1, 1.5, 2, 3}[s.chroma&3]
}

// readPicture reads the boxes of a file up to the picture's.
func readPicture(src []byte) (p picture, fail *codec.Failure) {
	var m *meta
	moving := false
	err := boxes(src, func(kind string, body []byte, whole bool) (err error) {
		if kind == "meta" && m == nil {
			if !whole {
				return errCut
			}
			m, err = readMeta(body)
		}
		moving = moving || kind == "moov"
		return err
	})
	switch {
	case errors.Is(err, errDamage), errors.Is(err, errMany):
		return p, codec.Fail(codec.StatusCorrupt, "%v", err)
	case m == nil && err != nil:
		return p, codec.Fail(codec.StatusTruncated, "%v", err)
	case m == nil && moving:
		return p, codec.Fail(codec.StatusUnsupported, "no still picture in it")
	case m == nil:
		return p, codec.Fail(codec.StatusTruncated, "ends before its picture")
	case m.primary == 0:
		return p, codec.Fail(codec.StatusCorrupt, "no primary picture")
	case m.cut(m.primary, uint64(len(src))):
		return p, codec.Fail(codec.StatusTruncated, "ends before its picture does")
	}
	for _, property := range m.of(m.primary) {
		f := fields{b: property.body}
		switch property.kind {
		case "ispe":
			f.full()
			if w, h := f.uint(4), f.uint(4); !f.short && w <= math.MaxInt32 && h <= math.MaxInt32 {
				p.width, p.height = int(w), int(h)
			}
		case "clap", "irot", "imir":
			p.turns = append(p.turns, property)
		}
	}
	if p.width < 1 || p.height < 1 {
		return p, codec.Fail(codec.StatusCorrupt, "no size of its picture")
	}
	p.samples = samples{bits: 8, chroma: 1}
	for _, property := range m.properties {
		f := fields{b: property.body}
		switch {
		case property.kind == "hvcC" && len(f.b) > 18:
			p.samples.chroma = max(p.samples.chroma, int(f.b[16]&3))
			p.samples.bits = max(p.samples.bits, 8+int(f.b[17]&7))
		case property.kind == "av1C" && len(f.b) > 3:
			flags := f.b[2]
			if flags&0x40 != 0 {
				p.samples.bits = 12
			}
			if flags&0x08 == 0 {
				p.samples.chroma = 3
			} else if flags&0x04 == 0 {
				p.samples.chroma = max(p.samples.chroma, 2)
			}
		}
	}
	p.tiles = len(m.parts[m.primary]) > 0
	p.alpha = len(m.auxiliary[m.primary]) > 0 || slices.ContainsFunc(m.parts[m.primary], func(id uint32) bool { return len(m.auxiliary[id]) > 0 })
	return p, nil
}
