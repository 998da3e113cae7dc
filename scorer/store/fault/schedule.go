package fault

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Kind says what goes wrong with a request.
type Kind int

// The kinds of faults.
const (
	None        Kind = iota
	Throttle         // answered with 429
	Busy             // answered with 503
	ServerError      // answered with 500
	Reset            // the connection is reset within the answer
	Truncate         // the connection is closed within the answer
	Stall            // the answer stops, and the connection stays
	Lost             // the request takes effect, the connection is reset before the answer
	Refuse           // the connection is reset before the request is passed on
	Redirect         // answered with 307 to Fault.Location
	Slow             // passed on late
	kinds
)

// String returns the kind's name in reports.
func (k Kind) String() string {
	return [...]string{"none", "throttle", "busy", "server-error", "reset", "truncate", "stall", "lost",
		"refuse", "redirect", "slow"}[k]
}

// Fault is what happens to one request. The zero value is no fault.
type Fault struct {
	Kind Kind
	// After is the Retry-After of Throttle, Busy and ServerError, in whole
	// seconds; none is sent if it is 0.
	After time.Duration
	// At is where in the answer's body Reset, Truncate and Stall happen: 0 is
	// before its first byte, 1 before its last.
	At float64
	// Delay is how long Slow delays a request.
	Delay time.Duration
	// Location is where Redirect leads.
	Location string
}

// offset returns how many bytes of a body of that size are passed on.
func (f Fault) offset(size int64) int64 {
	if size <= 0 {
		return 0
	}
	return min(int64(f.At*float64(size)), size-1)
}

// Request is what a Schedule sees of a request.
type Request struct {
	N      int // its number, from 0
	Method string
}

// Schedule decides the fault of each request. Any goroutine may call it.
type Schedule func(Request) Fault

// Mix is a Schedule of random faults.
type Mix struct {
	Seed uint64
	// Share of the requests that meet a fault, from 0 to 1.
	Share float64
	// Kinds to choose among, with equal chances. Lost is for requests that write;
	// requests that read get Reset instead.
	Kinds []Kind
	// After and Delay to choose among, with equal chances; 0 if there are none.
	After, Delay []time.Duration
	Location     string
	// Last is the number of the first request after the faults; 0 if they never
	// end.
	Last int
}

// Schedule returns the mix as a Schedule.
func (m Mix) Schedule() Schedule {
	return func(r Request) Fault {
		rng := rand.New(rand.NewPCG(m.Seed, uint64(r.N)))
		if m.Last > 0 && r.N >= m.Last || rng.Float64() >= m.Share || len(m.Kinds) == 0 {
			return Fault{}
		}
		f := Fault{
			Kind: m.Kinds[rng.IntN(len(m.Kinds))], At: rng.Float64(), Location: m.Location,
			After: pick(rng, m.After), Delay: pick(rng, m.Delay),
		}
		if f.Kind == Lost && !writes(r.Method) {
			f.Kind = Reset
		}
		return f
	}
}

func pick(rng *rand.Rand, from []time.Duration) time.Duration {
	if len(from) == 0 {
		return 0
	}
	return from[rng.IntN(len(from))]
}

func writes(method string) bool {
	switch method {
	case "PUT", "POST", "DELETE", "PATCH":
		return true
	}
	return false
}

// First returns a Schedule of the first fault among several schedules.
func First(schedules ...Schedule) Schedule {
	return func(r Request) Fault {
		for _, s := range schedules {
			if f := s(r); f.Kind != None {
				return f
			}
		}
		return Fault{}
	}
}

// Injected counts faults by kind.
type Injected struct {
	requests atomic.Int64
	byKind   [kinds]atomic.Int64
}

// next gives the next request its number and its fault.
func (c *Injected) next(schedule Schedule, method string) Fault {
	n := int(c.requests.Add(1)) - 1
	if schedule == nil {
		return Fault{}
	}
	f := schedule(Request{N: n, Method: method})
	c.byKind[f.Kind].Add(1)
	return f
}

// Requests returns how many requests came.
func (c *Injected) Requests() int { return int(c.requests.Load()) }

// Counts returns how many requests met each kind of fault.
func (c *Injected) Counts() map[Kind]int {
	counts := map[Kind]int{}
	for k := None + 1; k < kinds; k++ {
		if n := int(c.byKind[k].Load()); n > 0 {
			counts[k] = n
		}
	}
	return counts
}
