package shard

import "io"

// Scratch stores bytes that are written once, in order, and then read at any
// offset by any number of goroutines.
type Scratch interface {
	io.Writer
	io.ReaderAt
	io.Closer
}

// Room limits the memory that a manifest, or sorting one, may use. Beyond that it
// goes to a scratch. The zero value keeps everything in memory.
type Room struct {
	Memory  int                     // bytes
	Scratch func() (Scratch, error) // called when the memory does not suffice
}

// exceeds reports whether that many bytes must go to a scratch.
func (r Room) exceeds(n int) bool { return r.Scratch != nil && n > r.Memory }

// pageSize is the size of the pieces in which a spool allocates memory.
const pageSize = 64 << 10

// spool keeps bytes in memory while there is room for them. After that it keeps all
// of them in a scratch.
type spool struct {
	room  Room
	pages [][]byte // all but the last of pageSize
	out   Scratch  // nil while everything is in pages
	size  int64
}

// Write appends p.
func (s *spool) Write(p []byte) (int, error) {
	if s.out == nil && s.room.exceeds(int(s.size)+len(p)) {
		if err := s.overflow(); err != nil {
			return 0, err
		}
	}
	if s.out != nil {
		n, err := s.out.Write(p)
		s.size += int64(n)
		return n, err
	}
	for rest := p; len(rest) > 0; {
		if s.size%pageSize == 0 {
			s.pages = append(s.pages, make([]byte, 0, pageSize))
		}
		last := &s.pages[len(s.pages)-1]
		n := min(pageSize-len(*last), len(rest))
		*last = append(*last, rest[:n]...)
		rest = rest[n:]
		s.size += int64(n)
	}
	return len(p), nil
}

func (s *spool) overflow() (err error) {
	if s.out, err = s.room.Scratch(); err != nil {
		return err
	}
	for _, page := range s.pages {
		if _, err := s.out.Write(page); err != nil {
			return err
		}
	}
	s.pages = nil
	return nil
}

// ReadAt implements io.ReaderAt.
func (s *spool) ReadAt(p []byte, offset int64) (int, error) {
	if s.out != nil {
		return s.out.ReadAt(p, offset)
	}
	n := 0
	for n < len(p) && offset < s.size {
		m := copy(p[n:], s.pages[offset/pageSize][offset%pageSize:])
		n += m
		offset += int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// section returns a reader of the bytes from one offset to another.
func (s *spool) section(from, to int64) *io.SectionReader {
	return io.NewSectionReader(s, from, to-from)
}

// Close discards the bytes. It ignores an error from closing the scratch: nothing
// is read from it any more.
func (s *spool) Close() {
	s.pages = nil
	if s.out != nil {
		_ = s.out.Close()
	}
}
