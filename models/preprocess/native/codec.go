package native

// #include "native.h"
import "C"

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A header is what Go finds in an image before the library sees it.
type header struct {
	width, height int
	orientation   codec.Orientation
	alpha         bool
	memory        int64 // that the library takes at most, in bytes
}

// A decoder decodes the images of one format.
type decoder struct {
	format  string
	library *Library
	read    func(src []byte, bounds codec.Bounds) (header, *codec.Failure)
	agree   codec.Libraries
	agreed  bool
	goOnly  bool
	helper  *helper
}

// format returns New for a format that a library decodes. read finds the header of an
// image; it refuses one beyond the bounds.
func format(name string, l *Library, read func([]byte, codec.Bounds) (header, *codec.Failure)) func(codec.Config) (codec.Decoder, error) {
	return func(c codec.Config) (codec.Decoder, error) {
		return &decoder{format: name, library: l, read: read, agree: c.Libraries, goOnly: c.GoOnly}, nil
	}
}

// Need implements codec.Decoder.
func (d *decoder) Need(src []byte, bounds codec.Bounds) codec.Need {
	h, fail := d.read(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	shared := int64(len(src)) + 4*int64(h.width)*int64(h.height) + 2*page
	return codec.Need{Width: h.width, Height: h.height, Bytes: h.memory + shared}
}

// Close implements codec.Decoder.
func (d *decoder) Close() {
	if d.helper != nil {
		d.helper.close()
		d.helper = nil
	}
}

// Settle implements codec.Keeper.
func (d *decoder) Settle(most int64) (kept int64) {
	if d.helper == nil {
		return 0
	}
	if err := d.helper.settle(most - ownMemory); err != nil {
		d.Close()
		return 0
	}
	return d.helper.length + ownMemory
}

// attempts is how often an image is decoded, each time by a new helper, if somebody kills
// the helper meanwhile.
const attempts = 3

// Decode implements codec.Decoder.
func (d *decoder) Decode(src []byte, bounds codec.Bounds, to codec.Canvas) (*codec.Failure, error) {
	if d.goOnly {
		return codec.Fail(codec.StatusUnsupported, "%s is not decoded in Go", d.format), nil
	}
	h, fail := d.read(src, bounds)
	if fail != nil {
		return fail, nil // whatever library there is
	}
	identity, missing := d.library.Identity()
	if missing != nil && !IsMissing(missing) {
		return nil, missing
	}
	if d.agree != nil && !d.agreed {
		if err := d.agree.Agree(d.library.Name, identity); err != nil {
			return nil, err
		}
		d.agreed = true
	}
	if missing != nil {
		return codec.Fail(codec.StatusUnsupported, "%s is not decoded: %s is not installed", d.format, d.library.Name), nil
	}
	px := to.Prepare(h.width, h.height, h.orientation, nil)
	if h.alpha {
		codec.Alpha(to) // which is always filled
	}
	t := task{src: src, width: h.width, height: h.height, memory: h.memory, seconds: seconds(h)}
	for n := 1; ; n++ {
		if d.helper == nil {
			var err error
			if d.helper, err = d.library.launch(); err != nil {
				return nil, err
			}
		}
		o, err := d.helper.decode(t)
		if err != nil {
			return nil, err
		}
		if o.died == "" {
			return d.finish(o, px)
		}
		// What a library keeps of the images before may be the cause. A new process has
		// none of it, so that what becomes of an image depends on nothing else.
		alone := d.helper.images == 1
		d.Close()
		switch {
		case o.killed && n == attempts:
			return nil, fmt.Errorf("%s: its helper was killed %d times while it decoded one image: "+
				"too little memory on this machine?", d.library.Name, n)
		case alone && !o.killed:
			return codec.Fail(codec.StatusPanic, "%s %s", d.library.Name, o.died), nil
		}
	}
}

// finish takes over the pixels, or the failure.
func (d *decoder) finish(o outcome, px codec.Pixels) (*codec.Failure, error) {
	if o.status != C.BS_OK {
		status, ok := map[C.uint32_t]codec.Status{C.BS_CORRUPT: codec.StatusCorrupt, C.BS_TRUNCATED: codec.StatusTruncated,
			C.BS_UNSUPPORTED: codec.StatusUnsupported, C.BS_TOO_LARGE: codec.StatusTooLarge}[o.status]
		if !ok || o.text == "" {
			return nil, fmt.Errorf("%s: its helper gives the status %d", d.library.Name, o.status)
		}
		return codec.Fail(status, "%s", o.text), d.helper.settle(keptShared)
	}
	if err := d.helper.pixels(o.pixels, px); err != nil {
		return nil, err
	}
	return nil, d.helper.settle(keptShared)
}

// seconds is how much processor time an image may take: many times what the slowest of the
// formats takes on a slow processor.
var seconds = func(h header) int {
	return 20 + int(int64(h.width)*int64(h.height)/250_000)
}

// pixels reads pixels out of the shared memory, many rows at a time.
func (h *helper) pixels(offset int64, px codec.Pixels) error {
	rows := make([][]byte, 0, min(px.Height, 1024)) // at most IOV_MAX
	for y := 0; y < px.Height; {
		rows = rows[:0]
		bytes := 0
		for len(rows) < cap(rows) && y+len(rows) < px.Height && bytes < 1<<30 {
			r := px.Row(y + len(rows))
			rows, bytes = append(rows, r), bytes+len(r)
		}
		n, err := unix.Preadv(int(h.shared.Fd()), rows, offset)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n != bytes {
			return fmt.Errorf("memory shared with a decode helper: %d of %d bytes: %w", n, bytes, err)
		}
		offset, y = offset+int64(bytes), y+len(rows)
	}
	return nil
}
