package tune

import (
	"math"
	"time"
)

// Host is the machine that feeds a device.
type Host struct {
	Cores int
	// Shared reports whether the device computes on the same cores.
	Shared bool
	// Decode is how fast one core decodes, in images per second.
	Decode float64
	// Latency is what it takes to fetch one image, Size its bytes.
	Latency time.Duration
	Size    int64
}

// Feeding is how to feed a device.
type Feeding struct {
	Decoders, Fetchers int
	ReadAheadBytes     int64
	// Limit is the rate that device and cores allow, in images per second.
	Limit float64
}

const (
	leastFetchers, mostFetchers   = 16, 512
	leastReadAhead, mostReadAhead = 64 << 20, 1 << 30
)

// Feed returns how to feed a device that scores rate images per second.
//
// There are as many decoders as the rate requires and one more, in case one
// stalls, but no more than cores. By Little's law, rate times latency images are
// being fetched at a time. There are fetchers for four times as many, since a store
// has slow moments, and memory for as many again that wait.
func Feed(rate float64, h Host) Feeding {
	var f Feeding
	cores := float64(h.Cores)
	f.Limit = min(rate, cores*h.Decode)
	if h.Shared {
		f.Limit = 1 / (1/rate + 1/(cores*h.Decode))
	}
	f.Decoders = int(min(cores, math.Ceil(f.Limit/h.Decode)+1))
	f.Fetchers = int(min(max(math.Ceil(4*f.Limit*h.Latency.Seconds()), leastFetchers), mostFetchers))
	f.ReadAheadBytes = min(max(2*int64(f.Fetchers)*h.Size, leastReadAhead), mostReadAhead)
	return f
}
