package scorer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/shard"
)

// staticWait is how long a static worker that is done with its share waits for
// workers that show no activity: long enough for them to load a model.
var staticWait = 30 * time.Second

// awaitOthers returns when all chunks are committed. It waits while other workers
// commit chunks or renew their claims. When they have been silent for long enough,
// the chunks that are missing are an ErrIncomplete, since a static worker takes
// none over.
func (w *worker) awaitOthers(ctx context.Context) error {
	heard, committed := time.Now(), 0
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		set, err := output.Done(ctx, w.opt.Out, w.job, w.chunks)
		if err != nil || set.All() {
			return err
		}
		claims, err := w.claims.Scan(ctx, func(i int) bool { return i >= set.Len() || set.Has(i) })
		if err != nil {
			return err
		}
		alive := set.Count() > committed
		for _, c := range claims {
			alive = alive || c.Live
		}
		if alive {
			heard, committed = time.Now(), set.Count()
		}
		if err := w.halt.err(); err != nil {
			return fmt.Errorf("%w (%d of %d chunks committed)", err, set.Count(), w.chunks.Count())
		}
		if time.Since(heard) > min(w.opt.Lease, staticWait) {
			return fmt.Errorf("%w: the share of rank %d is done, and no other rank is working on the rest: %s; start those ranks, or run without --static",
				output.ErrIncomplete, w.opt.World.Rank, w.missing(set))
		}
		if err := w.halt.wait(ctx, pause); err != nil {
			return err
		}
	}
}

// mostRanksNamed is how many ranks an error names.
const mostRanksNamed = 4

// missing describes how many chunks of which ranks are not committed.
func (w *worker) missing(set *shard.Set) string {
	var ranks []string
	images, unnamed := 0, 0
	for r := range w.opt.World.Size {
		lo, hi := w.chunks.Share(r, w.opt.World.Size)
		n := 0
		for i := lo; i < hi; i++ {
			if !set.Has(i) {
				first, last := w.chunks.Range(i)
				images += last - first
				n++
			}
		}
		switch {
		case n == 0:
		case len(ranks) == mostRanksNamed:
			unnamed++
		default:
			ranks = append(ranks, fmt.Sprintf("%d chunks of rank %d", n, r))
		}
	}
	if unnamed > 0 {
		ranks = append(ranks, fmt.Sprintf("chunks of %d more ranks", unnamed))
	}
	return fmt.Sprintf("%d of %d images have no row: %s", images, w.manifest.Len(), strings.Join(ranks, ", "))
}
