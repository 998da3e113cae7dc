package patient

import (
	"cmp"
	"math/rand/v2"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
)

// Defaults of Options.
const (
	// DefaultPatience outlasts ten minutes of throttling.
	DefaultPatience = 15 * time.Minute
	// DefaultFirst is about the mean of the first two pauses.
	DefaultFirst = 200 * time.Millisecond
	// DefaultLongest spares a place in trouble, and notices its recovery soon.
	DefaultLongest = 30 * time.Second
	// DefaultStall is well above the slowest answer of a healthy place.
	DefaultStall = 30 * time.Second
	// DefaultConcurrency is more than one worker uses.
	DefaultConcurrency = 256
)

// Options of a Store. The zero value of each field chooses its default.
type Options struct {
	// Patience is how long one operation, or one body between two bytes, may fail
	// before it is given up. The default is DefaultPatience, or no limit other
	// than the Deadline if there is one.
	Patience time.Duration
	// Deadline is the time after which nothing is tried a second time; none if
	// zero. The deadline of a call's context has the same effect. A first try
	// is always made, so that finished work can still be committed.
	Deadline time.Time
	// First and Longest bound the pauses: before try n+1 the pause is random
	// between 0 and the smaller of Longest and First times 2 to the n-1.
	First, Longest time.Duration
	// Stall is how long a call may wait for the place to do anything: for the
	// answer, for the next byte of a body, for the next object of a listing.
	Stall time.Duration
	// Concurrency is the most calls that are under way at once. Throttling lowers
	// it to as few as 1. A listing counts only while a store.PagedLister makes a
	// request for it.
	Concurrency int
	// Report, if not nil, is called for every pause with what is done to which
	// object, why it failed, and how long the pause is, by any goroutine.
	Report func(what string, err error, pause time.Duration)
	// Rand returns numbers in [0, 1) for the jitter. Any goroutine may call it.
	Rand func() float64
}

// Store is a patient store.Decorator.
//
// When the context of an Open ends, the store inside must end every Read of that
// body: that is how stalls are ended.
type Store struct {
	inner store.Store
	opt   Options
	limit *limiter
	counters
}

var _ store.Decorator = (*Store)(nil)

// New returns a patient store around inner.
func New(inner store.Store, opt Options) *Store {
	if opt.Patience == 0 && opt.Deadline.IsZero() {
		opt.Patience = DefaultPatience
	}
	opt.First = cmp.Or(opt.First, DefaultFirst)
	opt.Longest = cmp.Or(opt.Longest, DefaultLongest)
	opt.Stall = cmp.Or(opt.Stall, DefaultStall)
	opt.Concurrency = cmp.Or(opt.Concurrency, DefaultConcurrency)
	if opt.Rand == nil {
		opt.Rand = rand.Float64
	}
	return &Store{inner: inner, opt: opt, limit: newLimiter(opt.Concurrency, opt.Stall)}
}

// String names the place.
func (s *Store) String() string { return s.inner.String() }

// Unwrap returns the store inside.
func (s *Store) Unwrap() store.Store { return s.inner }
