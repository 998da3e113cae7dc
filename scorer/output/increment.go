package output

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

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
	// Outputs is the number of outputs that have rows of the collection, this one included.
	Outputs int `json:"outputs"`
	// Collection and Gone are the digests of these files.
	Collection string `json:"collection"`
	GoneDigest string `json:"gone_digest"`
}

const (
	// collectionName holds all images of an increment, goneName those that no longer exist.
	// Both have the form of a manifest.
	collectionName = Folder + "collection.jsonl"
	goneName       = Folder + "gone.jsonl"
	// failedName holds the name and the status of every failed image of the collection.
	failedName = Folder + "failed.jsonl"
	// dependentsFolder, in a source, has a record of each increment that refers to it.
	dependentsFolder = Folder + "dependents/"
)

// Increments reports whether the output of a job is an increment.
func (j *Job) Increments() bool { return j.After != nil && len(j.After.Sources) > 0 }

// Open opens a source, as seen from the increment st.
func (s *Source) Open(st store.Store) (store.Store, error) {
	src, err := store.Neighbor(st, s.Place)
	if err != nil {
		return nil, fmt.Errorf("open %s, whose rows %s keeps: %w", s.Place, st, err)
	}
	return src, nil
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

// ReadGone returns the manifest of the images that are gone since the output that an
// increment continues, as ReadCollection does.
func ReadGone(ctx context.Context, st store.Store) (*shard.Manifest, error) {
	return readManifest(ctx, st, goneName)
}

// FreezeGone is Freeze for the images that are gone.
func FreezeGone(ctx context.Context, st store.Store,
	build func(ctx context.Context) (*shard.Manifest, error)) (*shard.Manifest, error) {
	return freezeAs(ctx, st, goneName, build)
}

// Collection returns the manifest of all images of a complete output: for an increment those
// of its collection, and else those of its own manifest, each with its last entry. The caller
// closes it.
func (s *Success) Collection(ctx context.Context, st store.Store) (*shard.Manifest, error) {
	own, err := s.Manifest(ctx, st)
	if err != nil || s.Increment == nil {
		return own, err
	}
	defer own.Close()
	m, err := ReadCollection(ctx, st)
	if errors.Is(err, store.ErrNotExist) {
		return nil, goneRecord(st, collectionName)
	}
	if err != nil || s.Generation() == 0 {
		return m, err
	}
	defer m.Close()
	b := shard.Builder{Room: room} // of two entries with one path it keeps the last
	defer b.Close()
	if err := eachEntry(m, b.Add); err != nil {
		return nil, err
	}
	if err := eachEntry(own, b.Add); err != nil {
		return nil, err
	}
	m, _, err = b.Build(0)
	return m, err
}

// equal reports whether two jobs keep the same rows of the same outputs.
func (a *After) equal(b *After) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Job == b.Job && slices.Equal(a.Retry, b.Retry) && a.ReuseByContent == b.ReuseByContent &&
		slices.Equal(a.Sources, b.Sources) && (a.Nothing == "") == (b.Nothing == "")
}

// wholeStatuses returns the number of images of the collection with each status.
func (s *Success) wholeStatuses() map[string]int {
	if s.Increment != nil {
		return maps.Clone(s.Increment.Statuses)
	}
	return maps.Clone(s.Statuses)
}
