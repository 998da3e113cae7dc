package row

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// A Parquet file proves itself by a seal between its data and its footer: the
// SHA-256 of all other bytes. Readers find the footer from the end of the file
// and everything else by offsets from its beginning, so to them the seal is a
// gap.

const sealMark = "batchscore-sha256:"

const sealSize = len(sealMark) + sha256.Size

// footerEnd is the length of the footer, 4 bytes, and the magic.
const footerEnd = 8

var errUnsealed = errors.New("the file is damaged, or not written by this program: its checksum does not match")

// footer is the position at which the footer of the file that ends in tail
// begins in it.
func footer(tail []byte) (int, error) {
	if len(tail) < footerEnd || string(tail[len(tail)-4:]) != "PAR1" {
		return 0, errUnsealed
	}
	n := int64(binary.LittleEndian.Uint32(tail[len(tail)-footerEnd:]))
	if at := int64(len(tail)) - footerEnd - n; at >= 0 {
		return int(at), nil
	}
	return 0, errUnsealed
}

// checkSeal reports whether body is a sealed file.
func checkSeal(body []byte) error {
	at, err := footer(body)
	if err != nil || at < sealSize {
		return errUnsealed
	}
	data, seal := body[:at-sealSize], body[at-sealSize:at]
	h := sha256.New()
	h.Write(data)
	h.Write(body[at:])
	if !bytes.Equal(seal, h.Sum([]byte(sealMark))) {
		return errUnsealed
	}
	return nil
}

// sealer passes a Parquet file on and puts the seal into it.
type sealer struct {
	w    io.Writer
	hash hash.Hash
	tail *bytes.Buffer // not nil once the end of the file is held back
}

func newSealer(w io.Writer) *sealer { return &sealer{w: w, hash: sha256.New()} }

func (s *sealer) Write(p []byte) (int, error) {
	s.hash.Write(p)
	if s.tail != nil {
		return s.tail.Write(p)
	}
	return s.w.Write(p)
}

// hold keeps back what follows, in which the whole footer must lie.
func (s *sealer) hold() { s.tail = new(bytes.Buffer) }

// seal ends the file.
func (s *sealer) seal() error {
	tail := s.tail.Bytes()
	at, err := footer(tail)
	if err != nil {
		return fmt.Errorf("the writer left no footer")
	}
	for _, b := range [][]byte{tail[:at], s.hash.Sum([]byte(sealMark)), tail[at:]} {
		if _, err := s.w.Write(b); err != nil {
			return err
		}
	}
	return nil
}
