package gpucheck

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/batchscore/batchscore/models/device"
)

// bitsClaims are about equal bytes. All of them score the same collection, in which each
// batch has the same images.
func bitsClaims() []Claim {
	const limit = "equal bytes"
	// equal compares the rows of two runs.
	equal := func(name, says string, cost time.Duration, other func(ctx context.Context, s *Session) (string, error)) Claim {
		return Claim{
			Subject: Bits, Name: name, Says: says, Limit: limit, Cost: cost,
			Check: func(ctx context.Context, s *Session) (Outcome, error) {
				first, err := s.whole(ctx, batch, "")
				if err != nil {
					return Outcome{}, err
				}
				second, err := other(ctx, s)
				if err != nil {
					return Outcome{}, err
				}
				differ, err := sameBytes(first, second)
				if err != nil {
					return Outcome{}, err
				}
				if differ != "" {
					return measured(false, "%s", differ)
				}
				return measured(true, "%d rows are equal", repeats*batch)
			},
		}
	}
	return []Claim{
		{
			Subject: Bits, Name: "batch", Says: fmt.Sprintf("One batch of %d images gets the same scores %d times.", batch, repeats),
			Limit: "equal scores", Cost: 20 * time.Second,
			Check: func(ctx context.Context, s *Session) (Outcome, error) {
				file, err := s.whole(ctx, batch, "")
				if err != nil {
					return Outcome{}, err
				}
				return repeated(file)
			},
		},
		equal("twice", "Two runs write the same bytes.", 15*time.Second, func(ctx context.Context, s *Session) (string, error) {
			return s.whole(ctx, batch, "-again")
		}),
		equal("chunk-64", "Chunks of 64 images write the same bytes as chunks of 32.", 15*time.Second, func(ctx context.Context, s *Session) (string, error) {
			return s.whole(ctx, 64, "")
		}),
		equal("chunk-50", "Chunks of 50 images, whose last batch is not full, write the same bytes.", 15*time.Second,
			func(ctx context.Context, s *Session) (string, error) { return s.whole(ctx, 50, "") }),
		equal("ranks", "Several ranks write the same bytes as one. Each has a GPU of its own, if there are several.", 20*time.Second,
			func(ctx context.Context, s *Session) (string, error) {
				return s.ranks(ctx, max(2, min(device.GPUs().Visible(), 8)))
			}),
	}
}

// whole returns the rows of the collection, scored in chunks of that many images. The error
// is one of skipf if no image has scores: such rows are equal without a GPU.
func (s *Session) whole(ctx context.Context, chunk int, again string) (string, error) {
	images, err := s.collection(ctx)
	if err != nil {
		return "", err
	}
	file, err := s.score(ctx, fmt.Sprintf("chunk-%d%s", chunk, again), images, s.Model, chunked(chunk)...)
	if err != nil {
		return "", err
	}
	return file, anyScores(file)
}

// anyScores returns an error of skipf if no row of a file has scores.
func anyScores(file string) error {
	rows, err := readRows(file)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(rows, func(r scored) bool { return r.Class != nil }) {
		return skipf("no image has scores (%d rows): give other --images", len(rows))
	}
	return nil
}

// chunked are the flags of a run on a GPU in chunks of that many images.
func chunked(chunk int) []string {
	return append([]string{"--batch", strconv.Itoa(batch), "--chunk", strconv.Itoa(chunk)}, cuda...)
}

// ranks returns the rows of the collection, scored by several ranks at the same time.
func (s *Session) ranks(ctx context.Context, n int) (string, error) {
	images, err := s.collection(ctx)
	if err != nil {
		return "", err
	}
	return s.once(ctx, "ranks.jsonl", func(string) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var all []*process
		var failed error
		for rank := range n {
			p, err := s.start(ctx, nil, s.job("ranks", images, s.Model, append(chunked(batch), "--rank", fmt.Sprint(rank), "--world", fmt.Sprint(n))...)...)
			if err != nil {
				failed = err
				cancel() // the others are not needed
				break
			}
			all = append(all, p)
		}
		for rank, p := range all {
			e, err := p.wait(ctx)
			if err == nil {
				err = e.expect(0)
			}
			if err != nil && failed == nil {
				failed = fmt.Errorf("rank %d of %d: %w", rank, n, err)
			}
		}
		return failed
	})
}

// repeated compares the scores of every batch of a collection with those of the first.
func repeated(file string) (Outcome, error) {
	rows, err := readRows(file)
	if err != nil {
		return Outcome{}, err
	}
	if len(rows) != repeats*batch {
		return Outcome{}, fmt.Errorf("%d rows instead of %d", len(rows), repeats*batch)
	}
	differ, largest := 0, 0.0
	for i := batch; i < len(rows); i++ {
		a, b := rows[i%batch], rows[i]
		if a.Status != b.Status || !reflect.DeepEqual(a.TopK, b.TopK) {
			differ++
			largest = max(largest, distance(a.TopK, b.TopK))
		}
	}
	if differ > 0 {
		return measured(false, "%d of %d rows differ from those of the first batch, by %.2g at most", differ, len(rows)-batch, largest)
	}
	return measured(true, "%d batches of %d images have equal scores", repeats, batch)
}
