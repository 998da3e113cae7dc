// Package budget bounds the memory that decoding takes on a machine.
//
// Half of what the control group or the machine has is for decoding; the rest is for ONNX
// Runtime, images that are read ahead, batches and everything else. Of that half
//
//   - a quarter is for what decoders keep from image to image,
//   - a half is for the largest image, one at a time on the machine, and
//   - a quarter is divided among the ranks of the machine, for all other images. A rank
//     that is alone adds the part of the largest image to its own.
//
// So the largest image that is decoded does not depend on the number of ranks or decoders.
package budget

import (
	"context"
	"fmt"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/batchscore/batchscore/models/device"
)

// A Budget is what one process may take for decoding. Its methods may be called from any
// number of goroutines.
type Budget struct {
	limits  Limits
	sharing *semaphore.Weighted
	turn    func(context.Context) (done func(), err error) // for the largest image
	free    func() int64                                   // memory of this machine that is not used
	open    atomic.Int64                                   // decoders
}

// Limits are the parts of a budget in bytes.
type Limits struct {
	// Memory is what all ranks of the machine take for decoding, and From says where
	// that comes from.
	Memory int64
	From   string
	// Largest is what one image may take.
	Largest int64
	// Share is what the images that this process decodes at once may take.
	Share int64
	// Kept is what the decoders of this process may keep from image to image.
	Kept int64
	// ReadAhead is what encoded images of this process may take before they are decoded.
	ReadAhead int64
}

// Least is the least Memory, which lets small images be decoded whatever the machine has.
const Least = 32 << 20

// unknownMemory is Memory where no limit can be read.
const unknownMemory = 2 << 30

// LimitsOf returns the limits of a process that is one of ranks on this machine (0 means
// 1), which all take memory for decoding; 0 means half of what the machine has.
func LimitsOf(memory int64, ranks int) Limits {
	if memory > 0 {
		return limits(memory, "--decode-memory", ranks)
	}
	m := device.MemoryLimit()
	if m.Limit == 0 {
		return limits(unknownMemory, "a guess: the machine's memory cannot be read", ranks)
	}
	return limits(m.Limit/2, "half of "+m.From, ranks)
}

func limits(memory int64, from string, ranks int) Limits {
	n := int64(max(ranks, 1))
	l := Limits{Memory: max(memory, Least), From: from}
	l.Largest = l.Memory / 2
	l.Kept = l.Memory / 4 / n
	l.Share = l.Memory / 4 / n
	if n == 1 {
		l.Share += l.Largest
	}
	l.ReadAhead = l.Memory / 8 / n
	return l
}

// New returns a budget. machine waits until no other process of the machine decodes an
// image that is larger than its share; nil if there is no other. Such images of this process
// wait for each other in any case.
func New(l Limits, machine func(context.Context) (done func(), err error)) *Budget {
	one := semaphore.NewWeighted(1)
	turn := func(ctx context.Context) (func(), error) {
		if err := one.Acquire(ctx, 1); err != nil {
			return nil, err
		}
		if machine == nil {
			return func() { one.Release(1) }, nil
		}
		done, err := machine(ctx)
		if err != nil {
			one.Release(1)
			return nil, err
		}
		return func() { done(); one.Release(1) }, nil
	}
	return &Budget{limits: l, sharing: semaphore.NewWeighted(l.Share), turn: turn, free: device.FreeMemory}
}

// Process returns the budget of decoders that are given none.
var Process = sync.OnceValue(func() *Budget { return New(LimitsOf(0, 1), nil) })

// Limits returns the limits of the budget.
func (b *Budget) Limits() Limits { return b.limits }

// A Part is memory that was taken from a budget.
type Part struct {
	// Bytes is its size; 0 for none.
	Bytes int64
	done  func() // nil if it is of the share
}

