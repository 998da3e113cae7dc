// Package tiff decodes the first picture of TIFF files as libtiff does, and as Pillow does
// where no compression is involved. Only what both agree on is decoded: a tag that changes
// the meaning of the pixels must have a value that is known here. Otherwise the picture is
// unsupported, and the reason names the tag.
package tiff

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/exif"
	"github.com/batchscore/batchscore/models/preprocess/ifd"
)

// Format is TIFF's entry in the table of formats. The formats that are TIFFs with
// something more come before it.
var Format = codec.Format{
	Name:       "TIFF",
	Extensions: "tif tiff",
	Signatures: signatures,
	New:        codec.Stateless(decode, need),
}

// BigTIFF has offsets of 64 bits. It is not decoded.
var BigTIFF = codec.Format{Name: "BigTIFF", Signatures: []string{"II+\x00", "MM\x00+"}}

var signatures = []string{"II*\x00", "MM\x00*"}

// Values of Compression.
const (
	uncompressed = 1
	group3       = 3
	group4       = 4
	lzw          = 5
	deflate      = 8
	packBits     = 32773
	oldDeflate   = 32946
)

// Values of PhotometricInterpretation.
const (
	whiteIsZero = 0
	blackIsZero = 1
	rgb         = 2
	palette     = 3
)

// A picture is where the first picture of a TIFF has its pixels, and how they are coded.
type picture struct {
	*directory
	src           []byte
	width, height int
	bits          int // a sample: 1, 2, 4, 8 or 16
	samples       int // a pixel, extra ones included
	used          int // samples that are read: the colour, and an alpha to divide by
	compression   uint64
	photometric   uint64
	planar        bool // each sample has its own blocks
	predicted     bool // samples are differences from their left neighbours
	reversed      bool // the lowest bit of a byte comes first
	associated    bool // colour is multiplied by alpha, sample number used-1
	twoD          bool // Group 3 of two dimensions

	blockW, blockH  int // of a strip or a tile; strips end with the picture
	across, down    int // blocks
	tiled           bool
	offsets, counts field
}

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	t, fail := walk(src, bounds)
	if fail != nil {
		return fail
	}
	return t.decode(to.Prepare(t.width, t.height, t.orientation(), nil))
}

// walk reads the first directory and checks all of it, without decoding.
func walk(src []byte, bounds codec.Bounds) (*picture, *codec.Failure) {
	t, fail := walkHead(src, bounds)
	if fail != nil {
		return nil, fail
	}
	return t, t.checkBlocks()
}

// walkHead is walk, without looking for the blocks.
func walkHead(src []byte, bounds codec.Bounds) (*picture, *codec.Failure) {
	dir, fail := readDirectory(src)
	if fail != nil {
		return nil, fail
	}
	t := &picture{directory: dir, src: src}
	width, height := dir.one(tagImageWidth, 0), dir.one(tagImageLength, 0)
	switch {
	case dir.fail != nil:
		return nil, dir.fail
	case width == 0 || height == 0:
		return nil, codec.Fail(codec.StatusCorrupt, "no pixels")
	case width > 1<<32-1 || height > 1<<32-1:
		return nil, codec.Fail(codec.StatusTooLarge, "a side of more than 32 bits")
	}
	t.width, t.height = int(width), int(height)
	if fail := bounds.CheckSize(t.width, t.height); fail != nil {
		return nil, fail
	}
	t.readMeaning()
	t.readBlocks(bounds)
	if dir.fail != nil {
		return nil, dir.fail
	}
	return t, nil
}

// orientation returns how the picture is to be turned.
func (t *picture) orientation() codec.Orientation {
	if o, found := exif.FromDirectory(t.src, t.order); found {
		return o
	}
	if f := t.fields[tagXMP]; f.kind == ifd.Byte || f.kind == ifd.Undefined {
		return exif.FromXMP(f.values)
	}
	return 1
}

// readMeaning reads what the samples of a pixel mean.
func (t *picture) readMeaning() {
	format := t.list(tagSampleFormat)
	for i := range int(format.count) {
		if v := t.at(format, i); v != 1 {
			t.refuse(unsupportedTag(tagSampleFormat, fmt.Sprintf("%d (%s)", v, known(sampleFormats, v))))
			break
		}
	}
	t.samples = int(min(t.one(tagSamplesPerPixel, 1), 1<<16))
	t.bits = t.readBits()
	t.compression = t.one(tagCompression, uncompressed)
	t.photometric = t.one(tagPhotometric, whiteIsZero)
	switch v := t.one(tagPlanarConfiguration, 1); v {
	case 1, 2:
		t.planar = v == 2 && t.samples > 1
	default:
		t.refuse(unsupportedTag(tagPlanarConfiguration, fmt.Sprint(v)))
	}
	if v := t.one(tagImageDepth, 1); v != 1 {
		t.refuse(unsupportedTag(tagImageDepth, fmt.Sprint(v)))
	}
	t.readCompression()
	t.readColour()
	t.readOrder()
	t.checkPlanes()
}

