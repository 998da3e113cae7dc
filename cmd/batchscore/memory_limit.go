package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer"
)

// leastMemory is the least that --memory-limit takes: the program itself needs about half
// of it before it loads a model.
const leastMemory = 64e6

// limitMemory gives a command that loads a model the flag --memory-limit. Without it, the
// limit is that of the control group or the machine, since a model may allocate any amount.
//
// Two mechanisms bound the process. The kernel refuses single allocations that are far
// too large, which ONNX Runtime reports as an error. What grows in smaller steps is
// measured while the command runs, and ends the process before an out-of-memory killer
// would. Parts are created whole, so none is damaged.
//
// The bound that it returns is set once the command runs.
func limitMemory(cmd *cobra.Command) *memoryBound {
	var limit byteSize
	b := &memoryBound{}
	cmd.Flags().Var(&limit, "memory-limit", "end with exit code 78 rather than use more than this much memory of the machine, for the model and everything"+
		" else in this process; 800MB, 2GiB (default that of the control group or the machine, less a reserve);"+
		" run --decode-memory bounds decoding, which waits instead")
	do := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("memory-limit") && limit < leastMemory {
			return invalid("memory-limit", int64(limit), "64MB or more, as the program itself needs some")
		}
		b.set(int64(limit), memoryOfRank(device.MemoryLimit(), b.ranks), device.HasSwap(), modelOf(cmd, args))
		defer b.watch(cmd, b.onCPU(cmd))()
		return b.explain(do(cmd, args))
	}
	return b
}

// modelOf returns the model that a command line names, as it names it.
func modelOf(cmd *cobra.Command, args []string) string {
	for _, name := range []string{"model", "task"} {
		if f := cmd.Flags().Lookup(name); f != nil && f.Value.String() != "" {
			return f.Value.String()
		}
	}
	return firstArg(args)
}

// memoryBound is the most memory that the process may use, and why. The zero value is
// none.
type memoryBound struct {
	limit int64
	from  string // for messages: "--memory-limit"
	model string
	cpu   bool // the model is on the CPU
	// ranks returns how many processes of this machine share its memory; nil for one.
	ranks func() int
	// loaded says that the model was loaded, so that it alone is not what is too large.
	loaded atomic.Bool
	// decoding is how much of the limit is for decoding images; 0 for a command that
	// decodes none.
	decoding atomic.Int64
	// leave gives up what a worker has in hand before the process ends: want of memory is
	// no reason to suspect its images.
	leave scorer.Leave
}

// memoryOfRank returns the part of the memory that one of some ranks has.
func memoryOfRank(m device.Memory, ranks func() int) device.Memory {
	if ranks == nil {
		return m
	}
	if n := ranks(); n > 1 {
		m.Limit /= int64(n)
		m.From += fmt.Sprintf(", divided among the %d ranks of this machine", n)
	}
	return m
}

// set sets the bound of --memory-limit or, if that is 0, of what this process may use. With
// swap, the kernel makes room in another way than by ending processes.
func (b *memoryBound) set(limit int64, of device.Memory, swap bool, model string) {
	b.model = model
	switch {
	case limit > 0:
		b.limit, b.from = limit, "--memory-limit"
	case swap || of.Limit <= 0:
	default:
		// A part of it is the kernel's, and another what is measured too late.
		b.limit, b.from = of.Limit-max(of.Limit/16, 32<<20), of.From+" less a reserve; --memory-limit sets another one"
	}
}

// onCPU reports whether the command certainly loads no libraries of CUDA, which may map
// any amount that they do not use.
func (b *memoryBound) onCPU(cmd *cobra.Command) bool {
	provider := ort.CPU
	if f := cmd.Flags().Lookup("provider"); f != nil {
		provider = f.Value.String()
	}
	return ort.OnCPU(provider) || provider == ort.Auto && device.GPUs().Visible() == 0
}

// Bounds of the time between two measurements, which depends on what is left of the
// limit: a process that fills growth bytes/s does not get far beyond it.
const (
	leastPause, mostPause = 5 * time.Millisecond, 200 * time.Millisecond
	growth                = 16 << 30
)

// watch ends the process if it uses more than the limit, until over is called.
func (b *memoryBound) watch(cmd *cobra.Command, cpu bool) (over func()) {
	if b.limit <= 0 {
		return func() {}
	}
	lift := func() {}
	if b.cpu = cpu; cpu {
		// Arenas and stacks of threads map several times what they use.
		if l, err := device.BoundData(4*b.limit + 2<<30); err == nil { // it only saves time
			lift = l
		}
	}
	done := make(chan struct{})
	go func() {
		for {
			used, err := device.OwnMemory()
			if err != nil {
				return // nothing can be measured here
			}
			if used > b.limit {
				endNow(cmd.ErrOrStderr(), cmd, exitCode(models.ErrHostMemory, nil), b.exceeded()+": "+b.remedy(), b.leave.Now)
			}
			left := time.Duration(float64(b.limit-used) / growth * float64(time.Second))
			select {
			case <-done:
				return
			case <-time.After(min(max(left, leastPause), mostPause)):
			}
		}
	}()
	return func() { close(done); lift() }
}

// explain says of an error for want of memory what the limit is.
func (b *memoryBound) explain(err error) error {
	if b.limit <= 0 || !errors.Is(err, models.ErrHostMemory) && !(b.cpu && errors.Is(err, models.ErrOutOfMemory)) {
		return err
	}
	return marked{fmt.Errorf("%s: %w; %s", b.exceeded(), err, b.remedy()), errConfig}
}

func (b *memoryBound) exceeded() string {
	limit := fmt.Sprintf("%s of memory (%s)", formatBytes(b.limit), b.from)
	switch {
	case b.loaded.Load():
		text := "this run uses more than " + limit
		if n := b.decoding.Load(); n > 0 {
			text += fmt.Sprintf(", of which %s are for decoding (--decode-memory)", formatBytes(n))
		}
		return text
	case b.model != "":
		return fmt.Sprintf("the model %s does not fit into %s", b.model, limit)
	}
	return "the process does not fit into " + limit
}

func (b *memoryBound) remedy() string {
	if b.loaded.Load() {
		return "give --sessions 1, fewer --decoders or less --decode-memory, in a new job a smaller --batch, or allow more memory"
	}
	return "use a smaller model or a smaller batch (a job that exists keeps its own), or allow more; do not use models that you do not trust"
}

// endNow says why the process ends, does what is to be done first, and ends it after a
// second at most.
func endNow(stderr io.Writer, cmd *cobra.Command, code int, text string, first ...func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	var all sync.WaitGroup
	all.Go(func() { sayWhy(stderr, cmd, code, text) }) // nobody may be reading
	for _, do := range first {
		all.Go(func() { do(ctx) })
	}
	go func() {
		all.Wait()
		cancel()
	}()
	<-ctx.Done()
	os.Exit(code)
}
