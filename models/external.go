package models

import (
	"crypto/sha256"
	"encoding/hex"
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

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// DataKey is the ONNX metadata_props key under which a model whose weights lie
// in a file of their own holds that file's digest, "sha256:" and hex. A file
// that was replaced is then refused, even if it has the right size.
const DataKey = "batchscore.data"

// externalRange is where in another file a tensor lies; length is -1 where the
// model does not say.
type externalRange struct {
	location       string
	offset, length int64
}

// externalEntry takes over one entry of TensorProto.external_data.
func (t *tensor) externalEntry(text []byte) error {
	var entry onnxpb.StringStringEntryProto
	if err := proto.Unmarshal(text, &entry); err != nil {
		return fmt.Errorf("external_data: %w", err)
	}
	into := map[string]*int64{"offset": &t.place.offset, "length": &t.place.length}[entry.GetKey()]
	switch {
	case entry.GetKey() == "location":
		t.place.location = entry.GetValue()
	case into != nil:
		n, err := strconv.ParseInt(entry.GetValue(), 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("external_data: %s is %q", entry.GetKey(), entry.GetValue())
		}
		*into = n
	}
	return nil
}

// addExternal takes note of a weight that lies in another file.
func (h *header) addExternal(t tensor) error {
	p := t.place
	end := p.offset + max(p.length, 0)
	switch {
	case !filepath.IsLocal(p.location):
		return fmt.Errorf("the weights of %q lie in %q, which is not in the model's folder", t.name, p.location)
	case end < p.offset:
		return fmt.Errorf("the weights of %q lie at byte %d of %s, %d bytes long", t.name, p.offset, p.location, p.length)
	}
	if h.external == nil {
		h.external = map[string]int64{}
	}
	h.external[p.location] = max(h.external[p.location], end)
	return nil
}

// readExternal reads the files beside the model that its weights lie in, once
// each, and makes the digest one over the model's bytes and theirs, in the
// order of their names.
func (h *header) readExternal(folder string, sum hash.Hash) error {
	if len(h.external) == 0 {
		return nil
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return fmt.Errorf("read model: %w", err)
	}
	defer root.Close()
	var last string
	for _, location := range slices.Sorted(maps.Keys(h.external)) {
		own := sha256.New()
		n, err := readWeights(root, location, h.external[location], io.MultiWriter(sum, own))
		if err != nil {
			return err
		}
		h.externalSize += n
		last = "sha256:" + hex.EncodeToString(own.Sum(nil))
	}
	if h.data != "" && (len(h.external) != 1 || h.data != last) {
		return fmt.Errorf("%w: the weights beside the model are not those that it was written with (digest %s, want %s); build it again, or copy both files",
			ErrModel, last, h.data)
	}
	h.digest = "sha256:" + hex.EncodeToString(sum.Sum(nil))
	return nil
}

// readWeights copies a file of at least size bytes to w.
func readWeights(root *os.Root, name string, size int64, w io.Writer) (int64, error) {
	f, err := root.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("%w: its weights lie in %s, which is not beside it; the two files must be copied together", ErrModel, name)
	case err != nil:
		return 0, fmt.Errorf("%w: its weights: %w", ErrModel, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return 0, fmt.Errorf("read model: %w", err)
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%w: its weights: %s is not a file", ErrModel, name)
	case info.Size() < size:
		return 0, fmt.Errorf("%w: its weights: %s has %d bytes, of %d at least; it may be truncated", ErrModel, name, info.Size(), size)
	}
	n, err := io.CopyBuffer(w, struct{ io.Reader }{f}, make([]byte, 1<<20))
	if err != nil {
		return 0, fmt.Errorf("read model: %w", err)
	}
	return n, nil
}
