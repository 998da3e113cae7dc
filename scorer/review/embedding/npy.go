package embedding

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/x448/float16"
)

// Limits of a file of vectors. Real models have some hundreds or thousands of dimensions.
const (
	mostRows       = 1 << 30
	mostDimensions = 1 << 16
	mostHeader     = 1 << 16
)

// ErrFile is the error about a file that does not hold vectors in a form that is read.
var ErrFile = errors.New("not a file of vectors")

// Vectors are the vectors in a file, which are read when they are needed.
type Vectors struct {
	file       *os.File
	first      int64 // where the numbers begin
	rows, dims int
	size       int // bytes of a number: 4 or 2
}

// Open opens a file of NumPy's format .npy that holds a matrix of float32 or float16 numbers
// in little-endian and C order, with a row for each image: numpy.save writes it.
func Open(name string) (*Vectors, error) {
	// Opening a pipe waits for somebody who writes to it.
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: it is not a regular file", name, ErrFile)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	v := &Vectors{file: f}
	if err := v.header(); err != nil {
		_ = f.Close()
		if !errors.Is(err, ErrFile) {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return nil, fmt.Errorf("%s: %w; numpy.save(FILE, vectors.astype(\"float32\")) writes one, with a row for each image", name, err)
	}
	return v, nil
}

// Close closes the file.
func (v *Vectors) Close() error { return v.file.Close() }

// Rows returns how many vectors there are.
func (v *Vectors) Rows() int { return v.rows }

// Dimensions returns how many numbers a vector has.
func (v *Vectors) Dimensions() int { return v.dims }

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFile, fmt.Sprintf(format, args...))
}

// header reads what the file says of itself, and compares it with the length of the file.
func (v *Vectors) header() error {
	info, err := v.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return wrong("it is not a regular file")
	}
	head := make([]byte, 12)
	if n, err := v.file.ReadAt(head, 0); n < len(head) {
		if err == io.EOF {
			return wrong("it has %d bytes", n)
		}
		return err
	}
	if string(head[:6]) != "\x93NUMPY" {
		return wrong("it does not begin as .npy does")
	}
	var long int64
	switch major, minor := head[6], head[7]; {
	case major == 1 && minor == 0:
		v.first, long = 10, int64(binary.LittleEndian.Uint16(head[8:]))
	case (major == 2 || major == 3) && minor == 0:
		v.first, long = 12, int64(binary.LittleEndian.Uint32(head[8:]))
	default:
		return wrong("its version is %d.%d, want 1.0, 2.0 or 3.0", major, minor)
	}
	if long > mostHeader || v.first+long > info.Size() {
		return wrong("its header is said to have %d bytes", long)
	}
	text := make([]byte, long)
	if _, err := v.file.ReadAt(text, v.first); err != nil && err != io.EOF {
		return err
	}
	v.first += long
	if err := v.describe(string(text)); err != nil {
		return err
	}
	// Both are bounded, so that the product fits.
	if want := v.first + int64(v.rows)*int64(v.dims)*int64(v.size); want != info.Size() {
		return wrong("a matrix of %d by %d numbers makes it %d bytes long, and it has %d", v.rows, v.dims, want, info.Size())
	}
	return nil
}

// field is an entry of the header, which is a dictionary in the notation of Python.
var field = regexp.MustCompile(`^\s*'(\w+)'\s*:\s*('[^'\\]*'|True|False|\([\d, ]*\))\s*(?:,|$)`)

// describe reads the dictionary of the header.
func (v *Vectors) describe(text string) error {
	inner, opened := strings.CutPrefix(strings.TrimRight(text, " \n"), "{")
	inner, closed := strings.CutSuffix(inner, "}")
	if !opened || !closed || !strings.HasSuffix(text, "\n") {
		return wrong("its header is %.100q", text)
	}
	fields := map[string]string{}
	for strings.TrimSpace(inner) != "" {
		m := field.FindStringSubmatch(inner)
		if m == nil || fields[m[1]] != "" {
			return wrong("its header is %.100q", text)
		}
		fields[m[1]], inner = m[2], inner[len(m[0]):]
	}
	if len(fields) != 3 || fields["descr"] == "" || fields["fortran_order"] == "" || fields["shape"] == "" {
		return wrong("its header is %.100q", text)
	}
	switch fields["descr"] {
	case "'<f4'":
		v.size = 4
	case "'<f2'":
		v.size = 2
	default:
		return wrong("its numbers are of the type %.20s, want '<f4' or '<f2', which are float32 and float16", fields["descr"])
	}
	if fields["fortran_order"] != "False" {
		return wrong("it has its numbers in the order of Fortran, want that of C: numpy.ascontiguousarray(vectors)")
	}
	sides := strings.Split(strings.Trim(fields["shape"], "()"), ",")
	if len(sides) != 2 || strings.TrimSpace(sides[1]) == "" {
		return wrong("its shape is %.60s, want a row for each image", fields["shape"])
	}
	var err1, err2 error
	v.rows, err1 = strconv.Atoi(strings.TrimSpace(sides[0]))
	v.dims, err2 = strconv.Atoi(strings.TrimSpace(sides[1]))
	if err1 != nil || err2 != nil || v.rows > mostRows || v.dims < 1 || v.dims > mostDimensions {
		return wrong("its shape is %.60s, want up to %d rows of 1 to %d numbers", fields["shape"], mostRows, mostDimensions)
	}
	return nil
}

// blockBytes is about how much is read at once.
const blockBytes = 1 << 20

// perBlock returns how many rows are read at once.
func (v *Vectors) perBlock() int { return max(1, blockBytes/(v.dims*v.size)) }

// reader reads vectors. Each goroutine has one of its own.
type reader struct {
	v   *Vectors
	raw []byte
	out []float32
}

// read returns n vectors, one after another, from a row on. They are valid until the next call.
func (r *reader) read(first, n int) ([]float32, error) {
	v := r.v
	if need := n * v.dims; len(r.out) < need {
		r.raw, r.out = make([]byte, need*v.size), make([]float32, need)
	}
	raw, out := r.raw[:n*v.dims*v.size], r.out[:n*v.dims]
	if got, err := v.file.ReadAt(raw, v.first+int64(first)*int64(v.dims)*int64(v.size)); got < len(raw) {
		if err == io.EOF {
			err = fmt.Errorf("%s has become shorter: %w", v.file.Name(), io.ErrUnexpectedEOF)
		}
		return nil, err
	}
	if v.size == 4 {
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	} else {
		for i := range out {
			out[i] = float16.Frombits(binary.LittleEndian.Uint16(raw[2*i:])).Float32()
		}
	}
	return out, nil
}

// blocks calls fn for all vectors in order, some at once.
func (v *Vectors) blocks(fn func(first int, vectors []float32) error) error {
	r := reader{v: v}
	for first := 0; first < v.rows; first += v.perBlock() {
		vectors, err := r.read(first, min(v.perBlock(), v.rows-first))
		if err != nil {
			return err
		}
		if err := fn(first, vectors); err != nil {
			return err
		}
	}
	return nil
}
