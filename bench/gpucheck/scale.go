package gpucheck

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/device"
)

// The limits of scaling and of whole runs.
const (
	// leastPerGPU is the share of a GPU's speed that each of several must add at least.
	// They share the cores, which may limit all of them.
	leastPerGPU = 0.5
	// leastOfLimit is the share that a whole run must reach of what its stages allow.
	leastOfLimit = 0.8
)

// scaleClaims are about whole runs, on one GPU and on several.
func scaleClaims() []Claim {
	return []Claim{{
		Subject: Scale, Name: "ranks", Says: "Ranks on GPUs of their own score faster together (bench scale).",
		Limit: fmt.Sprintf("speed-up of %g per GPU", leastPerGPU), Cost: 60 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			gpus := device.GPUs().Visible()
			if gpus < 2 {
				return Outcome{}, skipf("not applicable: there is one GPU")
			}
			if _, err := exec.LookPath("mpirun"); err != nil {
				return Outcome{}, skipf("mpirun is missing (Debian, Ubuntu: apt-get install openmpi-bin)")
			}
			return s.scaled(ctx, gpus)
		},
	}, {
		Subject: Scale, Name: "run", Says: "A whole run of photographs reaches what its stages allow (bench run).",
		Limit: fmt.Sprintf("%g of the limit", leastOfLimit), Cost: 40 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			return s.wholeRun(ctx)
		},
	}}
}

// wholeRun measures runs of enough images that their beginning and end hardly count.
func (s *Session) wholeRun(ctx context.Context) (Outcome, error) {
	const most = 20 * repeats
	images, err := s.copies(ctx, most)
	if err != nil {
		return Outcome{}, err
	}
	run := func(n, rounds int) (*result.Row, error) {
		rows, err := s.bench(ctx, append([]string{"run", "--images", images, "--model", s.Model, "--max", strconv.Itoa(n),
			"--rounds", strconv.Itoa(rounds), "--least", "1s"}, cuda...)...)
		if err != nil {
			return nil, err
		}
		return rows[len(rows)-1], nil
	}
	const few = repeats * batch
	row, err := run(few, 1)
	if err != nil {
		return Outcome{}, err
	}
	if n := int(row.Summary[compare.Rate].Center * compare.EnoughSeconds); n > few {
		if row, err = run(min(n, most*batch), 2); err != nil {
			return Outcome{}, err
		}
	}
	share := row.Summary["of-limit"].Center
	return measured(share >= leastOfLimit, "%.0f images/s, %.2f of the limit; what limits: %s", row.Summary[compare.Rate].Center, share, compare.Limits(row))
}

// scaled measures how the rate grows with the number of GPUs.
func (s *Session) scaled(ctx context.Context, gpus int) (Outcome, error) {
	images, err := s.collection(ctx)
	if err != nil {
		return Outcome{}, err
	}
	var ranks []string
	for n := 1; n < gpus; n *= 2 {
		ranks = append(ranks, strconv.Itoa(n))
	}
	ranks = append(ranks, strconv.Itoa(gpus))
	rows, err := s.bench(ctx, append([]string{"scale", "--ranks", strings.Join(ranks, ","), "--rounds", "2", "--", "--images", images, "--model", s.Model,
		"--max-errors", "100%"}, cuda...)...)
	if err != nil {
		return Outcome{}, err
	}
	var said []string
	last := 0.0
	for _, row := range rows {
		last = row.Summary["speed-up"].Center
		said = append(said, fmt.Sprintf("%s ranks: %.0f images/s, speed-up %.2f", row.Key("ranks"), row.Summary[compare.Rate].Center, last))
	}
	return measured(last >= leastPerGPU*float64(gpus), "%s", strings.Join(said, "; "))
}

// bench runs a bench command, keeps its samples for the report, and returns them by
// configuration.
func (s *Session) bench(ctx context.Context, args ...string) ([]*result.Row, error) {
	args = append([]string{"bench", args[0], "--format", "json"}, args[1:]...)
	e, err := s.must(ctx, 0, nil, args...)
	if err != nil {
		return nil, err
	}
	var run result.Run
	if err := json.Unmarshal([]byte(e.stdout), &run); err != nil {
		return nil, fmt.Errorf("%s: %w", e.command.Log, err)
	}
	if len(run.Samples) == 0 {
		return nil, fmt.Errorf("%s: it has no samples", e.command.Log)
	}
	s.figures.samples = append(s.figures.samples, run.Samples...)
	return result.Rows(run.Samples), nil
}
