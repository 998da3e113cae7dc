// Package weights reads the tensors of published models, whatever file they
// come in. Names are those of the file; the networks know which they need.
package weights

// DType is the element type of a stored tensor.
type DType string

// The element types that are read. All of them are handed out as float32.
const (
	Float32  DType = "float32"
	Float64  DType = "float64"
	Float16  DType = "float16"
	BFloat16 DType = "bfloat16"
	Uint8    DType = "uint8"
	Uint16   DType = "uint16"
	Int8     DType = "int8"
	Int32    DType = "int32"
	Int64    DType = "int64"
)

// Tensor describes one stored tensor.
type Tensor struct {
	Name  string
	Shape []int64 // empty for a scalar
	DType DType   // as stored, before any dequantisation
}

// Source is an opened file, or set of files, of weights. Read may be called
// from several goroutines at once; Close once, after the last of them.
//
// Opening a source refuses a hostile header before it allocates anything in
// its name. Errors about content wrap models.ErrModel.
type Source interface {
	// Tensors lists all tensors in the order of the file.
	Tensors() []Tensor
	// Read fills dst with the elements of a tensor in row-major order,
	// converted to float32. len(dst) is the number of its elements.
	Read(name string, dst []float32) error
	// Digest is "sha256:" and hex, over all bytes of the files.
	Digest() (string, error)
	Close() error
}
