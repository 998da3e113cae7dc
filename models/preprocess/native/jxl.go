package native

import (
	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// NewJXL returns a decoder of JPEG XL, of which libjxl turns the picture.
var NewJXL = format("JPEG XL", JXL, readJXL)

// readJXL reads the header of a JPEG XL.
func readJXL(src []byte, bounds codec.Bounds) (header, *codec.Failure) {
	stream, fail := jxlStream(src)
	if fail != nil {
		return header{}, fail
	}
	b := bitReader{b: stream[2:]}
	width, height := b.jxlSize()
	orientation, channels, alpha := b.jxlMetadata()
	if b.short {
		return header{}, codec.Fail(codec.StatusTruncated, "ends within its header")
	}
	if orientation >= 5 {
		width, height = height, width
	}
	if fail := bounds.CheckSize(width, height); fail != nil {
		return header{}, fail
	}
	pixels := int64(width) * int64(height)
	// Further channels are whole pictures of real numbers, several times: 35 bytes a pixel were measured with alpha.
	return header{width: width, height: height, orientation: 1, alpha: alpha, memory: pixels*int64(12+24*channels) + 48<<20}, nil
}

// jxlStream returns the beginning of the codestream.
func jxlStream(src []byte) (stream []byte, fail *codec.Failure) {
	if codec.HasSignature(src, "\xff\x0a") {
		return src, nil
	}
	err := boxes(src, func(kind string, body []byte, whole bool) error {
		switch {
		case stream != nil:
		case kind == "jxlc":
			stream = body
		case kind == "jxlp" && len(body) >= 4:
			stream = body[4:]
		}
		return nil
	})
	switch {
	case stream == nil && err == nil:
		return nil, codec.Fail(codec.StatusTruncated, "ends before its picture")
	case stream == nil:
		return nil, codec.Fail(codec.StatusCorrupt, "%v", err)
	case len(stream) < 2:
		return nil, codec.Fail(codec.StatusTruncated, "ends within its header")
	case !codec.HasSignature(stream, "\xff\x0a"):
		return nil, codec.Fail(codec.StatusCorrupt, "its codestream has another signature")
	}
	return stream, nil
}

// A bitReader reads fields from the lowest bit on, as ISO/IEC 18181-1 has them.
type bitReader struct {
	b     []byte
	at    int
	short bool
}

func (r *bitReader) bits(n int) (v int) {
	for i := range n {
		if r.at/8 >= len(r.b) {
			r.short = true
			return 0
		}
		v |= int(r.b[r.at/8]>>(r.at%8)&1) << i
		r.at++
	}
	return v
}

func (r *bitReader) flag() bool { return r.bits(1) == 1 }

// choice reads an integer of one of four forms: an offset and a number of bits.
func (r *bitReader) choice(forms [4][2]int) int {
	f := forms[r.bits(2)]
	return f[0] + r.bits(f[1])
}

// jxlSize reads a SizeHeader.
func (r *bitReader) jxlSize() (width, height int) {
	side := [4][2]int{{1, 9}, {1, 13}, {1, 18}, {1, 30}}
	ratios := [8][2]int{{}, {1, 1}, {12, 10}, {4, 3}, {3, 2}, {16, 9}, {5, 4}, {2, 1}}
	small := r.flag()
	read := func() int {
		if small {
			return (r.bits(5) + 1) * 8
		}
		return r.choice(side)
	}
	height = read()
	ratio := ratios[r.bits(3)]
	if ratio[1] == 0 {
		return read(), height
	}
	return int(int64(height) * int64(ratio[0]) / int64(ratio[1])), height
}

// jxlMetadata reads an ImageMetadata up to its extra channels, the first of which may be
// alpha.
func (r *bitReader) jxlMetadata() (orientation, extra int, alpha bool) {
	orientation = 1
	if r.flag() { // all as by default
		return orientation, 0, false
	}
	if r.flag() {
		orientation = 1 + r.bits(3)
		if r.flag() {
			r.jxlSize()
		}
		if r.flag() {
			r.jxlPreview()
		}
		if r.flag() { // an animation
			r.choice([4][2]int{{100, 0}, {1000, 0}, {1, 10}, {1, 30}})
			r.choice([4][2]int{{1, 0}, {1001, 0}, {1, 8}, {1, 10}})
			r.choice([4][2]int{{0, 0}, {0, 3}, {0, 16}, {0, 32}})
			r.flag()
		}
	}
	r.jxlDepth()
	r.flag() // 16 bits suffice for the samples of a modular picture
	extra = r.choice([4][2]int{{0, 0}, {1, 0}, {2, 4}, {1, 12}})
	if extra > 0 {
		alpha = r.flag() || r.choice([4][2]int{{0, 0}, {1, 0}, {2, 4}, {18, 6}}) == 0
	}
	return orientation, extra, alpha
}

func (r *bitReader) jxlDepth() {
	if r.flag() {
		r.choice([4][2]int{{32, 0}, {16, 0}, {24, 0}, {1, 6}})
		r.bits(4)
		return
	}
	r.choice([4][2]int{{8, 0}, {10, 0}, {12, 0}, {1, 6}})
}

func (r *bitReader) jxlPreview() {
	eighths := r.flag()
	side := func() {
		if eighths {
			r.choice([4][2]int{{16, 0}, {32, 0}, {1, 5}, {33, 9}})
		} else {
			r.choice([4][2]int{{1, 6}, {65, 8}, {321, 10}, {1345, 12}})
		}
	}
	side()
	if r.bits(3) == 0 {
		side()
	}
}
