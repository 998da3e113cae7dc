package store

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
)

// Neighborly is a Store that can open other places of its storage.
type Neighborly interface {
	Store
	// Neighbor returns the store of another place, with the credentials, limits and other
	// options of this one. place is absolute, as String names places, or begins with "../"
	// and is relative to this place. Names in it are taken as they are: nothing is escaped.
	// It sends no request. A place that is of another storage is ErrOtherStorage.
	Neighbor(place string) (Store, error)
}

// ErrOtherStorage means that two places are not in the same storage.
var ErrOtherStorage = errors.New("not in the same storage")

// Neighbor is Neighborly.Neighbor for every store. Without the ability it is
// ErrOtherStorage.
func Neighbor(st Store, place string) (Store, error) {
	n, ok := As[Neighborly](st)
	if !ok {
		return nil, OtherStorage(st, place)
	}
	return n.Neighbor(place)
}

// OtherStorage returns the ErrOtherStorage of a place that is not a neighbor of st.
func OtherStorage(st Store, place string) error {
	return fmt.Errorf("%s: %w as %s; both must be folders of one file system tree, or of one container", place, ErrOtherStorage, st)
}

// IsRelative reports whether a place is relative to another one.
func IsRelative(place string) bool { return strings.HasPrefix(place, "../") }

// Relative returns the shortest name by which Neighbor of st finds a place that String
// named so: relative if both have the same parent, and else place itself. So places that
// lie together can be moved together.
func Relative(st Store, place string) string {
	here, there := strings.TrimSuffix(st.String(), "/"), strings.TrimSuffix(place, "/")
	if path.Dir(here) == path.Dir(there) && here != there && strings.Contains(here, "/") && path.Base(there) != ".." {
		return "../" + path.Base(there)
	}
	return place
}

// Join returns the folder that a relative place means, seen from a folder. Both are paths
// in a store, without the slash at the end; the store itself is the empty path. ok is false if
// the place is above the store or has an empty element.
func Join(folder, place string) (joined string, ok bool) {
	elements := strings.Split(folder, "/")
	if folder == "" {
		elements = nil
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(place, "/"), "/") {
		switch part {
		case "..":
			if len(elements) == 0 {
				return "", false
			}
			elements = elements[:len(elements)-1]
		case "", ".":
			return "", false
		default:
			elements = append(elements, part)
		}
	}
	return strings.Join(elements, "/"), true
}

// FolderLister is a Store that can list the folders in a folder without what is in them.
type FolderLister interface {
	Store
	// Folders calls fn for the name of every folder directly beneath the folder in, which
	// is empty for the root or ends in a slash: each once, in any order, without a slash. It
	// stops at the first error of fn and returns it. It makes each of its requests through
	// retry. The folders of a file system may be empty.
	Folders(ctx context.Context, in string, retry Retry, fn func(name string) error) error
}

// Folders is FolderLister.Folders for every store, without another try at a request.
// Without the ability, it lists all objects.
func Folders(ctx context.Context, st Store, in string, fn func(name string) error) error {
	return folders(ctx, st, in, Once, fn)
}

func folders(ctx context.Context, st Store, in string, retry Retry, fn func(name string) error) error {
	if l, ok := As[FolderLister](st); ok {
		return l.Folders(ctx, in, retry, fn)
	}
	seen := map[string]bool{}
	return Names(ctx, st, in, func(name string) error {
		folder, _, ok := strings.Cut(strings.TrimPrefix(name, in), "/")
		if !ok || seen[folder] {
			return nil
		}
		seen[folder] = true
		return fn(folder)
	})
}
