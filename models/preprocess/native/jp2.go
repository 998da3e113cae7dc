package native

import (
	"math"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// NewJP2 returns a decoder of JPEG 2000, in its file format or as a bare codestream.
var NewJP2 = format("JPEG 2000", JP2, readJP2)

const jp2Start = "\xff\x4f\xff\x51" // the markers SOC and SIZ

// readJP2 reads the header of a JPEG 2000.
func readJP2(src []byte, bounds codec.Bounds) (header, *codec.Failure) {
	stream, fail := jp2Stream(src)
	if fail != nil {
		return header{}, fail
	}
	f := fields{b: stream[len(jp2Start):]}
	f.uint(4) // length, capabilities
	x1, y1, x0, y0 := f.uint(4), f.uint(4), f.uint(4), f.uint(4)
	tileW, tileH := f.uint(4), f.uint(4)
	f.uint(8) // where the tiles begin
	components := f.uint(2)
	switch {
	case f.short:
		return header{}, codec.Fail(codec.StatusTruncated, "ends within its header")
	case x1 <= x0 || y1 <= y0 || x1 > math.MaxInt32 || y1 > math.MaxInt32 || tileW == 0 || tileH == 0 || components == 0:
		return header{}, codec.Fail(codec.StatusCorrupt, "no pixels")
	case components > 64:
		return header{}, codec.Fail(codec.StatusUnsupported, "%d components", components)
	}
	width, height := int(x1-x0), int(y1-y0)
	if fail := bounds.CheckSize(width, height); fail != nil {
		return header{}, fail
	}
	pixels := int64(width) * int64(height)
	tile := min(int64(tileW), int64(width)) * min(int64(tileH), int64(height))
	return header{width: width, height: height, orientation: 1, alpha: components == 2 || components == 4,
		memory: int64(components)*(4*pixels+6*tile) + 32<<20 + 2*int64(len(src))}, nil
}

// jp2Stream returns the codestream.
func jp2Stream(src []byte) (stream []byte, fail *codec.Failure) {
	if !codec.HasSignature(src, jp2Start) {
		err := boxes(src, func(kind string, body []byte, whole bool) error {
			if kind == "jp2c" && stream == nil {
				stream = body
			}
			return nil
		})
		switch {
		case stream == nil && err == nil:
			return nil, codec.Fail(codec.StatusTruncated, "ends before its picture")
		case stream == nil:
			return nil, codec.Fail(codec.StatusCorrupt, "%v", err)
		}
		src = stream
	}
	switch {
	case len(src) < len(jp2Start):
		return nil, codec.Fail(codec.StatusTruncated, "ends within its header")
	case !codec.HasSignature(src, jp2Start):
		return nil, codec.Fail(codec.StatusCorrupt, "its codestream does not begin with a size")
	}
	return src, nil
}
