package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// collection finds the rows of all images of an increment: each in the newest output
// that has one.
type collection struct {
	images *shard.Manifest
	at     *shard.Walk // of images
	layers []*layer    // the increment itself, then its sources from the newest to the oldest
}

// layer is an output that has rows of the collection.
type layer struct {
	f      *folder
	source *Source // nil for the increment itself
	at     *shard.Walk
	parts  *partReader
}

// openCollection opens the sources of an increment and compares them with its record.
// The caller closes the collection, but not f.
func openCollection(ctx context.Context, f *folder) (*collection, error) {
	images, err := readCollection(ctx, f.st)
	if err != nil {
		return nil, err
	}
	c := newCollection(images, f)
	if err := c.openSources(ctx, func(*Source, error) bool { return false }); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// newCollection returns a collection of those images without sources.
func newCollection(images *shard.Manifest, f *folder) *collection {
	return &collection{images: images, at: shard.NewWalk(images), layers: []*layer{newLayer(f, nil, nil)}}
}

// openSources opens the sources. It leaves out those for whose error bad returns true.
func (c *collection) openSources(ctx context.Context, bad func(*Source, error) bool) error {
	f := c.layers[0].f
	sources := f.job.After.Sources
	for i := len(sources) - 1; i >= 0; i-- {
		if sources[i].Folded {
			continue
		}
		l, err := openSource(ctx, f.st, &sources[i])
		if err != nil && bad(&sources[i], err) {
			continue
		}
		if err != nil {
			return err
		}
		c.layers = append(c.layers, l)
	}
	for _, l := range c.layers {
		l.parts.ahead = max(2, partsAhead/len(c.layers))
	}
	return nil
}

// readCollection returns the frozen list of all images of an increment.
func readCollection(ctx context.Context, st store.Store) (*shard.Manifest, error) {
	m, err := ReadCollection(ctx, st)
	if errors.Is(err, store.ErrNotExist) {
		return nil, goneRecord(st, collectionName)
	}
	return m, err
}

// openSource opens an output that has rows of an increment. If it is not what the record of
// the increment says, the error is ErrMismatch.
func openSource(ctx context.Context, st store.Store, s *Source) (*layer, error) {
	l, err := openSourceFolder(ctx, st, s)
	if err != nil {
		return nil, sourceError(st, s, err)
	}
	return l, nil
}

// CheckSources returns ErrMismatch if an output that rows of a job are kept in is missing, or is not
// what was recorded. It reads none of their parts, as Verify does.
func CheckSources(ctx context.Context, st store.Store, job *Job) error {
	return eachSource(ctx, st, job, func(err error) error { return err })
}

// eachSource opens and closes the outputs that rows of a job are kept in, and calls bad for those
// that are missing, or are not what was recorded.
func eachSource(ctx context.Context, st store.Store, job *Job, bad func(error) error) error {
	if !job.Increments() {
		return nil
	}
	for i := range job.After.Sources {
		s := &job.After.Sources[i]
		if s.Folded {
			continue
		}
		l, err := openSource(ctx, st, s)
		if errors.Is(err, ErrMismatch) {
			err = bad(err)
		} else if err == nil {
			l.f.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func openSourceFolder(ctx context.Context, st store.Store, s *Source) (*layer, error) {
	place, err := store.Neighbor(st, s.Place)
	if err != nil {
		return nil, err
	}
	f, err := openFolder(ctx, place)
	if err != nil {
		return nil, err
	}
	lines, err := f.recorded(ctx, s)
	if err != nil {
		f.Close()
		return nil, err
	}
	return newLayer(f, s, lines), nil
}

func newLayer(f *folder, s *Source, lines [][]byte) *layer {
	l := &layer{f: f, source: s, at: shard.NewWalk(f.manifest), parts: &partReader{f: f, ahead: 1, lines: lines}}
	return l
}

// recorded returns the lines of the file of the parts' digests of a source. If the source is not
// what was recorded, the error is ErrMismatch.
func (f *folder) recorded(ctx context.Context, s *Source) ([][]byte, error) {
	differ := func(what string) error {
		return fmt.Errorf("%s: the content %w: %s", f.st, ErrMismatch, what)
	}
	switch {
	case f.job.ID != s.Job:
		return nil, differ("another job has written it since")
	case f.state.success == nil:
		return nil, differ("it is not complete any more")
	case f.manifest.Digest() != s.Manifest || f.state.success.Digests.Manifest != s.Manifest:
		return nil, differ("its manifest has changed since")
	case f.state.success.Digests.Parts != s.Parts:
		return nil, differ("its rows have changed since")
	}
	if err := missingParts(f.st, f.done, f.job.PartNames(f.chunks)); err != nil {
		return nil, goneParts(f.st, err)
	}
	body, _, err := readWhole(ctx, f.st, digestsName, digestsMost(f.chunks.Count()))
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil, fmt.Errorf("the content %w: %s is gone from %s; %s", ErrMismatch, digestsName, f.st, repairAdvice(f.st))
	case err != nil:
		return nil, err
	}
	lines := bytes.SplitAfter(body, []byte("\n"))
	if digest(body) != s.Parts || len(lines) != f.chunks.Count()+1 {
		return nil, fmt.Errorf("%s of %s: %w: it is not what was recorded; %s", digestsName, f.st, ErrMismatch, repairAdvice(f.st))
	}
	return lines, nil
}

// sourceError says of an error which source it is about and what to do. Anything but a storage
// that does not answer means that the rows in that source cannot be had.
func sourceError(st store.Store, s *Source, err error) error {
	if errors.Is(err, store.ErrNotExist) || errors.Is(err, ErrIncomplete) || errors.Is(err, store.ErrOtherStorage) {
		err = fmt.Errorf("the content %w: %v", ErrMismatch, err) // it is not the output itself that is missing or incomplete
	}
	if !errors.Is(err, ErrMismatch) {
		return fmt.Errorf("%s keeps rows of %s: %w", st, s.Place, err)
	}
	return fmt.Errorf("%s keeps rows of %s: %w; %s", st, s.Place, err, sourceAdvice)
}

// sourceAdvice is what to do if a source cannot be repaired.
const sourceAdvice = "bring that output back or repair it, or score the whole collection again: the same command without --after, with another --out"

func (c *collection) close() {
	for _, l := range c.layers {
		l.parts.wait()
		if l.source != nil {
			l.f.Close()
		}
	}
	c.images.Close()
}

// find is where the row of an image lies.
type find struct {
	image shard.Entry // in the collection
	layer *layer      // nil if no output has a row
	row   int         // index in the manifest of that output
	entry shard.Entry // in that manifest
}

// next returns where the row of the next image of the collection lies; false after the last.
// If an entry of the increment's own manifest is not in the collection, the error is ErrMismatch.
func (c *collection) next() (find, bool, error) {
	if c.at.Err != nil {
		return find{}, false, c.at.Err
	}
	if c.at.Done {
		own := c.layers[0]
		if !own.at.Done {
			return find{}, false, own.stray()
		}
		return find{}, false, nil
	}
	found := find{image: c.at.Entry}
	c.at.Next()
	for _, l := range c.layers {
		for !l.at.Done && l.at.Path < found.image.Path {
			if l.source == nil {
				return find{}, false, l.stray()
			}
			l.at.Next()
		}
		if !l.at.Done && l.at.Path == found.image.Path {
			if found.layer == nil {
				found.layer, found.row, found.entry = l, l.at.Index, l.at.Entry
			}
			l.at.Next()
		}
		if l.at.Err != nil {
			return find{}, false, l.at.Err
		}
	}
	return found, true, nil
}

// error says of an error of reading parts which source they are of.
func (l *layer) error(st store.Store, err error) error {
	if l.source == nil {
		return err
	}
	return sourceError(st, l.source, err)
}

// stray is the error of an entry of the increment's own manifest that is not in the collection.
func (l *layer) stray() error {
	return fmt.Errorf("%s of %s: %w: it has %q, which %s does not have", manifestName, l.f.st, ErrMismatch, l.at.Path, collectionName)
}

// check returns ErrMismatch unless the row that was found is that of the listed version of the
// image. Own rows may be of a newer one: retries look at each image again.
func (f *find) check(st store.Store) error {
	switch {
	case f.layer == nil:
		return fmt.Errorf("%s: %w: no output has a row for %q", st, ErrMismatch, f.image.Path)
	case f.layer.source != nil && (f.image.Size != f.entry.Size || f.image.ETag != f.entry.ETag):
		return fmt.Errorf("%s: %w: the row of %q in %s is that of another version of the image", st, ErrMismatch, f.image.Path, f.layer.f.st)
	}
	return nil
}

// rowsAtOnce is how many rows of a collection are handed on at a time.
const rowsAtOnce = 1024

// each calls fn for the rows of all images, in order and a few at a time, with their entries. It
// leaves out images of the increment's own chunks that have no part yet.
func (c *collection) each(ctx context.Context, fn func([]shard.Entry, []row.Row) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	own := c.layers[0]
	var entries []shard.Entry
	var rows []row.Row
	flush := func() error {
		err := fn(entries, rows)
		entries, rows = entries[:0], rows[:0]
		return err
	}
	for {
		found, ok, err := c.next()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := found.check(own.f.st); err != nil {
			return err
		}
		if found.layer == own && !own.f.done.Has(found.row/own.f.chunks.Size) {
			continue
		}
		r, err := found.layer.parts.row(ctx, found.row)
		if err != nil {
			return found.layer.error(own.f.st, err)
		}
		if entries, rows = append(entries, found.entry), append(rows, r); len(rows) == rowsAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil || !own.f.done.All() {
		return err
	}
	return own.f.proven(own.parts.read)
}

// partReader reads the parts of an output of which some rows are needed. It holds a few of them
// in memory.
type partReader struct {
	f     *folder
	ahead int
	// lines are those of the file of the parts' digests that prove the parts; nil for the
	// increment itself, whose lines are collected in read.
	lines [][]byte
	read  []byte

	pending map[int]chan partResult
	reading sync.WaitGroup
	now     *part // the last one that was asked for
}

type partResult struct {
	part part
	err  error
}

// row returns a row by its index in the manifest. Whoever asks for rows in order reads each part
// once.
func (r *partReader) row(ctx context.Context, i int) (row.Row, error) {
	chunk := i / r.f.chunks.Size
	if r.now == nil || r.now.chunk != chunk {
		p, err := r.load(ctx, chunk)
		if err != nil {
			return row.Row{}, err
		}
		r.now = &p
	}
	return r.now.rows[i-chunk*r.f.chunks.Size], nil
}

// load returns the part of a chunk, and begins to read those after it.
func (r *partReader) load(ctx context.Context, chunk int) (part, error) {
	if r.pending == nil {
		r.pending = map[int]chan partResult{}
	}
	for was := range r.pending {
		if was < chunk || was >= chunk+r.ahead {
			delete(r.pending, was)
		}
	}
	for next := chunk; next < min(chunk+r.ahead, r.f.chunks.Count()); next++ {
		if r.pending[next] != nil || !r.f.done.Has(next) {
			continue
		}
		c := make(chan partResult, 1)
		r.pending[next] = c
		r.reading.Go(func() {
			p, err := readPart(ctx, r.f.st, &r.f.job, r.f.manifest, next)
			c <- partResult{p, err}
		})
	}
	if r.pending[chunk] == nil {
		return part{}, goneParts(r.f.st, missingParts(r.f.st, r.f.done, r.f.job.PartNames(r.f.chunks)))
	}
	got := <-r.pending[chunk]
	delete(r.pending, chunk)
	if got.err != nil {
		return part{}, got.err
	}
	if r.lines == nil {
		r.read = append(r.read, appendDigest(nil, got.part.digest, got.part.name)...)
	} else if err := got.part.as(r.lines[chunk], r.f.st); err != nil {
		return part{}, err
	}
	return got.part, nil
}

// wait returns when no part is being read any more.
func (r *partReader) wait() { r.reading.Wait() }
