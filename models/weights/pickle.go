package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// The limits of one pickle. That of a network with a thousand tensors, with the state of
// its optimiser, has 400 kB and 60,000 instructions.
const (
	maxPickle       = 16 << 20 // bytes
	maxInstructions = 2 << 20
)

// What a pickle builds. Nothing of it is executed: a name such as collections.OrderedDict
// is a text here, and a call of it is kept as a pair of that text and its arguments.
// Python's None, booleans, integers, floats and texts are nil, bool, int64, float64
// and string.
type (
	// pyGlobal is the name of something in a Python module.
	pyGlobal string
	// pyTuple is a tuple; its elements do not change.
	pyTuple []any
	// pyList is a list.
	pyList struct{ items []any }
	// pyDict is a dictionary, as keys and values in turn. Later pairs replace earlier ones.
	pyDict struct{ pairs []any }
	// pyOpaque is an object about which nothing matters.
	pyOpaque struct{}
	// pyPersistent is what the pickle refers to outside of itself: in a checkpoint, memory
	// of tensors.
	pyPersistent struct{ id any }
	// pyTensor is a call of torch._utils._rebuild_tensor_v2.
	pyTensor struct{ args pyTuple }
)

// get returns the last value with that key.
func (d *pyDict) get(key string) (any, bool) {
	for i := len(d.pairs) - 2; i >= 0; i -= 2 {
		if d.pairs[i] == any(key) {
			return d.pairs[i+1], true
		}
	}
	return nil, false
}

// opaque are names whose objects may be in a checkpoint, next to the weights, and are
// passed over.
var opaque = []string{
	"argparse.Namespace", "numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "torch.device",
	"torch.Size", "pathlib.PosixPath", "datetime.datetime", "_codecs.encode", "builtins.set", "__builtin__.set",
}

// call returns what a call of a name builds.
func call(name pyGlobal, args pyTuple) (any, error) {
	switch name {
	case "collections.OrderedDict":
		d := &pyDict{}
		if len(args) == 0 {
			return d, nil
		}
		list, ok := args[0].(*pyList)
		if !ok {
			return nil, fmt.Errorf("%s of something other than a list", name)
		}
		for _, item := range list.items {
			var pair []any
			switch item := item.(type) {
			case pyTuple:
				pair = item
			case *pyList:
				pair = item.items
			}
			if len(pair) != 2 {
				return nil, fmt.Errorf("%s of something other than pairs", name)
			}
			d.pairs = append(d.pairs, pair...)
		}
		return d, nil
	case "collections.defaultdict", "collections.Counter", "builtins.dict":
		return &pyDict{}, nil
	case "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor":
		return pyTensor{args}, nil
	case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
		if len(args) == 0 {
			return nil, fmt.Errorf("%s without arguments", name)
		}
		return args[0], nil
	}
	if slices.Contains(opaque, string(name)) {
		return pyOpaque{}, nil
	}
	return nil, refused(name)
}

// refused returns the error about a name that weights do not need.
func refused(name pyGlobal) error {
	why := "reading it would run a program"
	switch module, _, _ := strings.Cut(string(name), "."); module {
	case "__torch__":
		why = "it is a TorchScript program"
	case "torch", "torchvision", "timm", "transformers":
		why = "it holds a network and not only weights"
	}
	return fmt.Errorf("the pickle names %s, which is refused: %s; save the weights alone, with"+
		" torch.save(model.state_dict(), FILE)", strconv.Quote(string(name)), why)
}

// known reports whether a name may be in a checkpoint at all.
func known(name pyGlobal) bool {
	s := string(name)
	if slices.Contains(opaque, s) || storageType(name) != "" {
		return true
	}
	switch s {
	case "collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.dict", "builtins.list", "builtins.int",
		"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor",
		"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
		return true
	}
	return storageSizes[strings.TrimPrefix(s, "torch.")] || strings.HasPrefix(s, "torch.") && slices.Contains(torchTypes, s[6:])
}

// torchTypes are names of element types, which hyperparameters may hold.
var torchTypes = []string{"float32", "float64", "float16", "bfloat16", "uint8", "int8", "int16", "int32", "int64", "bool"}

