package simulator

// leave takes the ranks of a node away. What they have in hand and can finish
// within the notice they do; the rest is for others, after the notice if there
// was one to give it up in, else after the lease.
func (s *simulation) leave(node int) {
	working := false
	for id := range s.of(node) {
		working = true
		s.depart(id)
	}
	if working {
		s.result.Departed++
		s.schedule(s.now+s.Preemption.Notice.Seconds()+s.Preemption.Away.Seconds(), back, node, 0, nil)
	}
}

// of is the ranks of a node that have not ended.
func (s *simulation) of(node int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for id := node * s.PerNode; id < min((node+1)*s.PerNode, len(s.ranks)); id++ {
			if !s.ranks[id].ended && !yield(id) {
				return
			}
		}
	}
}

func (s *simulation) depart(id int) {
	r := &s.ranks[id]
	notice := s.Preemption.Notice.Seconds()
	r.gone, r.left = true, s.now+notice
	r.feeds++
	kept := r.hands[:0]
	for _, h := range r.hands {
		if h.end <= r.left {
			kept = append(kept, h) // its commit comes in time
			continue
		}
		h.version++
		if done := r.left - h.start; done > 0 && h.end > h.start {
			share := min(1, done/(h.end-h.start))
			r.Busy += share * float64(h.images) * h.busy
			s.result.Wasted += int(share * float64(h.images))
		}
		if h.doubles || s.state[h.chunk] == committed {
			continue
		}
		s.held.remove(h.chunk)
		s.state[h.chunk] = abandoned
		wait := notice
		if wait == 0 {
			wait = s.Lease.Seconds()
		}
		s.schedule(s.now+wait, release, id, 0, h)
	}
	r.hands = kept
}

// back starts a node's ranks anew, unless the job is done without them.
func (s *simulation) back(node int) {
	working := false
	for id := range s.of(node) {
		r := &s.ranks[id]
		if s.done == s.Count() {
			r.ended, r.End = true, r.left
			s.alive--
			continue
		}
		working = true
		ready := s.now + s.Load.Seconds() + joinRequests*s.Store.Latency.Seconds()
		r.gone, r.last, r.lastEnd, r.taken = false, nil, ready, 0
		s.again(id, ready)
	}
	if working {
		s.schedule(s.now+s.lifetime(), leave, node, 0, nil)
	}
}
