package preprocess

// #cgo CFLAGS: -std=c11 -O3 -Wall
// #cgo linux LDFLAGS: -ldl
// #cgo noescape bs_turbo_render
// #cgo nocallback bs_turbo_render
// #cgo noescape bs_render
// #cgo nocallback bs_render
// #cgo noescape bs_work_size
// #cgo nocallback bs_work_size
// #include "kernel.h"
// #include <stdlib.h>
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"unsafe"
)

// turboNames are tried in order where LIBTURBOJPEG names no library.
var turboNames = []string{
	"libturbojpeg.so.0",
	"libturbojpeg.so",
	"/opt/libjpeg-turbo/lib64/libturbojpeg.so.0",
	"/usr/local/lib/libturbojpeg.so.0",
	"libturbojpeg.0.dylib",
	"/opt/homebrew/opt/jpeg-turbo/lib/libturbojpeg.dylib",
	"/usr/local/opt/jpeg-turbo/lib/libturbojpeg.dylib",
}

// turboScale is a factor by which libjpeg-turbo can shrink while it decodes.
type turboScale struct{ num, denom int }

// apply rounds as TurboJPEG does.
func (s turboScale) apply(n int) int { return (n*s.num + s.denom - 1) / s.denom }

type turboLibrary struct {
	name   string
	scales []turboScale
}

// turbo is loadTurbo, once in the life of the process.
var turbo = sync.OnceValues(loadTurbo)

func loadTurbo() (turboLibrary, error) {
	names := turboNames
	if name := os.Getenv("LIBTURBOJPEG"); name != "" {
		names = []string{name}
	}
	var tried []string
	for _, name := range names {
		c := C.CString(name)
		why := C.bs_turbo_open(c)
		C.free(unsafe.Pointer(c))
		if why == nil {
			return describeTurbo(), nil
		}
		tried = append(tried, C.GoString(why))
	}
	return turboLibrary{}, fmt.Errorf("libjpeg-turbo not loaded, so that JPEG is decoded several times slower: "+
		"install it (Debian, Ubuntu: libturbojpeg0 or libturbojpeg; Fedora: turbojpeg; macOS: brew install jpeg-turbo) "+
		"or name the library in LIBTURBOJPEG (tried: %s)", strings.Join(tried, "; "))
}

func describeTurbo() turboLibrary {
	var pairs [64]C.int32_t
	n := int(C.bs_turbo_scales(&pairs[0], C.int(len(pairs)/2)))
	path := C.GoString(C.bs_turbo_path())
	l := turboLibrary{name: "libjpeg-turbo" + turboVersion(path) + " (" + path + ")"}
	for i := range n {
		// For a half, a quarter and an eighth there is vector code. The other
		// factors take longer than they save.
		if s := (turboScale{int(pairs[2*i]), int(pairs[2*i+1])}); s.num == 1 && s.denom > 1 {
			l.scales = append(l.scales, s)
		}
	}
	return l
}

// turboVersion finds " 2.1.5" in the library's own text: the API has no call
// for it. It returns "" if the text is not there.
func turboVersion(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	const before = "libjpeg-turbo version "
	i := bytes.Index(b, []byte(before))
	if i < 0 {
		return ""
	}
	b = b[i+len(before):]
	n := 0
	for n < len(b) && n < 16 && (b[n] == '.' || b[n] >= '0' && b[n] <= '9') {
		n++
	}
	return " " + string(b[:n])
}

// DecodeOnly decodes a JPEG of width x height pixels to RGB with libjpeg-turbo
// and does no more: the limit that benchmarks compare Decode with. Without
// libjpeg-turbo it is an error.
func (d *Decoder) DecodeOnly(rgb, src []byte, width, height int) error {
	switch {
	case d.closed:
		return errors.New("preprocess: DecodeOnly after Close")
	case d.turbo == nil:
		return errors.New("preprocess: DecodeOnly without libjpeg-turbo")
	case width < 1 || height < 1 || len(rgb) < width*height*3 || len(src) == 0:
		return fmt.Errorf("preprocess: %d bytes for %dx%d pixels of %d bytes of JPEG", len(rgb), width, height, len(src))
	}
	if C.bs_turbo_decode(d.turbo, unsafe.Pointer(unsafe.SliceData(src)), C.size_t(len(src)),
		(*C.uint8_t)(unsafe.SliceData(rgb)), C.int(width), C.int(height)) != 0 {
		return errors.New("preprocess: libjpeg-turbo cannot decode this JPEG to that size")
	}
	return nil
}

// JPEGBackend names the library that decodes JPEG, its version where it can be
// told, and its file. When it is missing, err says what to install, and name is
// that of the slower decoder in its place.
func JPEGBackend() (name string, err error) {
	l, err := turbo()
	if err != nil {
		return "image/jpeg", err
	}
	return l.name, nil
}
