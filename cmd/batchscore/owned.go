package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
	"github.com/batchscore/batchscore/scorer/store/place"
)

// Output folders own names: those of parts, of _SUCCESS, and all in _batchscore. No
// command writes another file there, whatever its flags.

// errOwned returns the error for a file that an output folder owns.
func errOwned(flag, file, folder string) error {
	return usagef("%s %s: that name belongs to the output folder %s; nothing was changed: give another name", flag, file, folder)
}

// notOwnedBy returns an error if a file has a name that the output folder out owns, even
// if that folder does not exist yet.
func notOwnedBy(flag, file, out string) error {
	name, err := reached(file)
	if err != nil {
		return usagef("%s: %w", flag, err)
	}
	folder, err := reached(out)
	if err != nil {
		return nil // which is an error elsewhere
	}
	rest, below := strings.CutPrefix(strings.TrimSuffix(name, "/")+"/", strings.TrimSuffix(folder, "/")+"/")
	if below && owns(rest) {
		return errOwned(flag, file, folder)
	}
	return nil
}

// owns reports whether an output folder owns a name in it, with a slash at its end.
func owns(name string) bool {
	return output.IsOwn(strings.TrimSuffix(name, "/")) || output.IsOwn(name)
}

// reached returns the one spelling of a place. Links of a path that does not exist yet
// are followed as well.
func reached(spec string) (string, error) {
	if !isLocal(spec) {
		return spelled(spec)
	}
	absolute, err := filepath.Abs(spec)
	if err != nil {
		return "", err
	}
	return atomicfile.Resolve(absolute), nil
}

// sameFolder reports whether two places are the same, which need not exist.
func sameFolder(a, b string) bool {
	a, err := reached(a)
	b, err2 := reached(b)
	return err == nil && err2 == nil && a == b
}

// notOwned returns an error if the file of that name on this machine is one that an
// output folder owns. Other places are none of its business.
func notOwned(flag, file string) error {
	if file == "" || file == "-" || !isLocal(file) {
		return nil
	}
	name, err := reached(file)
	if err != nil {
		return usagef("%s: %w", flag, err)
	}
	folder, err := ownerOf(name, func(folder string) (bool, error) {
		info, err := os.Stat(filepath.Join(folder, output.Folder))
		return err == nil && info.IsDir(), nil
	})
	if folder == "" || err != nil {
		return err
	}
	return errOwned(flag, file, folder)
}

// writing are the flags, besides those for a place of its own, that name a file or a
// folder that a command writes to.
var writing = []string{"output", "onnx", "save", "chart", "profile", "metrics-file"}

// noneOwned returns an error if one of the flags names a file on this machine that an
// output folder owns.
func noneOwned(flags *pflag.FlagSet) error {
	for _, name := range writing {
		flag := flags.Lookup(name)
		if flag == nil {
			continue
		}
		spelling := "--" + name
		if flag.Shorthand != "" {
			spelling = "-" + flag.Shorthand
		}
		if err := notOwned(spelling, flag.Value.String()); err != nil {
			return err
		}
	}
	return nil
}

// notOwnedObject is notOwned for an object in object storage, at the place p.
func (f *placeFlags) notOwnedObject(ctx context.Context, flag string, scheme place.Scheme, p place.Place) error {
	folder, err := ownerOf(strings.TrimSuffix(p.String(), "/"), func(folder string) (bool, error) {
		_, above, err := storages.Parse(folder)
		if err != nil {
			return false, nil // such as the account
		}
		st, err := f.openPlace(flag, scheme, above)
		if err != nil {
			return false, err
		}
		return holdsResult(ctx, st)
	})
	if folder == "" || err != nil {
		return err
	}
	return errOwned(flag, p.String(), folder)
}

// ownerOf returns the output folder that owns a file; empty for none. is reports whether
// a folder is an output folder. It is asked only about those that would own the name.
func ownerOf(file string, is func(folder string) (bool, error)) (string, error) {
	for at := len(file); ; {
		at = strings.LastIndexByte(file[:at], '/')
		if at < 0 {
			return "", nil
		}
		if !owns(file[at+1:]) && !owns(file[at+1:]+"/") {
			continue
		}
		if yes, err := is(file[:at]); yes || err != nil {
			return file[:at], err
		}
	}
}

// aside returns an error if images would be copied into an output folder, or to names that
// one owns. st is the store of the place.
func (f *placeFlags) aside(ctx context.Context, flag, spec string, st store.Store) error {
	scheme, p, err := storages.Parse(spec)
	if err != nil {
		return usagef("%s: %w", flag, err)
	}
	if scheme.Local() {
		err = notOwned(flag, spec)
	} else {
		err = f.notOwnedObject(ctx, flag, scheme, p)
	}
	if err != nil {
		return err
	}
	holds, err := holdsResult(ctx, st)
	if holds {
		return usagef("%s: %s is an output folder: choose another place", flag, st)
	}
	return err
}

// holdsResult reports whether a place is an output folder.
func holdsResult(ctx context.Context, st store.Store) (bool, error) {
	found := errors.New("found")
	err := store.Names(ctx, st, output.Folder, func(string) error { return found })
	switch {
	case errors.Is(err, found):
		return true, nil
	case errors.Is(err, store.ErrNotExist):
		return false, nil
	}
	return false, err
}
