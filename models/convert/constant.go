package convert

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/floats"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// Element types of constants and of the graph's values; 0 is unknown.
const (
	elemFloat = int32(onnxpb.TensorProto_FLOAT)
	elemHalf  = int32(onnxpb.TensorProto_FLOAT16)
	elemUint8 = int32(onnxpb.TensorProto_UINT8)
	elemInt8  = int32(onnxpb.TensorProto_INT8)
	elemInt32 = int32(onnxpb.TensorProto_INT32)
	elemInt64 = int32(onnxpb.TensorProto_INT64)
	elemBool  = int32(onnxpb.TensorProto_BOOL)
)

// constant is an initializer. Its elements are computed when they are needed and not
// kept.
type constant struct {
	name string
	elem int32
	dims []int64
	// size is the number of bytes that data returns.
	size int64
	data func() ([]byte, error)
	// whole is a tensor that is written as it was read, because its elements are not
	// plain little-endian bytes.
	whole *onnxpb.TensorProto
	// external is the tensor as it was read, if its elements are in another file.
	external *onnxpb.TensorProto
}

// count returns the number of elements.
func (c *constant) count() int64 {
	n, _ := elements(c.dims)
	return n
}

// elements returns the product of dims; false if they are not those of a tensor.
func elements(dims []int64) (int64, bool) {
	n := int64(1)
	for _, d := range dims {
		if d < 0 || d > 0 && n > math.MaxInt32/d {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// floats returns the elements of a float32 constant in new memory.
func (c *constant) floats() ([]float32, error) {
	if c.elem != elemFloat || c.data == nil {
		return nil, fmt.Errorf("constant %q holds no float32", c.name)
	}
	raw, err := c.data()
	if err != nil {
		return nil, err
	}
	f := make([]float32, len(raw)/4)
	floats.Decode(f, raw)
	return f, nil
}

// newFloats returns a float32 constant.
func newFloats(name string, dims []int64, data func() ([]float32, error)) *constant {
	n, _ := elements(dims)
	return &constant{name: name, elem: elemFloat, dims: dims, size: 4 * n, data: func() ([]byte, error) {
		f, err := data()
		if err != nil {
			return nil, err
		}
		return floatBytes(f), nil
	}}
}

func floatBytes(f []float32) []byte { return floats.Append(make([]byte, 0, 4*len(f)), f) }

// newBytes returns a constant with these elements.
func newBytes(name string, elem int32, dims []int64, raw []byte) *constant {
	return &constant{name: name, elem: elem, dims: dims, size: int64(len(raw)),
		data: func() ([]byte, error) { return raw, nil }}
}

func newInt64s(name string, v ...int64) *constant {
	var raw []byte
	for _, i := range v {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(i))
	}
	return newBytes(name, elemInt64, []int64{int64(len(v))}, raw)
}

// Field numbers of ONNX's messages, by their names in onnx.proto.
const (
	modelGraph       = 7 // ModelProto.graph
	graphInitializer = 5 // GraphProto.initializer
	tensorRawData    = 9 // TensorProto.raw_data
)

// header returns the initializer's field without the elements at its end.
func (c *constant) header() ([]byte, error) {
	o := proto.MarshalOptions{Deterministic: true}
	t := c.whole
	if t == nil {
		t = &onnxpb.TensorProto{Dims: c.dims, DataType: proto.Int32(c.elem), Name: proto.String(c.name)}
	}
	body, err := o.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("constant %q: %w", c.name, err)
	}
	if c.whole == nil {
		body = protowire.AppendTag(body, tensorRawData, protowire.BytesType)
		body = protowire.AppendVarint(body, uint64(c.size))
	}
	h := protowire.AppendTag(nil, graphInitializer, protowire.BytesType)
	h = protowire.AppendVarint(h, uint64(int64(len(body))+c.size))
	return append(h, body...), nil
}

// readConstant parses an initializer. Its raw data, if it has any, is not copied and
// aliases message. Data in another file is read from folder.
func readConstant(message []byte, folder string) (*constant, error) {
	var raw, rest []byte
	err := fields(message, func(number protowire.Number, kind protowire.Type, value, whole []byte) error {
		if number == tensorRawData && kind == protowire.BytesType {
			raw = value
		} else {
			rest = append(rest, whole...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var t onnxpb.TensorProto
	if err := proto.Unmarshal(rest, &t); err != nil {
		return nil, err
	}
	return fromTensor(&t, raw, folder)
}

func fromTensor(t *onnxpb.TensorProto, raw []byte, folder string) (*constant, error) {
	c := &constant{name: t.GetName(), elem: t.GetDataType(), dims: slices.Clone(t.GetDims())}
	n, ok := elements(c.dims)
	if !ok {
		return nil, fmt.Errorf("constant %q has the shape %v", c.name, c.dims)
	}
	width := elementBytes(c.elem)
	switch {
	case t.GetDataLocation() == onnxpb.TensorProto_EXTERNAL:
		c.external = t
		return c, c.readExternal(t.GetExternalData(), n*width, folder)
	case c.elem == elemFloat && len(t.GetFloatData()) > 0:
		raw = floatBytes(t.GetFloatData())
	case c.elem == elemInt64 && len(t.GetInt64Data()) > 0:
		raw = nil
		for _, v := range t.GetInt64Data() {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
		}
	case width == 0 || raw == nil && n > 0:
		// Strings, packed elements and others, which are only copied.
		if raw != nil {
			t.RawData = raw
		}
		c.whole = t
		return c, nil
	}
	if int64(len(raw)) != n*width {
		return nil, fmt.Errorf("constant %q of shape %v has %d bytes, want %d", c.name, c.dims, len(raw), n*width)
	}
	c.size, c.data = int64(len(raw)), func() ([]byte, error) { return raw, nil }
	return c, nil
}

// elementBytes returns the size of an element; 0 if the type is not supported.
func elementBytes(elem int32) int64 {
	switch elem {
	case elemUint8, elemInt8, elemBool:
		return 1
	case elemHalf:
		return 2
	case elemFloat, elemInt32:
		return 4
	case elemInt64, int32(onnxpb.TensorProto_DOUBLE):
		return 8
	}
	return 0
}

// readExternal reads the elements from another file when they are needed.
func (c *constant) readExternal(entries []*onnxpb.StringStringEntryProto, size int64, folder string) error {
	var location string
	var offset int64
	length := size
	for _, e := range entries {
		var err error
		switch e.GetKey() {
		case "location":
			location = e.GetValue()
		case "offset":
			offset, err = strconv.ParseInt(e.GetValue(), 10, 64)
		case "length":
			length, err = strconv.ParseInt(e.GetValue(), 10, 64)
		}
		if err != nil {
			return fmt.Errorf("constant %q: %s in another file: %w", c.name, e.GetKey(), err)
		}
	}
	switch {
	case !filepath.IsLocal(location):
		return fmt.Errorf("constant %q is in the file %q, which is not next to the model", c.name, location)
	case size == 0 || length != size || offset < 0:
		return fmt.Errorf("constant %q of shape %v: %d bytes at %d of %s, want %d", c.name, c.dims, length, offset, location, size)
	}
	info, err := os.Stat(filepath.Join(folder, location))
	if err != nil {
		return fmt.Errorf("constant %q: %w", c.name, err)
	}
	if info.Size()-length < offset {
		return fmt.Errorf("constant %q: %s has %d bytes, but %d at %d are needed", c.name, location, info.Size(), length, offset)
	}
	c.size = size
	c.data = func() ([]byte, error) {
		f, err := atomicfile.OpenRegular(filepath.Join(folder, location))
		if err != nil {
			return nil, fmt.Errorf("constant %q: %w", c.name, err)
		}
		defer f.Close()
		raw := make([]byte, size)
		if _, err := f.ReadAt(raw, offset); err != nil {
			return nil, fmt.Errorf("constant %q: %w", c.name, err)
		}
		return raw, nil
	}
	return nil
}
