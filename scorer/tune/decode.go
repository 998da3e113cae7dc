package tune

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Decode decodes images in memory over and over, on a number of goroutines, for at
// least the given time. It returns images per second and the number of images. An
// image that cannot be decoded counts: it takes its time in a run, too.
func Decode(ctx context.Context, bodies [][]byte, spec preprocess.Spec, opt preprocess.Options, decoders int, least time.Duration) (float64, int, error) {
	var next atomic.Int64
	rates, counts := make([]float64, decoders), make([]int, decoders)
	g, ctx := errgroup.WithContext(ctx)
	for k := range decoders {
		g.Go(func() error {
			d, err := preprocess.NewDecoder(spec, opt)
			if err != nil {
				return err
			}
			defer d.Close()
			row := make([]byte, spec.RowBytes())
			start := time.Now()
			for counts[k] == 0 || time.Since(start) < least {
				body := bodies[int(next.Add(1)-1)%len(bodies)]
				var bad *codec.Failure
				if err := d.Decode(row, body); err != nil && !errors.As(err, &bad) {
					return err
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
				counts[k]++
			}
			rates[k] = float64(counts[k]) / time.Since(start).Seconds()
			return nil
		})
	}
	err := g.Wait()
	rate, n := 0.0, 0
	for k := range decoders {
		rate, n = rate+rates[k], n+counts[k]
	}
	return rate, n, err
}
