package weights

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"
)

// maxInflate is the most bytes that deflate can pack into one. An entry that claims
// more is damaged or hostile.
const maxInflate = 1032

// npz is NumPy's archive of arrays: a zip of .npy files, stored or deflated.
type npz struct {
	*onDisk
	list   []Tensor
	arrays map[string]array
}

// array is a tensor and its place in the archive.
type array struct {
	entry   *zip.File
	tensor  Tensor
	header  int64 // bytes before the elements
	fortran bool
}

// newZip opens what is in a zip archive: a checkpoint of PyTorch, or arrays of NumPy.
func newZip(d *onDisk) (Source, error) {
	z, err := zip.NewReader(d.file, d.size)
	if err != nil {
		return nil, zipError(err)
	}
	if pickled := torchPickle(z); pickled != nil {
		return newTorchZip(d, z, pickled)
	}
	return newNpz(d, z)
}

// newNpz reads the archive's directory and the header of every array. The size that an
// entry claims is compared with the bytes that it has in the file.
func newNpz(d *onDisk, z *zip.Reader) (*npz, error) {
	s := &npz{onDisk: d, arrays: map[string]array{}}
	for _, f := range z.File {
		name, isArray := strings.CutSuffix(f.Name, ".npy")
		if !isArray {
			return nil, bad("npz: %q is not an array: its name does not end in .npy", f.Name)
		}
		if _, double := s.arrays[name]; double {
			return nil, bad("npz: array %q occurs twice", name)
		}
		a, err := readArray(f, d.size)
		if err != nil {
			return nil, fmt.Errorf("npz: array %q: %w", name, zipError(err))
		}
		a.tensor.Name = name
		s.arrays[name] = a
		s.list = append(s.list, a.tensor)
	}
	return s, nil
}

func readArray(f *zip.File, size int64) (array, error) {
	packed, unpacked := f.CompressedSize64, f.UncompressedSize64
	switch {
	case f.Method != zip.Store && f.Method != zip.Deflate:
		return array{}, bad("compressed by method %d; only stored and deflated arrays are supported", f.Method)
	case packed > uint64(size):
		return array{}, bad("claims %d bytes of a file of %d; the file may be truncated", packed, size)
	case f.Method == zip.Store && unpacked != packed, unpacked > maxInflate*packed, unpacked > math.MaxInt64/2:
		return array{}, bad("%d bytes cannot unpack to %d", packed, unpacked)
	}
	r, err := f.Open()
	if err != nil {
		return array{}, err
	}
	defer r.Close()
	h, err := readNpyHeader(bufio.NewReaderSize(r, 512))
	if err != nil {
		return array{}, err
	}
	room := int64(unpacked) - h.length
	width := h.dtype.size()
	n, err := elements(h.shape, max(room, 0)/width)
	if err != nil {
		return array{}, bad("%w", err)
	}
	if n*width != room {
		return array{}, bad("shape %v of %s needs %d bytes but has %d", h.shape, h.dtype, n*width, room)
	}
	return array{f, Tensor{Shape: h.shape, DType: h.dtype}, h.length, h.fortran}, nil
}

// Tensors implements Source.
func (s *npz) Tensors() []Tensor { return s.list }

// Read implements Source.
func (s *npz) Read(name string, dst []float32) error {
	a, ok := s.arrays[name]
	if !ok {
		return bad("there is no tensor %q", name)
	}
	if err := fits(a.tensor, len(dst)); err != nil {
		return err
	}
	if err := a.read(dst); err != nil {
		return fmt.Errorf("read tensor %q: %w", name, zipError(err))
	}
	return nil
}

func (a array) read(dst []float32) error {
	r, err := a.entry.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, a.header); err != nil {
		return err
	}
	if a.fortran && len(a.tensor.Shape) > 1 {
		err = readFortran(r, a.tensor, dst)
	} else {
		err = readElements(r, a.tensor.DType, dst)
	}
	if err != nil {
		return err
	}
	// Reading to the end of the entry compares the checksum.
	if n, err := r.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return errors.Join(bad("more bytes than its shape %v needs", a.tensor.Shape), err)
	}
	return nil
}

// readFortran reads elements whose first index varies fastest and stores them in
// row-major order.
func readFortran(r io.Reader, t Tensor, dst []float32) error {
	rank := len(t.Shape)
	stride := make([]int, rank)
	for i, step := rank-1, 1; i >= 0; i-- {
		stride[i] = step
		step *= int(t.Shape[i])
	}
	index, at := make([]int64, rank), 0
	block := make([]float32, min(len(dst), blockBytes/8))
	for left := len(dst); left > 0; left -= len(block) {
		block = block[:min(left, len(block))]
		if err := readElements(r, t.DType, block); err != nil {
			return err
		}
		for _, v := range block {
			dst[at] = v
			for i := range rank {
				index[i]++
				at += stride[i]
				if index[i] < t.Shape[i] {
					break
				}
				index[i] = 0
				at -= stride[i] * int(t.Shape[i])
			}
		}
	}
	return nil
}

// zipError turns err into an error about content, unless the disk failed.
func zipError(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return err
	}
	return bad("damaged archive, .npz or .pth: %w", err)
}
