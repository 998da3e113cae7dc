package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// An increment is an output that keeps rows of earlier outputs, its sources. Its own
// manifest has only the images that are worked on: those that are scored, and those whose
// rows are copied from a source. All other rows stay where they are. Its collection has every
// image. The row of an image is in the newest output of (itself, its sources from the last to
// the first without those that are Folded) whose own manifest has the image.

// After is the part of a job's record that makes its output an increment.
type After struct {
	// Previous is the place of the output that it continues, as it was given and without
	// secrets; empty if a folder had no complete one. Job is the ID of its job.
	Previous string `json:"previous,omitempty"`
	Job      string `json:"job,omitempty"`
	// Retry has the statuses of kept images that are scored again.
	Retry row.Selection `json:"retry,omitempty"`
	// ReuseByContent reports whether a new image takes the row of one with the same content.
	ReuseByContent bool `json:"reuse_by_content,omitempty"`
	// Sources are the outputs whose rows count, oldest first; the last is the previous one.
	// Without sources, the output is an ordinary one, of all images.
	Sources []Source `json:"sources,omitempty"`
	// Nothing says why no row is kept, such as another model; empty if rows are.
	Nothing string `json:"nothing,omitempty"`
}

// Source is an output that an increment refers to.
type Source struct {
	// Place is relative to the increment if both have the same parent, as in
	// "../2026-11-28", and else absolute: see store.Neighbor.
	Place string `json:"place"`
	Job   string `json:"job"`
	// Manifest and Parts are its Digests, of its own rows, and Images is their number.
	Manifest string `json:"manifest"`
	Parts    string `json:"parts"`
	Images   int    `json:"images"`
	// Folded reports whether those of its rows that still count are copied into the parts
	// of the increment, so that it is not needed once the increment is complete.
	Folded bool `json:"folded,omitempty"`
}

// Increment is the part of _SUCCESS about the whole collection of an increment.
type Increment struct {
	Previous    string `json:"previous"`
	PreviousJob string `json:"previous_job"`
	Images      int    `json:"images"` // of the collection
	// New, Changed and Retried images are scored. Renamed images have the row of an image
	// with the same content. Kept are all others, and Copied those of them whose rows are
	// in the own parts. Gone are images of the previous collection that no longer exist.
	New     int `json:"new"`
	Changed int `json:"changed"`
	Retried int `json:"retried"`
	Renamed int `json:"renamed"`
	Kept    int `json:"kept"`
	Gone    int `json:"gone"`
	Copied  int `json:"copied"`
	// Statuses are those of all images of the collection, Failed how many failed.
	Statuses map[string]int `json:"statuses"`
	Failed   int            `json:"failed"`
	// Judged are the statuses of the new and changed images, which --max-errors is about.
	Judged map[string]int `json:"judged"`
	// Outputs is the number of outputs that have rows of the collection, this one included.
	Outputs int `json:"outputs"`
	// Collection and Gone are the digests of these files.
	Collection string `json:"collection"`
	GoneDigest string `json:"gone_digest"`
}

// Text says what an increment kept and scored.
func (i *Increment) Text() string {
	parts := []string{strconv.Itoa(i.Kept) + " kept"}
	for _, c := range []struct {
		n    int
		text string
	}{{n: i.New, text: "new"}, {n: i.Changed, text: "changed"}, {n: i.Retried, text: "scored again"}, {n: i.Renamed, text: "renamed"}, {n: i.Gone, text: "gone"}} {
		if c.n > 0 {
			parts = append(parts, strconv.Itoa(c.n)+" "+c.text)
		}
	}
	return strings.Join(parts, ", ")
}

const (
	// collectionName holds all images of an increment, goneName those that no longer exist.
	// Both have the form of a manifest.
	collectionName = Folder + "collection.jsonl"
	goneName       = Folder + "gone.jsonl"
	// failedName holds the name and the status of every failed image of the collection.
	failedName = Folder + "failed.jsonl"
)

// Increments reports whether the output of a job is an increment.
func (j *Job) Increments() bool { return j.After != nil && len(j.After.Sources) > 0 }

// Open opens a source, as seen from the increment st.
func (s *Source) Open(st store.Store) (store.Store, error) {
	src, err := store.Neighbor(st, s.Place)
	if err != nil {
		return nil, fmt.Errorf("open %s, whose rows %s keeps: %w: %w", s.Place, st, ErrMismatch, err) // no job records such a place
	}
	return src, nil
}