// storageSizes are storages of elements that no network here uses. A checkpoint that
// holds some can be read, but those tensors cannot.
var storageSizes = map[string]bool{"ShortStorage": true, "ComplexFloatStorage": true, "ComplexDoubleStorage": true}

// storageType returns the element type of a class of storages; empty for another name.
func storageType(name pyGlobal) DType {
	return map[pyGlobal]DType{
		"torch.FloatStorage": Float32, "torch.DoubleStorage": Float64, "torch.HalfStorage": Float16, "torch.BFloat16Storage": BFloat16,
		"torch.ByteStorage": Uint8, "torch.BoolStorage": Uint8, "torch.CharStorage": Int8, "torch.IntStorage": Int32, "torch.LongStorage": Int64,
	}[name]
}

var errEmptyStack = errors.New("the stack is empty")

// unpickler reads one pickle of the protocols 2 to 5, which are programs for a small
// machine with a stack. Of its instructions those are known that build data.
type unpickler struct {
	r      io.ByteReader
	count  int // bytes read
	steps  int
	stack  []any
	marks  []int
	memo   map[uint32]any
	result any
	// outside is what the pickle refers to outside of itself, in its order.
	outside []pyPersistent
}

// unpickle reads one pickle: the result is what it builds, and count how many bytes it has.
func unpickle(r io.ByteReader) (*unpickler, error) {
	u := &unpickler{r: r, memo: map[uint32]any{}}
	for {
		op, err := u.byte()
		if err != nil {
			return nil, err
		}
		if u.steps++; u.steps > maxInstructions {
			return nil, fmt.Errorf("the pickle has more than %d instructions", maxInstructions)
		}
		done, err := u.step(op)
		if err != nil {
			return nil, fmt.Errorf("pickle, byte %d: %w", u.count, err)
		}
		if done {
			return u, nil
		}
	}
}

func (u *unpickler) byte() (byte, error) {
	if u.count++; u.count > maxPickle {
		return 0, fmt.Errorf("the pickle has more than %d bytes", maxPickle)
	}
	b, err := u.r.ReadByte()
	if err != nil {
		return 0, fmt.Errorf("the pickle ends too early: %w", err)
	}
	return b, nil
}

// bytes reads n bytes. Memory grows as they are read.
func (u *unpickler) bytes(n uint64) ([]byte, error) {
	if n > maxPickle {
		return nil, fmt.Errorf("a text of %d bytes", n)
	}
	var b []byte
	for range n {
		c, err := u.byte()
		if err != nil {
			return nil, err
		}
		b = append(b, c)
	}
	return b, nil
}

// number reads an unsigned integer of that many bytes, the lowest first.
func (u *unpickler) number(width int) (uint64, error) {
	var n uint64
	for i := range width {
		b, err := u.byte()
		if err != nil {
			return 0, err
		}
		n |= uint64(b) << (8 * i)
	}
	return n, nil
}

// line reads up to the end of a line, without it.
func (u *unpickler) line() (string, error) {
	var b []byte
	for {
		c, err := u.byte()
		if err != nil {
			return "", err
		}
		if c == '\n' {
			return string(b), nil
		}
		b = append(b, c)
	}
}

func (u *unpickler) push(v any) { u.stack = append(u.stack, v) }

// bottom is where the values of the innermost mark begin.
func (u *unpickler) bottom() int {
	if len(u.marks) == 0 {
		return 0
	}
	return u.marks[len(u.marks)-1]
}

func (u *unpickler) pop() (any, error) {
	if len(u.stack) <= u.bottom() {
		return nil, errEmptyStack
	}
	v := u.stack[len(u.stack)-1]
	u.stack[len(u.stack)-1] = nil
	u.stack = u.stack[:len(u.stack)-1]
	return v, nil
}

func (u *unpickler) popN(n int) ([]any, error) {
	if len(u.stack)-u.bottom() < n {
		return nil, errEmptyStack
	}
	v := slices.Clone(u.stack[len(u.stack)-n:])
	u.stack = u.stack[:len(u.stack)-n]
	return v, nil
}

