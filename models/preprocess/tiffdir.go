package preprocess

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Tags of a TIFF directory that decide where the pixels are and what they mean.
const (
	tagImageWidth          = 256
	tagImageLength         = 257
	tagBitsPerSample       = 258
	tagCompression         = 259
	tagPhotometric         = 262
	tagFillOrder           = 266
	tagStripOffsets        = 273
	tagOrientation         = 274
	tagSamplesPerPixel     = 277
	tagRowsPerStrip        = 278
	tagStripByteCounts     = 279
	tagPlanarConfiguration = 284
	tagT4Options           = 292
	tagPredictor           = 317
	tagColorMap            = 320
	tagTileWidth           = 322
	tagTileLength          = 323
	tagTileOffsets         = 324
	tagTileByteCounts      = 325
	tagExtraSamples        = 338
	tagSampleFormat        = 339
	tagXMP                 = 700
	tagImageDepth          = 32997
)

var tiffTagNames = map[uint16]string{
	tagImageWidth: "ImageWidth", tagImageLength: "ImageLength", tagBitsPerSample: "BitsPerSample",
	tagCompression: "Compression", tagPhotometric: "PhotometricInterpretation", tagFillOrder: "FillOrder",
	tagStripOffsets: "StripOffsets", tagSamplesPerPixel: "SamplesPerPixel",
	tagRowsPerStrip: "RowsPerStrip", tagStripByteCounts: "StripByteCounts",
	tagPlanarConfiguration: "PlanarConfiguration", tagT4Options: "T4Options", tagPredictor: "Predictor",
	tagColorMap: "ColorMap", tagTileWidth: "TileWidth", tagTileLength: "TileLength",
	tagTileOffsets: "TileOffsets", tagTileByteCounts: "TileByteCounts", tagExtraSamples: "ExtraSamples",
	tagSampleFormat: "SampleFormat", tagXMP: "XMP", tagImageDepth: "ImageDepth",
}

// Types of a field's values that are read here; the others only have a size.
const (
	typeByte      = 1
	typeASCII     = 2
	typeShort     = 3
	typeLong      = 4
	typeRational  = 5
	typeSByte     = 6
	typeUndefined = 7
	typeSShort    = 8
	typeSLong     = 9
	typeSRational = 10
	typeFloat     = 11
	typeDouble    = 12
	typeIFD       = 13
	typeLong8     = 16
)

// tiffTypeSizes has the bytes of one value of each type; 0 for unknown types.
var tiffTypeSizes = [...]uint64{typeByte: 1, typeASCII: 1, typeShort: 2, typeLong: 4, typeRational: 8, typeSByte: 1,
	typeUndefined: 1, typeSShort: 2, typeSLong: 4, typeSRational: 8, typeFloat: 4, typeDouble: 8, typeIFD: 4, typeLong8: 8}

func tiffTypeSize(kind uint16) uint64 {
	if int(kind) >= len(tiffTypeSizes) {
		return 0
	}
	return tiffTypeSizes[kind]
}

// tiffByteOrder reads the first bytes of a TIFF structure. EXIF is also found
// with the other byte order's number 42, and Pillow takes even the number 43 of
// BigTIFF in one of them.
func tiffByteOrder(b []byte) (binary.ByteOrder, bool) {
	if len(b) < 8 {
		return nil, false
	}
	switch string(b[:4]) {
	case "II*\x00", "II\x00*":
		return binary.LittleEndian, true
	case "MM\x00*", "MM*\x00", "MM\x00+":
		return binary.BigEndian, true
	}
	return nil, false
}

// A tiffField is one entry of a directory, with its values where they are.
type tiffField struct {
	kind   uint16
	count  uint64
	values []byte // nil where they are not in the file
	fail   *Failure
}

// A tiffDir is the first directory of a TIFF. The first of several fields with
// one tag counts, and their order doesn't matter.
type tiffDir struct {
	order  binary.ByteOrder
	fields map[uint16]tiffField
	fail   *Failure // of the first tag asked for that cannot be read
}

