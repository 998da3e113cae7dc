package output

import "time"

// Storage counts a worker's calls of a store, and what went wrong with them.
type Storage struct {
	Calls     int64 `json:"calls"` // including repeated ones
	Retries   int64 `json:"retries"`
	Throttled int64 `json:"throttled"` // answers that asked for fewer calls
	Stalls    int64 `json:"stalls"`    // calls that were ended because no data came
	// PausedSeconds is the sum of the pauses before retries, over all goroutines.
	PausedSeconds float64 `json:"paused_seconds"`
}

func (s *Storage) add(o Storage) {
	s.Calls += o.Calls
	s.Retries += o.Retries
	s.Throttled += o.Throttled
	s.Stalls += o.Stalls
	s.PausedSeconds += o.PausedSeconds
}

// Trouble reports whether any call had to be repeated.
func (s *Storage) Trouble() bool { return s.Retries+s.Throttled+s.Stalls > 0 }

// Paused returns PausedSeconds as a duration.
func (s *Storage) Paused() time.Duration {
	return duration(s.PausedSeconds)
}

// sumStorage returns the sum over all workers and stores, nil if no worker reported
// any.
func sumStorage(workers []WorkerSummary) *Storage {
	var sum *Storage
	for _, w := range workers {
		for _, s := range w.Storage {
			if sum == nil {
				sum = new(Storage)
			}
			sum.add(s)
		}
	}
	return sum
}
