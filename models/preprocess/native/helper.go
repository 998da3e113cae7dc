package native

// #cgo CFLAGS: -std=c11 -O2 -Wall -Wextra
// #cgo linux LDFLAGS: -ldl
// #include "native.h"
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// keptShared is how much memory a helper shares at most between images, and ownMemory
	// what its process has besides, without pages of files: measured were 0.4 to 3.0 MB.
	keptShared = 32 << 20
	ownMemory  = 4 << 20
	page       = 4096
)

// A helper is a process that decodes with one library.
type helper struct {
	library  *Library
	identity string
	sealed   bool // whether its system calls are limited
	cmd      *exec.Cmd
	requests *os.File
	replies  *os.File
	shared   *os.File
	length   int64 // of the shared memory
	images   int   // that it was asked for
	idle     bool  // it was killed because it did nothing
	stderr   bytes.Buffer
}

// lastReport is the latest report of AddressSanitizer in a helper, for tests.
var lastReport atomic.Pointer[string]

// self is this program. The link leads to the file that runs even after it was replaced.
const self = "/proc/self/exe"

// passed are the variables that a helper gets; no others, for they may be secret.
var passed = []string{"LIBHEIF_PLUGIN_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"}

// errKilled is the error of a helper that was killed before it could answer.
var errKilled = errors.New("its helper was killed")

// launch is start, several times if somebody kills the helper meanwhile.
func (l *Library) launch() (h *helper, err error) {
	for range attempts {
		if h, err = l.start(); !errors.Is(err, errKilled) {
			break
		}
	}
	return h, err
}

// searched returns in which folders a helper looks for what its library needs: first in those
// of files that a path names.
func searched(files []string) string {
	var folders []string
	for _, f := range files {
		if strings.Contains(f, "/") {
			folders = append(folders, filepath.Dir(f))
		}
	}
	if given := os.Getenv("LD_LIBRARY_PATH"); given != "" {
		folders = append(folders, given)
	}
	return strings.Join(folders, ":")
}

// textOf returns the text of a reply, whatever it holds.
func textOf(r *C.struct_bs_reply) string {
	text, _, _ := bytes.Cut(unsafe.Slice((*byte)(unsafe.Pointer(&r.text[0])), C.BS_TEXT), []byte{0})
	return strings.ToValidUTF8(string(text), "?")
}

// start starts a helper and waits until it has loaded the library. The error is a *missing
// if there is none that it can use.
func (l *Library) start() (*helper, error) {
	files, err := l.candidates()
	if err != nil {
		return nil, err
	}
	var why []string
	for _, group := range groups(files) {
		h, err := l.startWith(group)
		var none *missing
		if !errors.As(err, &none) {
			return h, err
		}
		why = append(why, none.why)
	}
	return nil, &missing{l, strings.Join(why, "; ")}
}

// groups returns which files are tried by one helper. One that a path names has a helper of its
// own: from the folder of another file, one that is broken there would be loaded in its place.
func groups(files []string) (all [][]string) {
	var named []string // that the system finds
	for _, f := range files {
		if strings.Contains(f, "/") {
			all = append(all, []string{f})
		} else {
			named = append(named, f)
		}
	}
	if len(named) > 0 {
		all = append(all, named)
	}
	return all
}

// startWith is start with some of the candidates.
func (l *Library) startWith(files []string) (_ *helper, err error) {
	h := &helper{library: l}
	var theirs []*os.File
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	fd, err := unix.MemfdCreate("batchscore-"+l.Name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, advised(fmt.Errorf("memory to share with a decode helper: %w", err))
	}
	h.shared = os.NewFile(uintptr(fd), "shared memory")
	in, requests, err := os.Pipe()
	if err != nil {
		return nil, advised(err)
	}
	h.requests, theirs = requests, append(theirs, in)
	replies, out, err := os.Pipe()
	if err != nil {
		return nil, advised(err)
	}
	h.replies, theirs = replies, append(theirs, out)

	cmd := exec.Command(self, "decode-helper", l.Name, strings.Join(files, ";"))
	cmd.Args[0] = "batchscore"
	cmd.Dir = "/"
	// The memory of small things that were freed is filled as that of large ones, see helper.c,
	// only if the C library keeps no list of them. Without a cache, stacks of threads are empty.
	// Huge pages, where the kernel has them, save the time in which it gives memory to each image.
	cmd.Env = []string{"BATCHSCORE_DECODE_HELPER=1", "GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.pthread.stack_cache_size=0:glibc.malloc.hugetlb=1",
		"LD_LIBRARY_PATH=" + searched(files)}
	for _, name := range passed {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	if sanitized { // it fills 4 KB of each by default; of two settings, the last counts
		cmd.Env = append(cmd.Env, "ASAN_OPTIONS="+os.Getenv("ASAN_OPTIONS")+":max_malloc_fill_size=2147483647")
	}
	cmd.Stdin, cmd.ExtraFiles = in, []*os.File{h.shared, out}
	if sanitized {
		cmd.Stderr = &h.stderr
	}
	err = cmd.Start()
	for _, f := range theirs { // so that the pipe of the replies ends with the helper
		_ = f.Close()
	}
	if err != nil {
		return nil, advised(fmt.Errorf("a decode helper for %s: %w", l.Name, err))
	}
	h.cmd = cmd
	var r C.struct_bs_reply
	if !h.receive(&r) {
		how := h.died()
		if how == killed {
			return nil, fmt.Errorf("%s: %w while it started", l.Name, errKilled)
		}
		return nil, &missing{l, "it " + how}
	}
	text := textOf(&r)
	if r.status != C.BS_OK {
		return nil, &missing{l, text}
	}
	h.identity, h.sealed = text, r.sealed != 0
	return h, nil
}

// advised adds to the error of a process that has too many files open what helps.
func advised(err error) error {
	if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
		return fmt.Errorf("%w: raise the limit of open files (ulimit -n), or lower --decoders, and run again", err)
	}
	return err
}

