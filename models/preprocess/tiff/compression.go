package tiff

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/klauspost/compress/zlib" // inflates faster than the standard library
	"github.com/klauspost/compress/zstd"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// mostWindow bounds the bytes that zstd data may refer to.
const mostWindow = 128 << 20

// An expander decodes the blocks of a picture one after the other, each from its first byte
// to its last, and keeps little of it.
type expander struct {
	t    *picture
	flip [256]uint8 // what each byte of the file means
	n    int        // bytes of the block that are decoded
	data []uint8    // what is left of it, uncompressed

	packed   packBitsReader
	lzw      *lzwReader
	plain    bytes.Reader
	zlib     io.ReadCloser // nil before the first block
	failed   error         // of opening the block
	fax      faxDecoder
	xz       *xzReader
	zstd     *zstd.Decoder // nil before the first block
	whole    bool          // the block of zstd is decoded, to data
	streamed bool          // a block of zstd was not
	block    []uint8       // memory for it
	turned   []uint8       // the block, with its bits reversed
	skips    []uint8
}

func newExpander(t *picture) *expander {
	e := &expander{t: t}
	for i := range e.flip {
		e.flip[i] = uint8(i)
		if t.reversed {
			e.flip[i] = bits.Reverse8(uint8(i))
		}
	}
	switch t.compression {
	case lzw:
		e.lzw = &lzwReader{}
	case lzma:
		e.xz = &xzReader{}
	}
	return e
}

// open begins a block of rows of rowBytes bytes.
func (e *expander) open(data []uint8, rows, rowBytes int) {
	e.n, e.failed, e.data = 0, nil, nil
	switch e.t.compression {
	case uncompressed:
		e.data = data
	case packBits:
		e.packed = packBitsReader{src: data, flip: &e.flip, reversed: e.t.reversed}
	case lzw:
		e.lzw.open(data, &e.flip, rows*rowBytes)
	case deflate, oldDeflate:
		e.plain.Reset(data)
		var coded io.Reader = &e.plain
		if e.t.reversed {
			coded = &flipReader{&e.plain, &e.flip}
		}
		if e.zlib == nil {
			e.zlib, e.failed = zlib.NewReader(coded)
		} else {
			e.failed = e.zlib.(zlib.Resetter).Reset(coded, nil)
		}
	case lzma:
		e.failed = e.xz.open(e.turn(data), rows*rowBytes)
	case zstandard:
		e.openZstd(e.turn(data), rows*rowBytes)
	default:
		e.fax.open(data, &e.flip, e.t)
	}
}

// openZstd begins a block of n bytes. A small one is decoded at once, which is faster, and takes no
// window. The data may not say how long they are: those of libtiff do not. Data that are damaged, or
// longer than the block, are decoded again as far as they are good.
func (e *expander) openZstd(data []uint8, n int) {
	if e.zstd == nil {
		e.zstd, e.failed = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(mostWindow),
			zstd.WithDecodeAllCapLimit(true))
		if e.failed != nil {
			return
		}
	}
	e.whole = false
	var h zstd.Header
	if n <= zstdAtOnce && h.Decode(data) == nil && (!h.HasFCS || h.FrameContentSize <= uint64(n)) {
		if cap(e.block) < n {
			e.block = make([]uint8, 0, n)
		}
		if e.data, e.failed = e.zstd.DecodeAll(data, e.block[:0]); e.failed == nil {
			e.whole = true
			return
		}
	}
	e.streamed = true
	e.plain.Reset(data) // up to where it is damaged, if it is
	e.failed = e.zstd.Reset(&e.plain)
}

// zstdAtOnce is the most bytes of a block that is decoded at once.
const zstdAtOnce = 1 << 20

// turn returns a block's data, with their bits reversed if they are so.
func (e *expander) turn(data []uint8) []uint8 {
	if !e.t.reversed {
		return data
	}
	e.turned = append(e.turned[:0], data...)
	for i, b := range e.turned {
		e.turned[i] = e.flip[b]
	}
	return e.turned
}

// free ends the use of the expander.
func (e *expander) free() {
	if e.zstd != nil {
		e.zstd.Close()
	}
}