// Take waits until n bytes can be taken, and takes them. Who waits longer is served first,
// so that small images do not starve a large one. A caller must not wait for one part while
// it holds another.
//
// What exceeds the share waits for its turn on the machine. If it also exceeds Largest, as
// in a job that began on a larger machine, nothing else of this process is decoded at the
// time, and the error is a *TooSmall if the machine does not have that much memory left.
// With an error, nothing is taken, and the part is none.
func (b *Budget) Take(ctx context.Context, n int64) (Part, error) {
	if n <= b.limits.Share {
		if err := b.sharing.Acquire(ctx, n); err != nil {
			return Part{}, err
		}
		return Part{Bytes: n}, nil
	}
	done, err := b.turn(ctx)
	if err != nil {
		return Part{}, err
	}
	if n <= b.limits.Largest {
		return Part{Bytes: n, done: done}, nil
	}
	if err := b.sharing.Acquire(ctx, b.limits.Share); err != nil {
		done()
		return Part{}, err
	}
	p := Part{Bytes: n, done: func() { b.sharing.Release(b.limits.Share); done() }}
	debug.FreeOSMemory()
	if n > b.free() {
		p.done()
		return Part{}, b.TooSmall(n)
	}
	return p, nil
}

// large is the part of a share from which memory that was used is returned to the system
// at once. Garbage and free memory of the C library count as used until then.
const large = 8

// Give gives back what Take returned. Giving back no part does nothing.
func (b *Budget) Give(p Part) {
	if p.Bytes == 0 {
		return
	}
	if p.Bytes > b.limits.Share/large {
		debug.FreeOSMemory()
		trim()
	}
	if p.done != nil {
		p.done()
		return
	}
	b.sharing.Release(p.Bytes)
}

// Open counts a decoder until Close. The decoders share what may be kept.
func (b *Budget) Open() { b.open.Add(1) }

// Close is the end of a decoder.
func (b *Budget) Close() { b.open.Add(-1) }

// Keep returns how many bytes a decoder may keep until its next image.
func (b *Budget) Keep() int64 { return b.limits.Kept / max(b.open.Load(), 1) }

// LimitGarbage lets Go's garbage grow no further than the budget allows, unless the
// variable GOMEMLIMIT says how far.
func (b *Budget) LimitGarbage() {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(b.limits.Share + b.limits.Kept + 2*b.limits.ReadAhead + goBase)
	}
}

// goBase is what Go takes in a rank besides images.
const goBase = 64 << 20

// TooSmall returns the error for an image that takes n bytes, which the machine does not
// have.
func (b *Budget) TooSmall(n int64) error {
	return &TooSmall{Need: n, Free: b.free(), Limits: b.limits}
}

// TooSmall is the error for an image that the job allows and this machine has no memory
// for.
type TooSmall struct {
	Need, Free int64
	Limits     Limits
}

func (e *TooSmall) Error() string {
	return fmt.Sprintf("decoding it takes %s, and this machine has %s left (for decoding it has %s, %s);"+
		" the recorded --max-image-memory allows such an image: continue on a larger machine,"+
		" or begin another job or retry with --max-image-memory %dMiB, where it gets a row with the status too_large",
		Bytes(e.Need), Bytes(e.Free), Bytes(e.Limits.Memory), e.Limits.From, e.Limits.Largest>>20)
}

// TooMuch returns an error if this machine, or its control group, has less than n bytes of
// memory.
func (b *Budget) TooMuch(n int64) error {
	if m := device.MemoryLimit(); m.Limit > 0 && n > m.Limit {
		return &TooMuch{Asked: n, Limits: b.limits, Machine: m}
	}
	return nil
}

// TooMuch is the error for an image's memory that was asked for and that this machine does
// not have.
type TooMuch struct {
	Asked   int64
	Limits  Limits
	Machine device.Memory
}

func (e *TooMuch) Error() string {
	return fmt.Sprintf("--max-image-memory %dMiB is more than this machine has (%s, %s): give less, such as %dMiB, or use a larger machine",
		e.Asked>>20, Bytes(e.Machine.Limit), e.Machine.From, e.Limits.Largest>>20)
}

// Bytes returns a number of bytes for people, in whole MiB, rounded up.
func Bytes(n int64) string { return fmt.Sprintf("%d MiB", (n+1<<20-1)>>20) }
