package codectest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// PNGSignature is what every PNG begins with.
const PNGSignature = "\x89PNG\r\n\x1a\n"

// PNGChunk returns a chunk of a PNG, with its checksum.
func PNGChunk(kind string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// PNGHeader returns the signature and the header chunk of a PNG of 8 bits a sample.
func PNGHeader(w, h uint32) []byte {
	body := binary.BigEndian.AppendUint32(nil, w)
	body = append(binary.BigEndian.AppendUint32(body, h), 8, 2, 0, 0, 0)
	return append([]byte(PNGSignature), PNGChunk("IHDR", body)...)
}

// Deflate returns b in zlib's format.
func Deflate(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		tb.Fatal(err)
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}
