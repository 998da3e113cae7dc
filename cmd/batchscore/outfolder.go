package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// yesHelp describes the flag --yes.
const yesHelp = "write the result to --out even if that overlaps --images, or holds files of others (default ask on a terminal, else exit with code 78)"

// mixes returns what a new result in out would be mixed with; empty for nothing. images
// and out are the places, st is the store of out. Once out holds a job there is nothing
// to ask: to continue it is what the user wants.
func mixes(ctx context.Context, images, out string, st store.Store) string {
	if _, err := output.ReadJob(ctx, st); !errors.Is(err, store.ErrNotExist) {
		return ""
	}
	if text := overlap(images, out); text != "" {
		return text
	}
	found := ""
	stop := errors.New("found")
	// A place that cannot be listed is reported when the job begins.
	if err := store.Names(ctx, st, "", func(name string) error {
		if output.IsOwn(name) || listing.Hidden(name) {
			return nil
		}
		found = name
		return stop
	}); !errors.Is(err, stop) {
		return ""
	}
	return fmt.Sprintf("%s holds other files, such as %q", st, found)
}

// overlap says how two places overlap; empty if they do not.
func overlap(images, out string) string {
	in, err := spelled(images)
	to, err2 := spelled(out)
	if err != nil || err2 != nil {
		return "" // which is an error elsewhere
	}
	switch {
	case asFolder(in) == asFolder(to):
		return fmt.Sprintf("--out is the same as --images, %s", in)
	case inside(images, out):
		return fmt.Sprintf("--out %s is inside --images %s", to, in)
	case inside(out, images):
		return fmt.Sprintf("--images %s is inside --out %s", in, to)
	}
	return ""
}

// inside reports whether the place inner is below the place outer.
func inside(outer, inner string) bool {
	out, err := spelled(outer)
	in, err2 := spelled(inner)
	return err == nil && err2 == nil && out != in && strings.HasPrefix(asFolder(in), asFolder(out))
}

// asFolder returns a place with a slash at its end.
func asFolder(place string) string { return strings.TrimSuffix(place, "/") + "/" }

// mayMix returns nil if a new result in out is mixed with nothing, or if the user agrees.
func mayMix(ctx context.Context, images, out string, st store.Store, agreed *consent) error {
	if agreed.given {
		return nil
	}
	mixed := mixes(ctx, images, out, st)
	if mixed == "" {
		return nil
	}
	return agreed.to(mixed, "Put the result there?", "choose another --out, or give --yes to put the result there")
}
