// Package nvimgcodec decodes JPEG with NVIDIA's nvImageCodec, which is loaded at run time.
//
//  1. [Open] finds the library and one of its back ends, on a GPU or on the CPU, makes
//     its decoders and tries them on a small picture. No other back end is loaded, so
//     that an image always meets the same one.
//  2. Each goroutine that decodes has a [Decoder]. Those that wait at the same time are
//     decoded together, as a batch: pool.go.
//  3. The pixels come back to the host's memory, at full size. The caller resizes them.
//     That, and its check of the coded data before, bound what a GPU can save.
//
// On a GPU the back end is nvJPEG's decoder in CUDA, which every kind of GPU has. Not used
// are the decoding engines of some GPUs: whether an image goes to an engine depends on
// how busy they are, and their pixels differ.
//
// The GPU back end has not yet been run on a GPU. The CPU back end, which is for tests
// and comparisons, is libjpeg-turbo in NVIDIA's build; everything but the choice of back
// end is the same for both.
package nvimgcodec

// #cgo CFLAGS: -std=c11 -O3 -Wall
// #cgo linux LDFLAGS: -ldl
// #cgo noescape bs_nv_decode
// #cgo nocallback bs_nv_decode
// #cgo noescape bs_nv_widen
// #cgo nocallback bs_nv_widen
// #include "decode.h"
// #include <stdlib.h>
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/batchscore/batchscore/models/device/sharedlib"
)

// LibraryVariable is the environment variable with the path of nvImageCodec's library.
const LibraryVariable = "NVIMGCODEC_LIB"

// ErrMissing is the error of a library or a device that is not there.
var ErrMissing = errors.New("nvImageCodec cannot be used")

// ErrFailed is the error of a device that did not decode an image, for a reason that may be
// gone when it is tried again.
var ErrFailed = errors.New("nvImageCodec failed")

// HowToInstall says how to install the library.
const HowToInstall = `run "deploy/deps/fetch.sh nvimgcodec" in the source tree, or "pip install nvidia-nvimgcodec-cu12[nvjpeg]" and set ` +
	LibraryVariable + " to its libnvimgcodec.so.0"

// KindPrefix is how the Kind of every Pool begins.
const KindPrefix = "nvimgcodec "

// CPU is the device of the CPU back end. Devices from 0 are GPUs, as CUDA numbers those
// that are visible.
const CPU = -1

var (
	poolsLock sync.Mutex
	pools     = map[int]*Pool{}
)

// Open returns the decoders of a device, which the whole process shares. The error, which
// wraps ErrMissing, says what is missing and how to install it.
func Open(device int) (*Pool, error) {
	poolsLock.Lock()
	defer poolsLock.Unlock()
	if p := pools[device]; p != nil {
		return p, nil
	}
	p, err := open(device)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	pools[device] = p
	return p, nil
}

func open(device int) (*Pool, error) {
	library, err := Find()
	if err != nil {
		return nil, err
	}
	extension, name := "libjpeg_turbo_ext", "cpu"
	var jpegVersion [3]C.int
	if device >= 0 {
		extension = "libnvjpeg_ext"
		if name, err = findNvJPEG(filepath.Dir(library), &jpegVersion); err != nil {
			return nil, err
		}
	}
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(library), "extensions", extension+".so*"))
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no extensions/%s.so next to it: %s", library, extension, HowToInstall)
	}
	for _, path := range []string{library, found[0]} {
		if err := sharedlib.Check(path); err != nil {
			return nil, fmt.Errorf("%w: %s", err, HowToInstall)
		}
	}
	cLibrary, cExtension := C.CString(library), C.CString(found[0])
	defer C.free(unsafe.Pointer(cLibrary))
	defer C.free(unsafe.Pointer(cExtension))
	var why [C.BS_NV_ERROR_SIZE]C.char
	var v C.uint32_t
	backEnd := C.bs_nv_load(cLibrary, cExtension, &v, &why[0])
	if backEnd == nil {
		return nil, fmt.Errorf("%s: %s", C.GoString(&why[0]), HowToInstall)
	}
	p := &Pool{kind: KindPrefix + release(v) + " " + name, library: library}
	for range inFlight {
		h := C.bs_nv_new(backEnd, C.int(device), C.int(threads()), &why[0])
		if h == nil {
			return nil, errors.New(C.GoString(&why[0]))
		}
		p.free = append(p.free, h)
	}
	return p, p.try()
}

