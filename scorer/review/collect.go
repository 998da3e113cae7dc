package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/review/embedding"
	"github.com/batchscore/batchscore/scorer/review/evaluate"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/row/query"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Truth is what is known to be right of images, by their names as manifests have them. Any of
// several labels is right.
type Truth interface {
	Of(path string) (labels []string, known bool)
}

// Options are what to find out besides what the output says itself.
type Options struct {
	// Truth and Against are nil where there is no truth and no other output.
	Truth   Truth
	Against store.Store
	// Vectors are near duplicates and outliers, which get galleries; nil without any.
	Vectors *embedding.Result
	// PerGallery is how many images a gallery has; 0 means 12.
	PerGallery int
	// Seed decides which images samples have.
	Seed uint64
	// Threshold is the score that one gallery is about, a finite number.
	Threshold float64
	// Sample is how many images are in Entries.Sample.
	Sample int
	// Progress, if set, is told how many rows were read.
	Progress func(rows int)
}

// LabelsOf returns the rows of an output for package embedding.
func LabelsOf(ctx context.Context, st store.Store) embedding.Rows {
	return func(fn func(path, label string) error) error {
		return output.Results(ctx, st, func(e shard.Entry, r row.Row) error {
			label := ""
			if a := classificationOf(&r); a != nil {
				label = a.Label
			}
			return fn(e.Path, label)
		})
	}
}

// defaultPerGallery is what a zero of Options means.
const defaultPerGallery = 12

// everyRows is how often Progress is told.
const everyRows = 4096

// Entries are images to read, for what rows do not say.
type Entries struct {
	// Thumbs are the images of galleries, by the number of their thumbnail.
	Thumbs []shard.Entry
	// Sample is a fair sample of all images, at most Options.Sample of them.
	Sample []shard.Entry
}

// Collect reads the rows of an output and returns what they say, and which images to read.
//
// The error is ErrTask if the answers are of a kind that there is no report on.
func Collect(ctx context.Context, st store.Store, opt Options) (*Findings, Entries, error) {
	job, err := output.ExistingJob(ctx, st)
	if err != nil {
		return nil, Entries{}, err
	}
	if task := job.Schema().Task; task.Name() != row.Classify.Name() {
		return nil, Entries{}, fmt.Errorf("%w: %s holds answers of the task %s", ErrTask, st, task.Name())
	}
	c, err := newCollecting(ctx, st, &job, opt)
	if err != nil {
		return nil, Entries{}, err
	}
	defer c.close()
	if err := output.Results(ctx, st, c.add); err != nil {
		return nil, Entries{}, err
	}
	return c.findings(ctx)
}

// ErrTask means that an output holds answers of a kind that there is no report on.
var ErrTask = errors.New("reports are about classification only")

// collecting is one pass over the rows of an output.
type collecting struct {
	st    store.Store
	job   *output.Job
	opt   Options
	tally *tally
	shown *galleries
	other *reader // nil without another output
	// otherJob is the record of the other output.
	otherJob *output.Job
	truth    evaluate.Truth
	drift    evaluate.Comparison
	ranked   []evaluate.Scored // classes of one row
}

func newCollecting(ctx context.Context, st store.Store, job *output.Job, opt Options) (*collecting, error) {
	certainty, err := query.Find(job.Schema().Columns(), row.Certainty)
	if err != nil {
		return nil, err
	}
	g := newGalleries(cmp.Or(opt.PerGallery, defaultPerGallery))
	g.sample = &choose.First[candidate]{N: max(opt.Sample, 1), Less: candidate.before}
	g.want(opt.Vectors)
	g.seed, g.threshold, g.address, g.certainty = opt.Seed, opt.Threshold, job.Address, certainty.Of
	c := &collecting{st: st, job: job, opt: opt, tally: newTally(), shown: g}
	if opt.Against != nil {
		other, err := output.ExistingJob(ctx, opt.Against)
		if err != nil {
			return nil, err
		}
		if task := other.Schema().Task; task.Name() != row.Classify.Name() {
			return nil, fmt.Errorf("%w: %s holds answers of the task %s", ErrTask, opt.Against, task.Name())
		}
		c.otherJob, c.other = &other, newReader(ctx, opt.Against)
	}
	return c, nil
}

