package weights_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/weights"
)

// safetensors returns a file with that header and that many bytes 0, 1, 2 ...
func safetensors(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	for i := range data {
		b = append(b, byte(i))
	}
	return b
}

// npy returns an array with that description.
func npy(descr, order, shape string, data []byte) []byte {
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }\n", descr, order, shape)
	b := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(b[8:], uint16(len(text)))
	return slices.Concat(b, []byte(text), data)
}

// npz returns an archive of arrays in the order of their names.
func npz(method uint16, arrays map[string][]byte) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	names := make([]string, 0, len(arrays))
	for name := range arrays {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err == nil {
			_, err = w.Write(arrays[name])
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func floats(v ...float32) []byte {
	var b []byte
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, data []byte) (weights.Source, error) {
	t.Helper()
	// The name does not tell the kind; the content does.
	s, err := weights.Open(context.Background(), write(t, "weights", data), weights.Options{})
	if err == nil {
		t.Cleanup(func() { s.Close() })
	}
	return s, err
}

func read(t *testing.T, s weights.Source, name string) []float32 {
	t.Helper()
	for _, tensor := range s.Tensors() {
		if tensor.Name != name {
			continue
		}
		n := int64(1)
		for _, d := range tensor.Shape {
			n *= d
		}
		v := make([]float32, n)
		if err := s.Read(name, v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	t.Fatalf("no tensor %s among %v", name, s.Tensors())
	return nil
}

func TestSafetensors(t *testing.T) {
	header := `{"__metadata__":{"format":"pt"},
		"b":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]},
		"half":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},
		"count":{"dtype":"I64","shape":[],"data_offsets":[16,24]},
		"brain":{"dtype":"BF16","shape":[1],"data_offsets":[24,26]},
		"none":{"dtype":"F32","shape":[0,3],"data_offsets":[26,26]}}  `
	file := safetensors(header, 0)
	file = append(file, 0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0x00, 0xfc) // 1, -2, 2^-24, -infinity
	file = append(file, floats(1.5, -0.25)...)
	file = binary.LittleEndian.AppendUint64(file, 12)
	file = append(file, 0x80, 0x3f) // 1
	s, err := open(t, file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tensor := range s.Tensors() {
		names = append(names, fmt.Sprint(tensor))
	}
	want := []string{"{half [4] float16}", "{b [2 1] float32}", "{count [] int64}", "{brain [1] bfloat16}", "{none [0 3] float32}"}
	if !slices.Equal(names, want) {
		t.Errorf("tensors are %q, want %q", names, want)
	}
	for name, want := range map[string][]float32{
		"half": {1, -2, 1. / (1 << 24), float32(math.Inf(-1))}, "b": {1.5, -0.25}, "count": {12}, "brain": {1}, "none": {},
	} {
		if got := read(t, s, name); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	sum := sha256.Sum256(file)
	if got, err := s.Digest(); err != nil || got != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Errorf("digest is %s, %v", got, err)
	}
	for name, room := range map[string]int{"b": 3, "absent": 1} {
		if err := s.Read(name, make([]float32, room)); !errors.Is(err, models.ErrModel) {
			t.Errorf("%s into %d elements: got %v, want ErrModel", name, room, err)
		}
	}
}

func TestSafetensorsRefuses(t *testing.T) {
	entry := func(dtype, shape, offsets string) string {
		return fmt.Sprintf(`{"a":{"dtype":%q,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets)
	}
	huge := binary.LittleEndian.AppendUint64(nil, 1<<40)
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"length beyond the file": {file: append(huge, '{', '}'), says: "1099511627776 bytes"},
		"not JSON":               {file: safetensors("{]", 0), says: "header"},
		"text after":             {file: safetensors("{} x", 0), says: "text follows"},
		"type":                   {file: safetensors(entry("F8_E4M3", "[1]", "[0,1]"), 1), says: "F8_E4M3"},
		"offsets beyond":         {file: safetensors(entry("F32", "[2]", "[0,8]"), 4), says: "truncated"},
		"offsets reversed":       {file: safetensors(entry("F32", "[2]", "[8,0]"), 8), says: "data_offsets"},
		"offsets negative":       {file: safetensors(entry("F32", "[1]", "[-4,0]"), 4), says: "data_offsets"},
		"offsets missing":        {file: safetensors(entry("F32", "[1]", "[]"), 4), says: "data_offsets"},
		"shape negative":         {file: safetensors(entry("F32", "[-1,-2]", "[0,8]"), 8), says: "negative"},
		"shape overflows":        {file: safetensors(entry("F32", "[4294967296,4294967296]", "[0,0]"), 0), says: "more than"},
		"shape too large":        {file: safetensors(entry("F32", "[3]", "[0,8]"), 8), says: "more than the 2"},
		"shape too small":        {file: safetensors(entry("F32", "[1]", "[0,8]"), 8), says: "needs 4 bytes but has 8"},
		"hole at the end":        {file: safetensors(entry("U8", "[2]", "[0,2]"), 3), says: "3 bytes, but the tensors have 2"},
		"hole before":            {file: safetensors(entry("U8", "[2]", "[1,3]"), 3), says: "starts at byte 1"},
		"overlap": {file: safetensors(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
			"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), says: `"b" starts at byte 1`},
		"twice": {file: safetensors(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},
			"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), says: "twice"},
		"PyTorch": {file: []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P"), says: "safetensors"},
		"empty":   {file: nil, says: "safetensors"},
		"JSON":    {file: []byte(`{"modelTopology":{}}`), says: "model.json"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.file, c.says) })
	}
}

func refused(t *testing.T, file []byte, says string) {
	t.Helper()
	_, err := open(t, file)
	if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want ErrModel about %q", err, says)
	}
}

func TestNpz(t *testing.T) {
	for name, method := range map[string]uint16{"stored": zip.Store, "deflated": zip.Deflate} {
		t.Run(name, func(t *testing.T) {
			s, err := open(t, npz(method, map[string][]byte{
				"conv/kernel:0.npy": npy("<f4", "False", "2, 3", floats(1, 2, 3, 4, 5, 6)),
				"fortran.npy":       npy("<f4", "True", "2, 3", floats(1, 4, 2, 5, 3, 6)),
				"scalar.npy":        npy("<f8", "False", "", binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.5))),
				"row.npy":           npy("|i1", "True", "3,", []byte{1, 0xff, 3}),
				"cube.npy":          npy("|u1", "True", "2, 2, 2", []byte{0, 4, 2, 6, 1, 5, 3, 7}),
			}))
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string][]float32{
				"conv/kernel:0": {1, 2, 3, 4, 5, 6}, "fortran": {1, 2, 3, 4, 5, 6}, "scalar": {0.5},
				"row": {1, -1, 3}, "cube": {0, 1, 2, 3, 4, 5, 6, 7},
			} {
				if got := read(t, s, name); !slices.Equal(got, want) {
					t.Errorf("%s is %v, want %v", name, got, want)
				}
			}
		})
	}
}

// The elements of an array of many blocks are in order, for both orders of storage.
func TestNpzOfManyBlocks(t *testing.T) {
	const rows, columns = 300, 700
	c, f := make([]float32, rows*columns), make([]float32, rows*columns)
	for i := range rows {
		for j := range columns {
			c[i*columns+j] = float32(i*columns + j)
			f[j*rows+i] = c[i*columns+j]
		}
	}
	s, err := open(t, npz(zip.Deflate, map[string][]byte{
		"c.npy": npy("<f4", "False", "300, 700", floats(c...)),
		"f.npy": npy("<f4", "True", "300, 700", floats(f...)),
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"c", "f"} {
		if !slices.Equal(read(t, s, name), c) {
			t.Errorf("%s has other elements", name)
		}
	}
}

func TestNpzRefuses(t *testing.T) {
	one := func(array []byte) []byte { return npz(zip.Deflate, map[string][]byte{"a.npy": array}) }
	long := npy("<f4", "False", "1", floats(1))
	binary.LittleEndian.PutUint16(long[8:], 60000)
	sound := npz(zip.Store, map[string][]byte{"a.npy": npy("<f4", "False", "2", floats(1, 2))})
	bomb := slices.Clone(sound)
	// The unpacked size that the directory claims.
	at := bytes.LastIndex(bomb, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(bomb[at+24:], 1<<31)
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"truncated":      {file: sound[:len(sound)-30], says: "npz"},
		"bomb":           {file: bomb, says: "cannot unpack"},
		"other file":     {file: npz(zip.Store, map[string][]byte{"a.txt": nil}), says: ".npy"},
		"not an array":   {file: one([]byte("hello, world")), says: "not an .npy"},
		"big endian":     {file: one(npy(">f4", "False", "1", floats(1))), says: "little-endian"},
		"object":         {file: one(npy("|O", "False", "1", floats(1))), says: `"|O"`},
		"too short":      {file: one(npy("<f4", "False", "3", floats(1, 2))), says: "more than the 2"},
		"too long":       {file: one(npy("<f4", "False", "1", floats(1, 2))), says: "needs 4 bytes but has 8"},
		"overflow":       {file: one(npy("<f4", "False", "4294967296, 4294967296", nil)), says: "more than"},
		"beyond numbers": {file: one(npy("<f4", "False", "99999999999999999999", nil)), says: "shape"},
		"long header":    {file: one(long), says: "60000 bytes"},
		"version":        {file: one([]byte("\x93NUMPY\x09\x00\x00\x00")), says: "version 9"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.file, c.says) })
	}
}

// The archive's checksum detects a byte that changed on the disk.
func TestNpzFindsDamage(t *testing.T) {
	file := npz(zip.Store, map[string][]byte{"a.npy": npy("<f4", "False", "2", floats(1, 2))})
	file[bytes.Index(file, floats(1, 2))] ^= 1
	s, err := open(t, file)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Read("a", make([]float32, 2)); !errors.Is(err, models.ErrModel) {
		t.Errorf("got %v, want ErrModel", err)
	}
}

func TestTensorFlowJS(t *testing.T) {
	for _, path := range []string{"../tfjs/testdata/small/sequential", "../tfjs/testdata/small/sequential/model.json"} {
		s, err := weights.Open(t.Context(), path, weights.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		kinds := map[weights.DType]int{}
		for _, tensor := range s.Tensors() {
			kinds[tensor.DType]++
			if v := read(t, s, tensor.Name); slices.Max(v) == slices.Min(v) && len(v) > 1 {
				t.Errorf("%s holds one value only", tensor.Name)
			}
		}
		if kinds[weights.Uint8] == 0 || kinds[weights.Uint16] == 0 {
			t.Errorf("the tensors are of the types %v, want quantised ones", kinds)
		}
		if d, err := s.Digest(); err != nil || !strings.HasPrefix(d, "sha256:") {
			t.Errorf("digest is %q, %v", d, err)
		}
	}
}

func TestRandom(t *testing.T) {
	source := func(seed uint64, names ...string) weights.Source {
		var list []weights.Uniform
		for _, n := range names {
			list = append(list, weights.Uniform{Name: n, Shape: []int64{50, 40}, Mean: 1, Bound: 0.5})
		}
		return weights.Random(seed, list)
	}
	a := read(t, source(1, "a", "b"), "a")
	if !slices.Equal(a, read(t, source(1, "b", "a"), "a")) {
		t.Error("a tensor depends on its place among the others")
	}
	// The reference script generates the same numbers.
	if want := []float32{1.2538543, 0.935675, 1.3402545}; !slices.Equal(a[:3], want) {
		t.Errorf("begins with %v, want %v", a[:3], want)
	}
	if slices.Equal(a, read(t, source(2, "a"), "a")) || slices.Equal(a, read(t, source(1, "b"), "b")) {
		t.Error("another seed or name gives the same numbers")
	}
	sum := 0.0
	for _, v := range a {
		sum += float64(v)
	}
	if mean := sum / 2000; slices.Min(a) < 0.5 || slices.Max(a) > 1.5 || math.Abs(mean-1) > 0.03 {
		t.Errorf("values are within %v..%v, their mean is %v", slices.Min(a), slices.Max(a), mean)
	}
	one, _ := source(1, "a").Digest()
	two, _ := source(2, "a").Digest()
	if one == two {
		t.Error("the seed is not part of the digest")
	}
}

func TestCheck(t *testing.T) {
	s := weights.Random(0, []weights.Uniform{{Name: "conv.weight", Shape: []int64{2, 3}}, {Name: "extra", Shape: []int64{4}}, {Name: "spare"}})
	spare := func(t weights.Tensor) bool { return t.Name == "spare" }
	if err := weights.Check(s, []weights.Tensor{{Name: "conv.weight", Shape: []int64{2, 3}}, {Name: "extra", Shape: []int64{4}}}, spare); err != nil {
		t.Error(err)
	}
	err := weights.Check(s, []weights.Tensor{{Name: "conv.weight", Shape: []int64{3, 2}}, {Name: "conv.bias", Shape: []int64{7}}}, spare)
	for _, says := range []string{"3 tensors", "conv.weight has the shape [2 3], and should have [3 2]", "conv.bias [7] is missing", "extra [4] is unused"} {
		if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want ErrModel about %q", err, says)
		}
	}
	var many []weights.Tensor
	for i := range 500 {
		many = append(many, weights.Tensor{Name: fmt.Sprint(i)})
	}
	if err := weights.Check(s, many, spare); strings.Count(err.Error(), "\n") > 30 || !strings.Contains(err.Error(), "and 488 more") {
		t.Errorf("500 missing tensors make this error: %v", err)
	}
}
