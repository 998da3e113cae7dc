package preprocess

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// MaxTileOverlap bounds Spec.TileOverlap, so that an image has at most a hundred times its own
// pixels in tiles.
const MaxTileOverlap = 0.9

// A Tile is a rectangle of an image, in pixels from the top left corner of the image as it is
// turned upright; with Spec.IgnoreOrientation, as it is stored.
type Tile struct{ X, Y, Width, Height int }

// Tiles scores the tiles of images, of which each is prepared as an image of Spec.OfTile. It may
// be used by any number of goroutines.
type Tiles interface {
	// Numbers returns how many numbers an image has.
	Numbers() int
	// NewTally returns a Tally. Its memory is that of the engine, which frees it.
	NewTally() (Tally, error)
}

// A Tally makes the numbers of one image after another. One goroutine at a time may use it.
type Tally interface {
	// Begin begins an image.
	Begin()
	// Row returns memory for the tensor row of the next tile, of Spec.OfTile().RowBytes() bytes, which is
	// filled before the next call. It may score the tiles before.
	Row(ctx context.Context, at Tile) ([]byte, error)
	// End scores the tiles that are left, and writes the numbers of the image, of which there are
	// Tiles.Numbers. It returns the tile that decided, where one did.
	End(ctx context.Context, numbers []float32) (Tile, error)
}

// Unscored are Tiles that are prepared and not scored. Images have no numbers.
type Unscored struct{}

// Numbers implements Tiles.
func (Unscored) Numbers() int { return 0 }

// NewTally implements Tiles.
func (Unscored) NewTally() (Tally, error) { return nil, nil }

// OfTile returns the Spec of each tile as an image.
func (s Spec) OfTile() Spec {
	s.Tile, s.TileOverlap, s.TileRule = 0, 0, ""
	return s
}

// RowBytes returns how many bytes Decoder.Decode fills: those of the tensor, or with tiles those
// of the numbers.
func (o Options) RowBytes(s Spec) int {
	if s.Tile != 0 {
		return 4 * o.Tiles.Numbers()
	}
	return s.RowBytes()
}

// NumberAt returns number i of images whose rows are numbers.
func NumberAt(rows []byte, i int) float32 {
	return math.Float32frombits(binary.NativeEndian.Uint32(rows[4*i:]))
}

// validateTiles is Validate for the fields about tiles.
func (s Spec) validateTiles() error {
	switch {
	case s.Tile < 0 || s.Tile > maxSide:
		return bad("tile", "%d is not in 1..%d", s.Tile, maxSide)
	case s.Tile == 0 && (s.TileOverlap != 0 || s.TileRule != ""):
		return bad("tile", "is missing")
	case s.Tile == 0:
		return nil
	case !(s.TileOverlap >= 0 && s.TileOverlap <= MaxTileOverlap):
		return bad("tile_overlap", "%v is not from 0 to %v", s.TileOverlap, MaxTileOverlap)
	case !slices.Contains(TileRules(), s.TileRule):
		return bad("tile_rule", "%q is not mean, max or top", s.TileRule)
	case s.ScaledDecode:
		return bad("scaled_decode", "excludes tiles")
	}
	return nil
}

// tileStarts returns where the tiles of a side begin, in order.
func (s Spec) tileStarts(side int) []int {
	step := max(1, s.Tile-int(math.Round(float64(s.Tile)*float64(s.TileOverlap))))
	var all []int
	at := 0
	for ; at+s.Tile < side; at += step {
		all = append(all, at)
	}
	return append(all, max(side-s.Tile, 0))
}

// A tiler decodes images, whole or in strips, and scores their tiles. The order of the tiles, and
// so the numbers, are the same both ways: that of the stored rows.
type tiler struct {
	d      *Decoder
	whole  Spec // of a tile
	tally  Tally
	pixels buffer[uint8] // of the whole image, or of as many rows as a tile has
}

func newTiler(d *Decoder) (*tiler, error) {
	if d.opt.Tiles == nil {
		return nil, errors.New("preprocess options: tiles need Tiles")
	}
	return &tiler{d: d, whole: d.spec.OfTile()}, nil
}