// threads returns the threads of a decoder, which all share the cores.
func threads() int { return max(runtime.GOMAXPROCS(0)/inFlight, 1) }

// findNvJPEG loads nvJPEG, which the extension for GPUs then finds by its name, and returns
// what to call its back end. The extension itself would say on stderr what is missing.
func findNvJPEG(folder string, version *[3]C.int) (string, error) {
	if !canOpen(filepath.Join(folder, "libcuda.so.1")) && !canOpen("libcuda.so.1") { // the first is for tests
		return "", errors.New("there is no NVIDIA driver (libcuda.so.1): use a machine with an NVIDIA GPU, or --decode-device cpu")
	}
	const soname = "libnvjpeg.so.12"
	for _, path := range []string{filepath.Join(folder, soname), filepath.Join(folder, "..", "nvjpeg", "lib", soname), soname} {
		if err := sharedlib.Check(path); err != nil {
			return "", fmt.Errorf("%w: %s", err, HowToInstall)
		}
		c := C.CString(path)
		rc := C.bs_nv_jpeg_version(c, &version[0])
		C.free(unsafe.Pointer(c))
		if rc == 0 {
			return fmt.Sprintf("gpu, nvjpeg %d.%d.%d", version[0], version[1], version[2]), nil
		}
	}
	return "", fmt.Errorf("%s is missing: %s", soname, HowToInstall)
}

func canOpen(name string) bool {
	if sharedlib.Check(name) != nil {
		return false
	}
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.bs_nv_can_open(c) != 0
}

// Find returns the path of the library: that in NVIMGCODEC_LIB, or the first in the
// folders of NVIDIA's packages and of deploy/deps/fetch.sh.
func Find() (string, error) {
	const soname = "libnvimgcodec.so.0"
	if given := os.Getenv(LibraryVariable); given != "" {
		if _, err := os.Stat(given); err != nil {
			return "", fmt.Errorf("%s: %w: %s", LibraryVariable, err, HowToInstall)
		}
		return filepath.Abs(given)
	}
	var folders []string
	for _, cache := range sharedlib.Caches() {
		folders = append(folders, filepath.Join(cache, "nvimgcodec"))
	}
	exe, _ := os.Executable()
	folders = append(folders, filepath.Dir(exe), "/opt/nvidia/nvimgcodec_cuda12/lib64", "/usr/lib64/libnvimgcodec/12",
		"/usr/lib/x86_64-linux-gnu/libnvimgcodec/12", "/usr/local/lib")
	for _, folder := range folders {
		path := filepath.Join(folder, soname)
		if _, err := os.Stat(path); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("%s is in none of %s: %s", soname, strings.Join(folders, ", "), HowToInstall)
}

// Version returns the release of the library at a path.
func Version(path string) (string, error) {
	if err := sharedlib.Check(path); err != nil {
		return "", err
	}
	c := C.CString(path)
	defer C.free(unsafe.Pointer(c))
	var why [C.BS_NV_ERROR_SIZE]C.char
	var v C.uint32_t
	if C.bs_nv_version(c, &v, &why[0]) != 0 {
		return "", errors.New(C.GoString(&why[0]))
	}
	return release(v), nil
}

// release returns the library's number of its version as text.
func release(v C.uint32_t) string { return fmt.Sprintf("%d.%d.%d", v/1000, v%1000/100, v%100) }
