package onnxfile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// DataKey is the metadata key under which a model with one weight file next to
// it may hold that file's digest, "sha256:" and hex. A weight file that was
// replaced is then refused, even if it has the right size.
const DataKey = "batchscore.data"

// externalRange is the place of a tensor's elements in another file. length is
// -1 where the model does not say.
type externalRange struct {
	location       string
	offset, length int64
}

// set takes over one encoded entry of TensorProto.external_data.
func (r *externalRange) set(text []byte) error {
	var entry onnxpb.StringStringEntryProto
	if err := proto.Unmarshal(text, &entry); err != nil {
		return fmt.Errorf("external_data: %w", err)
	}
	var number *int64
	switch entry.GetKey() {
	case "location":
		r.location = entry.GetValue()
		return nil
	case "offset":
		number = &r.offset
	case "length":
		number = &r.length
	default:
		return nil
	}
	n, err := strconv.ParseInt(entry.GetValue(), 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("external_data: %s is %q", entry.GetKey(), entry.GetValue())
	}
	*number = n
	return nil
}

// External returns the names of the files next to the model that hold weights.
func (f *File) External() []string { return slices.Sorted(maps.Keys(f.external)) }

// HasExternal reports whether some weights are in files next to the model.
func (f *File) HasExternal() bool { return len(f.external) > 0 }

// addExternal records that the elements of t are in another file.
func (f *File) addExternal(t Tensor) error {
	p := t.place
	end := p.offset + max(p.length, 0)
	switch {
	case !filepath.IsLocal(p.location):
		return fmt.Errorf("the weights of %q are in %q, which is not in the model's folder", t.Name, p.location)
	case end < p.offset:
		return fmt.Errorf("the weights of %q start at byte %d of %s and are %d bytes long", t.Name, p.offset, p.location, p.length)
	}
	if f.external == nil {
		f.external = map[string]int64{}
	}
	f.external[p.location] = max(f.external[p.location], end)
	return nil
}

// readExternal reads the weight files in folder once each, in the order of
// their names, and adds their bytes to sum.
func (f *File) readExternal(folder string, sum hash.Hash) error {
	if len(f.external) == 0 {
		return nil
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("read model: %w", err)
	}
	defer root.Close()
	var last string
	for _, location := range slices.Sorted(maps.Keys(f.external)) {
		own := sha256.New()
		n, err := copyWeights(io.MultiWriter(sum, own), root, location, f.external[location])
		if err != nil {
			return err
		}
		f.ExternalSize += n
		last = digest(own.Sum(nil))
	}
	if want, _ := f.Lookup(DataKey); want != "" && (len(f.external) != 1 || want != last) {
		return fmt.Errorf("%w: the weights next to the model are not those it was written with (digest %s, want %s);"+
			" build it again, or copy both files", ErrUnusable, last, want)
	}
	return nil
}

// copyWeights copies the file name, which must have at least size bytes, to w.
func copyWeights(w io.Writer, root *os.Root, name string, size int64) (int64, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // to open a pipe would wait for its writer
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("%w: its weights are in %s, which is not next to it; the two files must be copied together", ErrUnusable, name)
	case err != nil:
		return 0, fmt.Errorf("%w: its weights: %w", ErrUnusable, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return 0, fmt.Errorf("read model: %w", err)
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%w: its weights: %s is not a file", ErrUnusable, name)
	case info.Size() < size:
		return 0, fmt.Errorf("%w: its weights: %s has %d bytes but needs at least %d; it may be truncated", ErrUnusable, name, info.Size(), size)
	}
	n, err := io.CopyBuffer(w, struct{ io.Reader }{f}, make([]byte, 1<<20))
	if err != nil {
		return 0, fmt.Errorf("read model: %w", err)
	}
	return n, nil
}
