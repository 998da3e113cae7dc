// Package scale measures how a job scales over real processes that share an output
// folder. It creates the collection that they score, and reads from the workers'
// summaries how long they took.
package scale

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/batchscore/batchscore/bench/ranks"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// Contract returns the contract for the thumbnails of Collection. They cost next to
// nothing to decode, so that the benchmark measures how ranks divide the work.
func Contract() models.Contract {
	return models.Contract{
		Name: "simulated", Output: models.Probabilities, Classes: 10,
		Preprocess: preprocess.Spec{Width: 32, Height: 32, Layout: preprocess.HWC, DType: preprocess.Uint8,
			Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch},
	}
}

// perFile is how many hard links to one file every file system allows.
const perFile = 1000

// Collection fills a folder with n thumbnails, with up to perFile names per file.
func Collection(folder string, n int) error {
	var first string
	for i := range n {
		name := filepath.Join(folder, fmt.Sprintf("%07d.jpg", i))
		if i%perFile > 0 {
			if err := os.Link(first, name); err != nil {
				return err
			}
			continue
		}
		body, err := thumbnail(i / perFile)
		if err != nil {
			return err
		}
		if err := os.WriteFile(name, body, 0o666); err != nil {
			return err
		}
		first = name
	}
	return nil
}

func thumbnail(i int) ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, 48, 48))
	for p := range 48 * 48 {
		img.Set(p%48, p/48, color.RGBA{uint8(p + i), uint8(i * 7), uint8(p * i), 255})
	}
	var body bytes.Buffer
	err := jpeg.Encode(&body, img, nil)
	return body.Bytes(), err
}

// Outcome is the result of one job.
type Outcome struct {
	Images, Scored int // failed images are not scored
	Model          string
	Devices        []string
	Simulated      bool
	// GPUs are the models of the ranks' GPUs, each once, and GPU is what they reported;
	// none if they compute on none. Versions are those of the job.
	GPUs     []string
	GPU      *output.GPUTotal
	Versions map[string]string
	// Makespan is the time from the first worker's start to the last worker's end,
	// in seconds by the store's clock.
	Makespan float64
	// Starts are the times from the first worker's start to each start, by rank.
	Starts []time.Duration
	Ranks  []ranks.Rank
	// Chunks is how many chunks the images were divided into.
	Chunks int
	// Cores is the share of the time in which the machine's cores worked, for any
	// process; 0 if it is not known. The caller measures it.
	Cores float64
}

// Read returns the outcome of a job of world ranks. It returns an error for a job that
// is not complete.
func Read(ctx context.Context, out store.Store, world int) (Outcome, error) {
	done, err := output.ReadSuccess(ctx, out)
	if err != nil {
		return Outcome{}, fmt.Errorf("the job is not complete: %w", err)
	}
	o := Outcome{Images: done.Images, Scored: done.Statuses[row.StatusOK], Devices: done.Devices, Simulated: done.Simulated,
		GPU: done.GPU, Versions: done.Versions}
	job, err := output.ReadJob(ctx, out)
	if err != nil {
		return o, err
	}
	o.Model, o.Chunks = job.Model, job.Chunks(done.Images).Count()
	workers, err := output.ReadSummaries(ctx, out)
	if err != nil {
		return o, err
	}
	if len(workers) != world {
		return o, fmt.Errorf("%d of %d ranks have written their summary", len(workers), world)
	}
	first, last := workers[0].Started, time.Time{}
	for _, w := range workers {
		if w.Started.Before(first) {
			first = w.Started
		}
		if end := w.Started.Add(time.Duration(w.Seconds * float64(time.Second))); end.After(last) {
			last = end
		}
	}
	for rank, w := range workers {
		if w.Worker.Rank != rank {
			return o, fmt.Errorf("the summary of rank %d is that of rank %d", rank, w.Worker.Rank)
		}
		if w.GPU != nil && w.GPU.Name != "" && !slices.Contains(o.GPUs, w.GPU.Name) {
			o.GPUs = append(o.GPUs, w.GPU.Name)
		}
		o.Starts = append(o.Starts, w.Started.Sub(first))
		o.Ranks = append(o.Ranks, ranks.Rank{Rank: rank, Share: w.Share, Images: w.Images, Seconds: w.Seconds, Ended: true, Starts: 1})
	}
	o.Makespan = last.Sub(first).Seconds()
	if !(o.Makespan > 0) || math.IsInf(o.Makespan, 0) {
		return o, fmt.Errorf("a makespan of %v s", o.Makespan)
	}
	return o, nil
}
