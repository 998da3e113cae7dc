package jpeg

// #cgo CFLAGS: -std=c11 -O3 -Wall
// #cgo linux LDFLAGS: -ldl
// #cgo noescape bs_turbo_decode
// #cgo nocallback bs_turbo_decode
// #cgo noescape bs_turbo_planes
// #cgo nocallback bs_turbo_planes
// #include "turbo.h"
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

	"github.com/batchscore/batchscore/models/device/sharedlib"
	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// turboNames are tried in order if LIBTURBOJPEG is not set.
var turboNames = []string{
	"libturbojpeg.so.0",
	"libturbojpeg.so",
	"/opt/libjpeg-turbo/lib64/libturbojpeg.so.0",
	"/usr/local/lib/libturbojpeg.so.0",
	"libturbojpeg.0.dylib",
	"/opt/homebrew/opt/jpeg-turbo/lib/libturbojpeg.dylib",
	"/usr/local/opt/jpeg-turbo/lib/libturbojpeg.dylib",
}

type turboLibrary struct {
	name   string
	scales []codec.Scale
	planes bool // can decode to planes
}

// turbo calls loadTurbo once in the life of the process.
var turbo = sync.OnceValues(loadTurbo)

func loadTurbo() (turboLibrary, error) {
	names := turboNames
	if name := os.Getenv("LIBTURBOJPEG"); name != "" {
		names = []string{name}
	}
	var tried []string
	for _, name := range names {
		if err := sharedlib.Check(name); err != nil {
			tried = append(tried, err.Error())
			continue
		}
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
	l := turboLibrary{name: "libjpeg-turbo" + turboVersion(path) + " (" + path + ")", planes: C.bs_turbo_has_planes() != 0}
	for i := range n {
		// A half, a quarter and an eighth have vector code. The other factors take
		// longer than they save.
		if s := (codec.Scale{Num: int(pairs[2*i]), Denom: int(pairs[2*i+1])}); s.Num == 1 && s.Denom > 1 {
			l.scales = append(l.scales, s)
		}
	}
	return l
}

// turboVersion returns the library's version, as " 2.1.5", which it finds in the file's
// text: the API has no call for it. It returns "" if the text is missing.
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

// Backend returns the name, version and file of the library that decodes JPEG. When
// libjpeg-turbo is missing, err says what to install, and name is that of the slower
// decoder that replaces it.
func Backend() (name string, err error) {
	l, err := turbo()
	if err != nil {
		return "image/jpeg", err
	}
	return l.name, nil
}

// A Turbo is a decoder of libjpeg-turbo. One goroutine at a time may use it.
type Turbo struct {
	handle unsafe.Pointer // nil if it could not be replaced after a failure
	scales []codec.Scale
	planes bool
	why    [C.BS_ERROR_SIZE]C.char
}

// NewTurbo returns a decoder that the caller must Close, or what to install if
// libjpeg-turbo is missing.
func NewTurbo() (*Turbo, error) {
	l, err := turbo()
	if err != nil {
		return nil, err
	}
	t := &Turbo{handle: C.bs_turbo_new(), scales: l.scales, planes: l.planes}
	if t.handle == nil {
		return nil, fmt.Errorf("%s: no decoder could be made: out of memory", l.name)
	}
	return t, nil
}

// Close frees the decoder's memory. Nothing may be called after it.
func (t *Turbo) Close() {
	if t.handle != nil {
		C.bs_turbo_free(t.handle)
	}
}

var errNoHandle = errors.New("preprocess: libjpeg-turbo could not make a decoder: out of memory")

// pixels returns what libjpeg-turbo makes of a frame.
func (d *decoder) pixels(h *header) C.int {
	switch four := h.frame.components == 4; {
	case four && d.raw:
		return C.BS_RAW_CMYK
	case four:
		return C.BS_CMYK
	case d.raw:
		return C.BS_RAW
	}
	return C.BS_RGBX
}

// decode decodes src to px, which has its size, or that divided by one of the scales. It
// returns the reason why it could not, "" if it could. After a failure it continues with
// a new handle: what the old one still holds of the image must not affect the next. The
// error says that there is no new handle.
func (t *Turbo) decode(px codec.Pixels, src []byte, format C.int) (why string, err error) {
	if t.handle == nil {
		return "", errNoHandle
	}
	if t.call(px.Bytes, px.Width, px.Pitch, px.Height, format, src) {
		return "", nil
	}
	return t.renew()
}

// renew returns why the last image was not decoded, and replaces the handle.
func (t *Turbo) renew() (why string, err error) {
	why = C.GoString(&t.why[0])
	C.bs_turbo_free(t.handle)
	if t.handle = C.bs_turbo_new(); t.handle == nil {
		return "", errNoHandle
	}
	return why, nil
}

// decodePlanes is decode for planes of a picture of that size.
func (t *Turbo) decodePlanes(to codec.Planes, width, height int, src []byte) (why string, err error) {
	if t.handle == nil {
		return "", errNoHandle
	}
	plane := func(b []uint8) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(b)) }
	if C.bs_turbo_planes(t.handle, unsafe.Pointer(unsafe.SliceData(src)), C.size_t(len(src)), plane(to.Y), plane(to.Cb), plane(to.Cr),
		C.int(width), C.int(to.YPitch), C.int(to.CPitch), C.int(height), &t.why[0]) == C.BS_OK {
		return "", nil
	}
	return t.renew()
}

func (t *Turbo) call(to []uint8, width, pitch, height int, format C.int, src []byte) bool {
	return C.bs_turbo_decode(t.handle, unsafe.Pointer(unsafe.SliceData(src)), C.size_t(len(src)),
		(*C.uint8_t)(unsafe.SliceData(to)), C.int(width), C.int(pitch), C.int(height), format, &t.why[0]) == C.BS_OK
}

// DecodeRGB decodes src, of width x height pixels, to 3 bytes a pixel and does no more:
// the limit that benchmarks compare the whole decoder with.
func (t *Turbo) DecodeRGB(rgb, src []byte, width, height int) error {
	if width < 1 || height < 1 || len(rgb) < width*height*3 || len(src) == 0 {
		return fmt.Errorf("jpeg: %d bytes for %dx%d pixels of %d bytes of JPEG", len(rgb), width, height, len(src))
	}
	if !t.call(rgb, width, 3*width, height, C.BS_RGB, src) {
		return fmt.Errorf("jpeg: libjpeg-turbo cannot decode this JPEG to %dx%d pixels: %s", width, height, C.GoString(&t.why[0]))
	}
	return nil
}
