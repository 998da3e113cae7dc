package tiff

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/ifd"
)

// Tags that decide where the pixels are and what they mean.
const (
	tagImageWidth          = 256
	tagImageLength         = 257
	tagBitsPerSample       = 258
	tagCompression         = 259
	tagPhotometric         = 262
	tagFillOrder           = 266
	tagStripOffsets        = 273
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
	tagJPEGTables          = 347
	tagJPEGProc            = 512
	tagJPEGOffset          = 513
	tagJPEGLength          = 514
	tagJPEGRestart         = 515
	tagJPEGQTables         = 519
	tagJPEGDCTables        = 520
	tagJPEGACTables        = 521
	tagYCbCrCoefficients   = 529
	tagYCbCrSubSampling    = 530
	tagReferenceBlackWhite = 532
	tagXMP                 = 700
	tagImageDepth          = 32997
)

var tagNames = map[uint16]string{
	tagImageWidth: "ImageWidth", tagImageLength: "ImageLength", tagBitsPerSample: "BitsPerSample",
	tagCompression: "Compression", tagPhotometric: "PhotometricInterpretation", tagFillOrder: "FillOrder",
	tagStripOffsets: "StripOffsets", tagSamplesPerPixel: "SamplesPerPixel",
	tagRowsPerStrip: "RowsPerStrip", tagStripByteCounts: "StripByteCounts",
	tagPlanarConfiguration: "PlanarConfiguration", tagT4Options: "T4Options", tagPredictor: "Predictor",
	tagColorMap: "ColorMap", tagTileWidth: "TileWidth", tagTileLength: "TileLength",
	tagTileOffsets: "TileOffsets", tagTileByteCounts: "TileByteCounts", tagExtraSamples: "ExtraSamples",
	tagSampleFormat: "SampleFormat", tagXMP: "XMP", tagImageDepth: "ImageDepth", tagJPEGTables: "JPEGTables",
	tagJPEGProc: "JPEGProc", tagJPEGOffset: "JPEGInterchangeFormat", tagJPEGLength: "JPEGInterchangeFormatLength",
	tagJPEGRestart: "JPEGRestartInterval", tagJPEGQTables: "JPEGQTables", tagJPEGDCTables: "JPEGDCTables",
	tagJPEGACTables: "JPEGACTables", tagYCbCrCoefficients: "YCbCrCoefficients", tagYCbCrSubSampling: "YCbCrSubSampling",
	tagReferenceBlackWhite: "ReferenceBlackWhite",
}

// A field is one entry of a directory, with its values.
type field struct {
	kind   uint16
	count  uint64
	values []byte // nil where they cannot be read
	fail   *codec.Failure
}

// A directory is the first directory of a TIFF. The first of several fields with one tag
// counts. The order of the tags does not matter.
type directory struct {
	order  binary.ByteOrder
	fields map[uint16]field
	fail   *codec.Failure // of the first tag that was needed and cannot be read
}

func readDirectory(src []byte) (*directory, *codec.Failure) {
	order, ok := ifd.ByteOrder(src)
	if !ok {
		return nil, codec.Fail(codec.StatusTruncated, "ends within the header")
	}
	first, ok := ifd.First(src, order)
	if !ok {
		return nil, codec.Fail(codec.StatusTruncated, "the first directory is past the end")
	}
	if first.Len() < first.Entries {
		return nil, codec.Fail(codec.StatusTruncated, "ends within the first directory")
	}
	d := &directory{order: order, fields: make(map[uint16]field)}
	size := uint64(len(src))
	for i := range first.Len() {
		e := first.At(i)
		tag := e.Tag
		if _, twice := d.fields[tag]; twice || tagNames[tag] == "" {
			continue
		}
		f := field{kind: e.Type, count: e.Count}
		var ok bool
		f.values, ok = e.Values(src)
		switch {
		case ok:
		case e.Size() == 0:
			f.fail = unsupportedTag(tag, fmt.Sprintf("has type %d", f.kind))
		case e.Count > size || e.Size()*e.Count > size:
			f.fail = codec.Fail(codec.StatusCorrupt, "%s has %d values", tagName(tag), f.count)
		default:
			f.fail = codec.Fail(codec.StatusTruncated, "the values of %s are past the end", tagName(tag))
		}
		d.fields[tag] = f
	}
	return d, nil
}

