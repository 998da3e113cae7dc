package increment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/prune"
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
// If want is not nil, the last one counts whose rows are of the job want, unless there is none
// among the skipMost last ones.
//
// The error is output.ErrIncomplete if the place is an output that is not complete, and
// ErrNone if it holds no output.
func Find(ctx context.Context, out store.Store, place string, want *output.Job, log zerolog.Logger) (*Previous, error) {
	st, err := store.Neighbor(out, place)
	if err != nil {
		return nil, fmt.Errorf("--after: %w", err)
	}
	if sameplace(st, out) {
		return nil, fmt.Errorf("--after: %w: %s is the output of this job; name the output before it, or the folder that both are in", ErrNone, st)
	}
	one, err := store.Resolve(st) // a link may lead elsewhere tomorrow
	if err != nil {
		return nil, fmt.Errorf("--after: %w", err)
	}
	job, s, err := settled(ctx, one)
	if err == nil {
		return &Previous{one, job, s}, nil
	}
	if !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("--after: %w", err)
	}
	return last(ctx, out, st, want, log)
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

// settled is output.Settled for an output that nobody is deleting.
func settled(ctx context.Context, st store.Store) (output.Job, output.Success, error) {
	job, s, err := output.Settled(ctx, st)
	if err != nil {
		return job, s, err
	}
	pruning, err := prune.Deleting(ctx, st)
	if err == nil && pruning {
		err = fmt.Errorf("%w: %s is being deleted by 'batchscore prune', or that was interrupted; run prune again", output.ErrIncomplete, st)
	}
	return job, s, err
}

// skipMost is how many complete outputs of other jobs are skipped.
const skipMost = 20

// other says what keeps the rows of an output from being those of a job; empty if nothing does.
func (p *Previous) other(want *output.Job) string {
	if want == nil {
		return ""
	}
	if !output.SameImages(&p.Job, want) {
		return fmt.Sprintf("--images: %s there, %s here", p.Job.Images, want.Images)
	}
	return p.nothing(want)
}

// nearest returns the first output with the images of a job, or else the first.
func nearest(all []*Previous, want *output.Job) *Previous {
	for _, p := range all {
		if output.SameImages(&p.Job, want) {
			return p
		}
	}
	return all[0]
}

// last returns the output of a folder that Find returns.
func last(ctx context.Context, out, folder store.Store, want *output.Job, log zerolog.Logger) (*Previous, error) {
	own, inside := within(clean(out), clean(folder))
	var names []string
	err := store.Folders(ctx, folder, "", func(name string) error {
		if (!inside || name < own) && utf8.ValidString(name) { // no record holds another name
			names = append(names, name)
		}
		return nil
	})
	if err != nil && !(errors.Is(err, store.ErrNotExist) && inside) {
		return nil, fmt.Errorf("--after: look for outputs in %s: %w", folder, err)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(b, a) })
	var skipped []*Previous
	for _, name := range names {
		st, err := store.Neighbor(folder, clean(folder)+"/"+name)
		if err != nil {
			return nil, fmt.Errorf("--after: %w", err)
		}
		if st, err = store.Resolve(st); err != nil {
			continue // a link that leads nowhere
		}
		job, s, err := settled(ctx, st)
		switch {
		case err == nil:
			p := &Previous{st, job, s}
			if p.other(want) == "" {
				for _, o := range skipped {
					event.OutputSkipped.On(log).Str("output", o.Store.String()).Str("why", o.other(want)).Str("after", st.String()).
						Msgf("this output is of another job, so %s before it is continued", st)
				}
				return p, nil
			}
			if skipped = append(skipped, p); len(skipped) > skipMost {
				return nearest(skipped, want), nil
			}
		case errors.Is(err, output.ErrIncomplete):
			event.OutputIncomplete.On(log).Str("output", st.String()).
				Msg("this output is not complete, so an earlier one is continued: nothing is lost, as this run scores what it would have scored")
		case !errors.Is(err, store.ErrNotExist):
			return nil, fmt.Errorf("--after: %w", err)
		}
	}
	if len(skipped) > 0 {
		return nearest(skipped, want), nil
	}
	if inside {
		return nil, nil //nolint:nilnil // documented: there is none yet
	}
	return nil, fmt.Errorf("--after: %w: %s is neither an output nor a folder with a complete one", ErrNone, folder)
}
