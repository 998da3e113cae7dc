package output

import (
	"context"
	"fmt"
	"time"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// part is one part, read.
type part struct {
	chunk    int
	name     string
	rows     []Row
	digest   string // hex
	etag     string
	modified time.Time
}

// readPart reads the part of a chunk and checks that its rows are the results
// of the chunk's entries, simulated or not as the job is. If not, it is
// ErrMismatch.
func readPart(ctx context.Context, st store.Store, job *Job, m *shard.Manifest, chunk int) (part, error) {
	p, err := decodePart(ctx, st, job, chunk)
	if err != nil {
		return p, err
	}
	first, last := job.Chunks(m.Len()).Range(chunk)
	entries, err := m.Entries(nil, first, last)
	if err != nil {
		return p, err
	}
	if err = cover(entries, p.rows); err != nil {
		err = fmt.Errorf("%w: %w", ErrMismatch, err)
	} else {
		err = job.mixed(p.rows)
	}
	if err != nil {
		return p, damagedPart(p.name, st, err)
	}
	return p, nil
}

// decodePart reads the part of a chunk, whosever results its rows are.
func decodePart(ctx context.Context, st store.Store, job *Job, chunk int) (part, error) {
	p := part{chunk: chunk, name: PartName(chunk, job.Format)}
	body, o, err := store.ReadAll(ctx, st, p.name)
	if err != nil {
		return p, err
	}
	p.digest, p.etag, p.modified = hexDigest(body), o.ETag, o.Modified
	if p.rows, err = Decode(body, job.form()); err != nil {
		return p, damagedPart(p.name, st, err)
	}
	return p, nil
}

// damagedPart says of which part err is, and how it is made again.
func damagedPart(name string, st store.Store, err error) error {
	return fmt.Errorf("%s of %s: %w; %s", name, st, err, repairAdvice(st))
}

// repairAdvice is what to do about an output that is damaged.
func repairAdvice(st store.Store) string {
	return "to mend it: batchscore repair " + shellquote.Quote(st.String())
}

// appendDigest appends a part's line to the file of digests, which sha256sum
// -c reads.
func appendDigest(buf []byte, hex, name string) []byte {
	return fmt.Appendf(buf, "%s  %s\n", hex, name)
}
