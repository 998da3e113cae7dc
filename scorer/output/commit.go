package output

import (
	"context"
	"fmt"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Outcome is the result of a Commit.
type Outcome string

// The outcomes of Commit. In each case the part exists.
const (
	Created Outcome = "created" // by this call
	Same    Outcome = "same"    // it existed already, with the same bytes
	Lost    Outcome = "lost"    // it existed already, with another worker's rows for the same images
)

// CommitResult describes the part that exists after a Commit.
type CommitResult struct {
	Outcome Outcome
	Digest  string // "sha256:" and hex
	Bytes   int
}

// Commit creates the part of a chunk. m is the job's manifest; rows are the results
// of the chunk's entries, in order. If the part exists already, it stays as it is:
// with the same bytes the outcome is Same, with other results for the same images it
// is Lost, and anything else is ErrOtherJob. Other bytes are ErrOtherJob too if the
// store's answer to the create was lost, because then nobody can tell who wrote them.
//
// After any other error the part may or may not exist. Commit may then be called
// again with the same rows.
func Commit(ctx context.Context, st store.Store, job *Job, m *shard.Manifest, chunk int, rows []row.Row) (CommitResult, error) {
	c, schema := job.Chunks(m.Len()), job.Schema()
	name := job.PartNames(c).Name(chunk)
	first, last := c.Range(chunk)
	entries, err := m.Entries(nil, first, last)
	if err == nil {
		err = cover(entries, rows)
	}
	if err != nil {
		return CommitResult{}, fmt.Errorf("commit %s: %w", name, err)
	}
	body, err := schema.Encode(rows)
	if err != nil {
		return CommitResult{}, fmt.Errorf("commit %s: %w", name, err)
	}
	if most := job.partMost(len(rows)); int64(len(body)) > most {
		return CommitResult{}, fmt.Errorf("commit %s: its %d rows take %d bytes, and a part has %d at most; names or labels are very long, "+
			"or the job has large chunks: begin with a smaller --chunk in another folder", name, len(rows), len(body), most)
	}
	stored, _, how, err := createOrRead(ctx, st, name, body)
	if err != nil {
		return CommitResult{}, fmt.Errorf("commit %s: %w", name, err)
	}
	res := CommitResult{Outcome: Created, Digest: digest(stored), Bytes: len(stored)}
	switch {
	case how == created:
		return res, nil
	case string(stored) == string(body):
		res.Outcome = Same
		return res, nil
	case how == ambiguous:
		return CommitResult{}, fmt.Errorf("%w: %s of %s has the digest %s and not that of this worker's rows, %s; "+
			"choose another folder", ErrOtherJob, name, st, res.Digest, digest(body))
	}
	theirs, err := schema.Decode(stored, len(rows))
	if err == nil {
		err = cover(entries, theirs)
	}
	if err != nil {
		return CommitResult{}, fmt.Errorf("%w: %s of %s holds something else: %w; choose another folder",
			ErrOtherJob, name, st, err)
	}
	res.Outcome = Lost
	return res, nil
}
