package output

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// part is one part that was read.
type part struct {
	chunk    int
	name     string
	rows     []row.Row
	entries  []shard.Entry // of the rows; from readPart only
	digest   string        // hex
	etag     string
	modified time.Time
}

// readPart reads the part of a chunk and checks that its rows are the results of
// the chunk's entries. If they are not, it is ErrMismatch.
func readPart(ctx context.Context, st store.Store, job *Job, m *shard.Manifest, chunk int) (part, error) {
	c := job.Chunks(m.Len())
	p, err := decodePart(ctx, st, job, c, chunk)
	if err != nil {
		return p, err
	}
	first, last := c.Range(chunk)
	if p.entries, err = m.Entries(nil, first, last); err != nil {
		return p, err
	}
	if err := job.checkRows(p.entries, p.rows); err != nil {
		return p, damagedPart(p.name, st, err)
	}
	return p, nil
}

// checkRows returns ErrMismatch if rows are not the results of those entries, in
// order, or if their labels are marked as simulated and the job is not, or the other
// way round.
func (j *Job) checkRows(entries []shard.Entry, rows []row.Row) error {
	err := cover(entries, rows)
	if err == nil {
		err = j.Schema().CheckMark(rows)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	return nil
}

// decodePart reads the part of a chunk without comparing its rows with the manifest.
func decodePart(ctx context.Context, st store.Store, job *Job, c shard.Chunks, chunk int) (part, error) {
	p := part{chunk: chunk, name: job.PartNames(c).Name(chunk)}
	first, last := c.Range(chunk)
	body, o, err := readWhole(ctx, st, p.name, job.partMost(last-first))
	if errors.Is(err, ErrMismatch) {
		return p, fmt.Errorf("%w; %s", err, repairAdvice(st))
	}
	if err != nil {
		return p, err
	}
	p.digest, p.etag, p.modified = hexDigest(body), o.ETag, o.Modified
	if p.rows, err = job.decode(body, last-first); err != nil {
		return p, damagedPart(p.name, st, err)
	}
	return p, nil
}

// damagedPart adds to err which part it is about, and how to repair the output.
func damagedPart(name string, st store.Store, err error) error {
	return fmt.Errorf("%s of %s: %w; %s", name, st, err, repairAdvice(st))
}

// decode returns the rows of a part that should have that many. If body does not hold rows
// of the job, the error is ErrMismatch. There may be more rows, for people to be told
// which, but not so many that they take much more memory than those of the job.
func (j *Job) decode(body []byte, rows int) ([]row.Row, error) {
	all, err := j.Schema().Decode(body, 2*rows+64)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	return all, nil
}

// fits reports whether a row is the result of that entry.
func fits(r *row.Row, e shard.Entry) bool {
	name, err := r.Name()
	return err == nil && name == e.Path && r.Size == e.Size
}

// cover returns nil if rows are the results of those entries, in order, or else an
// error that names the first difference.
func cover(entries []shard.Entry, rows []row.Row) error {
	if len(rows) != len(entries) {
		return fmt.Errorf("%d rows for %d images", len(rows), len(entries))
	}
	for i, e := range entries {
		if !fits(&rows[i], e) {
			return fmt.Errorf("row %d is %q of %d bytes, the manifest has %q of %d bytes",
				i, rows[i].Path, rows[i].Size, e.Path, e.Size)
		}
	}
	return nil
}

// appendDigest appends a part's line to the file of digests, which sha256sum
// -c reads.
func appendDigest(buf []byte, hex, name string) []byte {
	return fmt.Appendf(buf, "%s  %s\n", hex, name)
}

// Done lists the output and returns which chunks of a job have their part.
func Done(ctx context.Context, st store.Store, job *Job, c shard.Chunks) (*shard.Set, error) {
	return doneParts(ctx, st, job.PartNames(c), c)
}

func doneParts(ctx context.Context, st store.Store, names PartNames, c shard.Chunks) (*shard.Set, error) {
	done := shard.NewSet(c.Count())
	err := store.Names(ctx, st, partPrefix, func(name string) error {
		if i, ok := names.chunk(name); ok && i < done.Len() {
			done.Add(i)
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("list the parts: %w", err)
	}
	return done, nil
}

// PartTimes calls fn with each chunk of a job that has a part, and when the part was created.
// A retry that was put into the parts replaced some of them later.
func PartTimes(ctx context.Context, st store.Store, job *Job, c shard.Chunks, fn func(chunk int, created time.Time)) error {
	names := job.PartNames(c)
	err := st.List(ctx, partPrefix, func(object store.Object) error {
		if chunk, ok := names.chunk(object.Name); ok && chunk < c.Count() {
			fn(chunk, object.Modified)
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("list the parts: %w", err)
	}
	return nil
}

// partsAhead is how many objects are read at once when all of many are read, so that
// each does not cost a round trip to a distant store.
const partsAhead = 16

// inOrder calls read for 0 <= i < n, several at once, and use with each result, in
// order and one at a time. It stops at the first error in that order and returns it
// when every read has returned.
func inOrder[T any](ctx context.Context, n int, read func(context.Context, int) (T, error), use func(int, T) error) error {
	type result struct {
		value T
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	var ahead []chan result
	for i, next := 0, 0; i < n; i++ {
		for ; next < min(n, i+partsAhead); next++ {
			at, c := next, make(chan result, 1)
			ahead = append(ahead, c)
			reading.Go(func() {
				v, err := read(ctx, at)
				c <- result{v, err}
			})
		}
		r := <-ahead[0]
		ahead = ahead[1:]
		if r.err != nil {
			return r.err
		}
		if err := use(i, r.value); err != nil {
			return err
		}
	}
	return nil
}
