package output

import (
	"context"
	"fmt"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Outcome says what became of a part.
type Outcome string

// The outcomes of Commit. In each the part stands.
const (
	Created Outcome = "created" // by this call
	Same    Outcome = "same"    // it stood already, byte for byte
	Lost    Outcome = "lost"    // another worker's rows for the same images stood already
)

// CommitResult is what Commit did.
type CommitResult struct {
	Outcome Outcome
	Digest  string // "sha256:" and hex, of the part that stands
	Bytes   int    // of the part that stands
}

// Commit creates the part of a chunk of a job, whose manifest is m, from its rows, which are those of
// the chunk's entries, in order. If the part stands already, the first one
// holds: the same bytes are as good as created, other results for the same
// images mean that another worker was faster, and anything else is
// ErrOtherJob. So is a part with other bytes found after a create whose
// outcome was left open, since then nobody can say whose it is.
//
// After any other error the part may or may not stand, and Commit may be
// called again with the same rows.
func Commit(ctx context.Context, st store.Store, job *Job, m *shard.Manifest, chunk int, rows []row.Row) (CommitResult, error) {
	name, schema := PartName(chunk, job.Format), job.Schema()
	first, last := job.Chunks(m.Len()).Range(chunk)
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
	theirs, err := schema.Decode(stored)
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
