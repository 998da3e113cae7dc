package weights

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxHeader is the most bytes of the JSON of a safetensors file. That of a network with
// thousands of tensors is below a megabyte.
const maxHeader = 32 << 20

// safetensorTypes maps the names in the file to element types.
var safetensorTypes = map[string]DType{
	"F64": Float64, "F32": Float32, "F16": Float16, "BF16": BFloat16,
	"U8": Uint8, "BOOL": Uint8, "I8": Int8, "U16": Uint16, "I32": Int32, "I64": Int64,
}

// safetensors is a file of that format: eight bytes with the length of the header, the
// header in JSON, and the elements of all tensors without gaps.
type safetensors struct {
	*onDisk
	list  []Tensor
	start map[string]int64 // where in the file a tensor starts
	index map[string]int   // into list
}

// newSafetensors compares every length with the size of the file before it uses it.
func newSafetensors(d *onDisk) (*safetensors, error) {
	var prefix [8]byte
	if _, err := d.file.ReadAt(prefix[:], 0); err != nil {
		return nil, short(err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > uint64(d.size-8) {
		return nil, bad("safetensors: the header claims %d bytes, but the file has %d; it may be truncated", n, d.size)
	}
	if n > maxHeader {
		return nil, bad("safetensors: the header has %d bytes; at most %d are expected", n, maxHeader)
	}
	text := make([]byte, n)
	if _, err := d.file.ReadAt(text, 8); err != nil {
		return nil, short(err)
	}
	s := &safetensors{onDisk: d, start: map[string]int64{}, index: map[string]int{}}
	if err := s.parse(text, d.size-8-int64(n)); err != nil {
		return nil, bad("safetensors: %w", err)
	}
	for name := range s.start {
		s.start[name] += 8 + int64(n)
	}
	return s, nil
}

// parse parses the header of a file with room bytes of elements.
func (s *safetensors) parse(text []byte, room int64) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errors.New("the header is not a JSON object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return fmt.Errorf("header: %w", err)
		}
		name := key.(string) // the decoder has checked it
		if name == "__metadata__" {
			var ignored json.RawMessage
			if err := d.Decode(&ignored); err != nil {
				return fmt.Errorf("header: %w", err)
			}
			continue
		}
		var e struct {
			DType   string  `json:"dtype"`
			Shape   []int64 `json:"shape"`
			Offsets []int64 `json:"data_offsets"`
		}
		if err := d.Decode(&e); err != nil {
			return fmt.Errorf("header: tensor %q: %w", name, err)
		}
		if err := s.add(name, e.DType, e.Shape, e.Offsets, room); err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if len(bytes.Trim(text[d.InputOffset():], " \t\r\n")) > 0 {
		return errors.New("header: text follows the JSON object")
	}
	return s.contiguous(room)
}

func (s *safetensors) add(name, dtype string, shape, offsets []int64, room int64) error {
	t := Tensor{Name: name, Shape: shape, DType: safetensorTypes[dtype]}
	width := t.DType.size()
	switch {
	case width == 0:
		return fmt.Errorf("elements of type %q are not supported", dtype)
	case len(offsets) != 2 || offsets[0] < 0 || offsets[1] < offsets[0] || offsets[1] > room:
		return fmt.Errorf("data_offsets %v are outside of the %d bytes of data; the file may be truncated", offsets, room)
	}
	if _, double := s.index[name]; double {
		return errors.New("occurs twice")
	}
	n, err := elements(shape, room/width)
	if err != nil {
		return err
	}
	if size := offsets[1] - offsets[0]; n*width != size {
		return fmt.Errorf("shape %v of %s needs %d bytes but has %d", shape, t.DType, n*width, size)
	}
	s.index[name], s.start[name] = len(s.list), offsets[0]
	s.list = append(s.list, t)
	return nil
}

// contiguous checks that the tensors cover each byte of the data exactly once, and
// sorts them in the order of the file.
func (s *safetensors) contiguous(room int64) error {
	slices.SortStableFunc(s.list, func(a, b Tensor) int { return cmp.Compare(s.start[a.Name], s.start[b.Name]) })
	at := int64(0)
	for i, t := range s.list {
		s.index[t.Name] = i
		n, err := elements(t.Shape, room)
		if err != nil {
			return err
		}
		// A tensor without elements takes no space, so its place does not matter.
		if start := s.start[t.Name]; start != at && n > 0 {
			return fmt.Errorf("tensor %q starts at byte %d of the data, but the one before it ends at byte %d", t.Name, start, at)
		}
		at += n * t.DType.size()
	}
	if at != room {
		return fmt.Errorf("the data has %d bytes, but the tensors have %d; the file may be truncated", room, at)
	}
	return nil
}

// Tensors implements Source.
func (s *safetensors) Tensors() []Tensor { return s.list }

// Read implements Source.
func (s *safetensors) Read(name string, dst []float32) error {
	i, ok := s.index[name]
	if !ok {
		return bad("there is no tensor %q", name)
	}
	t := s.list[i]
	if err := fits(t, len(dst)); err != nil {
		return err
	}
	r := io.NewSectionReader(s.file, s.start[name], int64(len(dst))*t.DType.size())
	if err := readElements(r, t.DType, dst); err != nil {
		return fmt.Errorf("read tensor %q: %w", name, short(err))
	}
	return nil
}

// fits checks that the caller's memory has the size of a tensor.
func fits(t Tensor, room int) error {
	if n, err := elements(t.Shape, int64(room)); err != nil || n != int64(room) {
		return bad("tensor %q has the shape %v, which does not fill %d elements", t.Name, t.Shape, room)
	}
	return nil
}

// short turns the error of a file that became shorter into one about content.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return bad("the file ends too early: %w", err)
	}
	return err
}
