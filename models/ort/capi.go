package ort

// #cgo LDFLAGS: -ldl
// #cgo nocallback ortc_run
// #cgo noescape ortc_run
// #include <stdlib.h>
// #include "capi.h"
import "C"

import (
	"errors"
	"fmt"
	"reflect"
	"runtime/cgo"
	"strings"
	"unsafe"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device/sharedlib"
)

// capi is ONNX Runtime's table of functions.
type capi struct{ table unsafe.Pointer }

// loaded is a shared library that stays in the process until it ends, because ONNX
// Runtime and CUDA leave thread destructors and exit handlers in it.
type loaded struct {
	base unsafe.Pointer
	api  capi
	// version is the release, such as "1.24.1".
	version string
}

// toError turns a message of capi.c into an error and frees the message.
func toError(message *C.char) error {
	if message == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(message))
	return errors.New(C.GoString(message))
}

func load(path string) (loaded, error) {
	if err := sharedlib.Check(path); err != nil {
		return loaded{}, err
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var l loaded
	if err := toError(C.ortc_open(name, &l.base)); err != nil {
		return loaded{}, err
	}
	if l.base == nil {
		return loaded{}, errors.New("it is a shared library, but not ONNX Runtime: it has no OrtGetApiBase")
	}
	l.version = C.GoString(C.ortc_version(l.base))
	var major, minor int
	if _, err := fmt.Sscanf(l.version, "%d.%d", &major, &minor); err != nil || major == 1 && minor < C.ORTC_API_VERSION {
		return loaded{}, fmt.Errorf("it is ONNX Runtime %s; 1.%d or newer is needed", l.version, C.ORTC_API_VERSION)
	}
	if l.api.table = unsafe.Pointer(C.ortc_api(l.base)); l.api.table == nil {
		return loaded{}, fmt.Errorf("ONNX Runtime %s does not offer version %d of its interface", l.version, C.ORTC_API_VERSION)
	}
	return l, nil
}

// loadable returns the reason why a shared library cannot be loaded; nil if it can.
func loadable(path string) error {
	if err := sharedlib.Check(path); err != nil {
		return err
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	return toError(C.ortc_loadable(name))
}

// loadGlobally loads a shared library for the life of the process, in a way that lets
// libraries loaded later use it.
func loadGlobally(path string) error {
	if err := sharedlib.Check(path); err != nil {
		return err
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	return toError(C.ortc_load_globally(name))
}

// providers lists the execution providers that the library was built for.
func (a capi) providers() ([]string, error) {
	var names **C.char
	var count C.int
	if err := toError(C.ortc_providers(a.table, &names, &count)); err != nil {
		return nil, err
	}
	defer C.ortc_release_providers(a.table, names, count)
	var list []string
	for _, name := range unsafe.Slice(names, int(count)) {
		list = append(list, C.GoString(name))
	}
	return list, nil
}

// port is an input or an output of a session.
type port struct {
	name string
	// dtype is the ONNX element type; 0 if the port is not a tensor.
	dtype int
	// shape has -1 for any size; it is empty if nothing is known.
	shape []int64
}

func (a capi) ports(session unsafe.Pointer) (inputs, outputs []port, err error) {
	var counts [2]C.size_t
	if err := toError(C.ortc_ports(a.table, session, &counts[0], &counts[1])); err != nil {
		return nil, nil, err
	}
	var ports [2][]port
	for output := range ports {
		for i := range counts[output] {
			var p C.ortc_port
			err := toError(C.ortc_get_port(a.table, session, C.int(output), i, &p))
			name := C.GoString(p.name)
			C.free(unsafe.Pointer(p.name))
			if err != nil {
				return nil, nil, err
			}
			ports[output] = append(ports[output], port{name, int(p._type), shapeOf(&p)})
		}
	}
	return ports[0], ports[1], nil
}

func shapeOf(p *C.ortc_port) []int64 {
	shape := make([]int64, min(max(int(p.rank), 0), len(p.dims)))
	for d := range shape {
		shape[d] = int64(p.dims[d])
	}
	return shape
}

// bindAny makes the next run of a binding allocate an output of any size.
func (a capi) bindAny(binding unsafe.Pointer, output *C.char) error {
	return toError(C.ortc_bind_any(a.table, binding, output))
}

// tensors calls look with each output of a binding after its run, in the order in which
// they were bound. The elements, which begin at data, are valid during that call.
func (a capi) tensors(binding unsafe.Pointer, look func(i int, t port, data unsafe.Pointer) error) (err error) {
	var values *unsafe.Pointer
	var count C.size_t
	if err := toError(C.ortc_outputs(a.table, binding, &values, &count)); err != nil || count == 0 {
		return err
	}
	list := unsafe.Slice(values, int(count))
	defer func() {
		for _, v := range list {
			a.releaseValue(v)
		}
		err = errors.Join(err, toError(C.ortc_release_outputs(a.table, values)))
	}()
	for i, v := range list {
		var p C.ortc_port
		var data unsafe.Pointer
		if err := toError(C.ortc_look(a.table, v, &p, &data)); err != nil {
			return err
		}
		if err := look(i, port{dtype: int(p._type), shape: shapeOf(&p)}, data); err != nil {
			return err
		}
	}
	return nil
}

// assigned counts, by provider and operator, the nodes of a session that was
// created with the configuration entry recordAssignment.
func (a capi) assigned(session unsafe.Pointer) (map[string]map[string]int, error) {
	nodes := map[string]map[string]int{}
	handle := cgo.NewHandle(func(provider, operator string) {
		if nodes[provider] == nil {
			nodes[provider] = map[string]int{}
		}
		nodes[provider][operator]++
	})
	defer handle.Delete()
	return nodes, toError(C.ortc_assigned(a.table, session, C.uintptr_t(handle)))
}

//export ortcAssigned
func ortcAssigned(handle C.uintptr_t, provider, operator *C.char) {
	cgo.Handle(handle).Value().(func(provider, operator string))(C.GoString(provider), C.GoString(operator))
}

// bound is the arguments of one run, as C pointers.
type bound struct {
	session, options, binding unsafe.Pointer
	// input and value are set if the input is bound again before every run, to a
	// value on a device.
	input *C.char
	value unsafe.Pointer
}

// run blocks until the run has ended, either on its own or because the terminate
// flag of its options is set.
func (a capi) run(b *bound) error {
	return toError(C.ortc_run(a.table, b.session, b.options, b.binding, b.input, b.value))
}

// shrink makes a session give back the memory of its arenas that no run uses. arenas
// names them, as in "gpu:0". Input and output are tensors with which a run could begin.
func (a capi) shrink(session unsafe.Pointer, arenas, input string, value unsafe.Pointer, output string, result unsafe.Pointer) error {
	names := [...]cName{newCName(arenas), newCName(input), newCName(output)}
	defer func() {
		for i := range names {
			names[i].free()
		}
	}()
	err := toError(C.ortc_shrink(a.table, session, names[0].c, names[1].c, value, names[2].c, result))
	if err == nil || strings.Contains(err.Error(), terminated) || errors.Is(classify(err), models.ErrOutOfMemory) {
		return nil // it ended as early as it was meant to
	}
	return err
}

// terminated is in the error of a run that was told to end.
const terminated = "terminate flag"

// allocator is one of a session's allocators; the zero value is none.
type allocator struct{ native unsafe.Pointer }

// Types of the memory of a device, as OrtMemType has them.
const (
	ownMemory  = 0  // the device's
	hostOutput = -1 // the host's, which the device can address
)

// allocator creates an allocator by its name in ONNX Runtime. It must be released
// before the session.
func (a capi) allocator(session unsafe.Pointer, name string, device, memory int) (allocator, error) {
	c := newCName(name)
	defer c.free()
	var m allocator
	err := toError(C.ortc_allocator(a.table, session, c.c, C.int(device), C.int(memory), &m.native))
	return m, err
}

// tensor makes a tensor over memory of the device of such an allocator. It must be
// released before the memory.
func (a capi) tensor(name string, device int, memory []byte, shape []int64, dtype int) (value unsafe.Pointer, err error) {
	c := newCName(name)
	defer c.free()
	err = toError(C.ortc_tensor(a.table, c.c, C.int(device), unsafe.Pointer(unsafe.SliceData(memory)), C.size_t(len(memory)),
		(*C.int64_t)(unsafe.SliceData(shape)), C.size_t(len(shape)), C.int(dtype), &value))
	return value, err
}

func (a capi) releaseValue(value unsafe.Pointer) { C.ortc_release_value(a.table, value) }

// alloc returns memory that Go may address only if the allocator's is the host's.
func (a capi) alloc(from allocator, size int) ([]byte, error) {
	var memory unsafe.Pointer
	if err := toError(C.ortc_alloc(a.table, from.native, C.size_t(size), &memory)); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(memory), size), nil
}

func (a capi) free(from allocator, memory []byte) error {
	return toError(C.ortc_free(a.table, from.native, unsafe.Pointer(unsafe.SliceData(memory))))
}

func (a capi) releaseAllocator(m allocator) { C.ortc_release_allocator(a.table, m.native) }

// trim returns to the system what loading a model leaves in the C heap: the weights
// in the form of the file, which need as much memory as the weights themselves.
func trim() { C.ortc_trim() }

// cName is a string in C memory.
type cName struct{ c *C.char }

func newCName(s string) cName { return cName{C.CString(s)} }

func (n *cName) free() {
	C.free(unsafe.Pointer(n.c))
	n.c = nil
}

// native returns the C pointer in a value of onnxruntime_go, which does not export
// it and has no run with both a binding and options. The path names the unexported
// fields that lead to the pointer. If a version of onnxruntime_go names them
// differently, that is an error, never a wild pointer.
func native(value any, path ...string) (unsafe.Pointer, error) {
	v := reflect.ValueOf(value)
	for _, name := range path {
		v = reflect.Indirect(v)
		if v.Kind() != reflect.Struct {
			return nil, fmt.Errorf("onnxruntime_go: %T has no field %q", value, name)
		}
		if v = v.FieldByName(name); !v.IsValid() {
			return nil, fmt.Errorf("onnxruntime_go: %T has no field %q", value, name)
		}
	}
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil, fmt.Errorf("onnxruntime_go: %T holds no pointer at %v", value, path)
	}
	return v.UnsafePointer(), nil
}
