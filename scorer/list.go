package scorer

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/scratch"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// ErrNoImages means that a collection holds nothing to score.
var ErrNoImages = errors.New("no images found")

// tenEndings are those of output.TenEndings, in lower case.
var tenEndings = map[string]bool{
	".jpg": true, ".jpeg": true, ".jpe": true, ".jfif": true, ".png": true, ".gif": true,
	".bmp": true, ".tif": true, ".tiff": true, ".webp": true,
}

// systemFolders are folders that programs keep for themselves next to a user's
// pictures: thumbnails, copies, and what was thrown away.
var systemFolders = map[string]bool{
	"@eaDir": true, "#recycle": true, "#snapshot": true, "$RECYCLE.BIN": true, "System Volume Information": true,
	"__MACOSX": true, ".Trash": true, ".Trashes": true, ".Spotlight-V100": true, ".fseventsd": true,
	".TemporaryItems": true, ".DocumentRevisions-V100": true, ".thumbnails": true, ".snapshot": true,
	".snapshots": true, ".zfs": true, ".git": true, ".ipynb_checkpoints": true, "lost+found": true,
}

// documents are names without an ending that are no picture's, in lower case. Other
// names without one are taken: collections name pictures by digest or number.
var documents = map[string]bool{
	"readme": true, "license": true, "licence": true, "copying": true, "notice": true, "authors": true,
	"changelog": true, "makefile": true, "dockerfile": true, "_success": true, "md5sums": true, "sha256sums": true,
}

// Reasons for passing over what a store lists, besides output.NotAPicture.
const (
	appleDouble   = "AppleDouble (attributes that macOS keeps of another file)"
	beneathLinks  = "beneath a linked folder"
	systemFolder  = "in "
	freedesktopID = ".Trash-" // and a user's number
)

// passedBy is why an object is not taken for an image; empty if it is. Whether
// what is taken is an image is decided by its content, later.
func passedBy(files output.Files, o *store.Object) string {
	switch {
	case strings.HasSuffix(o.Name, "/") && o.Size == 0:
		return string(store.FolderMarker)
	case files == output.AllFiles:
		return ""
	case files == output.TenEndings && o.Linked:
		return beneathLinks
	case files == output.TenEndings && !tenEndings[strings.ToLower(path.Ext(o.Name))]:
		return output.NotAPicture
	case files == output.TenEndings:
		return ""
	}
	base := o.Name
	for {
		folder, rest, ok := strings.Cut(base, "/")
		if !ok {
			break
		}
		if systemFolders[folder] {
			return systemFolder + folder
		}
		if strings.HasPrefix(folder, freedesktopID) {
			return systemFolder + ".Trash"
		}
		base = rest
	}
	switch {
	case strings.HasPrefix(base, "._"):
		return appleDouble
	case strings.TrimSuffix(path.Ext(base), ".") == "" && !documents[strings.ToLower(base)], preprocess.KnownExtension(base):
		return ""
	}
	return output.NotAPicture
}

// Images calls fn for every object of a place that is taken for an image, as
// store.Store.List does, and counts the others.
func Images(ctx context.Context, images store.Store, files output.Files, fn func(store.Object) error) (output.PassedOver, error) {
	var passed output.PassedOver
	ctx = store.OnPassed(ctx, func(name string, why store.Reason) {
		if why.Folder() {
			passed.AddFolder(string(why), name)
			return
		}
		passed.Add(string(why), name)
	})
	err := images.List(ctx, "", func(o store.Object) error {
		if why := passedBy(files, &o); why != "" {
			passed.Add(why, o.Name)
			return nil
		}
		return fn(o)
	})
	if err != nil {
		return nil, fmt.Errorf("list images in %s: %w", images, err)
	}
	return passed, nil
}

// List makes the manifest of all images of a place, at most most of them when
// that is above zero: the first in the order of the manifest. The caller closes
// it. What was passed over is counted and logged.
func List(ctx context.Context, images store.Store, files output.Files, most int, log zerolog.Logger) (*shard.Manifest, output.PassedOver, error) {
	b := shard.Builder{Room: scratch.Room()}
	defer b.Close()
	passed, err := Images(ctx, images, files, func(o store.Object) error {
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
		log.Warn().Int("names", stats.Duplicates).Msg("the listing named images more than once: each gets one row")
	}
	if m.Len() == 0 {
		m.Close()
		return nil, passed, NoImages(images, passed)
	}
	if len(passed) > 0 {
		e := log.Info()
		if len(passed[string(store.ClosedFolder)]) > 0 {
			e = log.Warn()
		}
		e.Interface("passed_over", passed).Msg(passed.String())
	}
	return m, passed, nil
}

// NoImages is the ErrNoImages of a place in which all was passed over.
func NoImages(images store.Store, passed output.PassedOver) error {
	if len(passed) == 0 {
		return fmt.Errorf("%w in %s: nothing lies there; check --images", ErrNoImages, images)
	}
	return fmt.Errorf("%w in %s: %s; check --images, or take files whatever their names with --all-files", ErrNoImages, images, passed)
}

// present is store.ErrUnavailable where nothing lies at the place of images that
// were listed before: a folder that is not mounted must not make each of them a
// row that says that it was deleted.
func present(ctx context.Context, images store.Store) error {
	some := errors.New("some")
	err := store.Names(ctx, images, "", func(string) error { return some })
	switch {
	case errors.Is(err, some):
		return nil
	case err == nil, errors.Is(err, store.ErrNotExist):
		return fmt.Errorf("%s: %w: nothing lies there, but images did when they were listed; mount it again and run again",
			images, store.ErrUnavailable)
	}
	return fmt.Errorf("look for images in %s: %w", images, err)
}