func (c *collecting) close() {
	if c.other != nil {
		c.other.stop()
	}
}

// add takes one row into account.
func (c *collecting) add(e shard.Entry, r row.Row) error {
	a := classificationOf(&r)
	sub := subject{entry: &e, row: &r, answer: a}
	if c.opt.Truth != nil {
		if labels, known := c.opt.Truth.Of(e.Path); known {
			sub.truth = labels
		}
		c.ranked = rankedOf(c.ranked[:0], a)
		c.truth.Add(sub.truth, c.ranked)
	}
	if c.other != nil {
		o, err := c.other.of(e.Path, c.onlyThere)
		if err != nil {
			return err
		}
		var there evaluate.Answer
		if o != nil {
			there = answerOf(&o.row)
			sub.other = &Other{Status: there.Status, Label: there.Label, Score: float64(there.Score)}
		}
		c.drift.Add(answerOf(&r), there)
	}
	c.tally.add(&r, a)
	c.shown.add(&sub)
	if c.opt.Progress != nil && c.tally.images%everyRows == 0 {
		c.opt.Progress(c.tally.images)
	}
	return nil
}

// onlyThere takes a row into account that only the other output has.
func (c *collecting) onlyThere(o *result) { c.drift.Add(evaluate.Answer{}, answerOf(&o.row)) }

// rankedOf appends the classes of an answer, the best one first.
func rankedOf(ranked []evaluate.Scored, a *row.Classification) []evaluate.Scored {
	switch {
	case a == nil:
	case len(a.TopK) == 0:
		ranked = append(ranked, evaluate.Scored{Label: a.Label, Score: a.Score})
	default:
		for _, class := range a.TopK {
			ranked = append(ranked, evaluate.Scored{Label: class.Label, Score: class.Score})
		}
	}
	return ranked
}

// classificationOf returns the answer of a row; nil if the image has none.
func classificationOf(r *row.Row) *row.Classification {
	a, ok := r.Answer.(*row.Classification)
	if !ok || r.Status != row.StatusOK {
		return nil
	}
	return a
}

// answerOf returns what a row says.
func answerOf(r *row.Row) evaluate.Answer {
	answer := evaluate.Answer{Status: r.Status}
	if a := classificationOf(r); a != nil {
		answer.Label, answer.Score = a.Label, a.Score
	}
	return answer
}

// findings returns what all rows say.
func (c *collecting) findings(ctx context.Context) (*Findings, Entries, error) {
	f := &Findings{Version: Version, Output: c.st.String(), Vectors: c.opt.Vectors}
	c.tally.put(f)
	var entries Entries
	f.Galleries, entries.Thumbs = c.shown.list(f.Labels)
	for _, one := range c.shown.sample.Sorted() {
		entries.Sample = append(entries.Sample, one.entry)
	}
	if c.opt.Truth != nil {
		f.Truth = &Judgement{Result: c.truth.Result()}
	}
	if c.other != nil {
		if err := c.other.rest(c.onlyThere); err != nil {
			return nil, Entries{}, err
		}
		f.Against = &Against{
			Output: c.opt.Against.String(), Model: c.otherJob.Model, SameModel: c.otherJob.ModelDigest == c.job.ModelDigest,
			SamePreprocessing: c.otherJob.PreprocessDigest == c.job.PreprocessDigest, Drift: c.drift.Drift(),
		}
	}
	var err error
	if f.Job, err = jobOf(ctx, c.st, c.job); err != nil {
		return nil, Entries{}, err
	}
	if err := f.completeness(ctx, c.st, c.job); err != nil {
		return nil, Entries{}, err
	}
	return f, entries, nil
}

// completeness finds out how many images have no row yet.
func (f *Findings) completeness(ctx context.Context, st store.Store, job *output.Job) error {
	if s := f.Job.Success; s != nil {
		f.Complete, f.Missing = f.Images == s.CollectionSize(), s.CollectionSize()-f.Images
		return nil
	}
	read := output.ReadManifest
	if job.Increments() {
		read = output.ReadCollection
	}
	m, err := read(ctx, st)
	switch {
	case errors.Is(err, store.ErrNotExist):
		f.Missing = -1
		return nil
	case err != nil:
		return err
	}
	defer m.Close()
	f.Missing = m.Len() - f.Images
	return nil
}
