package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// without is the environment variable that names what a process of batchscore must do
// without, separated by commas: links and renames.
const without = "BATCHSCORE_TEST_WITHOUT"

const (
	// noLinks makes link(2) fail with EPERM, as on file systems without them.
	noLinks = "links"
	// noExclusiveRename makes renameat2(2) fail with EINVAL where it is told to
	// replace nothing.
	noExclusiveRename = "exclusive-rename"
	// noOverride takes from root the right to read what its mode forbids.
	noOverride = "override"
)

// giveUp makes this process do without what the words name, by executing this program
// again.
func giveUp(words string) {
	if words == "" {
		return
	}
	runtime.LockOSThread()
	if err := giveUpHere(strings.Split(words, ",")); err != nil {
		fmt.Fprintf(os.Stderr, "%s=%s: %v\n", without, words, err)
		os.Exit(99)
	}
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, without+"=") })
	err := syscall.Exec("/proc/self/exe", os.Args, env)
	fmt.Fprintln(os.Stderr, err)
	os.Exit(99)
}

// giveUpHere does so for this thread and what it executes.
func giveUpHere(words []string) error {
	const (
		number   = 0  // offset of the system call's number, as the filter sees it
		argument = 16 // of the first argument, 8 bytes each
		refuse   = unix.SECCOMP_RET_ERRNO
	)
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number}}
	for _, word := range words {
		switch word {
		case noLinks:
			filter = append(filter,
				unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_LINKAT, Jf: 1},
				unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: refuse | uint32(syscall.EPERM)})
		case noExclusiveRename:
			filter = append(filter,
				unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_RENAMEAT2, Jf: 4},
				unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: argument + 4*8},
				unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.RENAME_NOREPLACE, Jf: 1},
				unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: refuse | uint32(syscall.EINVAL)},
				unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number})
		case noOverride:
			for _, right := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH} {
				// Who is not root has neither right.
				if err := unix.Prctl(unix.PR_CAPBSET_DROP, right, 0, 0, 0); err != nil && os.Geteuid() == 0 {
					return err
				}
			}
		default:
			return fmt.Errorf("%q is unknown", word)
		}
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