// readOrder reads which bit of a byte comes first.
func (t *picture) readOrder() {
	switch v := t.one(tagFillOrder, 1); {
	case v == 2 && t.samples == 1 && t.bits <= 8, v == 2 && t.samples == 3 && t.bits == 8:
		t.reversed = true
	case v != 1:
		t.refuse(unsupportedTag(tagFillOrder, fmt.Sprintf("%d with %d samples of %d bits", v, t.samples, t.bits)))
	}
}

// checkPlanes refuses separate planes of which Pillow and libtiff make different pictures:
// Pillow reads uncompressed planes itself and takes each sample for a byte that needs no
// change, and it divides by alpha only next to RGB.
func (t *picture) checkPlanes() {
	separate := t.one(tagPlanarConfiguration, 1) == 2
	simple := t.bits == 8 || t.bits == 1 && t.photometric == blackIsZero
	switch {
	case !separate || t.fail != nil:
	case t.compression == uncompressed && (!simple || t.reversed || t.photometric == whiteIsZero),
		t.associated && t.photometric != rgb,
		t.planar && t.photometric == rgb && t.samples == 4 && !t.has(tagExtraSamples):
		t.refuse(unsupportedTag(tagPlanarConfiguration, fmt.Sprintf("2 with %d samples of %d bits", t.samples, t.bits)))
	}
}

// readBits returns BitsPerSample. One value may stand for all samples.
func (t *picture) readBits() int {
	f := t.list(tagBitsPerSample)
	if f.count == 0 {
		return 1
	}
	bits := t.at(f, 0)
	if f.count != 1 && f.count < uint64(t.samples) {
		t.refuse(unsupportedTag(tagBitsPerSample, fmt.Sprintf("of %d values for %d samples", f.count, t.samples)))
		return 1
	}
	for i := range min(int(f.count), t.samples) {
		if t.at(f, i) != bits {
			t.refuse(unsupportedTag(tagBitsPerSample, fmt.Sprintf("%d next to %d", bits, t.at(f, i))))
		}
	}
	switch bits {
	case 1, 2, 4, 8, 16:
		return int(bits)
	}
	t.refuse(unsupportedTag(tagBitsPerSample, fmt.Sprint(bits)))
	return 1
}

func (t *picture) readCompression() {
	name := fmt.Sprintf("%d (%s)", t.compression, known(compressions, t.compression))
	switch t.compression {
	case uncompressed, packBits:
	case group3, group4:
		if t.bits != 1 || t.samples != 1 {
			t.refuse(unsupportedTag(tagCompression, fmt.Sprintf("%s of %d samples of %d bits", name, t.samples, t.bits)))
		}
		t.twoD = t.compression == group3 && t.one(tagT4Options, 0)&1 != 0
	case lzw, deflate, oldDeflate:
		// Only these have a predictor: libtiff ignores it elsewhere.
		switch v := t.one(tagPredictor, 1); {
		case v == 2 && (t.bits == 8 || t.bits == 16):
			t.predicted = true
		case v != 1:
			t.refuse(unsupportedTag(tagPredictor, fmt.Sprintf("%d of samples of %d bits", v, t.bits)))
		}
	default:
		t.refuse(unsupportedTag(tagCompression, name))
	}
}

