package output

import (
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
	job, err := ExistingJob(ctx, st)
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
func ExistingJob(ctx context.Context, st store.Store) (Job, error) {
	job, err := ReadJob(ctx, st)
	return job, notOutput(ctx, st, err)
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

func results(ctx context.Context, st store.Store, onlyNew bool, fn func(shard.Entry, row.Row) error) error {
	f, err := openFolder(ctx, st)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.undisturbed(ctx, f.everyRow(ctx, onlyNew, func(entries []shard.Entry, rows []row.Row) error {
		for i, r := range rows {
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
