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
	"unicode/utf8"
	"unsafe"

	"github.com/batchscore/batchscore/shard/jsonform"
)

// ErrCorrupt means that an encoded manifest is not one that Encode wrote.
var ErrCorrupt = errors.New("corrupt manifest")

const (
	digestPrefix = "sha256:"
	header       = `{"format":"batchscore-manifest","version":1}` + "\n"
	// maxLine limits one line. It allows for a path of 64 KiB, escaped and in base64.
	maxLine = 1 << 20
)

// flushAt is how much text is buffered before it is written.
const flushAt = 64 << 10

// writer makes a manifest from the lines of entries that are added in order.
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

// add adds the line of the next entry.
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

// end returns the manifest, which then owns text.
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
	if e.FromOutput > 0 {
		buf = append(buf, `,"from_output":`...)
		buf = strconv.AppendInt(buf, int64(e.FromOutput), 10)
		buf = append(buf, `,"from_row":`...)
		buf = strconv.AppendInt(buf, int64(e.FromRow), 10)
		if e.From != "" {
			buf = append(buf, ',')
			buf = appendText(buf, "from", e.From)
		}
	}
	if e.Why != "" {
		buf = append(buf, ',')
		buf = appendText(buf, "why", string(e.Why))
	}
	if e.Status != "" {
		buf = append(buf, ',')
		buf = appendText(buf, "status", e.Status)
	}
	return append(buf, '}', '\n')
}

// appendText appends "key":"s". If s is not valid UTF-8, it also appends
// "key_base64" with its exact bytes.
func appendText(buf []byte, key, s string) []byte {
	buf = append(buf, '"')
	buf = append(buf, key...)
	buf = append(buf, '"', ':')
	buf = jsonform.AppendString(buf, s)
	if !utf8.ValidString(s) {
		buf = append(buf, ',', '"')
		buf = append(buf, key...)
		buf = append(buf, `_base64":"`...)
		buf = base64.StdEncoding.AppendEncode(buf, []byte(s))
		buf = append(buf, '"')
	}
	return buf
}

// view returns text as a string without copying it. It is valid until text is
// written to.
func view(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }

var errForm = errors.New("not the line of an entry")

// parseEntry parses a line that appendEntry wrote, including its end. The strings
// of the entry share the line's memory if they are not escaped there. parseEntry
// also accepts some lines that appendEntry would write differently: compare the
// result of appendEntry with the line to reject those.
func parseEntry(line string) (Entry, error) {
	p := jsonform.Parse(line)
	var e Entry
	p.Take(`{`)
	e.Path = takeText(&p, `"path":`, `,"path_base64":`)
	p.Take(`,"size":`)
	e.Size = p.Int()
	p.Take(`,`)
	e.ETag = takeText(&p, `"etag":`, `,"etag_base64":`)
	short := false
	if p.Has(`,"md5":`) {
		e.MD5 = p.Base64()
		short = len(e.MD5) != md5.Size
	}
	wrong := false
	if p.Has(`,"from_output":`) {
		e.FromOutput = int(p.Int())
		p.Take(`,"from_row":`)
		e.FromRow = int(p.Int())
		wrong = e.FromOutput < 1 || e.FromRow < 0
		if p.Has(`,"from":`) {
			e.From = takeText(&p, "", `,"from_base64":`)
		}
	}
	if p.Has(`,"why":`) {
		e.Why = Why(takeText(&p, "", `,"why_base64":`))
	}
	if p.Has(`,"status":`) {
		e.Status = takeText(&p, "", `,"status_base64":`)
	}
	p.Take("}\n")
	if !p.Done() || short || wrong {
		return Entry{}, errForm
	}
	return e, nil
}

// takeText is the inverse of appendText. It returns the text after key or, if exact
// follows that, the bytes after exact.
func takeText(p *jsonform.Parser, key, exact string) string {
	p.Take(key)
	s := p.Text()
	if p.Has(exact) {
		return p.Base64()
	}
	return s
}

// DecodeManifest reads what Encode wrote, and accepts nothing else. If anything is
// missing, added, changed or out of order, the error wraps ErrCorrupt and names the
// line. Errors of r are wrapped.
func DecodeManifest(r io.Reader, room Room) (*Manifest, error) {
	w := newWriter(room)
	m, err := decode(bufio.NewReaderSize(r, maxLine), w, checkLines())
	if err != nil {
		w.text.Close()
	}
	return m, err
}

// DecodeKnown is DecodeManifest for a manifest whose digest is known. That digest proves its
// lines, so they are not parsed. A manifest with another one is ErrCorrupt.
func DecodeKnown(r io.Reader, digest string, room Room) (*Manifest, error) {
	w := newWriter(room)
	m, err := decode(bufio.NewReaderSize(r, maxLine), w, func([]byte, int) error { return nil })
	if err == nil && m.Digest() != digest {
		err = fmt.Errorf("%w: its digest is %s, not %s", ErrCorrupt, m.Digest(), digest)
	}
	if err != nil {
		w.text.Close()
		return nil, err
	}
	return m, nil
}

// checkLines returns a function that checks the lines of entries, which come in order.
func checkLines() func(text []byte, n int) error {
	var prev, again []byte
	return func(text []byte, n int) error {
		e, err := parseEntry(view(text))
		if err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrCorrupt, n, err)
		}
		if again = appendEntry(again[:0], e); !bytes.Equal(again, text) {
			return fmt.Errorf("%w: line %d is not in the form that was written", ErrCorrupt, n)
		}
		if n > 2 && e.Path <= string(prev) {
			return fmt.Errorf("%w: line %d: %q does not come after %q", ErrCorrupt, n, e.Path, prev)
		}
		prev = append(prev[:0], e.Path...)
		return nil
	}
}

func decode(in *bufio.Reader, w *writer, check func(text []byte, n int) error) (*Manifest, error) {
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
		if err := check(text, n); err != nil {
			return nil, err
		}
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
		err = fmt.Errorf("%w: line %d: the trailer does not match the %d entries before it", ErrCorrupt, n, w.n)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}