// readColour checks that there are as many samples as the colour needs, and that decoders
// agree on the meaning of the extra ones.
func (t *picture) readColour() {
	colours := 1
	switch t.photometric {
	case rgb:
		colours = 3
	case palette, whiteIsZero, blackIsZero:
	default:
		t.refuse(unsupportedTag(tagPhotometric, fmt.Sprintf("%d (%s)", t.photometric, known(photometrics, t.photometric))))
		return
	}
	t.used = colours
	extra := t.list(tagExtraSamples)
	if t.fail != nil {
		return
	}
	var kinds []string
	for i := range min(int(extra.count), 8) {
		kinds = append(kinds, fmt.Sprint(t.at(extra, i)))
	}
	key := strings.Join(kinds, ",")
	layout := fmt.Sprintf("%d with %d samples of %d bits", t.photometric, t.samples, t.bits)
	switch {
	case t.samples < colours, extra.count == 0 && t.samples > colours && !(t.samples == 4 && colours == 3):
		t.refuse(unsupportedTag(tagPhotometric, layout+" and no ExtraSamples"))
	case extra.count > 0 && t.samples != colours+int(extra.count):
		t.refuse(unsupportedTag(tagExtraSamples, fmt.Sprintf("of %d values for %d samples", extra.count, t.samples)))
	case t.bits < 8 && t.samples > 1, colours == 3 && t.bits < 8, colours == 1 && t.bits == 16 && t.samples > 1,
		t.photometric == palette && t.bits > 8:
		t.refuse(unsupportedTag(tagBitsPerSample, fmt.Sprintf("%d with %d samples of photometric %d", t.bits, t.samples, t.photometric)))
	case t.photometric == whiteIsZero && (t.bits == 16 || t.samples > 1):
		t.refuse(unsupportedTag(tagPhotometric, layout)) // Pillow doesn't invert them
	case !extraSamples[key], colours == 3 && t.bits == 16 && t.samples > 4, colours == 1 && t.samples > 2,
		t.photometric == palette && key == "1", colours == 1 && key == "999":
		t.refuse(unsupportedTag(tagExtraSamples, fmt.Sprintf("%q with photometric %s", key, layout)))
	}
	if strings.HasPrefix(key, "1") {
		t.associated = true
		t.used++
	}
	if t.photometric == palette {
		if m := t.list(tagColorMap); t.fail == nil && m.count != 3<<t.bits {
			t.refuse(unsupportedTag(tagColorMap, fmt.Sprintf("of %d values for %d bits", m.count, t.bits)))
		}
	}
}

// extraSamples are the known meanings of samples after the colour: 0 is nothing, 1 is alpha
// by which the colour is multiplied, 2 is plain alpha, and 999 is what Corel Draw writes
// for it.
var extraSamples = map[string]bool{"": true, "0": true, "1": true, "2": true, "999": true, "0,0": true, "0,0,0": true,
	"1,0": true, "1,0,0": true, "2,0": true, "2,0,0": true}

// known returns the name of a value, or "unknown".
func known(names map[uint64]string, v uint64) string {
	if n, ok := names[v]; ok {
		return n
	}
	return "unknown"
}

