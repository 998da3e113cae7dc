package telemetry

import "sync"

// Facts are what is known of a worker's job and of the worker itself, beyond what it
// counts. What is not known yet is empty.
type Facts struct {
	Job, Model, ModelDigest string
	Device, GPU             string
	Images                  int // of the job
	Share                   int // of them, those of this worker's share that were missing at the start
	Batch, Sessions         int
	Decoders, Fetchers      int
	ReadAheadBytes          int64    // the most that may be read before it is decoded
	Sampler                 *Sampler // of its GPU; nil if it has none
}

// State keeps the facts of a worker at work. A nil State keeps nothing.
type State struct {
	mu    sync.Mutex
	facts Facts
}

// Update changes the facts.
func (s *State) Update(change func(*Facts)) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.facts)
}

// Facts returns the facts as they are now.
func (s *State) Facts() Facts {
	if s == nil {
		return Facts{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.facts
}
