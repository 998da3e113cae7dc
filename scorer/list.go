package scorer

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/scratch"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// ErrNoImages says that a collection holds nothing to score.
var ErrNoImages = errors.New("no images found")

// extensions are the names under which images are looked for, in lower case.
// Whether such a file is an image is decided by its content, later.
var extensions = map[string]bool{
	".jpg": true, ".jpeg": true, ".jpe": true, ".jfif": true, ".png": true, ".gif": true,
	".bmp": true, ".tif": true, ".tiff": true, ".webp": true,
}

// List makes the manifest of all images of a collection, at most max of them
// when max is above zero: the first in the order of the manifest. The caller
// closes it.
func List(ctx context.Context, images store.Store, max int, log zerolog.Logger) (*shard.Manifest, error) {
	b := shard.Builder{Room: scratch.Room()}
	defer b.Close()
	others := 0
	err := images.List(ctx, "", func(o store.Object) error {
		if !IsImage(o.Name) {
			others++
			return nil
		}
		return b.Add(shard.Entry{Path: o.Name, Size: o.Size, ETag: o.ETag, MD5: o.MD5})
	})
	if err != nil {
		return nil, fmt.Errorf("list images in %s: %w", images, err)
	}
	m, stats, err := b.Build(max)
	if err != nil {
		return nil, fmt.Errorf("list images in %s: %w", images, err)
	}
	if stats.Duplicates > 0 {
		log.Warn().Int("names", stats.Duplicates).Msg("the listing named images more than once: each gets one row")
	}
	if m.Len() == 0 {
		m.Close()
		return nil, fmt.Errorf("%w in %s: %d files there, none with the ending of an image "+
			"(jpg, jpeg, png, gif, bmp, tif, tiff, webp); check --images", ErrNoImages, images, others)
	}
	if others > 0 {
		log.Info().Int("files", others).Msg("files without the ending of an image are left out")
	}
	return m, nil
}

// IsImage says whether an object of that name is taken for an image.
func IsImage(name string) bool { return extensions[strings.ToLower(path.Ext(name))] }
