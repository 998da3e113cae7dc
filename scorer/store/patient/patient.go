package patient

import (
	"cmp"
	"math/rand/v2"
	"sync"
	"sync/atomic"
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
	// DefaultContact is enough for a slow network, and short for whoever waits to
	// learn of a typing error in an address.
	DefaultContact = 30 * time.Second
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
	// Contact is how long all operations together may fail, from the first call on,
	// as long as the place has not answered once. After its first answer, of
	// whatever kind, it has no effect. None if zero.
	Contact time.Duration
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
	// Report, if not nil, is called before every pause, and when the place takes
	// long for its first answer, by any goroutine.
	Report func(Pause)
	// Rand returns numbers in [0, 1) for the jitter. Any goroutine may call it.
	Rand func() float64
}

// Pause is a pause before a call is repeated, or the wait for a first answer.
type Pause struct {
	What string // what is done to which object
	Err  error  // why the last call failed, or that there is no answer yet
	// Wait is the length of the pause; 0 if the call is still under way.
	Wait  time.Duration
	Until time.Time // when patience ends; zero if it does not
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
	contact
}

// contact is the first contact with the place.
type contact struct {
	begin    sync.Once
	began    time.Time // when it was first called
	by       time.Time // when it must have answered
	answered atomic.Bool
}

// contactBy returns when the place must have answered for the first time; zero if
// it has, or may take any time. The time begins with the first call of contactBy.
func (s *Store) contactBy() time.Time {
	if s.opt.Contact == 0 || s.answered.Load() {
		return time.Time{}
	}
	s.begin.Do(func() {
		s.began = time.Now()
		s.by = s.began.Add(s.opt.Contact)
		// With next to no patience the first call may take its time all the same: it
		// may have to sign in first.
		if s.opt.Patience >= shortest && s.opt.Patience < s.opt.Contact {
			s.by = s.began.Add(s.opt.Patience)
		}
	})
	return s.by
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
