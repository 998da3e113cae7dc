package simulator

import "math"

// stages sets how long the chunk's images take, and which stage is the slowest.
func (s *simulation) stages(r *rank, h *hold) {
	n := float64(h.images)
	latency := s.Store.Latency.Seconds()
	full, rest := h.images/s.Batch, h.images%s.Batch
	compute := float64(full) * r.device.Batch(s.Batch).Seconds()
	if rest > 0 {
		compute += r.device.Batch(rest).Seconds()
	}
	compute *= r.device.slow()
	if r.device.Jitter > 0 {
		// The sum of the chunk's batches, each with its own jitter.
		batches := float64(full)
		if rest > 0 {
			batches++
		}
		compute *= max(0.1, 1+s.rng.NormFloat64()*r.device.Jitter/math.Sqrt(batches))
	}
	fetch, decode := latency/float64(s.Fetchers), 1/s.Decode
	h.perImage, h.stage, h.busy = compute/n, Compute, compute/n
	if decode > h.perImage {
		h.perImage, h.stage = decode, Decode
	}
	if fetch > h.perImage {
		h.perImage, h.stage = fetch, Fetch
	}
	batch := min(n, float64(s.Batch))
	h.ready = h.claimed + latency + batch*max(decode, fetch)
	// The account serves requests in order. The chunk waits for those before it.
	const perChunk = 2 // claim and part
	s.result.Requests += n + perChunk
	served := 0.0
	if s.Store.Requests > 0 {
		served = (n + perChunk) / s.Store.Requests
	}
	if s.Store.Bytes > 0 {
		served = max(served, n*s.ImageBytes/s.Store.Bytes)
	}
	s.account = max(s.account, h.claimed) + served
	h.notBefore = s.account + latency
}

// plan sets when the chunks from index i onwards are on the device, and when they are
// committed.
func (s *simulation) plan(id, i int) {
	r := &s.ranks[id]
	for ; i < len(r.held); i++ {
		h := r.held[i]
		before := r.last
		if i > 0 {
			before = r.held[i-1]
		}
		free, uncommitted := r.lastEnd, 0.0
		if before != nil {
			free, uncommitted = max(free, before.end), before.end+s.Store.Latency.Seconds()
		}
		h.start = max(h.ready, free)
		h.end = h.start + float64(h.images)*h.perImage
		// Its last batch waits until the chunk before it is committed.
		h.end = max(h.end, uncommitted+float64(min(h.images, s.Batch))*h.perImage)
		if h.end < h.notBefore {
			h.end, h.stage = h.notBefore, Account
		}
		h.version++
		s.schedule(h.end+s.Store.Latency.Seconds(), commit, id, h.version, h)
	}
}

// room returns when the rank has room for the first image of another chunk.
func (s *simulation) room(r *rank) float64 {
	done := r.taken - s.Ahead // images that must be finished by then
	for i := len(r.held) - 1; i >= 0; i-- {
		h := r.held[i]
		if h.from >= done {
			continue
		}
		batches := math.Ceil(float64(done-h.from) / float64(s.Batch))
		share := min(1, batches*float64(s.Batch)/float64(h.images))
		return h.start + (h.end-h.start)*share
	}
	return s.now
}