func tagName(tag uint16) string { return fmt.Sprintf("%s (tag %d)", tagNames[tag], tag) }

// unsupportedTag returns the failure of a tag, or of a value of it, that is not decoded.
func unsupportedTag(tag uint16, what string) *codec.Failure {
	return codec.Fail(codec.StatusUnsupported, "TIFF whose %s %s is not decoded", tagName(tag), what)
}

func (d *directory) has(tag uint16) bool {
	_, ok := d.fields[tag]
	return ok
}

// refuse keeps the first failure.
func (d *directory) refuse(f *codec.Failure) {
	if d.fail == nil {
		d.fail = f
	}
}

// list returns the field of a tag whose values are whole numbers. It returns an empty field
// if there is no such tag, or if it cannot be read; then d.fail says why.
func (d *directory) list(tag uint16) field {
	f, ok := d.fields[tag]
	if !ok {
		return f
	}
	switch {
	case f.fail != nil:
		d.refuse(f.fail)
		return field{}
	case f.count == 0:
		d.refuse(codec.Fail(codec.StatusCorrupt, "%s has no value", tagName(tag)))
		return field{}
	}
	switch f.kind {
	case ifd.Short, ifd.Long, ifd.SByte, ifd.SShort, ifd.SLong, ifd.IFD, ifd.Long8, ifd.SLong8, ifd.IFD8:
		return f
	}
	d.refuse(unsupportedTag(tag, fmt.Sprintf("of type %d", f.kind)))
	return field{}
}

// one returns the only value of a tag, or absent if there is no such tag.
func (d *directory) one(tag uint16, absent uint64) uint64 {
	f := d.list(tag)
	switch {
	case f.count == 0:
		return absent
	case f.count > 1 && tag != tagCompression: // which TIFF 5 repeated for each sample
		d.refuse(unsupportedTag(tag, fmt.Sprintf("of %d values", f.count)))
	}
	return d.at(f, 0)
}

// at returns value i. A negative value becomes a huge number.
func (d *directory) at(f field, i int) uint64 {
	switch f.kind {
	case ifd.Short:
		return uint64(d.order.Uint16(f.values[2*i:]))
	case ifd.Long, ifd.IFD:
		return uint64(d.order.Uint32(f.values[4*i:]))
	case ifd.Long8, ifd.SLong8, ifd.IFD8:
		return d.order.Uint64(f.values[8*i:])
	case ifd.SByte:
		return uint64(int64(int8(f.values[i])))
	case ifd.SShort:
		return uint64(int64(int16(d.order.Uint16(f.values[2*i:]))))
	case ifd.SLong:
		return uint64(int64(int32(d.order.Uint32(f.values[4*i:]))))
	}
	return math.MaxUint64
}

// numbers returns the values of a tag of rational or real numbers, or absent if there are not
// as many or they are of another type.
func (d *directory) numbers(tag uint16, absent ...float32) []float32 {
	f := d.fields[tag]
	if f.fail != nil || f.count < uint64(len(absent)) {
		return absent
	}
	out := make([]float32, len(absent))
	for i := range out {
		switch f.kind {
		case ifd.Rational, ifd.SRational:
			num, den := d.order.Uint32(f.values[8*i:]), d.order.Uint32(f.values[8*i+4:])
			switch {
			case den == 0:
				out[i] = 0
			case f.kind == ifd.SRational:
				out[i] = float32(float64(int32(num)) / float64(int32(den)))
			default:
				out[i] = float32(float64(num) / float64(den))
			}
		case ifd.Float:
			out[i] = math.Float32frombits(d.order.Uint32(f.values[4*i:]))
		case ifd.Short:
			out[i] = float32(d.order.Uint16(f.values[2*i:]))
		case ifd.Long:
			out[i] = float32(d.order.Uint32(f.values[4*i:]))
		default:
			return absent
		}
	}
	return out
}
