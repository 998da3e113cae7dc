package output

import "time"

// Storage counts what a worker went through with a store.
type Storage struct {
	Calls     int64 `json:"calls"` // repeated ones included
	Retries   int64 `json:"retries"`
	Throttled int64 `json:"throttled"` // answers that said to ask less
	Stalls    int64 `json:"stalls"`    // calls ended because nothing came
	// PausedSeconds sums the pauses before retries, of all goroutines.
	PausedSeconds float64 `json:"paused_seconds"`
}

func (s *Storage) add(o Storage) {
	s.Calls += o.Calls
	s.Retries += o.Retries
	s.Throttled += o.Throttled
	s.Stalls += o.Stalls
	s.PausedSeconds += o.PausedSeconds
}

// Trouble reports whether anything had to be tried again.
func (s *Storage) Trouble() bool { return s.Retries+s.Throttled+s.Stalls > 0 }

// Paused is PausedSeconds as a duration.
func (s *Storage) Paused() time.Duration {
	return time.Duration(s.PausedSeconds * float64(time.Second))
}

// sumStorage adds up what all workers went through with all stores, or is nil
// where none told.
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
