package output

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
	"github.com/batchscore/batchscore/shard"
)

// CollectionReport is what Verify found about the collection of an increment.
type CollectionReport struct {
	Images int `json:"images"`
	Gone   int `json:"gone"` // of the previous collection
	// Outputs is how many outputs the collection is looked for in, the increment itself included.
	Outputs int `json:"outputs"`
	// Kept is how many rows are in other outputs and are proven by their digests. Unproven is how
	// many are not, because their output is missing or is not what was recorded.
	Kept     int `json:"kept"`
	Unproven int `json:"unproven,omitempty"`
	// Copied is how many rows were copied from other outputs. CopiedAlone is how many of them are
	// proven by the digests of the increment alone, because the output that they were copied from
	// is gone or has changed since.
	Copied      int `json:"copied"`
	CopiedAlone int `json:"copied_alone,omitempty"`
	// Statuses counts all rows of the collection by status.
	Statuses map[string]int `json:"statuses,omitempty"`
	// Skipped reports whether only the increment's own rows were checked.
	Skipped bool `json:"skipped,omitempty"`
}

// collectionVerifier is the part of a verification that is about the whole collection.
type collectionVerifier struct {
	*verifier
	report *CollectionReport
	c      *collection
	lost   bool // a source could not be opened
}

// collection proves that the rows which an increment keeps are what they were, and that each image
// of its collection has exactly one.
func (v *verifier) collection(ctx context.Context) error {
	if !v.job.Increments() {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v.report.Collection = &CollectionReport{Statuses: maps.Clone(v.report.Statuses), Skipped: v.ownRows}
	w := &collectionVerifier{verifier: v, report: v.report.Collection}
	images, err := readCollection(ctx, v.st)
	if v.damaged(collectionName, err) {
		return nil
	}
	if err != nil {
		return err
	}
	own := &folder{st: v.st, job: v.job, state: v.state, base: v.base, manifest: v.manifest, chunks: v.chunks, done: v.exist}
	w.c = newCollection(images, own)
	defer w.c.close()
	w.report.Images = images.Len()
	if err := w.records(ctx); err != nil || v.ownRows {
		return err
	}
	if err := w.c.openSources(ctx, w.badSource); err != nil {
		return err
	}
	if err := w.cover(ctx); err != nil {
		return err
	}
	if err := w.copied(ctx); err != nil {
		return err
	}
	w.counts()
	return nil
}

// badSource reports a source that is missing or is not what was recorded. It returns false for
// other errors.
func (w *collectionVerifier) badSource(s *Source, err error) bool {
	if !errors.Is(err, ErrMismatch) || errors.Is(err, errNewer) {
		return false
	}
	w.lost = true
	w.verifier.report.add(Problem{Kind: Unkept, Chunk: -1, Object: s.Place, Detail: err.Error()})
	return true
}

// records checks the manifests that describe the collection.
func (w *collectionVerifier) records(ctx context.Context) error {
	gone, err := readList(ctx, w.st, w.st, goneName)
	if w.damaged(goneName, err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer gone.Close()
	w.report.Gone = gone.Len()
	if s := w.increment(); s != nil {
		w.differ("digest of the collection", s.Collection, w.c.images.Digest())
		w.differ("images of the collection", s.Images, w.c.images.Len())
		w.differ("digest of the images that are gone", s.GoneDigest, gone.Digest())
		w.differ("images that are gone", s.Gone, gone.Len())
	}
	return nil
}

// increment returns what _SUCCESS says of the collection; nil if it says nothing yet.
func (w *collectionVerifier) increment() *Increment {
	if w.state.success == nil || w.state.unsettled() {
		return nil
	}
	return w.state.success.Increment
}

func (w *collectionVerifier) problem(kind Kind, object, path, format string, args ...any) {
	w.verifier.report.add(Problem{Kind: kind, Chunk: -1, Object: object, Path: path, Detail: fmt.Sprintf(format, args...)})
}

// cover checks that each image of the collection has a row, of the version that was listed, and
// reads those of sources.
func (w *collectionVerifier) cover(ctx context.Context) error {
	bad := map[*layer]int{} // the last chunk of a source that could not be read
	w.report.Outputs = len(w.c.layers)
	for {
		found, ok, err := w.c.next()
		if errors.Is(err, ErrMismatch) {
			w.problem(Altered, collectionName, "", "%v", err)
			return nil
		}
		if !ok || err != nil {
			return err
		}
		path, l := found.image.Path, found.layer
		switch {
		case l == nil && w.lost:
			w.report.Unproven++
			continue
		case l == nil:
			w.problem(Missing, collectionName, path, "no output has a row for this image")
			continue
		case found.image.Size != found.entry.Size || found.image.ETag != found.entry.ETag:
			if l.source != nil || w.state.generation() == 0 {
				w.problem(Altered, collectionName, path, "the row in %s is that of another version of the image", l.f.st)
			}
		}
		if l.source == nil {
			continue
		}
		chunk := found.row / l.f.chunks.Size
		if last, is := bad[l]; is && last == chunk {
			w.report.Unproven++
			continue
		}
		r, err := l.parts.row(ctx, found.row)
		if errors.Is(err, ErrMismatch) || errors.Is(err, store.ErrNotExist) {
			w.problem(Unkept, l.source.Place, path, "from this image on: %v", err)
			bad[l] = chunk
			w.report.Unproven++
			continue
		}
		if err != nil {
			return err
		}
		w.report.Kept++
		w.report.Statuses[r.Status]++
	}
}

// copied compares the rows that were copied with those that they were copied from, as far as those
// exist.
func (w *collectionVerifier) copied(ctx context.Context) error {
	own := w.c.layers[0]
	from := map[int]*layer{}
	defer func() {
		for _, l := range from {
			if l != nil {
				l.parts.wait()
				l.f.Close()
			}
		}
	}()
	damaged := -1 // the last of the own chunks that cannot be read, which was reported
	at := shard.NewWalk(w.manifest)
	for ; !at.Done; at.Next() {
		e, i := at.Entry, at.Index
		if e.FromOutput == 0 {
			continue
		}
		chunk := i / w.chunks.Size
		if !w.exist.Has(chunk) || damaged == chunk {
			continue
		}
		w.report.Copied++
		sources := w.job.After.Sources
		if e.FromOutput > len(sources) || e.FromRow >= sources[e.FromOutput-1].Images {
			w.problem(Altered, manifestName, e.Path, "it is row %d of source %d, which does not exist", e.FromRow, e.FromOutput)
			continue
		}
		l, known := from[e.FromOutput]
		if !known {
			var err error
			l, err = openSource(ctx, w.st, &sources[e.FromOutput-1])
			if err != nil && !errors.Is(err, ErrMismatch) {
				return err
			}
			from[e.FromOutput] = l // nil if it is gone or has changed, which it may
		}
		if l == nil {
			w.report.CopiedAlone++
			continue
		}
		mine, err := own.parts.row(ctx, i)
		if errors.Is(err, ErrMismatch) || errors.Is(err, store.ErrNotExist) {
			damaged = chunk
			continue
		}
		if err != nil {
			return err
		}
		theirs, err := l.parts.row(ctx, e.FromRow)
		if errors.Is(err, ErrMismatch) || errors.Is(err, store.ErrNotExist) {
			w.report.CopiedAlone++
			continue
		}
		if err != nil {
			return err
		}
		w.compare(&e, w.names.Name(chunk), mine, theirs)
	}
	return at.Err
}

// compare reports a copied row that is not what it was copied from.
func (w *collectionVerifier) compare(e *shard.Entry, object string, mine, theirs row.Row) {
	name, err := theirs.Name()
	if err == nil && name == e.Source() {
		theirs.Path, theirs.PathBase64 = mine.Path, mine.PathBase64
		if w.job.Schema().Equal(&mine, &theirs) {
			return
		}
	}
	w.problem(Altered, object, e.Path, "this row differs from the one that it was copied from, row %d of %s",
		e.FromRow, w.job.After.Sources[e.FromOutput-1].Place)
}

// counts compares what _SUCCESS says of the collection with what was found.
func (w *collectionVerifier) counts() {
	s := w.increment()
	if s == nil || !w.verifier.report.OK() {
		return // the problems reported already explain why the counts differ
	}
	for _, status := range slices.Sorted(maps.Keys(merged(s.Statuses, w.report.Statuses))) {
		w.differ("images of the collection "+status, s.Statuses[status], w.report.Statuses[status])
	}
	w.differ("failed images of the collection", s.Failed, row.Failed(w.report.Statuses))
	w.differ("images scored", s.New+s.Changed+s.Retried, w.manifest.Len()-w.report.Copied)
	w.differ("images of the collection by what became of them", s.New+s.Changed+s.Retried+s.Renamed+s.Kept, w.c.images.Len())
	w.differ("outputs with rows of the collection", s.Outputs, w.report.Outputs)
}

// lines returns the report for people.
func (c *CollectionReport) lines() string {
	if c.Skipped {
		return fmt.Sprintf("collection: %s; only the own rows were checked\n", counted(c.Images, "image"))
	}
	text := fmt.Sprintf("collection: %s in %s, %d gone", counted(c.Images, "image"), counted(c.Outputs, "output"), c.Gone)
	for i, s := range slices.Sorted(maps.Keys(c.Statuses)) {
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		text += fmt.Sprintf("%s%d %s", sep, c.Statuses[s], printable.Field(s))
	}
	text += fmt.Sprintf("\nkept: %s proven by the digests of their outputs", counted(c.Kept, "row"))
	if c.Unproven > 0 {
		text += fmt.Sprintf(", %d not proven", c.Unproven)
	}
	text += "\n"
	if c.Copied > 0 {
		text += fmt.Sprintf("copied: %s", counted(c.Copied, "row"))
		if c.CopiedAlone > 0 {
			text += fmt.Sprintf(", %d of them from outputs that are gone or have changed since; the digests of this output prove those", c.CopiedAlone)
		}
		text += "\n"
	}
	return text
}
