package sharedlib

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestCheckNotRegular: what is not a file is refused without opening it.
func TestCheckNotRegular(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "libpipe.so.1")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "liblink.so.1")
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, link, dir, "/dev/zero"} {
		if err := Check(path); err == nil || !strings.Contains(err.Error(), path+" is not a regular file") {
			t.Errorf("%s: %v, want that it is not a regular file", path, err)
		}
	}
}

// TestCheckLeaves: of these the loader says what is wrong, if anything is.
func TestCheckLeaves(t *testing.T) {
	text := filepath.Join(t.TempDir(), "libtext.so")
	if err := os.WriteFile(text, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"libm.so.6", "/nonexistent/libm.so.6", text} {
		if err := Check(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// library returns a file that the loader would map: its headers and two segments, the
// second of which ends at the file's end.
func library(t *testing.T) []byte {
	t.Helper()
	const start, size = 300, 900
	h := elf.Header64{Phoff: 64, Phentsize: 56, Phnum: 3, Shoff: 1 << 40, Shnum: 9}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)
	segments := []elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Filesz: start, Memsz: start},
		{Type: uint32(elf.PT_LOAD), Off: start, Filesz: size - start, Memsz: 1 << 20},
		{Type: uint32(elf.PT_NOTE), Off: 1 << 30, Filesz: 8},
	}
	var b bytes.Buffer
	for _, part := range []any{h, segments} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return append(b.Bytes(), make([]byte, size-b.Len())...)
}

// TestCheckIncomplete cuts a library at every byte.
func TestCheckIncomplete(t *testing.T) {
	whole := library(t)
	path := filepath.Join(t.TempDir(), "libcut.so.1")
	for n := range len(whole) + 1 {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		err := Check(path)
		switch {
		case n == len(whole):
			if err != nil {
				t.Errorf("whole: %v", err)
			}
		case n >= len(elf.ELFMAG):
			if err == nil || err.Error() != path+" is incomplete: fetch it again" {
				t.Errorf("%d bytes: %v", n, err)
			}
		case err != nil: // the loader says that it is not a library
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestCheckHostile: no header makes it fail otherwise, or read more than headers.
func TestCheckHostile(t *testing.T) {
	const phoff, phnum, firstOff, firstSize = 32, 56, 64 + 8, 64 + 32
	for _, at := range []int{phoff, firstOff, firstSize} {
		b := library(t)
		for i := range 8 {
			b[at+i] = 0xff
		}
		if whole(bytes.NewReader(b), int64(len(b))) {
			t.Errorf("byte %d: an offset or a size beyond the file is accepted", at)
		}
	}
	b := library(t)
	b[phnum], b[phnum+1] = 0xff, 0xff
	if whole(bytes.NewReader(b), int64(len(b))) {
		t.Error("65535 segments in 900 bytes are accepted")
	}
}

// TestCheckReal: the libraries of this process are whole.
func TestCheckReal(t *testing.T) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{exe}
	for line := range strings.Lines(string(maps)) {
		if fields := strings.Fields(line); len(fields) > 5 && strings.Contains(fields[5], ".so") {
			paths = append(paths, fields[5])
		}
	}
	for _, path := range paths {
		if err := Check(path); err != nil {
			t.Error(err)
		}
	}
}