// open opens a source that is complete and has the rows that the increment st keeps. What has
// changed is ErrMismatch.
func (s *Source) open(ctx context.Context, st store.Store) (store.Store, Success, error) {
	src, err := s.Open(st)
	if err != nil {
		return nil, Success{}, err
	}
	state, err := readState(ctx, src, &Job{})
	if err != nil {
		return nil, Success{}, err
	}
	if state.success == nil {
		return nil, Success{}, fmt.Errorf("%s, whose rows %s keeps, is gone or no longer complete: the content %w; "+
			"bring it back, or begin again without --after in another --out", src, st, ErrMismatch)
	}
	done := *state.success
	if state.unsettled() || done.Job != s.Job || done.Digests.Manifest != s.Manifest || done.Digests.Parts != s.Parts {
		return nil, Success{}, fmt.Errorf("%s, whose rows %s keeps, has changed since: the content %w; "+
			"bring back what it was, or begin again in another --out", src, st, ErrMismatch)
	}
	return src, done, nil
}

// Settled returns ErrMismatch unless the source, as seen from the increment st, is complete with the
// rows that the increment keeps, and ErrIncomplete if a retry of it has begun.
func (s *Source) Settled(ctx context.Context, st store.Store) error {
	src, _, err := s.open(ctx, st)
	if err == nil {
		_, _, err = Settled(ctx, src)
	}
	return err
}

// Check returns ErrMismatch unless the source, as seen from the increment st, has its record, is
// complete with the rows that the increment keeps, and has all parts, which Check lists and does
// not read.
func (s *Source) Check(ctx context.Context, st store.Store) error {
	src, done, err := s.open(ctx, st)
	if err != nil {
		return err
	}
	job, err := ReadJob(ctx, src)
	if errors.Is(err, store.ErrNotExist) || err == nil && job.ID != s.Job {
		err = fmt.Errorf("its record %s is gone or of another job: the content %w", jobName, ErrMismatch)
	}
	if err == nil {
		err = done.CheckParts(ctx, src)
	}
	if errors.Is(err, ErrMismatch) {
		return fmt.Errorf("%s, whose rows %s keeps, is damaged: %w; bring back what is gone, or begin again without --after in another --out", src, st, err)
	}
	return err
}

// ReadCollection returns the manifest of all images of an increment as it was frozen, which
// the caller closes. The error is store.ErrNotExist if there is none yet, and ErrMismatch if it
// is damaged.
func ReadCollection(ctx context.Context, st store.Store) (*shard.Manifest, error) {
	return readManifest(ctx, st, collectionName)
}

// FreezeCollection is Freeze for the collection of an increment.
func FreezeCollection(ctx context.Context, st store.Store,
	build func(ctx context.Context) (*shard.Manifest, error)) (*shard.Manifest, error) {
	return freezeAs(ctx, st, collectionName, build)
}

// FreezeGone is Freeze for the images that are gone since the output that an increment continues.
func FreezeGone(ctx context.Context, st store.Store,
	build func(ctx context.Context) (*shard.Manifest, error)) (*shard.Manifest, error) {
	return freezeAs(ctx, st, goneName, build)
}

// Collection returns the manifest of all images of a complete output: for an increment those
// of its collection, and else those of its own manifest, each with its last entry. The caller
// closes it.
func (s *Success) Collection(ctx context.Context, st store.Store) (*shard.Manifest, error) {
	switch {
	case s.Generation() > 0:
	case s.Increment == nil:
		return readKnown(ctx, st, manifestName, s.Digests.Manifest)
	default:
		return readKnown(ctx, st, collectionName, s.Increment.Collection)
	}
	own, err := s.Manifest(ctx, st)
	if err != nil || s.Increment == nil {
		return own, err
	}
	defer own.Close()
	m, err := readCollection(ctx, st)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	return overlaid(m, own)
}

// overlaid returns a collection with the images of an increment's own manifest as they are there.
func overlaid(all, own *shard.Manifest) (*shard.Manifest, error) {
	m, err := shard.Overlay(room, all, []*shard.Manifest{own}, func(_, now shard.Entry) shard.Entry { return now.Version() })
	if errors.Is(err, shard.ErrStray) {
		return nil, fmt.Errorf("%s %w: %w", collectionName, ErrMismatch, err)
	}
	return m, err
}

// CollectionNow returns the collection of an increment with the images of its own manifest as they
// are there, which after a retry are newer. Both are as a job has them before it is complete. all
// is the collection if the caller has it; else nil. The caller closes the result.
func CollectionNow(ctx context.Context, st store.Store, all, own *shard.Manifest) (*shard.Manifest, error) {
	if all == nil {
		var err error
		if all, err = readCollection(ctx, st); err != nil {
			return nil, err
		}
		defer all.Close()
	}
	return overlaid(all, own)
}

// AllStatuses returns the number of images of the collection with each status.
func (s *Success) AllStatuses() map[string]int {
	if s.Increment != nil {
		return s.Increment.Statuses
	}
	return s.Statuses
}

// AllImages returns the number of images of the collection.
func (s *Success) AllImages() int {
	if s.Increment != nil {
		return s.Increment.Images
	}
	return s.Images
}

