package export

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/thumbnail"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// ErrNone means that no image is chosen.
var ErrNone = errors.New("no image is chosen")

// Request says what to export.
type Request struct {
	Job    *output.Job
	Format Format
	// Boxes says that the answers are a detector's. Then Format.Boxes is not nil.
	Boxes  bool
	Select Selection
	// Rows calls fn for each row of the output in manifest order, with its truth. It is
	// called twice.
	Rows     func(ctx context.Context, fn func(*Item) error) error
	HasTruth bool
	Options  Options
	// Images is the place of the images; only formats that need Sizes or more read it. With
	// AnyVersion they are read whatever version they are.
	Images     store.Store
	AnyVersion bool
	Decode     preprocess.Options
	// Progress, unless nil, is told how many images there are, and then of each.
	Progress Progress
	// LeftOut, unless nil, is told of each image that is left out because it cannot be read.
	LeftOut func(e shard.Entry, err error)
}

// Progress shows how far an export is.
type Progress interface {
	Start(images int)
	Add(images, leftOut int)
}

// Report is what came of an export.
type Report struct {
	Rows    int // of the output
	Fitting int // for which the conditions hold
	Failed  int // images that failed and that fulfil them: the format takes none
	Taken   int // that were to be exported
	Written int
	// Changed, Gone, Outside and Unread are images that were left out: not the version that
	// was scored, not there, links that lead out of the place, or not readable.
	Changed, Gone, Outside, Unread int
	Bytes                          int64 // of copies
}

// Run exports images. An image that cannot be read is left out, told and counted; every
// other error ends the export.
func Run(ctx context.Context, r *Request, to Folder) (Report, error) {
	p, err := makePlan(ctx, r)
	if err != nil {
		return Report{}, err
	}
	report := Report{Rows: p.rows, Fitting: p.fitting, Failed: p.failed, Taken: p.taken}
	if p.taken == 0 {
		return report, ErrNone
	}
	if r.Progress != nil {
		r.Progress.Start(p.taken)
	}
	newWriter := r.Format.New
	if r.Boxes {
		newWriter = r.Format.Boxes
	}
	w := newWriter()
	b, err := newBatch(r, to, w, &report)
	if err != nil {
		return report, err
	}
	defer b.close()
	c := p.collection(r)
	if r.Format.Splits && r.Options.Validation > 0 {
		if c, err = p.settled(ctx, r, b, c); err != nil {
			return report, err
		}
	}
	if err := w.Begin(c, to); err != nil {
		return report, err
	}
	rows := 0
	if err := r.Rows(ctx, func(it *Item) error {
		if rows++; rows > p.rows || !p.takes(r, it) {
			return nil
		}
		return b.add(ctx, it)
	}); err != nil {
		return report, err
	}
	if rows != p.rows {
		return report, fmt.Errorf("%w: it has %d rows now, and had %d when the export began: export again", output.ErrIncomplete, rows, p.rows)
	}
	if err := b.flush(ctx); err != nil {
		return report, err
	}
	return report, w.End()
}

// leave counts an image that is left out.
func (r *Report) leave(err error) {
	switch {
	case errors.Is(err, thumbnail.ErrChanged), errors.Is(err, store.ErrChanged):
		r.Changed++
	case errors.Is(err, thumbnail.ErrGone), errors.Is(err, store.ErrNotExist):
		r.Gone++
	case errors.Is(err, store.ErrOutside):
		r.Outside++
	default:
		r.Unread++
	}
}
