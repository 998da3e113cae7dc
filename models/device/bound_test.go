package device

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBoundData maps memory without any promise that it exists, which only the bound can
// refuse.
func TestBoundData(t *testing.T) {
	get := func() error {
		m, err := unix.Mmap(-1, 0, 64<<30, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		if err == nil {
			err = unix.Munmap(m)
		}
		return err
	}
	if err := get(); err != nil {
		t.Skipf("the machine lets nobody map 64 GB: %v", err)
	}
	lift, err := BoundData(16 << 30)
	if err != nil {
		t.Fatal(err)
	}
	defer lift()
	if err := get(); !errors.Is(err, unix.ENOMEM) {
		t.Errorf("within the bound: %v, want ENOMEM", err)
	}
	lift()
	if err := get(); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func TestOwnMemory(t *testing.T) {
	before, err := OwnMemory()
	if err != nil {
		t.Fatal(err)
	}
	const size = 256 << 20
	m, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(m) }()
	after, err := OwnMemory()
	if grown := after - before; err != nil || grown < size*3/4 || grown > 2*size {
		t.Errorf("grown by %d bytes, %v; want about %d", grown, err, size)
	}
}