// abandon is canvas.abandon.
func (t *tiler) abandon() {
	if t != nil {
		t.pixels = buffer[uint8]{}
	}
}

// settle frees the pixels: they are many, and few images have tiles of the same sizes.
func (t *tiler) settle() {
	if t != nil {
		t.pixels.free()
	}
}

// need is Decoder.Need for an image that takes n as a whole. It returns what decodes it in strips, if that
// takes less memory.
func (t *tiler) need(f found, n codec.Need) (Need, codec.Striper) {
	need := Need{Width: n.Width, Height: n.Height, Bytes: leastNeed + n.Bytes}
	if n.Width == 0 || n.Height == 0 {
		return need, nil
	}
	tileW, tileH := min(t.d.spec.Tile, n.Width), min(t.d.spec.Tile, n.Height)
	own := t.whole.canvasNeed(codec.Need{Width: tileW, Height: tileH}, nil) + slack
	row := int64(pitchOf(n.Width))
	need.Bytes += own + row*int64(n.Height)
	striper, ok := t.d.codecs[f.format].(codec.Striper)
	if !ok || f.turn > 1 || len(t.whole.Background) > 0 { // strips have no alpha
		return need, nil
	}
	strips := striper.StripNeed(f.src, t.d.bounds)
	bytes := leastNeed + strips.Bytes + own + row*int64(tileH)
	if bytes >= need.Bytes || strips.Width != n.Width {
		return need, nil
	}
	need.Bytes = bytes
	return need, striper
}

// pitchOf returns how many bytes a row of pixels takes.
func pitchOf(width int) int { return (4*width + storeAlign - 1) &^ (storeAlign - 1) }

// slack is around the pixels, for vector loads and stores.
const slack = 256

// decode is DecodeWithin for an image whose memory was taken.
func (t *tiler) decode(ctx context.Context, dst, src []byte) error {
	w := &walk{tiler: t, ctx: ctx}
	if t.tally == nil {
		var err error
		if t.tally, err = t.d.opt.Tiles.NewTally(); err != nil {
			return err
		}
	}
	if t.tally != nil {
		t.tally.Begin()
	}
	var striper codec.Striper
	f, fail := t.d.find(src)
	if fail == nil && int64(len(src)) <= t.d.opt.MaxBytes {
		_, striper = t.need(f, t.d.codecs[f.format].Need(f.src, t.d.bounds))
	}
	var err error
	if striper != nil {
		fail, err = striper.DecodeStrips(f.src, t.d.bounds, w)
	} else if fail, err = t.d.decode(src, w); err == nil && fail == nil {
		w.cut()
	}
	switch {
	case w.err != nil:
		return w.err
	case err != nil:
		return err
	case fail != nil:
		return fail
	}
	return w.end(dst)
}

// A walk is one image whose tiles are scored from its stored top to its bottom. It is the Canvas
// or the StripSink of its codec.
type walk struct {
	*tiler
	ctx           context.Context //nolint:containedctx // of the call that is under way; a codec passes none on
	width, height int             // stored
	orientation   codec.Orientation
	transpose     bool
	tileW, tileH  int // of the stored pixels
	columns, rows []tileAt
	alpha         bool
	picture       codec.Pixels // all of it, or the rows from top on
	top           int
	err           error
}

// tileAt is where tiles begin along an axis, in the stored image and in the upright one.
type tileAt struct{ stored, upright int }

// begin plans the tiles.
func (w *walk) begin(width, height int, o codec.Orientation) {
	if w.whole.IgnoreOrientation {
		o = 1
	}
	w.width, w.height, w.orientation = width, height, o
	w.tileW, w.tileH = min(w.d.spec.Tile, width), min(w.d.spec.Tile, height)
	transpose, flipX, flipY := o.Turn()
	w.transpose = transpose
	w.columns, w.rows = w.axis(width, w.tileW, flipX), w.axis(height, w.tileH, flipY)
	w.top, w.alpha = 0, false
}

