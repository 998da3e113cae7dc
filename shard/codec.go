package shard

import (
	"bufio"
	"bytes"
	"crypto/md5" //nolint:gosec // G501: the digest that blob storage keeps
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// ErrCorrupt says that an encoded manifest is not one that Encode wrote.
var ErrCorrupt = errors.New("corrupt manifest")

const (
	digestPrefix = "sha256:"
	header       = `{"format":"batchscore-manifest","version":1}` + "\n"
	// maxLine bounds one line: a path of 64 KiB, escaped and in base64.
	maxLine = 1 << 20
)

// flushAt is how much text is gathered before it is written.
const flushAt = 64 << 10

// writer makes a manifest of lines that come in order.
type writer struct {
	text  spool
	buf   []byte // not yet in text
	hash  hash.Hash
	marks []int64
	n     int
}

func newWriter(room Room) *writer {
	return &writer{text: spool{room: room}, buf: append(make([]byte, 0, flushAt+4096), header...), hash: sha256.New()}
}

// add takes the line of the next entry.
func (w *writer) add(line []byte) error {
	if w.n%stride == 0 {
		w.marks = append(w.marks, w.text.size+int64(len(w.buf)))
	}
	w.n++
	w.buf = append(w.buf, line...)
	if len(w.buf) < flushAt {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	w.hash.Write(w.buf)
	if _, err := w.text.Write(w.buf); err != nil {
		return fmt.Errorf("hold the manifest: %w", err)
	}
	w.buf = w.buf[:0]
	return nil
}

// end returns the manifest, which text belongs to from then on.
func (w *writer) end() (*Manifest, error) {
	err := w.flush()
	if err == nil {
		w.marks = append(w.marks, w.text.size)
		_, err = w.text.Write(trailer(w.n, w.hash))
	}
	if err != nil {
		return nil, err
	}
	return &Manifest{text: w.text, marks: w.marks, n: w.n, sum: digestPrefix + hexSum(w.hash)}, nil
}

var trailerStart = []byte(`{"entries":`)

func trailer(n int, h hash.Hash) []byte {
	return fmt.Appendf(nil, `{"entries":%d,"sha256":"%s"}`+"\n", n, hexSum(h))
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

func appendEntry(buf []byte, e Entry) []byte {
	buf = append(buf, '{')
	buf = appendText(buf, "path", e.Path)
	buf = append(buf, `,"size":`...)
	buf = strconv.AppendInt(buf, e.Size, 10)
	buf = append(buf, ',')
	buf = appendText(buf, "etag", e.ETag)
	if e.MD5 != "" {
		buf = append(buf, `,"md5":"`...)
		buf = base64.StdEncoding.AppendEncode(buf, []byte(e.MD5))
		buf = append(buf, '"')
	}
	return append(buf, '}', '\n')
}

// appendText appends "key":"s" and, unless s is valid UTF-8, "key_base64" with
// its exact bytes.
func appendText(buf []byte, key, s string) []byte {
	buf = append(buf, '"')
	buf = append(buf, key...)
	buf = append(buf, '"', ':')
	buf = AppendJSONString(buf, s)
	if !utf8.ValidString(s) {
		buf = append(buf, ',', '"')
		buf = append(buf, key...)
		buf = append(buf, `_base64":"`...)
		buf = base64.StdEncoding.AppendEncode(buf, []byte(s))
		buf = append(buf, '"')
	}
	return buf
}

// AppendJSONString appends s as a JSON string: quotes, backslashes and control
// characters escaped, everything else as it stands, U+FFFD for each byte that
// is not valid UTF-8. One string has one form, which digests rely on.
func AppendJSONString(buf []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	buf = append(buf, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				buf = append(append(buf, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		buf = append(buf, s[from:i]...)
		switch c {
		case '"', '\\':
			buf = append(buf, '\\', c)
		case '\n':
			buf = append(buf, '\\', 'n')
		case '\r':
			buf = append(buf, '\\', 'r')
		case '\t':
			buf = append(buf, '\\', 't')
		default:
			buf = append(buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(buf, s[from:]...), '"')
}

// view is text as a string, without copying it, for as long as nobody writes
// there.
func view(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }

var errForm = errors.New("not the line of an entry")

// parseEntry reads a line that appendEntry wrote, end of line included. The
// entry's strings lie in the line where they stand there as they are. Of what
// else it accepts, appendEntry writes no equal line.
func parseEntry(line string) (Entry, error) {
	p := parser{rest: line, ok: true}
	var e Entry
	p.take(`{`)
	e.Path = p.text("path")
	p.take(`,"size":`)
	end := max(strings.IndexByte(p.rest, ','), 0)
	size, err := strconv.ParseInt(p.rest[:end], 10, 64)
	p.ok = p.ok && err == nil
	e.Size, p.rest = size, p.rest[end:]
	p.take(`,`)
	e.ETag = p.text("etag")
	if p.has(`,"md5":"`) {
		e.MD5 = p.base64()
		p.ok = p.ok && len(e.MD5) == md5.Size
	}
	p.take("}\n")
	if !p.ok || p.rest != "" {
		return Entry{}, errForm
	}
	return e, nil
}

// parser takes a line apart.
type parser struct {
	rest string
	ok   bool // so far
}

// has takes off what the rest begins with, if it does.
func (p *parser) has(s string) bool {
	rest, ok := strings.CutPrefix(p.rest, s)
	p.rest = rest
	return ok
}

func (p *parser) take(s string) { p.ok = p.has(s) && p.ok }

// text is the inverse of appendText.
func (p *parser) text(key string) string {
	p.take(`"`)
	p.take(key)
	p.take(`":"`)
	s := p.quoted()
	if rest, ok := strings.CutPrefix(p.rest, `,"`); ok && strings.HasPrefix(rest, key) {
		p.rest = rest[len(key):]
		p.take(`_base64":"`)
		return p.base64()
	}
	return s
}

// quoted takes a JSON string off whose opening quote is gone.
func (p *parser) quoted() string {
	end := strings.IndexAny(p.rest, `"\`)
	if end >= 0 && p.rest[end] == '"' {
		s := p.rest[:end]
		p.rest = p.rest[end+1:]
		return s
	}
	var s []byte
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return string(s)
		case '\\':
			if i++; i == len(p.rest) {
				break
			}
			switch c := p.rest[i]; c {
			case 'n':
				s = append(s, '\n')
			case 'r':
				s = append(s, '\r')
			case 't':
				s = append(s, '\t')
			case 'u':
				n, err := strconv.ParseUint(p.rest[min(i+1, len(p.rest)):min(i+5, len(p.rest))], 16, 8)
				p.ok = p.ok && err == nil
				s = append(s, byte(n))
				i += 4
			default:
				s = append(s, c)
			}
		default:
			s = append(s, c)
		}
	}
	p.ok, p.rest = false, ""
	return ""
}

// base64 takes a quoted text off, in base64, whose opening quote is gone.
func (p *parser) base64() string {
	s, err := base64.StdEncoding.DecodeString(p.quoted())
	p.ok = p.ok && err == nil
	return string(s)
}

// DecodeManifest reads what Encode wrote. It accepts exactly that, byte for
// byte: anything missing, added, changed or out of order is an error wrapping
// ErrCorrupt that names the line. An error of r is returned as it is, wrapped.
func DecodeManifest(r io.Reader, room Room) (*Manifest, error) {
	w := newWriter(room)
	m, err := decode(bufio.NewReaderSize(r, maxLine), w)
	if err != nil {
		w.text.Close()
	}
	return m, err
}

func decode(in *bufio.Reader, w *writer) (*Manifest, error) {
	var prev, again []byte
	for n := 1; ; n++ {
		text, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("%w: line %d: it ends before its trailer", ErrCorrupt, n)
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("%w: line %d is longer than %d bytes", ErrCorrupt, n, maxLine)
		case err != nil:
			return nil, fmt.Errorf("read manifest, line %d: %w", n, err)
		}
		if n == 1 {
			if string(text) != header {
				return nil, fmt.Errorf("%w: line 1 is not the header of a version 1 manifest", ErrCorrupt)
			}
			continue
		}
		if bytes.HasPrefix(text, trailerStart) {
			return endOfManifest(in, w, text, n)
		}
		e, err := parseEntry(view(text))
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrCorrupt, n, err)
		}
		if again = appendEntry(again[:0], e); !bytes.Equal(again, text) {
			return nil, fmt.Errorf("%w: line %d is not in the form that was written", ErrCorrupt, n)
		}
		if n > 2 && e.Path <= string(prev) {
			return nil, fmt.Errorf("%w: line %d: %q does not come after %q", ErrCorrupt, n, e.Path, prev)
		}
		prev = append(prev[:0], e.Path...)
		if err := w.add(text); err != nil {
			return nil, err
		}
	}
}

// endOfManifest checks the trailer, line n, and that nothing follows it.
func endOfManifest(in *bufio.Reader, w *writer, text []byte, n int) (*Manifest, error) {
	text = bytes.Clone(text)
	switch _, err := in.ReadByte(); {
	case err == nil:
		return nil, fmt.Errorf("%w: line %d: something follows the trailer", ErrCorrupt, n+1)
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read manifest, line %d: %w", n+1, err)
	}
	m, err := w.end()
	if err == nil && !bytes.Equal(text, trailer(w.n, w.hash)) {
		err = fmt.Errorf("%w: line %d: the trailer does not fit the %d entries before it", ErrCorrupt, n, w.n)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}
