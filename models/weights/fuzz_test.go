package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/batchscore/batchscore/models"
)

// inMemory is a file in memory.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

func FuzzSafetensors(f *testing.F) {
	for _, s := range []struct {
		header string
		data   int
	}{
		{header: `{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[],"data_offsets":[8,10]}}`, data: 10},
		{header: `{"a":{"dtype":"I64","shape":[0,3],"data_offsets":[0,0]},"__metadata__":{"x":"y"}} `, data: 0},
		{header: `{"a":{"dtype":"BF16","shape":[4294967296,4294967296],"data_offsets":[0,1]}}`, data: 1},
	} {
		f.Add(append(binary.LittleEndian.AppendUint64(nil, uint64(len(s.header))), s.header+string(make([]byte, s.data))...))
	}
	f.Add(append(binary.LittleEndian.AppendUint64(nil, 1<<50), '{'))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 8 {
			return // Open has read the first nine bytes
		}
		s, err := newSafetensors(&onDisk{file: inMemory{bytes.NewReader(data)}, size: int64(len(data))})
		fuzzSource(t, s, err, len(data))
	})
}

func FuzzNpz(f *testing.F) {
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for name, array := range map[string]string{
			"a.npy": "\x93NUMPY\x01\x00\x3b\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }\n" + "abcd",
		} {
			w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
			if err != nil {
				f.Fatal(err)
			}
			if _, err := io.WriteString(w, array); err != nil {
				f.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := newZip(&onDisk{file: inMemory{bytes.NewReader(data)}, size: int64(len(data))})
		fuzzSource(t, s, err, len(data))
	})
}

// FuzzNpy fuzzes the header of an array without the checksum of an archive around it.
func FuzzNpy(f *testing.F) {
	f.Add([]byte("\x93NUMPY\x01\x00\x3b\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"))
	f.Add([]byte("\x93NUMPY\x02\x00\x3b\x00\x00\x00{'descr': '|u1', 'fortran_order': True, 'shape': (9223372036854775807L,), }\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := readNpyHeader(bytes.NewReader(data))
		if err == nil && (h.length > int64(len(data)) || h.dtype.size() == 0) {
			t.Errorf("accepted %+v", h)
		}
	})
}

// fuzzSource reads an accepted source. It must be readable, except for damage in the
// elements, and must not claim more than a file of that size can hold.
func fuzzSource(t *testing.T, s Source, err error, size int) {
	if err != nil {
		if !errors.Is(err, models.ErrModel) {
			t.Errorf("%v does not wrap ErrModel", err)
		}
		return
	}
	for _, tensor := range s.Tensors() {
		n, err := elements(tensor.Shape, maxInflate*int64(size))
		if err != nil {
			t.Fatalf("%v in a file of %d bytes: %v", tensor, size, err)
		}
		if err := s.Read(tensor.Name, make([]float32, n)); err != nil && !errors.Is(err, models.ErrModel) {
			t.Errorf("%v does not wrap ErrModel", err)
		}
	}
}

// FuzzTorch reads checkpoints of PyTorch in both forms. Nothing that a pickle names may
// be executed, and memory stays in proportion to the file.
func FuzzTorch(f *testing.F) {
	for _, name := range []string{"state.pth", "legacy.pth", "protocol4.pth", "training.pth", "module.pth", "script.pt"} {
		data, err := os.ReadFile("testdata/torch/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := &onDisk{file: inMemory{bytes.NewReader(data)}, size: int64(len(data))}
		if bytes.HasPrefix(data, []byte("PK")) {
			s, err := newZip(d)
			fuzzSource(t, s, err, len(data))
			return
		}
		s, err := newTorchLegacy(d)
		fuzzSource(t, s, err, len(data))
	})
}
