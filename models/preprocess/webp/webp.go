// Package webp decodes WebP with x/image/webp: a still, or the first frame of an animation. The
// colours are converted as libwebp does.
package webp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"io"

	"golang.org/x/image/webp"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/exif"
)

// A picture is the still, or the first frame of an animation, and the canvas on which it is
// drawn. The canvas is black where the frame does not cover it.
type picture struct {
	width, height int   // of the canvas; 0 if the file does not say
	animated      bool  // otherwise the canvas is as large as the frame
	x, y          int   // where the frame is on it
	still         parts // of a file of the frame alone
}

// Format is WebP's entry in the table of formats.
var Format = codec.Format{
	Name:       "WebP",
	Extensions: "webp",
	Signatures: []string{"RIFF....WEBP"},
	New:        func(codec.Config) (codec.Decoder, error) { return &decoder{}, nil },
}

// uint24 reads an integer of three bytes.
func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// riff is the length of a file's header.
const riff = 12

// chunks calls yield with each chunk of b until it returns false. It reports whether the
// last chunk is whole; one that is longer than b ends the walk.
func chunks(b []byte, yield func(kind string, body []byte) bool) bool {
	const header = 8
	for len(b) >= header {
		n := int64(binary.LittleEndian.Uint32(b[4:]))
		if header+n > int64(len(b)) {
			return false
		}
		if !yield(string(b[:4]), b[header:header+n]) {
			return true
		}
		b = b[min(header+n+n&1, int64(len(b))):]
	}
	return true
}

// walk follows the chunks to the last, and finds the orientation. Those after the picture
// may be broken. Without the flag in the header, a chunk of metadata is ignored; of
// several, the first counts.
func walk(src []byte) (codec.Orientation, *codec.Failure) {
	const hasXMP, hasEXIF = 0x04, 0x08
	end := 8 + int64(binary.LittleEndian.Uint32(src[4:]))
	if end > int64(len(src)) {
		return 1, codec.Fail(codec.StatusTruncated, "shorter than its RIFF header says")
	}
	var m exif.Metadata
	var flags byte
	first, pixels := true, false
	whole := chunks(src[riff:max(riff, end)], func(kind string, body []byte) bool {
		switch {
		case kind == "VP8 ", kind == "VP8L", kind == "ANMF":
			pixels = true
		case len(body) == 0:
		case kind == "VP8X" && first:
			flags = body[0]
		case kind == "EXIF" && flags&hasEXIF != 0 && m.EXIF == nil:
			m.EXIF = body
		case kind == "XMP " && flags&hasXMP != 0 && m.XMP == nil:
			m.XMP = body
		}
		first = false
		return true
	})
	if !whole && !pixels {
		return 1, codec.Fail(codec.StatusCorrupt, "a chunk is longer than the file")
	}
	return m.Orientation(), nil
}

// A part is a chunk of a file that is made of another's.
type part struct {
	kind string
	body []byte
}

// parts are the chunks of a file. Their bodies are not copied.
type parts []part

// reader reads the file.
func (p parts) reader() io.Reader {
	long, files := 4, []io.Reader{nil}
	for _, c := range p {
		head := binary.LittleEndian.AppendUint32([]byte(c.kind), uint32(len(c.body)))
		files = append(files, bytes.NewReader(head), bytes.NewReader(c.body), bytes.NewReader(make([]byte, len(c.body)&1)))
		long += len(head) + len(c.body) + len(c.body)&1
	}
	files[0] = bytes.NewReader(append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(long)), "WEBP"...))
	return io.MultiReader(files...)
}

