package output

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	hardware "github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/scorer/store"
)

// WorkerSummary is what a worker reports when it ends.
type WorkerSummary struct {
	Version int          `json:"version"`
	Worker  claim.Worker `json:"worker"`
	Device  string       `json:"device"`
	Batch   int          `json:"batch"`
	// GPU is the GPU that it computed on, and GPUUse what that reported while images
	// were scored; nil if it computed on none, and in records of jobs that are Older.
	GPU    *hardware.GPUFacts `json:"gpu,omitempty"`
	GPUUse *hardware.GPUUse   `json:"gpu_use,omitempty"`
	// Decoding is the preprocess.Decoding of its program; 0 in older records.
	Decoding int `json:"decoding,omitempty"`
	// Started is by the store's clock, Seconds by the worker's monotonic one.
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	// Share is the number of images in its share at the start, Images the number that
	// it committed; Statuses counts the latter.
	// Scored is how many it scored, including those of chunks that another worker
	// committed first; 0 in records of jobs that are Older.
	Share    int            `json:"share"`
	Scored   int            `json:"scored,omitempty"`
	Images   int            `json:"images"`
	Statuses map[string]int `json:"statuses"`
	// Chunks is the number of chunks that it committed, Stolen the number of those from
	// another worker's share, Lost the number that another worker committed first.
	Chunks int `json:"chunks"`
	Stolen int `json:"stolen"`
	Lost   int `json:"lost"`
	// Raced is the number of chunks that it began while another worker held them, and Stages
	// says how busy its stages were. Records of jobs that are Older have neither.
	Raced  int     `json:"raced,omitempty"`
	Stages *Stages `json:"stages,omitempty"`
	// BatchHalved is how often it halved its batch, for want of memory on its device; 0 in
	// records of jobs that are Older.
	BatchHalved int `json:"batch_halved,omitempty"`
	// Dark is the number of images that look black, as most of their samples are low for the bits that
	// they have, and no ValueRange says what is white; 0 in records of jobs that are Older.
	Dark int `json:"dark,omitempty"`
	// Price is that of its device or machine; nil if it is not known, and in records of jobs
	// that are Older.
	Price *cost.Price `json:"price,omitempty"`
	// Storage counts its calls of stores on a network, by "images" and "out".
	Storage map[string]Storage `json:"storage,omitempty"`
	// End is why it ended: "done", "stopped", "failed", or EndFailing.
	End      string            `json:"end"`
	Versions map[string]string `json:"versions"`
	Checksum string            `json:"checksum"`
}

// Stages says how busy the stages of a worker were while it scored images.
type Stages struct {
	// Seconds is how long it scored images.
	Seconds float64 `json:"seconds"`
	// BusySeconds by telemetry.Stage, summed over the goroutines of a stage: it has that many
	// Decoders, and Lanes that call the device. There is one committer.
	BusySeconds map[string]float64 `json:"busy_seconds"`
	Decoders    int                `json:"decoders"`
	Lanes       int                `json:"lanes"`
}

// EndFailing is the End of a worker that stopped because too many images of the job fail.
const EndFailing = "too many failures"

func (s *WorkerSummary) seal() (*int, *string) { return &s.Version, &s.Checksum }

// WriteSummary stores the summary of a worker of a job, once.
func WriteSummary(ctx context.Context, st store.Store, job *Job, s WorkerSummary) error {
	if job.Older() {
		s.forOlder()
	}
	body, err := encodeRecord(&s)
	if err == nil {
		var how outcome
		_, _, how, err = createOrRead(ctx, st, workerFolder+s.Worker.ID+".json", body)
		if err == nil && how != created {
			err = store.ErrExist
		}
	}
	if err != nil {
		return fmt.Errorf("store the summary of worker %s: %w", s.Worker.ID, err)
	}
	return nil
}

// readSummary returns the summary of that name. A damaged one is ErrMismatch.
func readSummary(ctx context.Context, st store.Store, name string) (s WorkerSummary, err error) {
	body, _, err := readWhole(ctx, st, name, recordMost)
	if err == nil {
		err = decodeRecord(body, &s)
	}
	return s, err
}

// mostSummaries is more than the processes of any job.
const mostSummaries = 2 * claim.MostRanks

// ReadSummaries returns the summaries of all workers that stored one, by rank and
// name. A damaged one is ErrMismatch.
func ReadSummaries(ctx context.Context, st store.Store) ([]WorkerSummary, error) {
	var names []string
	err := st.List(ctx, workerFolder, func(o store.Object) error {
		if len(names) == mostSummaries {
			return fmt.Errorf("%s of %s: %w: it has more than %d summaries; %s", workerFolder, st, ErrMismatch, mostSummaries, "remove those that no worker wrote")
		}
		names = append(names, o.Name)
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("list the worker summaries: %w", err)
	}
	var all []WorkerSummary
	if err := inOrder(ctx, len(names), func(ctx context.Context, i int) (*WorkerSummary, error) {
		s, err := readSummary(ctx, st, names[i])
		if errors.Is(err, store.ErrNotExist) { // a link that leads nowhere
			return nil, nil
		}
		if errors.Is(err, ErrMismatch) {
			err = recordError(names[i], st.String(), err, repairAdvice(st))
		}
		return &s, err
	}, func(_ int, s *WorkerSummary) error {
		if s != nil {
			all = append(all, *s)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b WorkerSummary) int {
		if a.Worker.Rank != b.Worker.Rank {
			return a.Worker.Rank - b.Worker.Rank
		}
		return strings.Compare(a.Worker.ID, b.Worker.ID)
	})
	return all, nil
}

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
