package printable

import (
	"bytes"
	"io"
	"sync"
	"unicode/utf8"
)

// Writer writes Text to another writer. A character may be split between two calls of Write.
// Its methods may be called from several goroutines.
type Writer struct {
	w io.Writer

	mu   sync.Mutex
	rest []byte // the beginning of a character, or a carriage return
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write writes p, in one Write to the other writer, but for the beginning of a character at
// its end.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := p
	if len(w.rest) > 0 {
		text = append(bytes.Clone(w.rest), p...)
	}
	n := len(text) - begun(text)
	w.rest = bytes.Clone(text[n:])
	if err := w.write(text[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close writes what is left. It does not close the other writer.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	rest := w.rest
	w.rest = nil
	return w.write(rest)
}

func (w *Writer) write(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, err := io.WriteString(w.w, Text(string(text)))
	return err
}

// begun returns how many bytes at the end of text may be the beginning of something that
// more bytes complete.
func begun(text []byte) int {
	if bytes.HasSuffix(text, []byte("\r")) {
		return 1
	}
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