// read finds the picture in a file.
func read(src []byte) (*picture, *codec.Failure) {
	const extended, frame = 10, 16
	const isAnimated, hasAlpha = 0x02, 0x10
	f, flags := &picture{}, byte(0)
	var alpha, pixels *part
	still := func(kind string, body []byte) bool {
		switch kind {
		case "ALPH":
			alpha = &part{kind, body}
		case "VP8 ", "VP8L":
			pixels = &part{kind, body}
		}
		return pixels == nil
	}
	chunks(src[riff:], func(kind string, body []byte) bool {
		switch {
		case kind == "VP8X" && len(body) >= extended:
			flags = body[0]
			f.animated = flags&isAnimated != 0
			f.width, f.height = uint24(body[4:])+1, uint24(body[7:])+1
		case !f.animated:
			return still(kind, body)
		case kind == "ANMF" && len(body) >= frame:
			f.x, f.y = 2*uint24(body), 2*uint24(body[3:])
			chunks(body[frame:], still)
			return false
		}
		return true
	})
	if pixels == nil {
		return nil, codec.Fail(codec.StatusCorrupt, "no VP8 or VP8L chunk")
	}
	f.still = parts{*pixels}
	if alpha != nil && pixels.kind == "VP8 " && (f.animated || flags&hasAlpha != 0) {
		cfg, err := webp.DecodeConfig(f.still.reader())
		if err != nil {
			return nil, failure(err)
		}
		w, h := cfg.Width-1, cfg.Height-1
		head := []byte{hasAlpha, 0, 0, 0, byte(w), byte(w >> 8), byte(w >> 16), byte(h), byte(h >> 8), byte(h >> 16)}
		f.still = parts{{"VP8X", head}, *alpha, *pixels}
	}
	return f, nil
}

type decoder struct {
	chroma codec.RowPair // one row of upsampled U and V
	alpha  bool          // it is wanted
	frame  int64         // pixels that were decoded last
}

func (d *decoder) Close() {}

func (d *decoder) Decode(src []byte, bounds codec.Bounds, to codec.Canvas) (*codec.Failure, error) {
	d.frame = 0
	fail := d.decode(src, bounds, to)
	codec.Collect(6 * d.frame)
	return fail, nil
}

// find finds the picture in a file, and checks its size, which is in cfg, and that of the
// canvas.
func find(src []byte, bounds codec.Bounds) (f *picture, cfg image.Config, fail *codec.Failure) {
	if f, fail = read(src); fail != nil {
		return nil, cfg, fail
	}
	cfg, err := webp.DecodeConfig(f.still.reader())
	if err != nil {
		return nil, cfg, failure(err)
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return nil, cfg, codec.Fail(codec.StatusCorrupt, "no pixels")
	}
	if f.width == 0 {
		f.width, f.height = cfg.Width, cfg.Height
	}
	if fail := bounds.CheckSize(f.width, f.height); fail != nil {
		return nil, cfg, fail
	}
	if f.x+cfg.Width > f.width || f.y+cfg.Height > f.height || !f.animated && (cfg.Width != f.width || cfg.Height != f.height) {
		return nil, cfg, codec.Fail(codec.StatusCorrupt, "a frame of %dx%d at %d,%d in %dx%d pixels",
			cfg.Width, cfg.Height, f.x, f.y, f.width, f.height)
	}
	return f, cfg, nil
}

func (d *decoder) decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	o, fail := walk(src)
	if fail != nil {
		return fail
	}
	f, cfg, fail := find(src, bounds)
	if fail != nil {
		return fail
	}
	d.frame = int64(cfg.Width) * int64(cfg.Height)
	img, err := webp.Decode(f.still.reader())
	if err != nil {
		return failure(err)
	}
	px := to.Prepare(f.width, f.height, o, nil)
	if cfg.Width < f.width || cfg.Height < f.height {
		for y := range f.height {
			clear(px.Row(y))
		}
	}
	d.alpha = f.alpha() && codec.Alpha(to)
	for y := range cfg.Height {
		d.fill(px.Row(f.y + y)[4*f.x:][:4*cfg.Width], img, y)
	}
	return nil
}

// alpha reports whether pixels may be transparent.
func (f *picture) alpha() bool {
	for _, c := range f.still {
		const alphaBit = 0x10 // in the byte after the sides of VP8L
		if c.kind == "ALPH" || c.kind == "VP8L" && len(c.body) >= vp8lHead && c.body[vp8lHead-1]&alphaBit != 0 {
			return true
		}
	}
	return false
}

// failure finds the status of an error of x/image/webp.
func failure(err error) *codec.Failure {
	f := &codec.Failure{Status: codec.StatusCorrupt, Reason: err.Error()}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		f.Status = codec.StatusTruncated
	}
	return f
}
