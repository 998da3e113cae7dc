package codec

// A DarkCanvas is a Canvas or a StripSink that is told of pictures which look black.
type DarkCanvas interface {
	// Dark says that hardly any sample of the picture is above a quarter of what its type
	// holds, such as 10,000 in 16 bits, so that of its upper 8 bits little is left.
	Dark()
}

// Levels counts how bright pictures are whose samples have more than 8 bits, of which the pixels
// are the upper ones. The zero value is ready to use.
type Levels struct{ bright, all int64 }

// Look counts pixels. Their colour is one in four, which tells as much.
func (l *Levels) Look(px Pixels) {
	const quarter = 64
	for y := 0; y < px.Height; y++ {
		row := px.Row(y)
		for x := 4 * (y % 4); x+4 <= len(row); x += 16 {
			l.all++
			if max(row[x], row[x+1], row[x+2]) >= quarter {
				l.bright++
			}
		}
	}
}

// Tell tells to, a Canvas or a StripSink, if at most one in a thousand pixels is bright, of some that
// were looked at.
func (l *Levels) Tell(to any) {
	if l.all > 0 && l.bright*1000 <= l.all {
		tellDark(to)
	}
}

func tellDark(to any) {
	if d, ok := to.(DarkCanvas); ok {
		d.Dark()
	}
}
