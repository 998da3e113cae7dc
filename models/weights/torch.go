package weights

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
)

// torch is a checkpoint of PyTorch: a state dict, or a dictionary that holds one. Its
// tensors are described by a pickle, of which nothing is executed, and their elements
// are read in place. There are two forms: a zip archive with the pickle and one entry
// for each storage, and before PyTorch 1.6 five pickles, followed by all storages.
type torch struct {
	*onDisk
	list     []Tensor
	views    map[string]view
	storages map[string]storage
}

// storage is memory that tensors share.
type storage struct {
	dtype DType
	count int64 // elements
	at    int64 // first byte in the file
	found bool  // reports whether the file has it
}

// view is a tensor's place in a storage, in elements.
type view struct {
	storage string
	offset  int64
	strides []int64
	tensor  Tensor
}

// The magic number with which files of PyTorch before 1.6 begin, as pickled, and as read.
const (
	legacyStart = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
	legacyMagic = pyInteger("1950a86a20f9469cfc6c")
)

// torchPickle returns the entry of a zip archive that is a checkpoint's pickle; nil if it
// is another archive.
func torchPickle(z *zip.Reader) *zip.File {
	for _, f := range z.File {
		if path.Base(f.Name) == "data.pkl" && strings.Count(f.Name, "/") == 1 {
			return f
		}
	}
	return nil
}

// newTorchZip opens a checkpoint in a zip archive.
func newTorchZip(d *onDisk, z *zip.Reader, pickled *zip.File) (*torch, error) {
	if pickled.UncompressedSize64 > maxPickle {
		return nil, bad("PyTorch: the pickle has %d bytes; at most %d are expected", pickled.UncompressedSize64, maxPickle)
	}
	r, err := pickled.Open()
	if err != nil {
		return nil, torchError(err)
	}
	defer r.Close()
	u, err := unpickle(bufio.NewReader(r))
	if err != nil {
		return nil, torchError(err)
	}
	s := &torch{onDisk: d}
	if err := s.collect(u); err != nil {
		return nil, torchError(err)
	}
	dir := path.Dir(pickled.Name)
	for _, f := range z.File {
		if f.Name == dir+"/byteorder" && f.UncompressedSize64 == 3 { // "big"
			return nil, bad("PyTorch: the file was written by a machine with the highest byte first")
		}
		key, ok := strings.CutPrefix(f.Name, dir+"/data/")
		st, used := s.storages[key]
		if !ok || !used {
			continue
		}
		if f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 || f.UncompressedSize64 > uint64(d.size) {
			return nil, bad("PyTorch: storage %s is compressed or claims %d bytes of a file of %d", key, f.UncompressedSize64, d.size)
		}
		if want := st.count * st.dtype.size(); int64(f.UncompressedSize64) != want {
			return nil, bad("PyTorch: storage %s has %d bytes, and should have %d", key, f.UncompressedSize64, want)
		}
		if st.found {
			return nil, bad("PyTorch: storage %s occurs twice", key)
		}
		if st.at, err = f.DataOffset(); err != nil {
			return nil, torchError(err)
		}
		st.found = true
		s.storages[key] = st
	}
	return s, s.complete()
}

// newTorchLegacy opens a checkpoint of PyTorch before 1.6.
func newTorchLegacy(d *onDisk) (*torch, error) {
	r, at := bufio.NewReader(io.NewSectionReader(d.file, 0, d.size)), int64(0)
	var parts [5]*unpickler
	for i := range parts {
		var err error
		if parts[i], err = unpickle(r); err != nil {
			return nil, torchError(err)
		}
		at += int64(parts[i].count)
	}
	if parts[0].result != any(legacyMagic) || parts[1].result != any(int64(1001)) {
		return nil, bad("PyTorch: neither of the two forms of its files")
	}
	if info, ok := parts[2].result.(*pyDict); ok {
		if little, ok := info.get("little_endian"); ok && little != any(true) {
			return nil, bad("PyTorch: the file was written by a machine with the highest byte first")
		}
	}
	s := &torch{onDisk: d}
	if err := s.collect(parts[3]); err != nil {
		return nil, torchError(err)
	}
	keys, ok := parts[4].result.(*pyList)
	if !ok {
		return nil, bad("PyTorch: there is no list of the storages")
	}
	for _, k := range keys.items {
		key, ok := k.(string)
		st, used := s.storages[key]
		if !ok || !used || st.found {
			return nil, bad("PyTorch: the list names storage %.100q, which the pickle does not, or it does so twice", key)
		}
		var count [8]byte
		if _, err := d.file.ReadAt(count[:], at); err != nil {
			return nil, short(err)
		}
		if n := int64(binary.LittleEndian.Uint64(count[:])); n != st.count {
			return nil, bad("PyTorch: storage %s has %d elements, and should have %d", key, n, st.count)
		}
		st.at, st.found = at+8, true
		s.storages[key] = st
		if at += 8 + st.count*st.dtype.size(); at > d.size {
			return nil, bad("PyTorch: storage %s ends at byte %d of a file of %d; it may be truncated", key, at, d.size)
		}
	}
	return s, s.complete()
}

