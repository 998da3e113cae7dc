package timeline

import (
	"context"
	"errors"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Options are how much is read.
type Options struct {
	// Sample is how many chunks' claims are read at most; 0 means 20,000. Beyond that, claims that
	// were renewed, taken over or raced for come first, and then evenly spread ones; Notes says so.
	Sample int
}

const defaultSample = 20_000

// Read reads the timeline of an output, which may be that of a job that still runs.
func Read(ctx context.Context, st store.Store, opt Options) (*Timeline, error) {
	r := NewReader(st, opt)
	defer r.Close()
	return r.Read(ctx)
}

// A Reader reads the timeline of one output again and again. Claims on chunks that have a
// part do not change, so it reads each of them once. It is for one goroutine.
type Reader struct {
	st  store.Store
	opt Options

	job       *output.Job
	begun     time.Time
	manifest  *shard.Manifest
	histories map[int]claim.History // of chunks that had a part when they were read
}

// NewReader returns a Reader, which the caller closes.
func NewReader(st store.Store, opt Options) *Reader {
	if opt.Sample <= 0 {
		opt.Sample = defaultSample
	}
	return &Reader{st: st, opt: opt, histories: map[int]claim.History{}}
}

// Close frees what the Reader holds.
func (r *Reader) Close() {
	if r.manifest != nil {
		r.manifest.Close()
		r.manifest = nil
	}
}

// Read reads the timeline as it is now. The error is store.ErrNotExist if the place has no
// job record. A job whose images are still being listed has a timeline without chunks.
func (r *Reader) Read(ctx context.Context) (*Timeline, error) {
	f, err := r.facts(ctx)
	if err != nil {
		return nil, err
	}
	return f.timeline()
}

// facts are what the output says.
type facts struct {
	job       *output.Job
	begun     time.Time       // when the record of the job was created
	success   *output.Success // nil while there is none
	manifest  *shard.Manifest // nil while there is none
	chunks    shard.Chunks
	parts     map[int]time.Time
	workers   []output.WorkerSummary
	histories []claim.History
	known     int // chunks that were claimed
	end       *claim.Link
	delivery  *claim.Link
	retries   []Retry
}

func (r *Reader) facts(ctx context.Context) (*facts, error) {
	if r.job == nil {
		job, err := output.ReadJob(ctx, r.st)
		if err != nil {
			return nil, err
		}
		begun, err := output.Started(ctx, r.st)
		if err != nil {
			return nil, err
		}
		r.job, r.begun = &job, begun
	}
	f := &facts{job: r.job, begun: r.begun, parts: map[int]time.Time{}}
	// What is read first was written last: a part that is found has its claim.
	switch s, err := output.ReadSuccess(ctx, r.st); {
	case err == nil:
		f.success = &s
	case !errors.Is(err, store.ErrNotExist):
		return nil, err
	}
	if r.manifest == nil {
		m, err := output.ReadManifest(ctx, r.st)
		if errors.Is(err, store.ErrNotExist) {
			return f, nil
		}
		if err != nil {
			return nil, err
		}
		r.manifest = m
	}
	f.manifest, f.chunks = r.manifest, r.job.Chunks(r.manifest.Len())
	if err := output.PartTimes(ctx, r.st, r.job, f.chunks, func(chunk int, at time.Time) { f.parts[chunk] = at }); err != nil {
		return nil, err
	}
	var err error
	if f.workers, err = output.ReadSummaries(ctx, r.st); err != nil {
		return nil, err
	}
	if err := r.claims(ctx, f); err != nil {
		return nil, err
	}
	f.retries, err = readRetries(ctx, r.st)
	return f, err
}

// claims reads the claims.
func (r *Reader) claims(ctx context.Context, f *facts) error {
	ledger, err := claim.ReadLedger(ctx, r.st, r.job.ClaimNames(f.chunks.Count()))
	if err != nil {
		return err
	}
	chunks := ledger.Chunks()
	f.known = len(chunks)
	var unread []int
	for _, chunk := range sample(chunks, r.opt.Sample, ledger.Plain) {
		if h, ok := r.histories[chunk]; ok {
			f.histories = append(f.histories, h)
		} else if chunk < f.chunks.Count() {
			unread = append(unread, chunk)
		}
	}
	if err := ledger.Histories(ctx, unread, func(h claim.History) {
		f.histories = append(f.histories, h)
		if _, committed := f.parts[h.Chunk]; committed {
			r.histories[h.Chunk] = h
		}
	}); err != nil {
		return err
	}
	if f.end, err = ledger.Last(ctx, claim.OnEnd); err != nil {
		return err
	}
	f.delivery, err = ledger.Last(ctx, claim.OnDelivery)
	return err
}

// sample returns at most n of the chunks: first those that are not plain, and then plain ones
// that are evenly spread.
func sample(chunks []int, n int, plain func(int) bool) []int {
	if len(chunks) <= n {
		return chunks
	}
	var first, rest []int
	for _, chunk := range chunks {
		if plain(chunk) {
			rest = append(rest, chunk)
		} else {
			first = append(first, chunk)
		}
	}
	return append(spread(first, n), spread(rest, n-min(n, len(first)))...)
}

// spread returns at most n evenly spread elements.
func spread[T any](all []T, n int) []T {
	if len(all) <= n {
		return all
	}
	some := make([]T, n)
	for i := range some {
		some[i] = all[i*len(all)/n]
	}
	return some
}

// readRetries returns the retries of an output.
func readRetries(ctx context.Context, st store.Store) ([]Retry, error) {
	all, err := output.ReadRetries(ctx, st)
	if err != nil {
		return nil, err
	}
	var retries []Retry
	for n := 1; n <= all.Complete || n == all.Complete+1 && all.Begun != nil; n++ {
		place := output.Generation(st, n)
		r := Retry{Generation: n, Complete: n <= all.Complete}
		job, err := output.ReadJob(ctx, place)
		if err != nil {
			return nil, err
		}
		r.Statuses = job.Retry.Statuses
		if r.Started, err = output.Started(ctx, place); err != nil {
			return nil, err
		}
		workers, err := output.ReadSummaries(ctx, place)
		if err != nil {
			return nil, err
		}
		r.Workers = len(workers)
		if r.Complete {
			s, err := output.ReadSuccess(ctx, place)
			if err != nil {
				return nil, err
			}
			r.Images, r.Started, r.Ended = s.Images, s.Started, s.Ended
		}
		retries = append(retries, r)
	}
	return retries, nil
}