// axis returns where the tiles of an axis of the stored image begin, in its order.
func (w *walk) axis(side, tile int, flip bool) []tileAt {
	var all []tileAt
	for _, at := range w.d.spec.tileStarts(side) {
		stored := at
		if flip {
			stored = side - tile - at
		}
		all = append(all, tileAt{stored, at})
	}
	if flip {
		slices.Reverse(all)
	}
	return all
}

// room returns the pixels of so many rows of the image.
func (w *walk) room(height int) codec.Pixels {
	pitch := pitchOf(w.width)
	px := w.pixels.need(pitch*height + slack)
	w.picture = codec.Pixels{Bytes: px[unaligned(w.pixels.pointer()):][:pitch*height], Pitch: pitch, Width: w.width, Height: height}
	return w.picture
}

// Prepare implements codec.Canvas, for the whole image.
func (w *walk) Prepare(width, height int, o codec.Orientation, _ []codec.Scale) codec.Pixels {
	w.begin(width, height, o)
	return w.room(height)
}

// Alpha implements codec.AlphaCanvas.
func (w *walk) Alpha() bool {
	w.alpha = len(w.whole.Background) != 0
	return w.alpha
}

// Dark implements codec.DarkCanvas.
func (w *walk) Dark() { w.d.canvas.Dark() }

// cut scores the tiles of the whole image.
func (w *walk) cut() {
	for _, row := range w.rows {
		if w.score(row); w.err != nil {
			return
		}
	}
}

// Begin implements codec.StripSink.
func (w *walk) Begin(width, height int, o codec.Orientation) {
	w.begin(width, height, o)
	w.room(w.tileH)
	w.top = w.rows[0].stored
}

// Strip implements codec.StripSink.
func (w *walk) Strip(top int, px codec.Pixels) bool {
	for y := range px.Height {
		if len(w.rows) == 0 || w.err != nil {
			break
		}
		at := top + y - w.top
		copy(w.picture.Row(at), px.Row(y))
		if at < w.tileH-1 {
			continue
		}
		w.score(w.rows[0])
		if w.rows = w.rows[1:]; len(w.rows) > 0 {
			done := w.rows[0].stored - w.top
			copy(w.picture.Bytes, w.picture.Bytes[done*w.picture.Pitch:])
			w.top += done
		}
	}
	return w.err == nil
}

// score prepares the tiles of one row of them, which begins at row.
func (w *walk) score(row tileAt) {
	for _, column := range w.columns {
		dst, err := w.next(column, row)
		if err != nil {
			w.err = err
			return
		}
		c := w.d.canvas
		to := c.Prepare(w.tileW, w.tileH, w.orientation, nil)
		if w.alpha {
			c.Alpha()
		}
		for y := range w.tileH {
			copy(to.Row(y), w.picture.Row(row.stored - w.top + y)[4*column.stored:])
		}
		c.render(dst)
	}
}

// next returns the memory for the tensor row of a tile.
func (w *walk) next(column, row tileAt) ([]byte, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	if w.tally == nil {
		return make([]byte, w.whole.RowBytes()), nil
	}
	at := Tile{X: column.upright, Y: row.upright, Width: w.tileW, Height: w.tileH}
	if w.transpose {
		at = Tile{X: row.upright, Y: column.upright, Width: w.tileH, Height: w.tileW}
	}
	return w.tally.Row(w.ctx, at)
}

// end writes the numbers of the image.
func (w *walk) end(dst []byte) error {
	p := Placement{Width: w.width, Height: w.height, StepX: 1, StepY: 1}
	if w.transpose {
		p.Width, p.Height = p.Height, p.Width
	}
	if w.tally != nil {
		numbers := make([]float32, len(dst)/4)
		var err error
		if p.Tile, err = w.tally.End(w.ctx, numbers); err != nil {
			return err
		}
		for i, v := range numbers {
			binary.NativeEndian.PutUint32(dst[4*i:], math.Float32bits(v)) // as NumberAt reads it
		}
	}
	w.d.canvas.placement = p
	return nil
}
