package scorer

import (
	"context"

	"github.com/batchscore/batchscore/models"
)

// Engine runs a model on one device.
//
// NewBatch and Score may be called from any number of goroutines, but one
// Batch belongs to one call at a time. Close is called once, after every Score
// has returned.
type Engine interface {
	// Device names the device and the precision, such as "cpu" or "cuda:0".
	Device() string
	// Lanes is how many Score calls keep the device busy; at least 1. More
	// callers than that wait for one another to no profit.
	Lanes() int
	// DefaultBatch is the batch that suits the device where the user names none.
	DefaultBatch() int
	// NewBatch allocates the memory of a batch of at most capacity images.
	NewBatch(capacity int) (*models.Batch, error)
	// Score runs images lo <= i < hi of b.Pixels and fills the same rows of
	// b.Scores. When ctx ends it asks the device to terminate the run, waits
	// for it, and returns ctx's error: no native call outlives Score. An error
	// wrapping models.ErrOutOfMemory may be tried again with fewer images.
	Score(ctx context.Context, b *models.Batch, lo, hi int) error
	Close() error
}
