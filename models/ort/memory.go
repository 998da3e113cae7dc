package ort

import (
	"syscall"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// hostMemory allocates batches outside the Go heap, for two reasons. ONNX Runtime
// keeps pointers into a batch between calls, which C code may not do with Go memory
// that is not pinned. And the garbage collector lets the heap grow in proportion to
// what is live, which should not include pixels.
//
// For a GPU it is page-locked memory from CUDA, which the GPU reads on its own while
// it computes another batch. The zero value maps ordinary pages.
type hostMemory struct {
	api    capi
	locked allocator
}

// pageLocked is ONNX Runtime's name for CUDA's page-locked memory.
const pageLocked = "CudaPinned"

// lock makes h use the session's allocator of that name from now on. A session
// without one is not an error; it only copies more slowly.
func (h *hostMemory) lock(e *Engine, name string, device int, log zerolog.Logger) {
	var err error
	if h.locked, err = e.api.allocator(e.native, name, device, hostOutput); err != nil {
		event.MemoryPageable.On(log).Err(err).Msg("batches are in ordinary memory, and copying them to the GPU is slower: page-locked memory is not available")
		return
	}
	h.api = e.api
}

// get returns zeroed memory that is aligned to at least 64 bytes.
func (h *hostMemory) get(size int) ([]byte, error) {
	if h.locked.native == nil {
		return mapMemory(size)
	}
	memory, err := h.api.alloc(h.locked, size)
	clear(memory)
	return memory, err
}

func (h *hostMemory) put(memory []byte) error {
	switch {
	case memory == nil:
		return nil
	case h.locked.native == nil:
		return syscall.Munmap(memory)
	}
	return h.api.free(h.locked, memory)
}

// close must be called after the last put and before the session is destroyed.
func (h *hostMemory) close() {
	if h.locked.native != nil {
		h.api.releaseAllocator(h.locked)
		h.locked = allocator{}
	}
}
