package png

import "github.com/batchscore/batchscore/models/preprocess/codec"

// stripRows is how many rows a strip has at most.
const stripRows = 64

// StripNeed is codec.Striper's. An interlaced picture is coded as a whole.
func (decoder) StripNeed(src []byte, bounds codec.Bounds) codec.Need {
	n := need(src, bounds)
	rows := min(n.Height, stripRows)
	if interlaced(src) {
		rows = n.Height
	}
	n.Bytes += 4 * int64(n.Width) * int64(rows)
	return n
}

// interlaced reports whether the header of pixels says so.
func interlaced(src []byte) bool {
	var p file
	for at := len(signature); ; {
		c, next, ok := nextChunk(src, at)
		if !ok || !c.known() || c.kind == "IDAT" {
			return p.interlaced
		}
		if c.sum = nil; c.kind == "IHDR" && p.header(c) != nil {
			return true
		}
		at = next
	}
}

// DecodeStrips is codec.Striper's.
func (d decoder) DecodeStrips(src []byte, bounds codec.Bounds, to codec.StripSink) (*codec.Failure, error) {
	p, o, fail := begin(src, bounds)
	if fail != nil {
		return fail, nil
	}
	p.levels = d.levels
	rows := min(p.height, stripRows)
	if p.interlaced {
		rows = p.height
	}
	px := codec.Pixels{Bytes: make([]uint8, 4*p.width*rows), Pitch: 4 * p.width, Width: p.width, Height: rows}
	to.Begin(p.width, p.height, o)
	if p.interlaced {
		if fail := p.decode(px); fail != nil {
			return p.ended(fail), nil
		}
		if p.canBeDark() {
			levels := codec.Levels{}
			levels.Look(px)
			levels.Tell(to)
		}
		to.Strip(0, px)
		return nil, nil
	}
	r, fail := p.open()
	if fail != nil {
		return p.ended(fail), nil
	}
	all, levels := true, codec.Levels{}
	fail = r.read(p.width, p.height, func(y int, line []byte) bool {
		p.unpack(px.Row(y%rows), line, p.width)
		if y%rows == rows-1 || y == p.height-1 {
			px.Height = y%rows + 1
			if p.canBeDark() {
				levels.Look(px)
			}
			all = to.Strip(y-y%rows, px)
		}
		return all
	})
	if fail == nil && all {
		fail = p.doubts(r.z)
	}
	if p.canBeDark() {
		levels.Tell(to)
	}
	return p.ended(fail), nil
}
