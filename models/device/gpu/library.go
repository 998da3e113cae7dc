package gpu

// #cgo CFLAGS: -std=gnu11 -O2 -Wall
// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
// #include "nvidia.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unsafe"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/device/sharedlib"
)

// managementName is NVML's name in the driver.
const managementName = "libnvidia-ml.so.1"

// library is a loaded shared library. Every call of one that is nil fails.
type library struct{ handle unsafe.Pointer }

func (l *library) c() unsafe.Pointer {
	if l == nil {
		return nil
	}
	return l.handle
}

// management is NVML, which is loaded and started once and stays until the process
// ends.
var management struct {
	sync.Mutex
	from map[string]*library
	errs map[string]error
}

// openManagement returns NVML: the first copy in the folders, or else the driver's.
func openManagement(folders []string) (*library, error) {
	path := managementName
	for _, folder := range folders {
		copied := filepath.Join(folder, managementName)
		if _, err := os.Stat(copied); err == nil {
			path = copied
			break
		}
	}
	m := &management
	m.Lock()
	defer m.Unlock()
	if l, ok := m.from[path]; ok {
		return l, m.errs[path]
	}
	l, err := within(startLimit, func() (*library, error) { return startManagement(path) })
	if m.from == nil {
		m.from, m.errs = map[string]*library{}, map[string]error{}
	}
	m.from[path], m.errs[path] = l, err
	return l, err
}

// startLimit is how long NVML may take to load and start.
const startLimit = 10 * time.Second

// within returns what start returns, or an error once it has taken too long. It then
// still runs, and what it returns is dropped.
func within(limit time.Duration, start func() (*library, error)) (*library, error) {
	type result struct {
		l   *library
		err error
	}
	c := make(chan result, 1)
	go func() {
		l, err := start()
		c <- result{l, err}
	}()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case r := <-c:
		return r.l, r.err
	case <-late.C:
		return nil, fmt.Errorf("NVIDIA's management library has not started within %v: the driver or a GPU may hang, see dmesg", limit)
	}
}

func startManagement(path string) (*library, error) {
	l, err := load(path)
	if err != nil {
		return nil, fmt.Errorf("NVIDIA's management library cannot be loaded: %w", err)
	}
	if code := C.nv_init(l.c()); code != 0 {
		return nil, fmt.Errorf("NVIDIA's management library cannot be started: nvmlInit returns %d", int(code))
	}
	return l, nil
}

// load loads a library for as long as the process runs.
func load(path string) (*library, error) {
	if err := sharedlib.Check(path); err != nil {
		return nil, err
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var why [C.NV_TEXT]C.char
	l := C.nv_load(name, &why[0])
	if l == nil {
		return nil, errors.New(C.GoString(&why[0]))
	}
	return &library{l}, nil
}

// loaded returns the first of the libraries that is loaded in this process, else nil.
func loaded(names ...string) *library {
	for _, name := range names {
		c := C.CString(name)
		l := C.nv_loaded(c)
		C.free(unsafe.Pointer(c))
		if l != nil {
			return &library{l}
		}
	}
	return nil
}

// text returns what a call fills in, cleaned for printing; empty if it fails.
func text(call func(to *C.char) C.int) string {
	var b [C.NV_TEXT]C.char
	if call(&b[0]) != 0 {
		return ""
	}
	b[len(b)-1] = 0
	return device.Clean(C.GoString(&b[0]))
}
