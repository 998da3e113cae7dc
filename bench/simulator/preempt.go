package simulator

// leave takes the ranks of a node away. They finish the chunks for which the notice
// suffices. Others may take the rest: after the notice, in which a rank gives up its
// claims, or without a notice after the lease.
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

// of returns the ranks of a node that have not ended.
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
	kept := r.held[:0]
	for _, h := range r.held {
		if h.end <= r.left {
			kept = append(kept, h) // it is committed in time
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
	r.held = kept
}

// back starts a node's ranks again, unless the job is done.
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