// popMark takes all values above the innermost mark.
func (u *unpickler) popMark() ([]any, error) {
	if len(u.marks) == 0 {
		return nil, errors.New("there is no mark")
	}
	v, err := u.popN(len(u.stack) - u.bottom())
	u.marks = u.marks[:len(u.marks)-1]
	return v, err
}

// step carries out an instruction and reports whether it was the last.
func (u *unpickler) step(op byte) (done bool, err error) {
	if simple, ok := constants[op]; ok {
		u.push(simple())
		return false, nil
	}
	switch op {
	case 0x80: // PROTO
		version, err := u.byte()
		if err == nil && (version < 2 || version > 5) {
			err = fmt.Errorf("protocol %d; 2 to 5 are supported", version)
		}
		return false, err
	case 0x95: // FRAME, whose length is of no use here
		_, err := u.number(8)
		return false, err
	case '.': // STOP
		u.result, err = u.pop()
		return true, err
	case '(': // MARK
		u.marks = append(u.marks, len(u.stack))
	case '0': // POP
		_, err = u.pop()
	case '1': // POP_MARK
		_, err = u.popMark()
	case '2': // DUP
		var v any
		if v, err = u.pop(); err == nil {
			u.push(v)
			u.push(v)
		}
	case 'K', 'M', 'J', 0x8a, 0x8b, 'G':
		err = u.numeral(op)
	case 'X', 0x8c, 0x8d, 'U', 'T', 'B', 'C', 0x8e:
		err = u.text(op)
	case 'c', 0x93: // GLOBAL, STACK_GLOBAL
		err = u.global(op)
	case 'q', 'r', 0x94, 'h', 'j':
		err = u.remember(op)
	case 't', 0x85, 0x86, 0x87: // TUPLE, TUPLE1, TUPLE2, TUPLE3
		var v []any
		if op == 't' {
			v, err = u.popMark()
		} else {
			v, err = u.popN(int(op - 0x84))
		}
		u.push(pyTuple(v))
	case 'a', 'e', 's', 'u', 0x90: // APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS
		err = u.extend(op)
	case 'l', 'd': // LIST, DICT
		var v []any
		if v, err = u.popMark(); op == 'l' {
			u.push(&pyList{v})
		} else {
			u.push(&pyDict{v[:len(v)&^1]})
		}
	case 'R', 0x81, 0x92, 'b', 'Q': // REDUCE, NEWOBJ, NEWOBJ_EX, BUILD, BINPERSID
		err = u.object(op)
	default:
		err = fmt.Errorf("instruction %#02x is refused: weights do not need it", op)
	}
	return false, err
}

// constants are the instructions that push a value of their own.
var constants = map[byte]func() any{
	'N':  func() any { return nil },         // NONE
	0x88: func() any { return true },        // NEWTRUE
	0x89: func() any { return false },       // NEWFALSE
	'}':  func() any { return &pyDict{} },   // EMPTY_DICT
	']':  func() any { return &pyList{} },   // EMPTY_LIST
	')':  func() any { return pyTuple{} },   // EMPTY_TUPLE
	0x8f: func() any { return &pyOpaque{} }, // EMPTY_SET
}

// numeral pushes a number: BININT1, BININT2, BININT, LONG1, LONG4, BINFLOAT.
func (u *unpickler) numeral(op byte) error {
	if op == 0x8a || op == 0x8b {
		n, err := u.number(map[byte]int{0x8a: 1, 0x8b: 4}[op])
		if err != nil {
			return err
		}
		if n > 16 {
			return fmt.Errorf("an integer of %d bytes", n)
		}
		b, err := u.bytes(n)
		if err != nil {
			return err
		}
		slices.Reverse(b)
		v := new(big.Int).SetBytes(b)
		if n > 0 && b[0] >= 0x80 { // negative, in two's complement
			v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
		}
		if v.IsInt64() {
			u.push(v.Int64())
		} else {
			u.push(pyInteger(v.Text(16)))
		}
		return nil
	}
	n, err := u.number(map[byte]int{'K': 1, 'M': 2, 'J': 4, 'G': 8}[op])
	switch op {
	case 'J':
		u.push(int64(int32(uint32(n))))
	case 'G': // the only number whose highest byte comes first
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], n)
		u.push(math.Float64frombits(binary.BigEndian.Uint64(b[:])))
	default:
		u.push(int64(n))
	}
	return err
}

