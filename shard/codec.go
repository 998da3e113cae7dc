package shard

import (
	"bufio"
	"bytes"
	"crypto/md5" //nolint:gosec // G501: the digest that blob storage keeps
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"unicode/utf8"
)

// ErrCorrupt says that an encoded manifest is not one that Encode wrote.
var ErrCorrupt = errors.New("corrupt manifest")

const (
	digestPrefix = "sha256:"
	header       = `{"format":"batchscore-manifest","version":1}` + "\n"
	// maxLine bounds one line: a path of 64 KiB, escaped and in base64.
	maxLine = 1 << 20
)

// Encode writes the manifest as JSON lines: a header, one line per entry with
// path, size, etag and, where it is known, md5, and a trailer with the number of entries and the
// SHA-256 of all bytes before it. A path that is not valid UTF-8 has U+FFFD
// where it cannot be shown, and its exact bytes in path_base64 (an etag
// likewise).
func (m *Manifest) Encode(w io.Writer) error {
	h := sha256.New()
	if err := m.encodeBody(io.MultiWriter(w, h)); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if _, err := w.Write(trailer(m.Len(), h)); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

func (m *Manifest) encodeBody(w io.Writer) error {
	const flushAt = 64 << 10
	buf := append(make([]byte, 0, flushAt+4096), header...)
	for i := range m.refs {
		buf = appendEntry(buf, m.At(i))
		if len(buf) >= flushAt {
			if _, err := w.Write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	_, err := w.Write(buf)
	return err
}

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

// line is any line of a manifest but the header.
type line struct {
	Path       *string `json:"path"`
	PathBase64 []byte  `json:"path_base64"`
	Size       int64   `json:"size"`
	ETag       string  `json:"etag"`
	ETagBase64 []byte  `json:"etag_base64"`
	MD5        []byte  `json:"md5"`
}

func (l line) entry() Entry {
	e := Entry{Path: *l.Path, Size: l.Size, ETag: l.ETag}
	if len(l.MD5) == md5.Size {
		e.MD5 = string(l.MD5)
	}
	if l.PathBase64 != nil {
		e.Path = string(l.PathBase64)
	}
	if l.ETagBase64 != nil {
		e.ETag = string(l.ETagBase64)
	}
	return e
}

// DecodeManifest reads what Encode wrote. It accepts exactly that, byte for
// byte: anything missing, added, changed or out of order is an error wrapping
// ErrCorrupt that names the line. An error of r is returned as it is, wrapped.
func DecodeManifest(r io.Reader) (*Manifest, error) {
	in := bufio.NewReaderSize(r, maxLine)
	h := sha256.New()
	var (
		b    Builder
		prev string
		buf  []byte
	)
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
			h.Write(text)
			continue
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("%w: line %d: %v", ErrCorrupt, n, err)
		}
		if l.Path == nil {
			return endOfManifest(in, &b, h, text, n)
		}
		e := l.entry()
		if buf = appendEntry(buf[:0], e); !bytes.Equal(buf, text) {
			return nil, fmt.Errorf("%w: line %d is not in the form that was written", ErrCorrupt, n)
		}
		if n > 2 && e.Path <= prev {
			return nil, fmt.Errorf("%w: line %d: %q does not come after %q", ErrCorrupt, n, e.Path, prev)
		}
		prev = e.Path
		h.Write(text)
		b.Add(e)
	}
}

// endOfManifest checks the trailer, line n, and that nothing follows it.
func endOfManifest(in *bufio.Reader, b *Builder, h hash.Hash, text []byte, n int) (*Manifest, error) {
	if want := trailer(len(b.refs), h); !bytes.Equal(text, want) {
		return nil, fmt.Errorf("%w: line %d: the trailer does not fit the %d entries before it",
			ErrCorrupt, n, len(b.refs))
	}
	switch _, err := in.ReadByte(); {
	case err == nil:
		return nil, fmt.Errorf("%w: line %d: something follows the trailer", ErrCorrupt, n+1)
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read manifest, line %d: %w", n+1, err)
	}
	// The lines were in order, so there is nothing to sort.
	return &Manifest{blocks: b.blocks, refs: b.refs, sum: digestOf(h)}, nil
}