// AllFailed returns the number of images of the collection with any status but ok.
func (s *Success) AllFailed() int { return row.Failed(s.AllStatuses()) }

// Judged returns how many images have which status, of those that --max-errors is about: all,
// or the new and changed ones of an increment.
func (s *Success) Judged() (images int, statuses map[string]int) {
	if s.Increment != nil {
		return s.Increment.New + s.Increment.Changed, s.Increment.Judged
	}
	return s.Images, s.Statuses
}

// Settled returns the record and _SUCCESS of an output that is complete and at rest: no retry of it
// has begun whose rows are not in the parts. The error is store.ErrNotExist if the place is no
// output, and ErrIncomplete if it has to be finished first.
func Settled(ctx context.Context, st store.Store) (Job, Success, error) {
	job, err := ReadJob(ctx, st)
	if err != nil {
		return job, Success{}, err
	}
	s, err := readState(ctx, st, &job)
	if err != nil {
		return job, Success{}, err
	}
	if s.success == nil {
		return job, Success{}, fmt.Errorf("%w: %s has no %s; run its command again to finish it", ErrIncomplete, st, SuccessName)
	}
	return job, *s.success, errors.Join(s.settled(st), s.retried(st))
}

// SourceRows reads the rows of an output that an increment copies from.
type SourceRows struct {
	st     store.Store
	job    Job
	chunks shard.Chunks
	lines  [][]byte // of the file of the parts' digests
}

// OpenRows opens a source, as seen from the increment st. What has changed is ErrMismatch.
func (s *Source) OpenRows(ctx context.Context, st store.Store) (*SourceRows, error) {
	src, _, err := s.open(ctx, st)
	if err != nil {
		return nil, err
	}
	job, err := ReadJob(ctx, src)
	if err != nil {
		return nil, err
	}
	r := &SourceRows{st: src, job: job, chunks: job.Chunks(s.Images)}
	body, _, err := readWhole(ctx, src, digestsName, digestsMost(r.chunks.Count()))
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("%s is gone from %s: the content %w; %s", digestsName, src, ErrMismatch, repairAdvice(src))
	}
	if err != nil {
		return nil, err
	}
	r.lines = bytes.SplitAfter(body, []byte("\n"))
	if digest(body) != s.Parts || len(r.lines) != r.chunks.Count()+1 {
		return nil, fmt.Errorf("%s of %s: %w: it does not hold the digests of the parts; %s", digestsName, src, ErrMismatch, repairAdvice(src))
	}
	return r, nil
}

// ChunkOf returns the chunk that has a row.
func (r *SourceRows) ChunkOf(row int) (chunk, first int) {
	return row / r.chunks.Size, row / r.chunks.Size * r.chunks.Size
}

// Chunk returns the rows of a chunk.
func (r *SourceRows) Chunk(ctx context.Context, chunk int) ([]row.Row, error) {
	p, err := decodePart(ctx, r.st, &r.job, r.chunks, chunk)
	if errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("%s is gone from %s: the content %w; %s", r.job.PartNames(r.chunks).Name(chunk), r.st, ErrMismatch, repairAdvice(r.st))
	}
	if err != nil {
		return nil, err
	}
	if first, last := r.chunks.Range(chunk); len(p.rows) != last-first {
		return nil, damagedPart(p.name, r.st, fmt.Errorf("the content %w: it has %d rows, not %d", ErrMismatch, len(p.rows), last-first))
	}
	if err := p.as(r.lines[chunk], r.st); err != nil {
		return nil, err
	}
	return p.rows, nil
}

// String names the place of the source.
func (r *SourceRows) String() string { return r.st.String() }

// OpenManifest returns the own manifest of a source, as seen from the increment st, which the
// caller closes. What has changed is ErrMismatch.
func (s *Source) OpenManifest(ctx context.Context, st store.Store) (*shard.Manifest, error) {
	src, done, err := s.open(ctx, st)
	if err != nil {
		return nil, err
	}
	if done.Generation() == 0 {
		return readKnown(ctx, src, manifestName, s.Manifest)
	}
	m, err := done.Manifest(ctx, src)
	if err != nil {
		return nil, err
	}
	if m.Digest() != s.Manifest {
		m.Close()
		return nil, fmt.Errorf("%s of %s: %w: it has changed since the job completed; %s", manifestName, src, ErrMismatch, repairAdvice(src))
	}
	return m, nil
}

// OpenCollection returns the collection of a source and its failed images, which the caller
// closes.
func (s *Source) OpenCollection(ctx context.Context, st store.Store) (all, failed *shard.Manifest, err error) {
	src, done, err := s.open(ctx, st)
	if err != nil {
		return nil, nil, err
	}
	if all, err = done.Collection(ctx, src); err != nil {
		return nil, nil, err
	}
	if failed, err = done.FailedImages(ctx, src); err != nil {
		all.Close()
		return nil, nil, err
	}
	return all, failed, nil
}
