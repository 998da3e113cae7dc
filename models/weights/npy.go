package weights

import (
	"encoding/binary"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// maxNpyHeader is the most bytes of the text that describes one array. NumPy's own
// limit is 10,000.
const maxNpyHeader = 16 << 10

// npyTypes maps NumPy's names to element types.
var npyTypes = map[string]DType{
	"<f8": Float64, "<f4": Float32, "<f2": Float16,
	"|u1": Uint8, "|b1": Uint8, "|i1": Int8, "<u2": Uint16, "<i4": Int32, "<i8": Int64,
}

// npyHeader is what an .npy file declares before its elements.
type npyHeader struct {
	dtype   DType
	fortran bool
	shape   []int64
	length  int64 // of the header, in bytes
}

// npyText matches the Python dictionary that NumPy writes, with its keys in this order.
var npyText = regexp.MustCompile(
	`^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(((?:[0-9]+L?, ?)*(?:[0-9]+L?)?)\),? ?\}\s*$`)

func readNpyHeader(r io.Reader) (npyHeader, error) {
	var h npyHeader
	var start [8]byte
	if _, err := io.ReadFull(r, start[:]); err != nil {
		return h, err
	}
	if string(start[:6]) != "\x93NUMPY" {
		return h, bad("not an .npy file")
	}
	var size uint32
	h.length = 8
	switch start[6] {
	case 1:
		var n [2]byte
		if _, err := io.ReadFull(r, n[:]); err != nil {
			return h, err
		}
		size = uint32(binary.LittleEndian.Uint16(n[:]))
		h.length += 2
	case 2, 3:
		var n [4]byte
		if _, err := io.ReadFull(r, n[:]); err != nil {
			return h, err
		}
		size = binary.LittleEndian.Uint32(n[:])
		h.length += 4
	default:
		return h, bad("an .npy file of version %d; versions 1 to 3 are supported", start[6])
	}
	if size > maxNpyHeader {
		return h, bad("the .npy header has %d bytes; at most %d are expected", size, maxNpyHeader)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, err
	}
	h.length += int64(size)
	if err := h.parse(string(text)); err != nil {
		return h, bad("%w", err)
	}
	return h, nil
}

func (h *npyHeader) parse(text string) error {
	m := npyText.FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf("the .npy header is not as NumPy writes it: %.100q", text)
	}
	if h.dtype = npyTypes[m[1]]; h.dtype == "" {
		return fmt.Errorf("elements of type %q are not supported; little-endian floats and integers are", m[1])
	}
	h.fortran = m[2] == "True"
	for _, n := range strings.FieldsFunc(m[3], func(r rune) bool { return strings.ContainsRune(", L", r) }) {
		d, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			return fmt.Errorf("shape: %w", err)
		}
		h.shape = append(h.shape, d)
	}
	return nil
}
