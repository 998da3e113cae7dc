package output

import (
	"context"
	"fmt"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// part is one part, read.
type part struct {
	name     string
	rows     []Row
	digest   string // hex
	modified time.Time
}

// readPart reads the part of a chunk and checks that its rows are the results
// of the chunk's entries, simulated or not as the job is. If not, it is
// ErrMismatch.
func readPart(ctx context.Context, st store.Store, job *Job, m *shard.Manifest, chunk int) (part, error) {
	c := job.Chunks(m.Len())
	p := part{name: PartName(chunk, job.Format)}
	body, o, err := readAll(ctx, st, p.name)
	if err != nil {
		return p, err
	}
	p.digest, p.modified = hexDigest(body), o.Modified
	first, last := c.Range(chunk)
	entries, err := m.Entries(nil, first, last)
	if err != nil {
		return p, err
	}
	if p.rows, err = Decode(body, job.form()); err == nil {
		if err = cover(entries, p.rows); err != nil {
			err = fmt.Errorf("%w: %w", ErrMismatch, err)
		} else {
			err = job.mixed(p.rows)
		}
	}
	if err != nil {
		return p, damagedPart(p.name, st, err)
	}
	return p, nil
}

// damagedPart says of which part err is, and how it is made anew.
func damagedPart(name string, st store.Store, err error) error {
	return fmt.Errorf("%s of %s: %w; to have it made anew, delete it and, if there is one, %s, and run the job again",
		name, st, err, SuccessName)
}

// appendDigest appends a part's line to the file of digests, which sha256sum
// -c reads.
func appendDigest(buf []byte, hex, name string) []byte {
	return fmt.Appendf(buf, "%s  %s\n", hex, name)
}
