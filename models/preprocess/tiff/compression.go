package tiff

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// expand decodes a block of some rows of rowBytes bytes. It returns buf, which it may grow,
// or data itself if the pixels are not compressed.
func (t *picture) expand(buf, data []uint8, rows, rowBytes int) ([]uint8, *codec.Failure) {
	n := rows * rowBytes
	if t.compression == uncompressed {
		return data, nil
	}
	if cap(buf) < n {
		buf = make([]uint8, n)
	}
	buf = buf[:n]
	var got int
	var err error
	switch t.compression {
	case packBits:
		got = unpackBits(buf, data)
	case lzw:
		got, err = unpackLZW(buf, data)
	case deflate, oldDeflate:
		got, err = inflate(buf, data)
	default:
		f := faxDecoder{data: data, width: t.blockW, order: t.compression, twoD: t.twoD}
		got, err = f.decode(buf, rows, rowBytes)
	}
	switch {
	case errors.Is(err, errFaxUncompressed), errors.Is(err, errFaxMarks):
		return buf, unsupportedTag(tagCompression, fmt.Sprintf("%d %v", t.compression, err))
	case err == nil && got < n:
		err = errShort
	}
	short := errors.Is(err, errShort) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errFaxEnd)
	switch {
	case err == nil:
		return buf, nil
	case short && t.counts.count == 0: // the data extend to the end of the file
		return buf, codec.Fail(codec.StatusTruncated, "%d bytes instead of %d: %v", got, n, err)
	}
	return buf, codec.Fail(codec.StatusCorrupt, "%d bytes instead of %d: %v", got, n, err)
}

// unpackBits expands Apple's run lengths, and returns how many bytes of dst it filled.
func unpackBits(dst, src []uint8) int {
	at := 0
	for len(src) > 0 && at < len(dst) {
		n := int(int8(src[0]))
		src = src[1:]
		switch {
		case n == -128:
		case n >= 0:
			m := min(n+1, len(src))
			at += copy(dst[at:], src[:m])
			src = src[m:]
		case len(src) > 0:
			run := dst[at:min(at+1-n, len(dst))]
			for i := range run {
				run[i] = src[0]
			}
			at += len(run)
			src = src[1:]
		}
	}
	return at
}

// inflate expands zlib's format, and returns how many bytes of dst it filled.
func inflate(dst, src []uint8) (int, error) {
	r, err := zlib.NewReader(bytes.NewReader(src))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	n, err := io.ReadFull(r, dst)
	if err != nil {
		return n, err
	}
	// Check the checksum, if there is one.
	var more [1]byte
	if _, err := r.Read(more[:]); errors.Is(err, zlib.ErrChecksum) {
		return n, err
	}
	return n, nil
}

// unpackLZW expands TIFF's LZW, and returns how many bytes of dst it filled. A string of the
// table is the string before it and one more byte, so that it is copied from where it was
// first written.
func unpackLZW(dst, src []uint8) (int, error) {
	const (
		clearCode, endCode, firstCode = 256, 257, 258
		codes                         = 4096
	)
	// Codes become longer one code early, and have their highest bit first. Neither
	// was so before TIFF 6; the first code shows which kind it is.
	old := len(src) >= 2 && src[0] == 0 && src[1]&1 != 0
	early := 1
	if old {
		early = 0
	}
	var (
		start  [codes]int32
		length [codes]int32
		acc    uint32
		have   int
		width  = 9
		next   = firstCode
		last   = -1 // the length of the last string; -1 after a clear code
	)
	at := 0
	for first := true; at < len(dst); first = false {
		for have < width {
			if len(src) == 0 {
				return at, nil
			}
			if old {
				acc |= uint32(src[0]) << have
			} else {
				acc = acc<<8 | uint32(src[0])
			}
			src = src[1:]
			have += 8
		}
		have -= width
		var code int
		if old {
			code = int(acc & (1<<width - 1))
			acc >>= width
		} else {
			code = int(acc >> have & (1<<width - 1))
		}
		switch {
		case first && code != clearCode:
			return at, errLZW
		case code == clearCode:
			width, next, last = 9, firstCode, -1
			continue
		case code == endCode:
			return at, nil
		}
		if last >= 0 && next < codes {
			start[next], length[next] = int32(at-last), int32(last+1)
			next++
			if next+early == 1<<width && width < 12 {
				width++
			}
		}
		switch {
		case code < clearCode:
			dst[at] = uint8(code)
			at++
			last = 1
		case code >= next || last < 0:
			return at, errLZW
		default:
			from, n := int(start[code]), min(int(length[code]), len(dst)-at)
			for i := range n { // the last byte may be the first of them
				dst[at+i] = dst[from+i]
			}
			at += n
			last = n
		}
	}
	return at, nil
}

var (
	errLZW   = errors.New("a bad LZW code")
	errShort = errors.New("the data end")
)
