// Package sharedlib looks at the file of a shared library before the loader maps it into
// the process.
package sharedlib

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Check returns why a file must not be given to the loader, with its path: it is a device
// or a pipe, which may hang, or it ends before the library does, for which the loader
// would end the process with SIGBUS. It reads the headers only.
//
// It is nil for a name without a slash, for which the loader looks itself, and for a file
// of which the loader says what is wrong: one that is not there, that may not be read, or
// that is not a library.
func Check(path string) error {
	if !strings.Contains(path, "/") {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil //nolint:nilerr // the loader says it
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil //nolint:nilerr // the loader says it
	}
	defer func() { _ = f.Close() }()
	if !whole(f, info.Size()) {
		return fmt.Errorf("%s is incomplete: fetch it again", path)
	}
	return nil
}

// whole reports whether all that the loader maps lies within the size of the file. It is
// true if that cannot be told, as for files of another format.
func whole(f io.ReaderAt, size int64) bool {
	var h elf.Header64
	if size < int64(binary.Size(h)) {
		return !isELF(f)
	}
	if !isELF(f) || read(f, 0, &h) != nil || elf.Class(h.Ident[elf.EI_CLASS]) != elf.ELFCLASS64 ||
		elf.Data(h.Ident[elf.EI_DATA]) != elf.ELFDATA2LSB || int(h.Phentsize) != binary.Size(elf.Prog64{}) {
		return true
	}
	segments := make([]elf.Prog64, h.Phnum)
	if h.Phoff > uint64(size) {
		return false
	}
	if err := read(f, int64(h.Phoff), segments); err != nil {
		return !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF)
	}
	for _, s := range segments {
		if elf.ProgType(s.Type) == elf.PT_LOAD && (s.Off > uint64(size) || s.Filesz > uint64(size)-s.Off) {
			return false
		}
	}
	return true
}

func isELF(f io.ReaderAt) bool {
	magic := make([]byte, len(elf.ELFMAG))
	_, err := f.ReadAt(magic, 0)
	return err == nil && bytes.Equal(magic, []byte(elf.ELFMAG))
}

// read reads a structure, or a slice of them, at an offset.
func read(f io.ReaderAt, offset int64, to any) error {
	return binary.Read(io.NewSectionReader(f, offset, int64(binary.Size(to))), binary.LittleEndian, to)
}
