// Package tiff decodes the first picture of TIFF and BigTIFF files as libtiff and Pillow do.
// A tag that changes the meaning of the pixels must have a value that is known here.
// Otherwise the picture is unsupported, and the reason names the tag.
//
// Pixels have 8 bits. What other samples become:
//
//   - whole numbers of up to 16 bits without a sign keep their upper 8 bits, and fewer than 8
//     bits are spread over 0 to 255; Pillow clips grey of 12 and 16 bits to 255;
//   - of whole numbers with a sign, or of more than 16 bits, negative ones are 0. If none in
//     the picture is above 255, they are the pixels, as in Pillow. Otherwise as many of their
//     upper 8 bits are kept as 16 or 32 bits hold, which Pillow clips to white;
//   - real numbers are clipped to 0 to 255 as in Pillow. If none in the picture is above 1,
//     they are multiplied by 255 before, where Pillow shows black.
package tiff

import (
	"github.com/klauspost/compress/zstd"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/exif"
	"github.com/batchscore/batchscore/models/preprocess/ifd"
)

// Format is TIFF's entry in the table of formats. The formats that are TIFFs with
// something more come before it.
var Format = codec.Format{
	Name:       "TIFF",
	Extensions: "tif tiff btf tf8",
	Signatures: signatures,
	New:        func(c codec.Config) (codec.Decoder, error) { return &decoder{config: c}, nil },
}

// Of the last two, BigTIFF has offsets of 64 bits.
var signatures = []string{"II*\x00", "MM\x00*", "II+\x00", "MM\x00+"}

// A decoder decodes TIFF. What it keeps is small.
type decoder struct {
	config codec.Config
	zstd   *zstd.Decoder // nil before the first picture that needs it, and after one with large blocks
}

// Close ends the use of the decoder.
func (d *decoder) Close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
}

// lend gives an expander, which may be nil, the decoder of zstd of the picture before.
func (d *decoder) lend(e *expander) {
	if e != nil {
		e.zstd, d.zstd = d.zstd, nil
	}
}

// takeBack ends the use of an expander, and keeps its decoder of zstd unless its window may be large.
func (d *decoder) takeBack(e *expander) {
	switch {
	case e == nil:
	case e.streamed:
		e.free()
	default:
		d.zstd = e.zstd
	}
}

// A picture is where the first picture of a TIFF has its pixels, and how they are coded.
type picture struct {
	*directory
	src           []byte
	width, height int
	bits          int        // a sample
	kind          uint64     // of numbers: one of SampleFormat
	samples       int        // a pixel, extra ones included
	used          int        // samples that are read: the colour, and alpha to divide by or to keep
	stretch       *stretcher // of chosen samples and values; nil for none
	compression   uint64
	photometric   uint64
	planar        bool   // each sample has its own blocks
	predictor     uint64 // samples are differences from their left neighbours, unless it is 1
	reversed      bool   // the lowest bit of a byte comes first
	alpha         bool   // the sample after the colour is alpha, and is kept
	associated    bool   // by which the colour is multiplied
	twoD          bool   // Group 3 of two dimensions
	subX, subY    int    // pixels that share the samples of their chroma

	blockW, blockH  int // of a strip or a tile; strips end with the picture
	across, down    int // blocks
	tiled           bool
	offsets, counts field
	inner           codec.Decoder // of blocks that are files of another format, or nil
}

func (d *decoder) Decode(src []byte, bounds codec.Bounds, to codec.Canvas) (*codec.Failure, error) {
	t, fail := d.walk(src, bounds)
	if fail != nil {
		return fail, nil
	}
	if t.compression == oldJPEG {
		return t.decodeOldJPEG(bounds, to)
	}
	px := to.Prepare(t.width, t.height, t.orientation(), nil)
	if t.alpha = t.alpha && !t.isWide() && codec.Alpha(to); t.alpha && !t.associated {
		t.used++ // to the fourth byte
	}
	r := newReader(t, bounds)
	d.lend(r.e)
	defer d.takeBack(r.e)
	if r.level != nil && r.level.fits() {
		fail := r.inPlace(px)
		if fail == nil {
			r.look(px, to)
		}
		return fail, nil
	}
	if fail, err := r.measure(); fail != nil || err != nil {
		return fail, err
	}
	for j := range t.down {
		top := j * t.blockH
		if fail, err := r.band(part(px, 0, top, t.width, t.rows(j)), j); fail != nil || err != nil {
			return fail, err
		}
	}
	r.look(px, to)
	return nil, nil
}

// look tells the canvas of a picture if it looks black.
func (r *reader) look(px codec.Pixels, to codec.Canvas) {
	if r.t.canBeDark() {
		var l codec.Levels
		l.Look(px)
		l.Tell(to)
	}
}

// part returns the pixels of a part of a picture.
func part(px codec.Pixels, left, top, width, height int) codec.Pixels {
	px.Bytes = px.Bytes[top*px.Pitch+4*left:]
	px.Width, px.Height = width, height
	return px
}

// walk reads the first directory and checks all of it, without decoding.
func (d *decoder) walk(src []byte, bounds codec.Bounds) (*picture, *codec.Failure) {
	t, fail := d.walkHead(src, bounds)
	if fail != nil {
		return nil, fail
	}
	return t, t.checkBlocks()
}

// walkHead is walk, without looking for the blocks.
func (d *decoder) walkHead(src []byte, bounds codec.Bounds) (*picture, *codec.Failure) {
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
	t.choose(d.config)
	t.readBlocks(bounds)
	t.checkWork()
	if dir.fail != nil {
		return nil, dir.fail
	}
	switch t.compression {
	case jpeg, oldJPEG:
		t.inner = d.config.InnerDecoder("JPEG")
	case webP:
		t.inner = d.config.InnerDecoder("WebP")
	default:
		return t, nil
	}
	if t.inner == nil {
		return nil, t.unknownCompression()
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