// stateDicts are the keys under which training scripts keep the weights.
var stateDicts = []string{"state_dict", "model_state_dict", "model"}

// collect finds the tensors of a state dict and what they need of storages.
func (s *torch) collect(u *unpickler) error {
	d, ok := u.result.(*pyDict)
	if !ok {
		return errors.New("it holds neither a state dict nor a dictionary with one; save model.state_dict()")
	}
	for _, key := range stateDicts {
		if inner, ok := d.get(key); ok {
			if inner, ok := inner.(*pyDict); ok {
				d = inner
				break
			}
		}
	}
	s.storages, s.views = map[string]storage{}, map[string]view{}
	for _, p := range u.outside {
		// Those of other tensors, such as an optimiser's, only take their place in old files.
		if key, st, _, err := storageOf(p); err == nil {
			s.storages[key] = st
		}
	}
	for i := 0; i+1 < len(d.pairs); i += 2 {
		name, ok := d.pairs[i].(string)
		t, tensor := d.pairs[i+1].(pyTensor)
		if !ok || !tensor {
			continue // a counter, a setting
		}
		v, err := s.view(name, t.args)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		if _, double := s.views[name]; double {
			return fmt.Errorf("tensor %q occurs twice", name)
		}
		s.views[name] = v
		s.list = append(s.list, v.tensor)
	}
	if len(s.list) == 0 {
		var keys []string
		for i := 0; i < len(d.pairs) && len(keys) < maxTrouble; i += 2 {
			if key, ok := d.pairs[i].(string); ok {
				keys = append(keys, fmt.Sprintf("%.100q", key))
			}
		}
		return fmt.Errorf("it holds no tensors by name; its keys are %s, and those that are looked into are %s",
			strings.Join(keys, ", "), strings.Join(stateDicts, ", "))
	}
	return nil
}

// view reads the arguments of _rebuild_tensor_v2: storage, offset, shape, strides.
func (s *torch) view(name string, args pyTuple) (view, error) {
	if len(args) < 4 {
		return view{}, errors.New("it is described by less than storage, offset, shape and strides")
	}
	key, st, shift, err := storageOf(args[0])
	if err != nil {
		return view{}, err
	}
	if before, ok := s.storages[key]; ok && (before.dtype != st.dtype || before.count != st.count) {
		return view{}, fmt.Errorf("storage %s is described in two ways", key)
	}
	offset, ok := args[1].(int64)
	shape, err1 := integers(args[2])
	strides, err2 := integers(args[3])
	if !ok || err1 != nil || err2 != nil || len(shape) != len(strides) || offset < 0 || offset > math.MaxInt64-shift {
		return view{}, errors.New("its offset, shape or strides are not numbers")
	}
	offset += shift
	n, err := elements(shape, st.count)
	if err != nil {
		return view{}, err
	}
	last := offset
	for i, d := range shape {
		if n == 0 {
			break
		}
		if strides[i] < 0 || d > 1 && strides[i] > (st.count-1-last)/(d-1) {
			return view{}, fmt.Errorf("shape %v with strides %v from element %d leads out of a storage of %d", shape, strides, offset, st.count)
		}
		last += (d - 1) * strides[i]
	}
	if n > 0 && last >= st.count {
		return view{}, fmt.Errorf("shape %v from element %d leads out of a storage of %d", shape, offset, st.count)
	}
	s.storages[key] = st
	return view{key, offset, strides, Tensor{name, shape, st.dtype}}, nil
}