// pyInteger is an integer of more than 64 bits, in hexadecimal.
type pyInteger string

// text pushes a text or bytes.
func (u *unpickler) text(op byte) error {
	width := map[byte]int{'X': 4, 0x8c: 1, 0x8d: 8, 'U': 1, 'T': 4, 'B': 4, 'C': 1, 0x8e: 8}[op]
	n, err := u.number(width)
	if err != nil {
		return err
	}
	b, err := u.bytes(n)
	u.push(string(b))
	return err
}

// global pushes a name.
func (u *unpickler) global(op byte) error {
	var module, name string
	if op == 'c' {
		var err error
		if module, err = u.line(); err != nil {
			return err
		}
		if name, err = u.line(); err != nil {
			return err
		}
	} else {
		v, err := u.popN(2)
		if err != nil {
			return err
		}
		var ok1, ok2 bool
		module, ok1 = v[0].(string)
		name, ok2 = v[1].(string)
		if !ok1 || !ok2 {
			return errors.New("a name that is not a text")
		}
	}
	g := pyGlobal(module + "." + name)
	if len(g) > 200 {
		return fmt.Errorf("a name of %d bytes", len(g))
	}
	if !known(g) {
		return refused(g)
	}
	u.push(g)
	return nil
}

// remember stores the uppermost value in the memo or pushes one of it: BINPUT,
// LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET.
func (u *unpickler) remember(op byte) error {
	key := uint64(len(u.memo))
	if op != 0x94 {
		var err error
		if key, err = u.number(map[byte]int{'q': 1, 'h': 1, 'r': 4, 'j': 4}[op]); err != nil {
			return err
		}
	}
	if op == 'h' || op == 'j' {
		v, ok := u.memo[uint32(key)]
		if !ok {
			return fmt.Errorf("nothing is remembered as %d", key)
		}
		u.push(v)
		return nil
	}
	if len(u.stack) <= u.bottom() {
		return errEmptyStack
	}
	u.memo[uint32(key)] = u.stack[len(u.stack)-1]
	return nil
}

// extend adds elements to the list or dictionary below them.
func (u *unpickler) extend(op byte) error {
	var v []any
	var err error
	switch op {
	case 'a':
		v, err = u.popN(1)
	case 's':
		v, err = u.popN(2)
	default:
		v, err = u.popMark()
	}
	if err != nil {
		return err
	}
	if len(u.stack) <= u.bottom() {
		return errEmptyStack
	}
	switch into := u.stack[len(u.stack)-1].(type) {
	case *pyList:
		if op == 'a' || op == 'e' {
			into.items = append(into.items, v...)
			return nil
		}
	case *pyDict:
		if op == 's' || op == 'u' {
			into.pairs = append(into.pairs, v[:len(v)&^1]...)
			return nil
		}
	case *pyOpaque, pyOpaque:
		return nil
	}
	return errors.New("elements of something other than a list or a dictionary")
}

// object handles REDUCE, NEWOBJ, NEWOBJ_EX, BUILD and BINPERSID.
func (u *unpickler) object(op byte) error {
	switch op {
	case 'Q':
		id, err := u.pop()
		p := pyPersistent{id}
		u.outside = append(u.outside, p)
		u.push(p)
		return err
	case 'b': // attributes of an object, none of which are weights
		_, err := u.pop()
		return err
	}
	n := 2
	if op == 0x92 {
		n = 3
	}
	v, err := u.popN(n)
	if err != nil {
		return err
	}
	name, ok1 := v[0].(pyGlobal)
	args, ok2 := v[1].(pyTuple)
	if !ok1 || !ok2 {
		return errors.New("a call of something other than a name")
	}
	if len(args) > 0 {
		if list, ok := args[0].(*pyList); ok {
			// Its elements are copied, and one list may be the argument of many calls.
			if u.steps += len(list.items); u.steps > maxInstructions {
				return fmt.Errorf("its calls copy more than %d elements", maxInstructions)
			}
		}
	}
	made, err := call(name, args)
	u.push(made)
	return err
}
