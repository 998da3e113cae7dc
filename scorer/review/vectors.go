package review

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/embedding"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// VectorsOf returns the vectors of an output's rows, in the order of the manifest, in a
// temporary file. Images that failed have vectors of zeros. head is the answer that is a vector
// where rows have several; empty is the only one. The numbers of the rows of wanted paths are
// set in paths.
func VectorsOf(ctx context.Context, st store.Store, head string, paths map[string]int, progress func(rows int)) (*embedding.Vectors, error) {
	job, err := output.ExistingJob(ctx, st)
	if err != nil {
		return nil, err
	}
	vectorOf, err := row.VectorOf(job.Schema().Task, head)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st, err)
	}
	spool, err := embedding.NewSpool()
	if err != nil {
		return nil, err
	}
	rows := 0
	err = output.Results(ctx, st, func(e shard.Entry, r row.Row) error {
		if _, wanted := paths[e.Path]; wanted {
			paths[e.Path] = rows
		}
		if rows++; progress != nil && rows%everyRows == 0 {
			progress(rows)
		}
		return spool.Add(vectorOf(&r))
	})
	if err != nil {
		return nil, errors.Join(err, spool.Close())
	}
	return spool.Vectors()
}

// PathsOf returns the paths of rows, by their numbers.
func PathsOf(ctx context.Context, st store.Store, rows map[int]string) error {
	n, left := 0, len(rows)
	return stopped(output.Results(ctx, st, func(e shard.Entry, _ row.Row) error {
		if _, wanted := rows[n]; wanted {
			rows[n] = strings.Clone(e.Path)
			left--
		}
		n++
		if left == 0 {
			return errStop
		}
		return nil
	}))
}

var errStop = errors.New("nothing more is wanted")

func stopped(err error) error {
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}
