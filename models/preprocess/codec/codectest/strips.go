package codectest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A StripSink puts strips together. It panics where one does not follow that before it.
type StripSink struct {
	Canvas
	Next   int // row of the next strip
	Tall   int // rows of the tallest one
	Strips int // so far
	End    int // after how many strips it wants no more; 0 for all
}

// Begin implements codec.StripSink.
func (s *StripSink) Begin(width, height int, o codec.Orientation) { s.Prepare(width, height, o, nil) }

// Strip implements codec.StripSink.
func (s *StripSink) Strip(top int, px codec.Pixels) bool {
	if top != s.Next || px.Width != s.Width {
		panic(fmt.Sprintf("a strip at row %d of %d pixels", top, px.Width))
	}
	for y := range px.Height {
		copy(s.Row(top+y), px.Row(y))
	}
	clear(px.Bytes)
	s.Next += px.Height
	s.Tall = max(s.Tall, px.Height)
	s.Strips++
	return s.Strips != s.End
}

// WantStrips tests that strips of src have the pixels of the whole picture, which d decodes, and
// that they take what StripNeed says.
func WantStrips(tb testing.TB, d codec.Decoder, src []byte) *StripSink {
	tb.Helper()
	want, fail := DecodeWith(tb, d, Bounds, src)
	if fail != nil {
		tb.Fatal(fail)
	}
	got := &StripSink{}
	fail, err := d.(codec.Striper).DecodeStrips(src, Bounds, got)
	if fail != nil || err != nil {
		tb.Fatal(fail, err)
	}
	if got.Next != want.Height || !bytes.Equal(got.RGB(), want.RGB()) || got.Orientation != want.Orientation {
		tb.Errorf("other pixels in strips, or %d rows of %d", got.Next, want.Height)
	}
	need := d.(codec.Striper).StripNeed(src, Bounds)
	if need.Width != want.Width || need.Height != want.Height || need.Bytes < int64(4*want.Width*got.Tall) {
		tb.Errorf("StripNeed is %v for strips of %d rows", need, got.Tall)
	}
	return got
}