// close ends the helper and frees what it shares.
func (h *helper) close() {
	for _, f := range []*os.File{h.requests, h.replies, h.shared} {
		if f != nil {
			_ = f.Close()
		}
	}
	if h.cmd != nil && h.cmd.ProcessState == nil {
		_ = h.cmd.Process.Kill()
		_ = h.cmd.Wait() // killed
	}
}

// A task is one image for a helper.
type task struct {
	src           []byte
	width, height int
	memory        int64 // that the library may take
	seconds       int   // of processor time
}

// An outcome is what became of a task.
type outcome struct {
	status C.uint32_t
	text   string
	died   string // how the process ended; "" if it continues
	killed bool   // by somebody else, which is not the image's fault
	pixels int64  // where they are in the shared memory
}

// decode has the helper decode an image. The error is not about the image.
func (h *helper) decode(t task) (outcome, error) {
	pixels := (int64(len(t.src)) + page - 1) &^ (page - 1)
	length := pixels + 4*int64(t.width)*int64(t.height)
	length = (length + page - 1) &^ (page - 1)
	if length < h.length {
		length = h.length
	}
	if err := h.share(t.src, length); err != nil {
		return outcome{}, err
	}
	h.images++
	ask := C.struct_bs_request{length: C.uint64_t(length), source: C.uint64_t(len(t.src)), pixels: C.uint64_t(pixels),
		memory: C.uint64_t(t.memory), seconds: C.uint32_t(t.seconds), width: C.uint32_t(t.width), height: C.uint32_t(t.height)}
	var r C.struct_bs_reply
	_, err := h.requests.Write(unsafe.Slice((*byte)(unsafe.Pointer(&ask)), unsafe.Sizeof(ask)))
	if err != nil || !h.receive(&r) {
		how := h.died()
		return outcome{died: how, killed: how == killed}, nil
	}
	return outcome{status: r.status, text: textOf(&r), pixels: pixels}, nil
}

// share puts the encoded image into the shared memory, which gets length bytes.
func (h *helper) share(src []byte, length int64) error {
	if length != h.length {
		if err := h.shared.Truncate(length); err != nil {
			return fmt.Errorf("memory to share with a decode helper: %w", err)
		}
		h.length = length
	}
	if _, err := h.shared.WriteAt(src, 0); err != nil {
		return fmt.Errorf("memory to share with a decode helper: %w", err)
	}
	return nil
}

// settle frees shared memory that is more than a number of bytes.
func (h *helper) settle(most int64) error {
	if h.length <= most {
		return nil
	}
	h.length = 0
	return h.shared.Truncate(0)
}

// receive reads a reply. It kills a helper that has stopped working, and returns false for
// one that ends.
func (h *helper) receive(r *C.struct_bs_reply) bool {
	b := unsafe.Slice((*byte)(unsafe.Pointer(r)), unsafe.Sizeof(*r))
	var w watch
	for {
		_ = h.replies.SetReadDeadline(time.Now().Add(idleStep)) // a pipe has deadlines
		n, err := h.replies.Read(b)
		switch {
		case n == len(b): // at most PIPE_BUF, so whole
			return true
		case errors.Is(err, os.ErrDeadlineExceeded):
			idle, stopped := w.look(h.cmd.Process.Pid)
			if idle || stopped {
				h.idle = idle
				_ = h.cmd.Process.Kill() // it may have ended
				return false
			}
		case err != nil && !errors.Is(err, io.EOF), n == 0, n > 0:
			return false
		}
	}
}
