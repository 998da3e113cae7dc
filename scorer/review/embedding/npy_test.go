package embedding

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// numpyFile returns a file with this header and so many bytes behind it.
func numpyFile(version string, head string, numbers int) []byte {
	var b bytes.Buffer
	b.WriteString("\x93NUMPY" + version)
	if version[0] == 1 {
		b.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(head))))
	} else {
		b.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(head))))
	}
	b.WriteString(head)
	b.Write(make([]byte, numbers))
	return b.Bytes()
}

// TestHeaders reads headers as several programs write them, and refuses all others.
func TestHeaders(t *testing.T) {
	const v1 = "\x01\x00"
	for _, c := range []struct {
		name    string
		file    []byte
		says    string // empty if the file is read
		rows, d int
	}{
		{name: "numpy", file: numpyFile(v1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n", 24), rows: 2, d: 3},
		{name: "another order", file: numpyFile("\x02\x00", "{'shape':(2,3),'fortran_order':False,'descr':'<f2'}\n", 12), rows: 2, d: 3},
		{name: "version 3", file: numpyFile("\x03\x00", "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }\n", 0), rows: 0, d: 3},
		{name: "empty", file: nil, says: "it has 0 bytes"},
		{name: "an image", file: []byte("\xff\xd8\xff\xe0 and so on"), says: "does not begin as .npy does"},
		{name: "version 4", file: numpyFile("\x04\x00", "{}\n", 0), says: "its version is 4.0"},
		{name: "long header", file: append([]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"), "{'descr'"...), says: "its header is said to have 4294967295 bytes"},
		{name: "cut header", file: []byte("\x93NUMPY\x01\x00\x76\x00{'descr'"), says: "its header is said to have 118 bytes"},
		{name: "float64", file: numpyFile(v1, "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }\n", 8), says: "want '<f4' or '<f2'"},
		{name: "big endian", file: numpyFile(v1, "{'descr': '>f4', 'fortran_order': False, 'shape': (1, 1), }\n", 4), says: "want '<f4' or '<f2'"},
		{name: "objects", file: numpyFile(v1, "{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }\n", 4), says: "want '<f4' or '<f2'"},
		{name: "a structure", file: numpyFile(v1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 1), }\n", 4), says: "its header is"},
		{name: "fortran", file: numpyFile(v1, "{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }\n", 4), says: "ascontiguousarray"},
		{name: "one side", file: numpyFile(v1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n", 4), says: "its shape is (1,)"},
		{name: "three sides", file: numpyFile(v1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1), }\n", 4), says: "its shape is"},
		{name: "no numbers", file: numpyFile(v1, "{'descr': '<f4', 'fortran_order': False, 'shape': (9, 0), }\n", 0), says: "its shape is"},
		{name: "wraps", file: numpyFile(v1, "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }\n", 0), says: "its shape is"},
		{name: "huge", file: numpyFile(v1, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 4), }\n", 0), says: "its shape is"},
		{name: "short", file: numpyFile(v1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 65536), }\n", 9),
			says: "makes it 262144000000083 bytes long"},
		{name: "longer", file: numpyFile(v1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }\n", 5), says: "makes it 74 bytes long, and it has 75"},
		{name: "twice", file: numpyFile(v1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }\n", 4), says: "its header is"},
		{name: "more", file: numpyFile(v1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), 'x': True}\n", 4), says: "its header is"},
		{name: "code", file: numpyFile(v1, "__import__('os')\x1b[2J\n", 4), says: `\x1b`},
		{name: "no end", file: numpyFile(v1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }", 4), says: "its header is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "v.npy")
			if err := os.WriteFile(name, c.file, 0o644); err != nil {
				t.Fatal(err)
			}
			v, err := Open(name)
			if c.says != "" {
				if err == nil || !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "numpy.save(") {
					t.Errorf("got %v, want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			if v.Rows() != c.rows || v.Dimensions() != c.d {
				t.Errorf("%d rows of %d numbers, want %d of %d", v.Rows(), v.Dimensions(), c.rows, c.d)
			}
		})
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrFile) {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.npy")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestCutWhileRead: a file that becomes shorter is an error.
func TestCutWhileRead(t *testing.T) {
	name := npy(t, 4, make([]float32, 400))
	v := open(t, name)
	if err := os.Truncate(name, 300); err != nil {
		t.Fatal(err)
	}
	if _, err := Judge(t.Context(), v, ofLabels(make([]string, 100)), Options{}); err == nil || !strings.Contains(err.Error(), "has become shorter") {
		t.Errorf("got %v", err)
	}
}
