package tiff

import (
	"errors"
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
	if err := e.read(make([]byte, 1), 1); !errors.Is(err, errFaxRuns) {
		t.Errorf("read() = %v, want %v", err, errFaxRuns)
	}
	if n := cap(f.ends); n > 8*width {
		t.Errorf("memory for %d runs in a row of %d pixels, want at most %d", n, width, 8*width)
	}
}
