package device

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OwnMemory returns the memory that this process uses and shares with no file, in bytes:
// what an out-of-memory killer would free.
func OwnMemory() (int64, error) {
	n, err := statm()
	return (n.resident - n.shared) * int64(os.Getpagesize()), err
}

// pages are what the kernel counts of this process.
type pages struct{ resident, shared, data int64 }

func statm() (p pages, err error) {
	body, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return p, err
	}
	var size, text, lib int64
	if _, err := fmt.Sscan(string(body), &size, &p.resident, &p.shared, &text, &lib, &p.data); err != nil {
		return p, fmt.Errorf("/proc/self/statm: %w", err)
	}
	return p, nil
}

// BoundData lets this process map at most so many bytes more of private memory than now,
// whether they are used or not. Further mappings fail in the caller that asks for them.
// lift ends that.
//
// The address space (RLIMIT_AS) cannot be bounded: Go and CUDA reserve far more than they
// use. What they reserve without access does not count here.
func BoundData(more int64) (lift func(), err error) {
	now, err := statm()
	if err != nil {
		return nil, err
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &old); err != nil {
		return nil, err
	}
	bound := uint64(now.data*int64(os.Getpagesize()) + more) //nolint:gosec // G115: both are above zero
	if bound >= old.Cur {
		return func() {}, nil
	}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: bound, Max: old.Max}); err != nil {
		return nil, err
	}
	return func() { _ = unix.Setrlimit(unix.RLIMIT_DATA, &old) }, nil
}

// HasSwap reports whether the machine can move memory of processes to a disk.
func HasSwap() bool { return machineMemory("/", "SwapTotal") > 0 }
