package tiff

import "github.com/batchscore/batchscore/models/preprocess/codec"

// stripRows is how many rows a strip has at most for codec.Striper, where the blocks have more
// and can be read row by row.
const stripRows = 64

// inParts reports whether rows of blocks are read in parts.
func (t *picture) inParts() bool { return !t.tiled && t.inner == nil && t.compression != oldJPEG }

// StripNeed is codec.Striper's.
func (d *decoder) StripNeed(src []byte, bounds codec.Bounds) codec.Need {
	n := d.Need(src, bounds)
	t, fail := d.walkHead(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	rows := t.height
	switch {
	case t.compression == oldJPEG:
	case t.inParts():
		rows = min(t.rows(0), stripRows)
		n.Bytes *= int64(t.planes()) // each plane is read on its own
	default:
		rows = t.rows(0)
	}
	n.Bytes += 4 * int64(t.width) * int64(rows)
	return n
}

// DecodeStrips is codec.Striper's.
func (d *decoder) DecodeStrips(src []byte, bounds codec.Bounds, to codec.StripSink) (*codec.Failure, error) {
	t, fail := d.walk(src, bounds)
	if fail != nil {
		return fail, nil
	}
	if t.compression == oldJPEG {
		whole := &wholeCanvas{}
		fail, err := t.decodeOldJPEG(bounds, whole)
		if fail == nil && err == nil {
			to.Begin(t.width, t.height, t.orientation())
			to.Strip(0, whole.px)
		}
		return fail, err
	}
	t.alpha = false // strips have none
	r := newReader(t, bounds)
	defer r.free()
	if fail, err := r.measure(); fail != nil || err != nil {
		return fail, err
	}
	to.Begin(t.width, t.height, t.orientation())
	look := func(codec.Pixels) {}
	if t.canBeDark() {
		var l codec.Levels
		look = l.Look
		defer l.Tell(to)
	}
	if t.inParts() {
		return r.stripsInParts(to, look), nil
	}
	buf := make([]uint8, 4*t.width*t.rows(0))
	for j := range t.down {
		px := codec.Pixels{Bytes: buf, Pitch: 4 * t.width, Width: t.width, Height: t.rows(j)}
		if fail, err := r.band(px, j); fail != nil || err != nil {
			return fail, err
		}
		look(px)
		if !to.Strip(j*t.blockH, px) {
			break
		}
	}
	return nil, nil
}

// stripsInParts reads the blocks of all planes side by side, a few rows at a time.
func (r *reader) stripsInParts(to codec.StripSink, look func(codec.Pixels)) *codec.Failure {
	t := r.t
	planes := []*reader{r}
	for range t.planes() - 1 {
		p := *r
		p.e = newExpander(t)
		defer p.free()
		planes = append(planes, &p)
	}
	buf := make([]uint8, 4*t.width*min(t.rows(0), stripRows))
	for j := range t.down {
		for plane, p := range planes {
			if fail := p.open(plane*t.down + j); fail != nil {
				return fail
			}
		}
		for top, rows := 0, t.rows(j); top < rows; top += stripRows {
			px := codec.Pixels{Bytes: buf, Pitch: 4 * t.width, Width: t.width, Height: min(stripRows, rows-top)}
			for plane, p := range planes {
				if fail := p.read(px, plane*t.down+j, plane, top+px.Height == rows); fail != nil {
					return fail
				}
			}
			for y := range px.Height {
				r.finish(px.Row(y))
			}
			look(px)
			if !to.Strip(j*t.blockH+top, px) {
				return nil
			}
		}
	}
	return nil
}

// A wholeCanvas is memory for a picture that cannot be read in strips.
type wholeCanvas struct{ px codec.Pixels }

// Prepare implements codec.Canvas.
func (c *wholeCanvas) Prepare(width, height int, _ codec.Orientation, _ []codec.Scale) codec.Pixels {
	c.px = codec.Pixels{Bytes: make([]uint8, 4*width*height), Pitch: 4 * width, Width: width, Height: height}
	return c.px
}