var (
	sampleFormats = map[uint64]string{2: "signed", 3: "float", 4: "undefined", 5: "complex", 6: "complex float"}
	photometrics  = map[uint64]string{4: "mask", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "CFA",
		32844: "LogL", 32845: "LogLuv", 34892: "linear raw"}
	compressions = map[uint64]string{2: "CCITT RLE", group3: "CCITT Group 3", group4: "CCITT Group 4",
		lzw: "LZW", 6: "old JPEG", 7: "JPEG", deflate: "deflate", 9: "JBIG", 10: "JBIG", 32766: "NeXT", 32771: "CCITT RLEW",
		32809: "ThunderScan", 34661: "JBIG", 34676: "SGI log", 34677: "SGI log 24", 34712: "JPEG 2000", 34887: "LERC",
		34925: "LZMA", 50000: "zstd", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL"}
)

// readBlocks reads the grid of strips or tiles.
func (t *picture) readBlocks(bounds codec.Bounds) {
	offsets, counts := uint16(tagStripOffsets), uint16(tagStripByteCounts)
	t.tiled = t.has(tagTileWidth) || t.has(tagTileOffsets)
	if t.tiled {
		// Before TIFF 6 tiles had the tags of strips.
		strips := t.has(tagStripOffsets)
		if strips && (t.has(tagTileOffsets) || t.compression == uncompressed) {
			t.refuse(unsupportedTag(tagStripOffsets, "next to tiles"))
		}
		if !strips {
			offsets, counts = tagTileOffsets, tagTileByteCounts
		}
		w, h := t.one(tagTileWidth, 0), t.one(tagTileLength, 0)
		if t.fail == nil && (w == 0 || h == 0) {
			t.refuse(codec.Fail(codec.StatusCorrupt, "tiles without a size"))
		}
		t.blockW, t.blockH = int(min(w, 1<<32)), int(min(h, 1<<32))
	} else {
		rows := t.one(tagRowsPerStrip, uint64(t.height))
		if rows == 0 {
			t.refuse(codec.Fail(codec.StatusCorrupt, "strips of no rows"))
		}
		t.blockW, t.blockH = t.width, int(min(rows, uint64(t.height)))
	}
	t.offsets, t.counts = t.list(offsets), t.list(counts)
	if t.fail != nil {
		return
	}
	t.across, t.down = (t.width+t.blockW-1)/t.blockW, (t.height+t.blockH-1)/t.blockH
	// The parts of tiles to the right of the picture are decoded too.
	if int64(t.across)*int64(t.blockW)/codec.MaxPasses > bounds.MaxPixels/int64(t.height) ||
		int64(t.blockW-15)*int64(t.rows(0)) > bounds.MaxPixels { // a width is a multiple of 16
		t.refuse(codec.Fail(codec.StatusTooLarge, "tiles of %dx%d for %dx%d pixels", t.blockW, t.blockH, t.width, t.height))
		return
	}
	if t.tiled && t.blockW*t.bits*t.perBlock()%8 != 0 {
		t.refuse(unsupportedTag(tagTileWidth, fmt.Sprintf("%d with %d bits", t.blockW, t.bits)))
	}
	n := uint64(t.across) * uint64(t.down)
	if t.planar {
		n *= uint64(t.samples)
	}
	switch {
	case t.offsets.count == 0:
		t.refuse(codec.Fail(codec.StatusCorrupt, "%s is missing", tagName(offsets)))
	case t.offsets.count < n, t.has(counts) && t.counts.count < n:
		t.refuse(codec.Fail(codec.StatusCorrupt, "%d offsets and %d sizes for %d blocks", t.offsets.count, t.counts.count, n))
	case t.offsets.count > n && t.compression == uncompressed:
		t.refuse(unsupportedTag(offsets, fmt.Sprintf("of %d values for %d blocks", t.offsets.count, n)))
	}
}

// perBlock returns how many samples of a pixel are in one block.
func (t *picture) perBlock() int {
	if t.planar {
		return 1
	}
	return t.samples
}

// planes returns how many blocks hold the samples of one pixel.
func (t *picture) planes() int {
	if t.planar {
		return t.samples
	}
	return 1
}

// rows returns how many rows of the picture the blocks in row j of the grid have.
func (t *picture) rows(j int) int { return min(t.blockH, t.height-j*t.blockH) }

// rowBytes returns the length of a row of one block in bytes.
func (t *picture) rowBytes() int { return t.partBytes(t.blockW) }

// partBytes returns the bytes of the first w pixels of a row of one block.
func (t *picture) partBytes(w int) int { return (w*t.perBlock()*t.bits + 7) / 8 }

// checkBlocks checks that the file holds every block, before memory is taken for pixels.
func (t *picture) checkBlocks() *codec.Failure {
	for i := range t.planes() * t.across * t.down {
		data, fail := t.block(i)
		if fail != nil {
			return fail
		}
		// ratio is how many bytes, or rows of fax data, one coded byte can stand for.
		need, ratio := t.rows(i/t.across%t.down)*t.rowBytes(), 0
		switch t.compression {
		case packBits:
			ratio = 64
		case deflate, oldDeflate:
			ratio = 1040
		case lzw:
			ratio = 4096
		case group3, group4:
			need, ratio = t.rows(i/t.across%t.down), 8
		default:
			continue
		}
		if need/ratio > len(data) {
			return codec.Fail(codec.StatusCorrupt, "block %d: %d bytes cannot hold %d", i, len(data), need)
		}
	}
	return nil
}

// block returns the coded data of block i. The blocks of a plane follow those of the plane
// before it.
func (t *picture) block(i int) ([]byte, *codec.Failure) {
	const surplus = 256 << 20 // by which the size of raw pixels may be too large
	offset, size := t.at(t.offsets, i), uint64(len(t.src))
	need := uint64(t.rows(i/t.across%t.down) * t.rowBytes())
	left := size - min(offset, size)
	count := left
	if t.counts.count > 0 {
		count = t.at(t.counts, i)
	}
	raw := t.compression == uncompressed
	switch {
	case offset == 0:
		return nil, unsupportedTag(tagStripOffsets, "0")
	case raw && need <= left && count > size+surplus, !raw && count > left && count > 1<<16+16*need:
		return nil, codec.Fail(codec.StatusCorrupt, "block %d of %d bytes for %d", i, count, need)
	case raw && need > left, !raw && (count > left || left == 0):
		return nil, codec.Fail(codec.StatusTruncated, "block %d ends past the end", i)
	case raw:
		count = need // by the size of the picture: the counts are not used
	case count == 0:
		count = left // as libtiff estimates it
	}
	return t.src[offset:][:count], nil
}
