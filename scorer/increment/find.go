package increment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// Previous is a complete output that a job continues.
type Previous struct {
	Store   store.Store
	Job     output.Job
	Success output.Success
}

// Find returns the output that a place means to a job that writes to out: the place itself or,
// if it is a folder of outputs, the last complete one by name. out and those with later names
// are left out. It returns nil if the folder that out is in has no complete one yet.
//
// The error is output.ErrIncomplete if the place is an output that is not complete, and
// ErrNone if it holds no output.
func Find(ctx context.Context, out store.Store, place string, log zerolog.Logger) (*Previous, error) {
	st, err := store.Neighbor(out, place)
	if err != nil {
		return nil, fmt.Errorf("--after: %w", err)
	}
	if sameplace(st, out) {
		return nil, fmt.Errorf("--after: %w: %s is the output of this job; name the output before it, or the folder that both are in", ErrNone, st)
	}
	job, s, err := output.Settled(ctx, st)
	if err == nil {
		return &Previous{st, job, s}, nil
	}
	if !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("--after: %w", err)
	}
	return last(ctx, out, st, log)
}

// ErrNone means that a place holds no output.
var ErrNone = errors.New("no output to continue")

func clean(st store.Store) string { return strings.TrimSuffix(st.String(), "/") }

func sameplace(a, b store.Store) bool { return clean(a) == clean(b) }

// within returns the name of an output in a folder; false if it is elsewhere, or deeper. Places
// are no paths: cleaning az:// as one leaves a single slash.
func within(out, folder string) (string, bool) {
	name, ok := strings.CutPrefix(out, folder+"/")
	return name, ok && !strings.Contains(name, "/")
}

// last returns the last complete output of a folder.
func last(ctx context.Context, out, folder store.Store, log zerolog.Logger) (*Previous, error) {
	own, inside := within(clean(out), clean(folder))
	var names []string
	err := store.Folders(ctx, folder, "", func(name string) error {
		if !inside || name < own {
			names = append(names, name)
		}
		return nil
	})
	if err != nil && !(errors.Is(err, store.ErrNotExist) && inside) {
		return nil, fmt.Errorf("--after: look for outputs in %s: %w", folder, err)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(b, a) })
	for _, name := range names {
		st, err := store.Neighbor(folder, clean(folder)+"/"+name)
		if err != nil {
			return nil, fmt.Errorf("--after: %w", err)
		}
		job, s, err := output.Settled(ctx, st)
		switch {
		case err == nil:
			return &Previous{st, job, s}, nil
		case errors.Is(err, output.ErrIncomplete):
			event.OutputIncomplete.On(log).Str("output", st.String()).
				Msg("this output is not complete, so an earlier one is continued: nothing is lost, as this run scores what it would have scored")
		case !errors.Is(err, store.ErrNotExist):
			return nil, fmt.Errorf("--after: %w", err)
		}
	}
	if inside {
		return nil, nil //nolint:nilnil // documented: there is none yet
	}
	return nil, fmt.Errorf("--after: %w: %s is neither an output nor a folder with a complete one", ErrNone, folder)
}