// read decodes the next row of rowBytes bytes, the first of them to buf. The rest is the part
// of a tile to the right of the picture.
func (e *expander) read(buf []uint8, rowBytes int) error {
	err := e.failed
	switch {
	case err != nil:
	case e.t.compression == uncompressed:
		e.n += rowBytes
		copy(buf, e.data)
		if e.t.reversed {
			for i, b := range buf {
				buf[i] = e.flip[b]
			}
		}
		e.data = e.data[rowBytes:]
	case e.t.isFax():
		if err = e.fax.next(buf); err == nil {
			e.n += rowBytes
		}
	default:
		if err = e.fill(buf); err == nil && len(buf) < rowBytes {
			err = e.skip(rowBytes - len(buf))
		}
	}
	return err
}

// skip decodes n bytes that are not needed.
func (e *expander) skip(n int) error {
	if e.skips == nil {
		e.skips = make([]uint8, 4096)
	}
	for n > 0 {
		m := min(n, len(e.skips))
		if err := e.fill(e.skips[:m]); err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// fill decodes bytes to all of dst, or returns why there are no more.
func (e *expander) fill(dst []uint8) (err error) {
	n := 0
	switch e.t.compression {
	case packBits:
		n = e.packed.read(dst)
	case lzw:
		n, err = e.lzw.read(dst)
	case lzma:
		n, err = e.xz.read(dst)
	case zstandard:
		if e.whole {
			n = copy(dst, e.data)
			e.data = e.data[n:]
			break
		}
		n, err = io.ReadFull(e.zstd, dst)
	default:
		if n, err = io.ReadFull(e.zlib, dst); errors.Is(err, io.EOF) && e.n > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err == nil && n < len(dst) {
		err = errShort
	}
	e.n += n
	return err
}

// close looks at what follows the block's last row.
func (e *expander) close() error {
	// Check the checksum, if there is one.
	var more [1]byte
	switch e.t.compression {
	case deflate, oldDeflate:
		if _, err := e.zlib.Read(more[:]); errors.Is(err, zlib.ErrChecksum) {
			return err
		}
	case zstandard:
		if e.whole {
			return nil
		}
		if _, err := e.zstd.Read(more[:]); errors.Is(err, zstd.ErrCRCMismatch) {
			return err
		}
	case lzma:
		return e.xz.check()
	}
	return nil
}

var errShort = errors.New("the data end")

// failure returns the failure of a block of n bytes with this error.
func (e *expander) failure(n int, err error) *codec.Failure {
	if errors.Is(err, errFilter) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return unsupportedTag(tagCompression, fmt.Sprintf("%d with %v", e.t.compression, err))
	}
	f := codec.Fail(codec.StatusCorrupt, "%d bytes instead of %d: %v", e.n, n, err)
	short := errors.Is(err, errShort) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errFaxEnd)
	if short && e.t.counts.count == 0 { // the data extend to the end of the file
		f.Status = codec.StatusTruncated
	}
	return f
}

// A packBitsReader expands Apple's run lengths.
type packBitsReader struct {
	src      []uint8
	flip     *[256]uint8
	reversed bool  // so that flip is needed
	copies   int   // bytes of src to copy
	run      int   // times to repeat value
	value    uint8 // of the run
}

// read returns how many bytes of dst it filled: all, unless the data end.
func (p *packBitsReader) read(dst []uint8) int {
	at := 0
	for at < len(dst) {
		switch {
		case p.copies > 0:
			n := min(p.copies, len(dst)-at)
			copied := dst[at : at+n]
			copy(copied, p.src)
			if p.reversed {
				for i, b := range copied {
					copied[i] = p.flip[b]
				}
			}
			at += n
			p.copies -= n
			p.src = p.src[n:]
		case p.run > 0:
			run := dst[at:min(at+p.run, len(dst))]
			for i := range run {
				run[i] = p.value
			}
			at += len(run)
			p.run -= len(run)
		case len(p.src) == 0:
			return at
		default:
			n := int(int8(p.flip[p.src[0]]))
			p.src = p.src[1:]
			switch {
			case n == -128:
			case n >= 0:
				p.copies = min(n+1, len(p.src))
			case len(p.src) > 0:
				p.run, p.value = 1-n, p.flip[p.src[0]]
				p.src = p.src[1:]
			}
		}
	}
	return at
}

// A flipReader reads bytes as they are meant. It has ReadByte, as zlib wants it.
type flipReader struct {
	from *bytes.Reader
	flip *[256]uint8
}

func (r *flipReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	for i, b := range p[:n] {
		p[i] = r.flip[b]
	}
	return n, err
}

func (r *flipReader) ReadByte() (byte, error) {
	b, err := r.from.ReadByte()
	return r.flip[b], err
}
