package main

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/store/fault"
)

// chaosRound is what happens in one round of a chaos run. It depends only on the seed
// and the number of the round. Moments are numbers of requests, not times.
type chaosRound struct {
	ranks  int // of the job
	second int // of a second job on the same output, started at once; 0 is none
	budget int // images after which the job pauses; 0 is none
	mix    fault.Mix
	bursts []chaosBurst
	// strikes hit the ranks themselves, in the order of their moments.
	strikes []chaosStrike
	latency time.Duration // of every request
	stall   time.Duration // for how long an answer that stalls does
	lease   time.Duration
}

// chaosBurst answers the requests from first up to, but not including, last with a
// fault.
type chaosBurst struct {
	first, last int
	fault       fault.Fault
}

// chaosStrike is a signal to one rank, or to all, at a certain request.
type chaosStrike struct {
	request int
	signal  syscall.Signal
	all     bool
	whom    int // among the ranks that there are, if it is one
}

// kind returns the name of the strike in reports.
func (s chaosStrike) kind() string {
	name := map[syscall.Signal]string{syscall.SIGKILL: "kill", syscall.SIGTERM: "sigterm", syscall.SIGUSR1: "sigusr1"}[s.signal]
	if s.all {
		return name + "-all"
	}
	return name + "-one"
}

// chaosCollection is the work on one output until it is complete.
type chaosCollection struct {
	simulated bool
	format    string
	// rounds are disturbed in every way; the one after them by network and
	// service alone, so that it ends.
	rounds int
}

// chaosScale limits how large the random numbers are.
type chaosScale struct {
	images, chunk int
	ranks         int // the largest world
	rounds        int // disturbed ones of a collection, at most
	burst         int // requests in a burst, at most
}

func chaosRand(seed uint64, at ...int) *rand.Rand {
	place := uint64(0)
	for _, n := range at {
		place = place<<16 + uint64(n) + 1
	}
	return rand.New(rand.NewPCG(seed, place))
}

func (s chaosScale) collection(seed uint64, n int) chaosCollection {
	rng := chaosRand(seed, n)
	return chaosCollection{
		// Both in turn, since their rows differ.
		simulated: n%2 == 0,
		format:    []string{"jsonl", "csv", "parquet"}[n/2%3],
		rounds:    1 + rng.IntN(s.rounds),
	}
}

func drawn[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

// round returns a random round of a collection. The last one must end without help.
func (s chaosScale) round(seed uint64, collection, n int, last bool) chaosRound {
	rng := chaosRand(seed, collection, n)
	r := chaosRound{
		ranks:   1 + rng.IntN(s.ranks),
		latency: drawn(rng, 0, 0, time.Millisecond, 5*time.Millisecond, 20*time.Millisecond),
		stall:   drawn(rng, 100*time.Millisecond, time.Second),
		lease:   drawn(rng, time.Second, 3*time.Second, time.Minute),
		mix: fault.Mix{
			Seed:  rng.Uint64(),
			Share: drawn(rng, 0.02, 0.05, 0.1, 0.2),
			Kinds: []fault.Kind{fault.Throttle, fault.Busy, fault.ServerError, fault.Reset, fault.Truncate,
				fault.Stall, fault.Lost, fault.Lost, fault.Refuse, fault.Slow},
			After: []time.Duration{0, 0, 0, time.Second},
			Delay: []time.Duration{5 * time.Millisecond, 50 * time.Millisecond, 300 * time.Millisecond},
		},
	}
	// What a job asks for grows with the collection.
	requests := 8 * s.images
	for range rng.IntN(3) {
		b := chaosBurst{first: rng.IntN(requests / 2), fault: fault.Fault{Kind: drawn(rng, fault.Throttle, fault.Busy)}}
		b.last = b.first + 2 + rng.IntN(s.burst)
		if rng.IntN(2) == 0 {
			b.fault.After = time.Second
			b.last = min(b.last, b.first+10)
		}
		r.bursts = append(r.bursts, b)
	}
	if rng.IntN(3) == 0 {
		r.second = 1 + rng.IntN(min(2, s.ranks))
	}
	if last {
		return r
	}
	if rng.IntN(4) == 0 {
		r.budget = 1 + rng.IntN(s.images)
	}
	for at := 0; len(r.strikes) == 0 || rng.IntN(3) == 0; {
		at += 1 + rng.IntN(requests/3)
		r.strikes = append(r.strikes, chaosStrike{
			request: at,
			signal:  drawn(rng, syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGUSR1),
			all:     rng.IntN(3) == 0,
			whom:    rng.IntN(1 << 16),
		})
	}
	return r
}

// schedule returns what the proxy does to requests. It also sends every strike to
// strikes when its moment has come.
func (r chaosRound) schedule(strikes chan<- chaosStrike) fault.Schedule {
	mix := r.mix.Schedule()
	var mu sync.Mutex
	due := r.strikes
	return func(req fault.Request) fault.Fault {
		mu.Lock()
		for len(due) > 0 && due[0].request <= req.N {
			strikes <- due[0]
			due = due[1:]
		}
		mu.Unlock()
		for _, b := range r.bursts {
			if req.N >= b.first && req.N < b.last {
				return b.fault
			}
		}
		return mix(req)
	}
}

// String returns the round as a report shows it.
func (r chaosRound) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d ranks, %g%% faults", r.ranks, 100*r.mix.Share)
	if r.latency > 0 {
		fmt.Fprintf(&b, ", %v latency", r.latency)
	}
	for _, u := range r.bursts {
		fmt.Fprintf(&b, ", %v at %d-%d", u.fault.Kind, u.first, u.last)
	}
	if r.second > 0 {
		fmt.Fprintf(&b, ", a second job of %d", r.second)
	}
	if r.budget > 0 {
		fmt.Fprintf(&b, ", a budget of %d", r.budget)
	}
	for _, s := range r.strikes {
		fmt.Fprintf(&b, ", %s at %d", s.kind(), s.request)
	}
	return b.String()
}

// TestChaosSeedFixesTheSchedule checks that the schedule depends on the seed alone, and
// on every bit of it.
func TestChaosSeedFixesTheSchedule(t *testing.T) {
	draw := func(seed uint64) (rounds []chaosRound, faults []fault.Fault) {
		for c := range 20 {
			for n := range longChaos.collection(seed, c).rounds {
				r := longChaos.round(seed, c, n, false)
				schedule := r.schedule(make(chan chaosStrike, len(r.strikes)))
				for request := range 500 {
					faults = append(faults, schedule(fault.Request{N: request, Method: "PUT"}))
				}
				rounds = append(rounds, r)
			}
		}
		return rounds, faults
	}
	rounds, faults := draw(7)
	againRounds, againFaults := draw(7)
	if !reflect.DeepEqual(rounds, againRounds) || !reflect.DeepEqual(faults, againFaults) {
		t.Error("one seed gave two schedules")
	}
	if other, _ := draw(8); reflect.DeepEqual(rounds, other) {
		t.Error("two seeds gave one schedule")
	}
	kinds := map[string]int{}
	for _, f := range faults {
		kinds[f.Kind.String()]++
	}
	worlds := map[int]bool{}
	for _, r := range rounds {
		worlds[r.ranks] = true
		for _, s := range r.strikes {
			kinds[s.kind()]++
		}
	}
	if len(worlds) != longChaos.ranks || len(kinds) < 14 {
		t.Errorf("worlds of %v ranks, faults %v", worlds, kinds)
	}
}
