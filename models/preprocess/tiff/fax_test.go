package tiff

import (
	"strconv"
	"strings"
	"testing"
)

// TestFault18_FaxRuns tests that runs of no pixels take no more memory than others.
func TestFault18_FaxRuns(t *testing.T) {
	const width = 8
	// White and black runs of no pixels: 18 bits each pair.
	bits := strings.Repeat("00110101"+"0000110111", 4*1000)
	data := make([]byte, len(bits)/8)
	for i := range data {
		n, err := strconv.ParseUint(bits[8*i:][:8], 2, 8)
		if err != nil {
			t.Fatal(err)
		}
		data[i] = byte(n)
	}
	e := newExpander(&picture{compression: group3, blockW: width})
	e.open(data, 1, 1)
	f := &e.fax
	row := []byte{1}
	if err := e.read(row, 1); err != nil || row[0] != 0 {
		t.Errorf("read() = %v, of %v, want a white row", err, row)
	}
	if n := cap(f.runs); n > 8*width {
		t.Errorf("memory for %d runs in a row of %d pixels, want at most %d", n, width, 8*width)
	}
}
