package tiff

import (
	"slices"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A stretcher makes pixels of chosen samples, by a range of values.
type stretcher struct {
	t         *picture
	numbers   *leveller
	low, span float64 // without span, of samples as they are without a stretcher
	colour    [3]int  // the sample of red, green and blue
}

// choose reads which samples are the colours, and which values are black and white. A picture that
// is not of grey or RGB, or has JPEG or WebP inside, has colours of its own.
func (t *picture) choose(c codec.Config) {
	stretch := len(c.ValueRange) == 2 && t.bits > 8
	if t.photometric > rgb || t.compression == jpeg || t.compression == oldJPEG || t.compression == webP || t.fail != nil ||
		!stretch && len(c.Bands) == 0 {
		return
	}
	s := &stretcher{t: t, colour: [3]int{0, 0, 0}}
	if t.photometric == rgb {
		s.colour = [3]int{0, 1, 2}
	}
	if n := len(c.Bands); n > 0 {
		s.colour = [3]int{c.Bands[0] - 1, c.Bands[n/2] - 1, c.Bands[n-1] - 1}
	}
	t.used = slices.Max(s.colour[:]) + 1
	if t.used > t.samples {
		t.refuse(codec.Fail(codec.StatusUnsupported, "no band %d: the TIFF has %d", t.used, t.samples))
		return
	}
	if stretch {
		s.low, s.span = c.ValueRange[0], c.ValueRange[1]-c.ValueRange[0]
	}
	t.alpha, t.associated = false, false
	t.stretch = s
}

// needsLargest reports whether pixels depend on the largest sample.
func (t *picture) needsLargest() bool {
	return t.isWide() && (t.stretch == nil || t.stretch.span == 0)
}

// spread is reader.spread.
func (s *stretcher) spread(px codec.Pixels, y int, line []uint8, plane int) {
	row := px.Row(y)
	for c, sample := range s.colour {
		if s.t.planar {
			if sample != plane {
				continue
			}
			sample = 0
		}
		if c > 0 && s.colour[c] == s.colour[0] {
			for x := 0; x < len(row); x += 4 {
				row[x+c] = row[x]
			}
			continue
		}
		for x, v := range s.numbers.read(line, px.Width, sample) {
			row[4*x+c] = s.level(v)
		}
	}
}

// level returns the level of a number.
func (s *stretcher) level(v float64) uint8 {
	var level uint8
	switch t := s.t; {
	case s.span != 0:
		if v = (v-s.low)*255/s.span + 0.5; v > 0 { // not NaN
			level = uint8(min(v, 255))
		}
		return level // also where the file says that 0 is white: the range says what is
	case t.isWide():
		return s.numbers.of(v)
	case t.bits >= 8:
		level = uint8(int(v) >> (t.bits - 8))
	default:
		level = uint8(int(v) * 255 / (1<<t.bits - 1))
	}
	if s.t.photometric == whiteIsZero && s.t.kind == unsigned && s.t.bits <= 16 {
		return ^level
	}
	return level
}

// canBeDark reports whether the pixels are the upper bits of samples of more bits. Those of wide
// samples are parts of the largest one, however dark that is.
func (t *picture) canBeDark() bool {
	return t.bits > 8 && !t.isWide() && (t.stretch == nil || t.stretch.span == 0) && (t.photometric == blackIsZero || t.photometric == rgb)
}