// storageOf reads the reference to a storage: the word "storage", its class, key, place
// and number of elements. In old files a storage may be a part of another.
func storageOf(v any) (key string, st storage, shift int64, err error) {
	p, ok := v.(pyPersistent)
	id, ok2 := p.id.(pyTuple)
	if !ok || !ok2 || len(id) < 5 || id[0] != any("storage") {
		return "", st, 0, errors.New("it does not refer to a storage")
	}
	class, ok := id[1].(pyGlobal)
	if st.dtype = storageType(class); !ok || st.dtype == "" {
		return "", st, 0, fmt.Errorf("its elements are of %.100q, which are not supported", string(class))
	}
	key, ok = id[2].(string)
	st.count, ok2 = id[4].(int64)
	if !ok || !ok2 || st.count < 0 || st.count > math.MaxInt64/16 {
		return "", st, 0, errors.New("it does not refer to a storage")
	}
	if len(id) < 6 || id[5] == nil {
		return key, st, 0, nil
	}
	part, ok := id[5].(pyTuple)
	if !ok || len(part) != 3 {
		return "", st, 0, errors.New("it does not refer to a storage")
	}
	shift, ok = part[1].(int64)
	if !ok || shift < 0 || shift > st.count {
		return "", st, 0, errors.New("it refers to a part outside of its storage")
	}
	return key, st, shift, nil
}

// integers returns the numbers of a tuple.
func integers(v any) ([]int64, error) {
	t, ok := v.(pyTuple)
	if !ok || len(t) > 16 {
		return nil, errors.New("not a tuple of numbers")
	}
	list := make([]int64, len(t))
	for i, n := range t {
		if list[i], ok = n.(int64); !ok {
			return nil, errors.New("not a tuple of numbers")
		}
	}
	return list, nil
}

// complete checks that the file has every storage that a tensor uses.
func (s *torch) complete() error {
	for _, t := range s.list {
		key := s.views[t.Name].storage
		st := s.storages[key]
		if !st.found && st.count > 0 {
			return bad("PyTorch: tensor %q: the file has no storage %q; it may be truncated", t.Name, key)
		}
		if size := st.count * st.dtype.size(); size > s.size-st.at {
			return bad("PyTorch: storage %q ends at byte %d of a file of %d; it may be truncated", key, st.at+size, s.size)
		}
	}
	return nil
}

// Tensors implements Source.
func (s *torch) Tensors() []Tensor { return s.list }

// Read implements Source.
func (s *torch) Read(name string, dst []float32) error {
	v, ok := s.views[name]
	if !ok {
		return bad("there is no tensor %q", name)
	}
	if err := fits(v.tensor, len(dst)); err != nil {
		return err
	}
	st := s.storages[v.storage]
	width := st.dtype.size()
	order := rowMajor(v.tensor.Shape)
	if len(dst) == 0 {
		return nil
	}
	direct := true // reports whether the elements follow one another as they are wanted
	last := v.offset
	for i, d := range v.tensor.Shape {
		direct = direct && (d == 1 || v.strides[i] == order[i])
		last += (d - 1) * v.strides[i]
	}
	stored := dst
	if !direct {
		stored = make([]float32, last-v.offset+1)
	}
	r := io.NewSectionReader(s.file, st.at+v.offset*width, int64(len(stored))*width)
	if err := readElements(r, st.dtype, stored); err != nil {
		return fmt.Errorf("read tensor %q: %w", name, short(err))
	}
	if direct {
		return nil
	}
	index, from := make([]int64, len(v.tensor.Shape)), int64(0)
	for i := range dst {
		dst[i] = stored[from]
		for axis := len(index) - 1; axis >= 0; axis-- {
			index[axis]++
			from += v.strides[axis]
			if index[axis] < v.tensor.Shape[axis] {
				break
			}
			from -= v.strides[axis] * index[axis]
			index[axis] = 0
		}
	}
	return nil
}

// rowMajor returns the strides of a tensor whose elements follow one another.
func rowMajor(shape []int64) []int64 {
	strides, step := slices.Clone(shape), int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = step
		step *= shape[i]
	}
	return strides
}

// torchError turns err into an error about content, unless the disk failed.
func torchError(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return err
	}
	return bad("PyTorch: %w", err)
}
