package output

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
	"github.com/batchscore/batchscore/shard"
)

// folder is an output folder with a frozen manifest, opened for reading.
type folder struct {
	st       store.Store
	job      Job
	state    state
	base     *shard.Manifest // as it was frozen
	manifest *shard.Manifest // with the entries of retried images
	chunks   shard.Chunks
	done     *shard.Set
}

// openFolder opens a folder for reading. While the rows of a retry are being put
// into the parts, the error is ErrIncomplete.
func openFolder(ctx context.Context, st store.Store) (*folder, error) {
	f, err := openSettled(ctx, st)
	if err != nil {
		return nil, err
	}
	if f.done, err = Done(ctx, st, &f.job, f.chunks); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openSettled is openFolder without the listing of the parts.
func openSettled(ctx context.Context, st store.Store) (*folder, error) {
	job, err := existingJob(ctx, st)
	if err != nil {
		return nil, err
	}
	m, err := ReadManifest(ctx, st)
	if errors.Is(err, store.ErrNotExist) {
		if ended, err := exists(ctx, st, SuccessName); err != nil || ended {
			return nil, cmp.Or(err, fmt.Errorf("%s: the content %w: there is no %s; choose another folder, or remove this one to begin again",
				st, ErrMismatch, manifestName))
		}
		return nil, fmt.Errorf("%w: %s has no manifest yet; finish the run first", ErrIncomplete, st)
	}
	if err != nil {
		return nil, err
	}
	f := &folder{st: st, job: job, base: m, manifest: m, chunks: job.Chunks(m.Len())}
	if err := f.settle(ctx); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// settle reads which rows the parts have.
func (f *folder) settle(ctx context.Context) (err error) {
	if f.state, err = readState(ctx, f.st, &f.job); err != nil {
		return err
	}
	if err := f.state.settled(f.st); err != nil {
		return err
	}
	m, err := current(ctx, f.st, f.base, f.state.generation())
	if err != nil {
		return err
	}
	f.manifest = m
	return nil
}

func (f *folder) Close() {
	f.base.Close()
	if f.manifest != f.base {
		f.manifest.Close()
	}
}

// ExistingJob returns the record of a place that should be an output folder. If
// there is none, the error says so and wraps store.ErrNotExist. A damaged record is
// ErrMismatch.
//
// In a context of ForHead it is the record of a job with that answer alone.
func ExistingJob(ctx context.Context, st store.Store) (Job, error) {
	job, err := existingJob(ctx, st)
	if name := headIn(ctx); err == nil && name != "" {
		_, err = job.keepHead(st, name)
	}
	return job, err
}

// existingJob is ExistingJob with all answers.
func existingJob(ctx context.Context, st store.Store) (Job, error) {
	job, err := ReadJob(ctx, st)
	return job, notOutput(ctx, st, err)
}

type headKey struct{}

// ForHead returns a context in which ExistingJob, Rows and Results take an output whose rows
// have several answers for one whose rows have that head's only. An empty name chooses none.
func ForHead(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, headKey{}, name)
}

func headIn(ctx context.Context) string {
	name, _ := ctx.Value(headKey{}).(string)
	return name
}

// notOutput says of the error of a missing record that the place is not an output folder,
// and whether the place exists.
func notOutput(ctx context.Context, st store.Store, err error) error {
	if !errors.Is(err, store.ErrNotExist) {
		return err
	}
	found := errors.New("there is an object")
	switch listErr := st.List(ctx, "", func(store.Object) error { return found }); {
	case errors.Is(listErr, store.ErrNotExist):
		return noOutput{fmt.Sprintf("%s is not an output folder: it does not exist", st), err}
	case listErr == nil:
		return noOutput{fmt.Sprintf("%s is not an output folder: it is empty", st), err}
	}
	if runs := folderOfRuns(ctx, st); runs != "" {
		return noOutput{fmt.Sprintf("%s is not an output folder: %s", st, runs), err}
	}
	return noOutput{fmt.Sprintf("%s is not an output folder: it has no %s", st, jobName), err}
}

// mostRuns is how many runs folderOfRuns looks at for one that is complete, and shownRuns how many
// it names.
const (
	mostRuns  = 100
	shownRuns = 3
)

// folderOfRuns says which runs a place has, if it is a folder of runs: the last ones, and the last
// that is complete. Else it returns nothing.
func folderOfRuns(ctx context.Context, st store.Store) string {
	var names []string
	if store.Folders(ctx, st, "", func(name string) error {
		names = append(names, name)
		return nil
	}) != nil {
		return ""
	}
	slices.Sort(names)
	slices.Reverse(names)
	var runs []string
	last := "none of them is complete"
	for _, name := range names[:min(len(names), mostRuns)] {
		run := store.NewSub(st, name+"/")
		if _, err := ReadJob(ctx, run); err != nil {
			continue
		}
		runs = append(runs, printable.Line(name))
		if _, err := ReadSuccess(ctx, run); err == nil {
			last = fmt.Sprintf("the last complete one is %s: name that instead", printable.Line(run.String()))
			break
		}
	}
	if len(runs) == 0 {
		return ""
	}
	newest := strings.Join(runs[:min(len(runs), shownRuns)], ", ")
	return fmt.Sprintf("it is a folder of runs (newest: %s); %s", newest, last)
}

// noOutput is the error of a place that is not an output folder.
type noOutput struct {
	text string
	err  error // of reading the record
}

func (n noOutput) Error() string { return n.text }
func (n noOutput) Unwrap() error { return n.err }

// parts calls fn for every part that exists, in order, one at a time.
func (f *folder) parts(ctx context.Context, fn func(part) error) error {
	return inOrder(ctx, f.chunks.Count(), func(ctx context.Context, chunk int) (part, error) {
		if !f.done.Has(chunk) {
			return part{}, nil
		}
		return readPart(ctx, f.st, &f.job, f.manifest, chunk)
	}, func(chunk int, p part) error {
		if !f.done.Has(chunk) {
			return nil
		}
		return fn(p)
	})
}

// undisturbed returns err, unless a part did not match only because a retry continued
// while the folder was read: then the error is ErrIncomplete.
func (f *folder) undisturbed(ctx context.Context, err error) error {
	if errors.Is(err, ErrMismatch) && f.state.moved(ctx, f.st, &f.job) {
		return fmt.Errorf("%w: the rows of a retry were put into the parts of %s while they were read; do it again", ErrIncomplete, f.st)
	}
	return err
}

// proven compares the digests of all parts with the one in _SUCCESS, if there is one.
// lines are the content of the file of digests.
func (f *folder) proven(lines []byte) error {
	if s := f.state.success; s != nil && digest(lines) != s.Digests.Parts {
		return fmt.Errorf("%s: the content %w: a part has changed since the job completed; 'batchscore verify' says which; %s",
			f.st, ErrMismatch, repairAdvice(f.st))
	}
	return nil
}

// Rows calls fn for the row of every image whose part exists, in manifest order. It
// stops at the first error of fn and returns it. A part that does not match the
// manifest is ErrMismatch. So is, after all rows, a part of a complete job that is no
// longer what it was. Rows holds a few parts in memory at a time.
//
// The rows of an increment are those of its whole collection. A part of an earlier output is
// proven before its rows are handed on.
func Rows(ctx context.Context, st store.Store, fn func(row.Row) error) error {
	return Results(ctx, st, func(_ shard.Entry, r row.Row) error { return fn(r) })
}

// NewRows is Rows without the rows that an increment keeps: those of images that it did not
// score.
func NewRows(ctx context.Context, st store.Store, fn func(row.Row) error) error {
	return results(ctx, st, true, func(_ shard.Entry, r row.Row) error { return fn(r) })
}

// Results is Rows with the manifest entry of each image.
func Results(ctx context.Context, st store.Store, fn func(shard.Entry, row.Row) error) error {
	return results(ctx, st, false, fn)
}

// Images returns the manifest of an output as its rows are now: images that were scored again have
// the version of the retry. The caller closes it. The error is ErrIncomplete while there is no
// manifest, and while the rows of a retry are being put into the parts.
func Images(ctx context.Context, st store.Store) (*shard.Manifest, error) {
	f, err := openSettled(ctx, st)
	if err != nil {
		return nil, err
	}
	if f.manifest != f.base {
		f.base.Close()
	}
	return f.manifest, nil
}

// RowsOf returns the rows of chunk i of a job, as its part has them, and compares them with the
// manifest.
func RowsOf(ctx context.Context, st store.Store, job *Job, m *shard.Manifest, i int) ([]row.Row, error) {
	p, err := readPart(ctx, st, job, m, i)
	return p.rows, err
}

// Lookup finds single rows of a complete output; of an increment those of its whole collection. Any
// number of goroutines may use it at once.
type Lookup struct {
	f *folder
	c *collection
}

// OpenLookup opens a complete output, and the outputs that it keeps rows of. The caller closes it.
func OpenLookup(ctx context.Context, st store.Store) (_ *Lookup, err error) {
	f, err := openFolder(ctx, st)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if f.state.success == nil {
		return nil, fmt.Errorf("%w: %s has no %s; run its command again to finish it", ErrIncomplete, st, SuccessName)
	}
	images, err := f.state.success.Collection(ctx, st)
	if err != nil {
		return nil, err
	}
	c := newCollection(images, f)
	if f.job.Increments() {
		if err := c.openSources(ctx, func(*Source, error) bool { return false }); err != nil {
			c.close()
			return nil, err
		}
	}
	return &Lookup{f, c}, nil
}

// Close frees what a Lookup holds, its Images included.
func (l *Lookup) Close() {
	l.c.close()
	l.f.Close()
}

// Images are all images, in the order of Results.
func (l *Lookup) Images() *shard.Manifest { return l.c.images }

// Spot is where a row lies.
type Spot struct {
	Output int // 0 is the output itself
	Chunk  int
	Row    int // in the chunk
}

// Find returns where the row of image i lies: in the newest output that has one.
func (l *Lookup) Find(i int) (Spot, error) {
	e, err := l.c.images.At(i)
	if err != nil {
		return Spot{}, err
	}
	for n, layer := range l.c.layers {
		at, ok, err := layer.f.manifest.Find(e.Path)
		if err != nil {
			return Spot{}, err
		}
		if !ok {
			continue
		}
		size := layer.f.chunks.Size
		entry, err := layer.f.manifest.At(at)
		if err != nil {
			return Spot{}, err
		}
		return Spot{n, at / size, at % size}, (&find{image: e, layer: layer, row: at, entry: entry}).check(l.f.st)
	}
	return Spot{}, (&find{image: e}).check(l.f.st)
}

// Rows returns the rows of the chunk of a spot. They are compared with the manifest, and those of
// another output with what was recorded.
func (l *Lookup) Rows(ctx context.Context, at Spot) ([]row.Row, error) {
	layer := l.c.layers[at.Output]
	p, err := readPart(ctx, layer.f.st, &layer.f.job, layer.f.manifest, at.Chunk)
	if err == nil && layer.source != nil {
		err = p.as(layer.parts.lines[at.Chunk], layer.f.st)
	}
	if err != nil {
		return nil, l.f.undisturbed(ctx, layer.error(l.f.st, err))
	}
	return p.rows, nil
}

// as returns ErrMismatch unless the part has that line in the file of the parts' digests.
func (p *part) as(line []byte, st store.Store) error {
	if bytes.Equal(appendDigest(nil, p.digest, p.name), line) {
		return nil
	}
	return damagedPart(p.name, st, fmt.Errorf("the content %w: it has changed since the job completed", ErrMismatch))
}

func results(ctx context.Context, st store.Store, onlyNew bool, fn func(shard.Entry, row.Row) error) error {
	f, err := openFolder(ctx, st)
	if err != nil {
		return err
	}
	defer f.Close()
	head := -1
	if name := headIn(ctx); name != "" {
		job := f.job
		if head, err = job.keepHead(st, name); err != nil {
			return err
		}
	}
	return f.undisturbed(ctx, f.everyRow(ctx, onlyNew, func(entries []shard.Entry, rows []row.Row) error {
		for i, r := range rows {
			if head >= 0 {
				r.Answer = row.AnswerOf(r.Answer, head)
			}
			if err := fn(entries[i], r); err != nil {
				return err
			}
		}
		return nil
	}))
}

// everyRow calls fn for the rows of every image whose part exists, in order and many at a time,
// with their entries. Those of an increment are those of its collection, or of the images that it
// scored.
func (f *folder) everyRow(ctx context.Context, onlyNew bool, fn func([]shard.Entry, []row.Row) error) error {
	if f.job.Increments() && !onlyNew {
		c, err := openCollection(ctx, f)
		if err != nil {
			return err
		}
		defer c.close()
		return c.each(ctx, fn)
	}
	var lines []byte
	if err := f.parts(ctx, func(p part) error {
		lines = appendDigest(lines, p.digest, p.name)
		if f.job.Increments() {
			p = p.scored()
		}
		return fn(p.entries, p.rows)
	}); err != nil {
		return err
	}
	if !f.done.All() {
		return nil
	}
	return f.proven(lines)
}

// scored returns the part without the rows that were copied from other outputs.
func (p part) scored() part {
	var entries []shard.Entry
	var rows []row.Row
	for i, e := range p.entries {
		if e.FromOutput == 0 {
			entries, rows = append(entries, e), append(rows, p.rows[i])
		}
	}
	p.entries, p.rows = entries, rows
	return p
}
