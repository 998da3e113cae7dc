package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/tune"
)

// ours is batchscore's worker with its engine open, in this process.
type ours struct {
	model  *models.Model
	engine *ort.Engine
	images *dir.Store
	photos string
	batch  int
}

func openOurs(m *models.Model, photos string) (*ours, error) {
	images, err := dir.New(photos, dir.Options{})
	if err != nil {
		return nil, err
	}
	e, err := ort.Open(m, ort.Options{Provider: ort.CPU, Logger: zerolog.Nop()})
	if err != nil {
		return nil, err
	}
	return &ours{m, e, images, photos, e.DefaultBatch()}, nil
}

// sweep finds the best batch, as batchscore run --batch auto does.
func (u *ours) sweep(ctx context.Context) error {
	c, err := tune.Sweep(ctx, u.engine, u.model.Contract,
		tune.Candidates{Batches: []int{1, 2, 4, 8}, Sessions: []int{u.engine.Lanes()}}, scorer.DefaultTuning)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "batchscore: %s\n", c.Why)
	u.batch = c.Batch
	return nil
}

func (u *ours) close() error    { return u.engine.Close() }
func (u *ours) version() string { return u.engine.Version() }

func (u *ours) run(ctx context.Context) (result.Sample, error) {
	return measure.Score(ctx, measure.RunOptions{
		Images: u.images, Model: u.model, Engine: u.engine, Shared: true, Batch: u.batch,
		Decoders: device.CPUs(1).Usable, Log: zerolog.Nop(),
	}, new(telemetry.Counters))
}

// labels returns our classes of all images, by file name.
func (u *ours) labels(ctx context.Context) (map[string]int, error) {
	c := u.model.Contract
	d, err := preprocess.NewDecoder(c.Preprocess, preprocess.Options{})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	b, err := u.engine.NewBatch(1)
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(u.photos)
	if err != nil {
		return nil, err
	}
	labels := map[string]int{}
	for _, f := range files {
		body, err := os.ReadFile(filepath.Join(u.photos, f.Name()))
		if err != nil {
			return nil, err
		}
		if err := errors.Join(d.Decode(b.Pixels, body), u.engine.Score(ctx, b, 0, 1)); err != nil {
			return nil, err
		}
		best := 0
		for i, s := range b.Scores {
			if s > b.Scores[best] {
				best = i
			}
		}
		labels[f.Name()] = best
	}
	return labels, nil
}

// agreement is the share of the images for which a peer must give our label. Peers
// resize with another filter, so not all labels can agree.
const agreement = 0.9

// agree compares a peer's rows with our labels. The rows may be those of some images
// only.
func agree(file string, labels map[string]int) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	same, n := 0, 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) != 3 {
			return fmt.Errorf("its rows have a line %q", line)
		}
		class, err := strconv.Atoi(fields[1])
		if err != nil {
			return err
		}
		label, ok := labels[fields[0]]
		if !ok {
			return fmt.Errorf("it scored %q, which is not one of the images", fields[0])
		}
		if n++; class == label {
			same++
		}
	}
	if n == 0 || float64(same) < agreement*float64(n) {
		return fmt.Errorf("it gives our label to %d of %d images: it does not do the same job", same, n)
	}
	return nil
}
