package ort

import (
	"syscall"

	"github.com/rs/zerolog"
)

// hostMemory is where batches lie: outside the Go heap. ONNX Runtime keeps
// pointers into a batch between calls, which C code may not do with Go memory
// that is not pinned; and the collector, which lets the heap grow in proportion
// to what is live, need not count pixels.
//
// For a GPU it is page-locked memory of CUDA's, which the GPU reads by itself
// while it computes another batch. The zero value maps ordinary pages.
type hostMemory struct {
	api    capi
	locked allocator
}

// pageLocked is ONNX Runtime's name of CUDA's page-locked memory.
const pageLocked = "CudaPinned"

// lock takes memory from a session's allocator of that name from now on. A
// session without one is no error: it only copies more slowly.
func (h *hostMemory) lock(e *Engine, name string, device int, log zerolog.Logger) {
	var err error
	if h.locked, err = e.api.allocator(e.native, name, device); err != nil {
		log.Debug().Err(err).Msg("batches lie in ordinary memory: page-locked memory is not to be had")
		return
	}
	h.api = e.api
}

// get returns zeroed memory that begins on a boundary of at least 64 bytes.
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
	h.api.free(h.locked, memory)
	return nil
}

// close comes after the last put and before the end of the session.
func (h *hostMemory) close() {
	if h.locked.native != nil {
		h.api.releaseAllocator(h.locked)
		h.locked = allocator{}
	}
}
