package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/judge"
)

// afterFlags are the flags of a run that continues an earlier output.
type afterFlags struct {
	after string
	reuse bool
	gone  string
}

func (f *afterFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.after, "after", "", "keep the rows of images that have not changed since the output in `PLACE`, and score what is new or"+
		" has changed; PLACE is an output, or a folder of outputs, of which the last complete one by name counts that is of the same model, options and images")
	fs.BoolVar(&f.reuse, "reuse-by-content", false, "with --after, give a new image the row of an earlier one with the same size and MD5 whose"+
		" status is ok, as when it was renamed; storage that knows no MD5, such as a folder, has no such images")
	fs.StringVar(&f.gone, "max-gone", "", "with --after, how many images of the collection before may be gone: `N` or P%; with more, nothing is"+
		" written, as when a part of them is not mounted; the default is 50% of at least 100 images")
}

// options returns what the flags say; nil for no earlier output.
func (f *afterFlags) options() (*scorer.After, error) {
	if f.after == "" {
		if f.reuse {
			return nil, usagef("--reuse-by-content is for --after")
		}
		if f.gone != "" {
			return nil, usagef("--max-gone is for --after")
		}
		return nil, nil //nolint:nilnil // documented
	}
	gone, err := judge.ParseMost(f.gone)
	if err != nil {
		return nil, usagef("--max-gone: %w", err)
	}
	place, err := afterPlace(f.after)
	if err != nil {
		return nil, err
	}
	return &scorer.After{Place: place, Asked: increment.Asked{ReuseByContent: f.reuse, MaxGone: gone}}, nil
}

// afterPlace returns the place that --after names, in full.
func afterPlace(after string) (string, error) {
	place, err := spelled(after)
	if err == nil && isLocal(after) {
		// As the folder of the result is named: with symbolic links.
		place, err = filepath.Abs(after)
	}
	if err != nil {
		return "", usagef("--after: %w", err)
	}
	return place, nil
}
