// Package weights reads the tensors of published models from several kinds of files.
// Names are those of the file; package networks knows which ones it needs.
package weights

// DType is the element type of a stored tensor.
type DType string

// The supported element types. All of them are returned as float32.
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

// Source is an opened file, or set of files, of weights. Several goroutines may call
// Read at the same time. Close is called once, after the last Read has returned.
//
// Opening a source refuses a hostile header before it allocates the memory that the
// header claims. Errors about content wrap models.ErrModel.
type Source interface {
	// Tensors lists all tensors in the order of the file.
	Tensors() []Tensor
	// Read fills dst with the elements of a tensor in row-major order,
	// converted to float32. len(dst) is the number of its elements.
	Read(name string, dst []float32) error
	// Digest returns "sha256:" and hex, over all bytes of the files.
	Digest() (string, error)
	Close() error
}
