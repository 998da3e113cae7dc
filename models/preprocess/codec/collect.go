package codec

import "runtime/debug"

// collectFrom is so much that waiting for the collector would let a decode of one picture add
// to that of the next.
const collectFrom = 64 << 20

// Collect gives back the memory of a decode that has taken so many bytes in Go's heap, if
// they are many: the collector may wait until the heap has doubled.
func Collect(bytes int64) {
	if bytes > collectFrom {
		debug.FreeOSMemory()
	}
}