func readTIFFDir(src []byte) (*tiffDir, *Failure) {
	order, ok := tiffByteOrder(src)
	if !ok {
		return nil, &Failure{StatusTruncated, "ends within the header"}
	}
	d := &tiffDir{order: order, fields: make(map[uint16]tiffField)}
	size := uint64(len(src))
	at := uint64(order.Uint32(src[4:]))
	if at+2 > size {
		return nil, &Failure{StatusTruncated, "the first directory is past the end"}
	}
	n := uint64(order.Uint16(src[at:]))
	at += 2
	if at+12*n > size {
		return nil, &Failure{StatusTruncated, "ends within the first directory"}
	}
	for ; n > 0; n-- {
		e := src[at:][:12]
		at += 12
		tag := order.Uint16(e)
		if _, twice := d.fields[tag]; twice || tiffTagNames[tag] == "" {
			continue
		}
		f := tiffField{kind: order.Uint16(e[2:]), count: uint64(order.Uint32(e[4:]))}
		switch unit := tiffTypeSize(f.kind); {
		case unit == 0:
			f.fail = unsupportedTag(tag, fmt.Sprintf("has type %d", f.kind))
		case unit*f.count <= 4:
			f.values = e[8:][:unit*f.count]
		case unit*f.count > size:
			f.fail = &Failure{StatusCorrupt, fmt.Sprintf("%s has %d values", tagName(tag), f.count)}
		case uint64(order.Uint32(e[8:]))+unit*f.count > size:
			f.fail = &Failure{StatusTruncated, fmt.Sprintf("the values of %s are past the end", tagName(tag))}
		default:
			f.values = src[order.Uint32(e[8:]):][:unit*f.count]
		}
		d.fields[tag] = f
	}
	return d, nil
}

func tagName(tag uint16) string { return fmt.Sprintf("%s (tag %d)", tiffTagNames[tag], tag) }

// unsupportedTag reports whether a tag, or a value of it, is not decoded.
func unsupportedTag(tag uint16, what string) *Failure {
	return &Failure{StatusUnsupported, fmt.Sprintf("TIFF whose %s %s is not decoded", tagName(tag), what)}
}

func (d *tiffDir) has(tag uint16) bool {
	_, ok := d.fields[tag]
	return ok
}

// refuse keeps the first reason.
func (d *tiffDir) refuse(f *Failure) {
	if d.fail == nil {
		d.fail = f
	}
}

// list returns the field of a tag whose values are whole numbers; an empty one
// without such a tag or where it cannot be read, which d.fail then says.
func (d *tiffDir) list(tag uint16) tiffField {
	f, ok := d.fields[tag]
	if !ok {
		return f
	}
	switch {
	case f.fail != nil:
		d.refuse(f.fail)
		return tiffField{}
	case f.count == 0:
		d.refuse(&Failure{StatusCorrupt, tagName(tag) + " has no value"})
		return tiffField{}
	}
	switch f.kind {
	case typeShort, typeLong, typeSByte, typeSShort, typeSLong, typeIFD, typeLong8:
		return f
	}
	d.refuse(unsupportedTag(tag, fmt.Sprintf("of type %d", f.kind)))
	return tiffField{}
}

// one returns the only value of a tag, or absent where there is no such tag.
func (d *tiffDir) one(tag uint16, absent uint64) uint64 {
	f := d.list(tag)
	switch {
	case f.count == 0:
		return absent
	case f.count > 1 && tag != tagCompression: // which TIFF 5 repeated for each sample
		d.refuse(unsupportedTag(tag, fmt.Sprintf("of %d values", f.count)))
	}
	return d.at(f, 0)
}

// at returns the value of index i; a negative one as a huge number.
func (d *tiffDir) at(f tiffField, i int) uint64 {
	switch f.kind {
	case typeShort:
		return uint64(d.order.Uint16(f.values[2*i:]))
	case typeLong, typeIFD:
		return uint64(d.order.Uint32(f.values[4*i:]))
	case typeLong8:
		return d.order.Uint64(f.values[8*i:])
	case typeSByte:
		return uint64(int64(int8(f.values[i])))
	case typeSShort:
		return uint64(int64(int16(d.order.Uint16(f.values[2*i:]))))
	case typeSLong:
		return uint64(int64(int32(d.order.Uint32(f.values[4*i:]))))
	}
	return math.MaxUint64
}
