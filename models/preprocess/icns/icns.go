// Package icns decodes the largest picture of macOS's icons: a PNG, a JPEG 2000, or colours in
// run lengths.
package icns

import (
	"bytes"
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Format is ICNS's entry in the table of formats.
var Format = codec.Format{Name: "ICNS", Extensions: "icns", Signatures: []string{"icns"}, New: newDecoder}

const blockHeader = 8

// kinds are the blocks of pictures, the largest first, and the best of a size first. side is of a
// picture that is not in a format of its own.
var kinds = []struct {
	name string
	side int // 0 for PNG and JPEG 2000
}{
	{name: "ic10"}, {name: "ic09"}, {name: "ic14"}, {name: "ic08"}, {name: "ic13"}, {name: "ic07"}, {name: "it32", side: 128},
	{name: "icp6"}, {name: "ih32", side: 48}, {name: "ic12"}, {name: "icp5"}, {name: "il32", side: 32}, {name: "ic11"},
	{name: "icp4"}, {name: "is32", side: 16},
}

type decoder struct{ config codec.Config }

func newDecoder(c codec.Config) (codec.Decoder, error) { return &decoder{c}, nil }

func (*decoder) Close() {}

// find returns the block of the best picture and its side, 0 for one in a format of its own.
func find(src []byte) (block []byte, side int, fail *codec.Failure) {
	rank, cut := len(kinds), false
	for at := blockHeader; at+blockHeader <= len(src); {
		size := int(binary.BigEndian.Uint32(src[at+4:]))
		if size < blockHeader {
			break
		}
		end := min(at+size, len(src))
		for i, k := range kinds[:rank] {
			if k.name == string(src[at:at+4]) {
				rank, block, side, cut = i, src[at+blockHeader:end], k.side, at+size > len(src)
			}
		}
		at = end
	}
	switch {
	case len(src) < blockHeader:
		return nil, 0, codec.Fail(codec.StatusTruncated, "ends within the header")
	case cut, block == nil && int64(binary.BigEndian.Uint32(src[4:])) > int64(len(src)):
		return nil, 0, codec.Fail(codec.StatusTruncated, "ends before the end of the picture")
	case block == nil:
		return nil, 0, codec.Fail(codec.StatusUnsupported, "ICNS without a picture of 24 bits")
	}
	return block, side, nil
}

// inner returns the decoder of a picture in a format of its own.
func (d *decoder) inner(block []byte) (codec.Decoder, *codec.Failure) {
	format := ""
	switch {
	case bytes.HasPrefix(block, []byte("\x89PNG\r\n\x1a\n")):
		format = "PNG"
	case bytes.HasPrefix(block, []byte("\x00\x00\x00\x0cjP  \r\n\x87\n")), bytes.HasPrefix(block, []byte("\xff\x4f\xff\x51")):
		format = "JPEG 2000"
	default:
		return nil, codec.Fail(codec.StatusCorrupt, "the picture is neither PNG nor JPEG 2000")
	}
	if i := d.config.InnerDecoder(format); i != nil {
		return i, nil
	}
	return nil, codec.Fail(codec.StatusUnsupported, "%s in an icon is not decoded", format)
}

func (d *decoder) Decode(src []byte, bounds codec.Bounds, to codec.Canvas) (*codec.Failure, error) {
	block, side, fail := find(src)
	if fail != nil {
		return fail, nil
	}
	if side > 0 {
		return decodeColours(block, side, bounds, to), nil
	}
	inner, fail := d.inner(block)
	if fail != nil {
		return fail, nil
	}
	return inner.Decode(block, bounds, codec.Stored(to))
}

// Need is what the picture takes.
func (d *decoder) Need(src []byte, bounds codec.Bounds) codec.Need {
	block, side, fail := find(src)
	if fail != nil {
		return codec.Need{}
	}
	if side > 0 {
		if bounds.CheckSize(side, side) != nil {
			return codec.Need{}
		}
		return codec.Need{Width: side, Height: side}
	}
	inner, fail := d.inner(block)
	if fail != nil {
		return codec.Need{}
	}
	return inner.Need(block, bounds)
}

// decodeColours decodes a square of 24 bits a pixel: as they are, or each colour in run lengths.
func decodeColours(block []byte, side int, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	if fail := bounds.CheckSize(side, side); fail != nil {
		return fail
	}
	if side == 128 { // four zeros come first
		if len(block) < 4 {
			return short()
		}
		block = block[4:]
	}
	px := to.Prepare(side, side, 1, nil)
	n := side * side
	at := func(i int) []uint8 { return px.Row(i / side)[4*(i%side):] }
	if len(block) == 3*n {
		for i := range n {
			copy(at(i)[:3], block[3*i:])
		}
		return nil
	}
	for c := range 3 {
		for i := 0; i < n; {
			if len(block) < 2 {
				return short()
			}
			run, same := int(block[0])+1, block[0] >= 128
			if same {
				run = int(block[0]) - 125
			}
			block = block[1:]
			switch {
			case run > n-i:
				return codec.Fail(codec.StatusCorrupt, "a run beyond the picture")
			case !same && len(block) < run:
				return short()
			}
			for k := range run {
				v := block[0]
				if !same {
					v = block[k]
				}
				at(i)[c] = v
				i++
			}
			if same {
				run = 1
			}
			block = block[run:]
		}
	}
	return nil
}

func short() *codec.Failure {
	return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
}
