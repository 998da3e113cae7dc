package scorer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
)

// staticPatience is how long a static worker that is done with its share waits
// for others of which it sees nothing: long enough for them to load a model.
var staticPatience = 30 * time.Second

// awaitOthers returns when all chunks are committed. While other workers commit
// chunks or give a sign of life, it waits; when they have been silent for long
// enough, what is missing is ErrIncomplete, since a static worker takes nothing
// over.
func (w *worker) awaitOthers(ctx context.Context) error {
	heard, committed := time.Now(), 0
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		set, err := output.Done(ctx, w.Out, w.Chunks, w.Job.Format)
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
		if err := w.halt.why(); err != nil {
			return fmt.Errorf("%w (%d of %d chunks are committed)", err, set.Count(), w.Chunks.Count())
		}
		if time.Since(heard) > min(w.Lease, staticPatience) {
			return fmt.Errorf("%w: the share of rank %d is done, and no rank works on the others': %s; start those ranks, or run without --static",
				output.ErrIncomplete, w.World.Rank, w.missing(set))
		}
		if err := w.pause(ctx, pause); err != nil {
			return err
		}
	}
}

// mostRanksNamed is how many ranks an error names.
const mostRanksNamed = 4

// missing says how many chunks of which ranks are not committed.
func (w *worker) missing(set *output.Set) string {
	var ranks []string
	images, silent := 0, 0
	for r := range w.World.Size {
		lo, hi := w.Chunks.Share(r, w.World.Size)
		n := 0
		for i := lo; i < hi; i++ {
			if !set.Has(i) {
				first, last := w.Chunks.Range(i)
				images += last - first
				n++
			}
		}
		switch {
		case n == 0:
		case len(ranks) == mostRanksNamed:
			silent++
		default:
			ranks = append(ranks, fmt.Sprintf("%d chunks of rank %d", n, r))
		}
	}
	if silent > 0 {
		ranks = append(ranks, fmt.Sprintf("chunks of %d more ranks", silent))
	}
	return fmt.Sprintf("%d of %d images have no row: %s", images, w.Manifest.Len(), strings.Join(ranks, ", "))
}
