package simulator

import (
	"container/heap"
	"context"
	"math"
	"math/rand/v2"

	"github.com/batchscore/batchscore/shard"
)

// hold is a chunk that a rank has claimed.
type hold struct {
	chunk, images int
	doubles       bool
	claimed       float64
	ready         float64 // when its first batch could be on the device
	perImage      float64 // seconds on the device, or of a slower stage
	busy          float64 // the part of perImage in which the device computes
	notBefore     float64 // it ends no earlier, because of the account's limits
	stage         Stage   // the one that determines perImage and notBefore
	start, end    float64 // on the device
	version       uint32  // of its commit
	from          int     // images that the rank had taken before
}

// rank is one rank at work.
type rank struct {
	Rank
	device  Device
	held    []*hold // in order, not committed
	last    *hold   // the one before those, for its end
	taken   int     // images in all
	commits int
	spent   float64 // from claim to commit, of all commits
	pause   float64 // before the last look at what others hold
	feeds   uint32  // version of the feed event that counts
	gone    bool
	left    float64 // when it was taken away last
	ended   bool
	resting bool
	lastEnd float64 // of its last chunk on the device
}

type simulation struct {
	Config
	*table
	now     float64
	seq     uint64
	events  queue
	ranks   []rank
	rng     *rand.Rand
	account float64 // when the account has served all requests so far
	result  Result
	bound   map[Stage]int // images by the stage that limited them
	alive   int           // ranks that have not ended
}

// Run simulates a job. Equal Configs give equal Results. It returns an error if the
// Config is invalid or ctx has ended.
func Run(ctx context.Context, c Config) (Result, error) {
	c, err := c.withDefaults()
	if err != nil {
		return Result{}, err
	}
	s := &simulation{Config: c, table: newTable(shard.Chunks{Entries: c.Images, Size: c.Chunk}, len(c.Devices)),
		rng: rand.New(rand.NewPCG(c.Seed, 1)), bound: map[Stage]int{}, ranks: make([]rank, len(c.Devices))}
	s.begin()
	for n := 0; s.alive > 0; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		s.handle(e)
	}
	return s.finish(), nil
}

func (s *simulation) handle(e event) {
	switch e.kind {
	case feed:
		if r := &s.ranks[e.id]; e.version == r.feeds && !r.gone {
			s.feed(e.id)
		}
	case commit:
		if e.version == e.hold.version {
			s.commit(e.id, e.hold)
		}
	case leave:
		s.leave(e.id)
	case back:
		s.back(e.id)
	case release:
		if s.state[e.hold.chunk] == abandoned {
			s.left.add(e.hold.chunk)
		}
	}
}

func (s *simulation) schedule(at float64, k kind, id int, version uint32, h *hold) {
	s.seq++
	heap.Push(&s.events, event{max(at, s.now), s.seq, k, id, version, h})
}

// begin starts all ranks.
func (s *simulation) begin() {
	pages := float64((s.Images + PageObjects - 1) / PageObjects)
	latency := s.Store.Latency.Seconds()
	// The ranks wait for the manifest, which the first one that is ready lists.
	first := math.Inf(1)
	for i := range s.ranks {
		first = min(first, s.starts(i))
	}
	listed := first + s.Load.Seconds() + latency + pages*s.Store.ListPage.Seconds()
	if s.Store.Requests > 0 {
		listed += pages / s.Store.Requests
	}
	s.result.Requests = pages
	manifest := 0.0 // seconds until all ranks have read it
	if s.Store.Bytes > 0 {
		manifest = float64(s.Images) * manifestEntry * float64(len(s.ranks)) / s.Store.Bytes
	}
	s.alive = len(s.ranks)
	for i := range s.ranks {
		r := &s.ranks[i]
		r.device, r.Start = s.Devices[i], s.starts(i)
		ready := max(listed, r.Start+s.Load.Seconds()) + manifest + joinRequests*latency
		s.result.Requests += joinRequests
		r.lastEnd = ready
		s.schedule(ready, feed, i, r.feeds, nil)
	}
	s.account = listed + manifest
	if s.Preemption.PerHour > 0 {
		for node := range (len(s.ranks) + s.PerNode - 1) / s.PerNode {
			s.schedule(s.lifetime(), leave, node, 0, nil)
		}
	}
}

func (s *simulation) starts(rank int) float64 {
	if s.Start == nil {
		return 0
	}
	return s.Start[rank].Seconds()
}

// lifetime draws how long a node lives.
func (s *simulation) lifetime() float64 { return s.rng.ExpFloat64() * 3600 / s.Preemption.PerHour }

// Looking at what others hold, as the worker does (scorer/take.go).
const (
	firstPause = 0.05
	lastPause  = 2.0
)

