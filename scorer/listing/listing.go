// Package listing finds the images of a collection: it lists a store, decides by
// name which objects are taken for images, and makes the job's manifest of them.
package listing

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/scratch"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// ErrNoImages reports that a collection has nothing to score.
var ErrNoImages = errors.New("no images found")

// Walk calls fn for every object of a store that is taken for an image, in the
// order and from the goroutine of store.Store.List. It returns how many other
// objects it passed over, and why.
func Walk(ctx context.Context, images store.Store, files Files, fn func(store.Object) error) (PassedOver, error) {
	var passed PassedOver
	ctx = store.OnPassed(ctx, func(name string, why store.Reason) {
		if why.Folder() {
			passed.AddFolder(string(why), name)
			return
		}
		passed.Add(string(why), name)
	})
	err := images.List(ctx, "", func(o store.Object) error {
		if why := passedOver(files, &o); why != "" {
			passed.Add(why, o.Name)
			return nil
		}
		return fn(o)
	})
	if err != nil {
		hint := ""
		if errors.Is(err, store.ErrNotExist) {
			hint = patternHint(images)
		}
		return nil, fmt.Errorf("images: %w%s", err, hint)
	}
	return passed, nil
}

// Manifest makes the manifest of the images of a store. If most is above zero,
// the manifest has at most that many entries: the first in manifest order. The
// objects passed over are counted and logged. The caller closes the manifest.
// Without any image the error wraps ErrNoImages.
func Manifest(ctx context.Context, images store.Store, files Files, most int, log zerolog.Logger) (*shard.Manifest, PassedOver, error) {
	b := shard.Builder{Room: scratch.Room()}
	defer b.Close()
	passed, err := Walk(ctx, images, files, func(o store.Object) error {
		return b.Add(shard.Entry{Path: o.Name, Size: o.Size, ETag: o.ETag, MD5: o.MD5})
	})
	if err != nil {
		return nil, nil, err
	}
	m, stats, err := b.Build(most)
	if err != nil {
		return nil, nil, fmt.Errorf("list images in %s: %w", images, err)
	}
	if stats.Duplicates > 0 {
		event.ListingDuplicates.On(log).Int("names", stats.Duplicates).Msg("the listing named images more than once: each gets one row")
	}
	if m.Len() == 0 {
		m.Close()
		return nil, passed, NoImages(images, passed)
	}
	if len(passed) > 0 {
		kind := event.FilesPassedOver
		if len(passed[string(store.ClosedFolder)]) > 0 {
			kind = event.FoldersClosed
		}
		kind.On(log).Interface("passed_over", passed).Msg(passed.String())
	}
	return m, passed, nil
}

// patternHint returns what to add to the error of a place that was not found or is
// empty, if it looks like a pattern.
func patternHint(images store.Store) string {
	place := images.String()
	at := strings.IndexAny(place, "*?[")
	if at < 0 {
		return ""
	}
	return fmt.Sprintf("; patterns are not expanded: give the folder %s, and all images beneath it are taken", place[:strings.LastIndexByte(place[:at], '/')+1])
}

// NoImages returns the ErrNoImages for a store in which everything was passed
// over, or which is empty.
func NoImages(images store.Store, passed PassedOver) error {
	if len(passed) == 0 {
		return fmt.Errorf("%w in %s: it is empty; check --images%s", ErrNoImages, images, patternHint(images))
	}
	return fmt.Errorf("%w in %s: %s; check --images, or use --all-files to take files whatever their names", ErrNoImages, images, passed)
}

// Present returns store.ErrUnavailable if a store that had images when they were
// listed is empty now. A folder whose file system is not mounted must stop the
// run: otherwise every image would get a row that says it was deleted.
func Present(ctx context.Context, images store.Store) error {
	errFound := errors.New("found")
	err := store.Names(ctx, images, "", func(string) error { return errFound })
	switch {
	case errors.Is(err, errFound):
		return nil
	case err == nil, errors.Is(err, store.ErrNotExist):
		return fmt.Errorf("%s: %w: it is empty, but had images when they were listed; mount it again and run again",
			images, store.ErrUnavailable)
	}
	return fmt.Errorf("look for images in %s: %w", images, err)
}
