package prune

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// realPlace returns the place that a store leads to by links; empty if it leads nowhere.
func realPlace(st store.Store) string {
	place, err := store.Real(st, st.String())
	if err != nil {
		return ""
	}
	return place
}

func samePlace(a, b store.Store) bool {
	place := realPlace(a)
	return place != "" && place == realPlace(b)
}

// readLinked is read for an entry of a folder of runs, which may be a link. Of a link to an output
// it reads the record, as far as it can, so that what the output needs is kept.
func (r *Run) readLinked(ctx context.Context) (bool, error) {
	r.Place = r.st.String()
	to, err := store.Real(r.st, r.Place)
	if err == nil && to == r.Place {
		return r.read(ctx)
	}
	r.State = Link
	if err != nil {
		r.Keep = "it is not looked at: " + err.Error()
		return true, nil
	}
	r.Keep = "it is a link to " + to + ", which is not deleted by way of it"
	st, err := store.Neighbor(r.st, to)
	if err != nil {
		return true, nil
	}
	job, err := output.ReadJob(ctx, st)
	if errors.Is(err, store.ErrNotExist) {
		return false, nil // it leads to no output
	}
	if err == nil {
		r.job = job
	}
	return true, nil
}

// at returns the run of the plan in a place, as seen from another; nil if there is none.
func (p *Plan) at(from store.Store, place string) *Run {
	st, err := store.Neighbor(from, place)
	if err != nil {
		return nil
	}
	return p.places[realPlace(st)]
}

// sources returns the runs of the plan that may be a source of a run: the one in its place or, if
// another job is there, all of its job.
func (p *Plan) sources(r *Run, s *output.Source) []*Run {
	if run := p.at(r.st, s.Place); run != nil && run.Job == s.Job {
		return []*Run{run}
	}
	return p.jobs[s.Job]
}

// dependents returns the increments that need the rows of a run, without those to forget.
func (p *Plan) dependents(ctx context.Context, r *Run) ([]Dependent, error) {
	all, err := Dependents(ctx, r.st, r.Job)
	return slices.DeleteFunc(all, func(d Dependent) bool {
		return d.Missing && slices.ContainsFunc(p.rules.Forget, func(place string) bool {
			return strings.TrimSuffix(place, "/") == strings.TrimSuffix(d.Place, "/")
		})
	}), err
}

// parent returns the folder that an output is in; nil if it is in none of its storage.
func parent(st store.Store) store.Store {
	place := strings.TrimSuffix(st.String(), "/")
	above, err := store.Neighbor(st, place[:max(0, strings.LastIndexByte(place, '/'))])
	if err != nil {
		return nil
	}
	return above
}

func needed(r *Run, by string) error {
	if by == "" {
		return nil
	}
	return fmt.Errorf("%s: %w: %s", r.st, ErrNeeded, by)
}

// newNeed returns the name of an output next to a run that needs its rows and is not in the plan;
// empty for none. It may have failed to leave its mark.
func (p *Plan) newNeed(ctx context.Context, r *Run) (string, error) {
	folder := p.st
	if !p.Folder {
		if folder = p.above; folder == nil {
			return "", nil
		}
	}
	all, err := names(ctx, folder)
	if errors.Is(err, store.ErrDenied) && !p.Folder {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, name := range all {
		if slices.ContainsFunc(p.Runs, func(known *Run) bool { return known.Name == name && known.Job != "" }) {
			continue
		}
		st, err := store.Resolve(store.NewSub(folder, name+"/"))
		if err != nil {
			continue // a link that leads nowhere
		}
		job, err := output.ReadJob(ctx, st)
		if errors.Is(err, store.ErrNotExist) || errors.Is(err, output.ErrMismatch) || errors.Is(err, store.ErrDenied) {
			continue
		}
		if err != nil {
			return "", err
		}
		if is, err := needs(ctx, st, &job, r.st, r.Job); is || err != nil {
			return name, err
		}
	}
	return "", nil
}