// feed makes a rank claim one chunk, or look again later, or end.
func (s *simulation) feed(id int) {
	r := &s.ranks[id]
	r.resting = false
	latency := s.Store.Latency.Seconds()
	chunk, cost, doubles := s.ownNext(id), latency, false
	if chunk < 0 && !s.Static {
		s.drop(id)
		cost += s.look()
		chunk, doubles = s.takeOver(id)
	}
	switch {
	case chunk >= 0:
		r.pause = 0
		s.take(id, chunk, doubles, s.now+cost)
	case len(r.held) == 0 && (s.Static || s.done == s.Count()):
		r.ended, r.End = true, s.now+cost
		s.alive--
	case s.Static:
		r.resting = true // until its next commit
	default:
		r.pause = min(max(2*r.pause, firstPause), s.longest(r))
		r.resting = true
		s.again(id, s.now+cost+r.pause)
	}
}

// again sets when the rank looks next, and voids what was set before.
func (s *simulation) again(id int, at float64) {
	r := &s.ranks[id]
	r.feeds++
	s.schedule(at, feed, id, r.feeds, nil)
}

// look returns the seconds to list what is committed and claimed.
func (s *simulation) look() float64 {
	pages := 2 + (s.Count()*2)/PageObjects
	s.result.Requests += float64(pages)
	return float64(pages) * s.Store.ListPage.Seconds()
}

func (s *simulation) longest(r *rank) float64 {
	if r.commits == 0 {
		return lastPause
	}
	return min(max(min(r.patience()/8, (s.now-r.Start)/256), firstPause), lastPause)
}

// patience returns how long another rank may hold a chunk before this rank, with nothing
// else to do, claims it as well.
func (r *rank) patience() float64 {
	if r.commits == 0 {
		return math.Inf(1)
	}
	return r.spent / float64(r.commits)
}

// takeOver returns a chunk of others to claim; -1 if there is none.
func (s *simulation) takeOver(id int) (chunk int, doubles bool) {
	if len(s.left.all) > 0 {
		chunk = s.best(id, s.left.all, func(int) bool { return true })
		s.left.remove(chunk)
		return chunk, false
	}
	if chunk = s.steal(id); chunk >= 0 {
		return chunk, false
	}
	patience := s.ranks[id].patience()
	chunk = s.best(id, s.held.all, func(c int) bool {
		return !s.doubled[c] && int(s.owner[c]) != id && s.now-s.since[c] > patience
	})
	return chunk, chunk >= 0
}

// best returns the suitable chunk that the rank tries first; -1 if there is none.
func (s *simulation) best(id int, chunks []int32, fits func(int) bool) int {
	found, order := -1, math.MaxInt
	for _, c := range chunks {
		if !fits(int(c)) {
			continue
		}
		if o := s.order(id, int(c)); o < order {
			found, order = int(c), o
		}
	}
	return found
}

// take lets a rank claim a chunk at a time.
func (s *simulation) take(id, chunk int, doubles bool, at float64) {
	r := &s.ranks[id]
	n := s.images(chunk)
	if doubles {
		s.doubled[chunk] = true
		s.result.Doubled++
	} else {
		s.state[chunk], s.owner[chunk], s.since[chunk] = taken, int32(id), at
		s.held.add(chunk)
	}
	h := &hold{chunk: chunk, images: n, doubles: doubles, claimed: at, from: r.taken}
	s.stages(r, h)
	r.taken += n
	r.held = append(r.held, h)
	s.plan(id, len(r.held)-1)
	s.again(id, max(at, s.room(r)))
}

// commit ends a hold.
func (s *simulation) commit(id int, h *hold) {
	r := &s.ranks[id]
	for i, other := range r.held {
		if other == h {
			r.held = append(r.held[:i], r.held[i+1:]...)
			break
		}
	}
	r.last, r.lastEnd = h, h.end
	r.Busy += float64(h.images) * h.busy
	r.commits++
	r.spent += s.now - h.claimed
	if s.state[h.chunk] == committed {
		r.Lost++
		s.result.Wasted += h.images
	} else {
		s.state[h.chunk] = committed
		s.held.remove(h.chunk)
		s.left.remove(h.chunk)
		s.done++
		s.bound[h.stage] += h.images
		r.Images += h.images
		if lo, hi := s.Share(id, s.table.ranks); h.chunk < lo || h.chunk >= hi {
			r.Stolen++
		}
		s.result.LastCommit = s.now
	}
	if r.resting {
		s.again(id, s.now)
	}
}

// drop releases chunks that others have committed meanwhile.
func (s *simulation) drop(id int) {
	r := &s.ranks[id]
	kept, changed := r.held[:0], -1
	for _, h := range r.held {
		if s.state[h.chunk] != committed {
			kept = append(kept, h)
			continue
		}
		if changed < 0 {
			changed = len(kept)
		}
		h.version++ // its commit is void
		done := 0.0
		if h.start < s.now {
			done = min(1, (s.now-h.start)/(h.end-h.start))
			r.lastEnd = max(r.lastEnd, s.now)
		}
		r.Busy += done * float64(h.images) * h.busy
		s.result.Wasted += int(done * float64(h.images))
		r.taken -= h.images
		r.Lost++
		for _, later := range r.held {
			if later.from > h.from {
				later.from -= h.images
			}
		}
	}
	r.held = kept
	if changed >= 0 {
		s.plan(id, changed)
	}
}
