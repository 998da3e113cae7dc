package prune

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// group are the complete runs of one collection of images that are of one job, as --after compares
// jobs, without what another release or machine changes.
type group struct {
	first *output.Job
	runs  []*Run // the last first
}

func (g *group) has(job *output.Job) bool {
	if !output.SameImages(g.first, job) {
		return false
	}
	have := *job
	have.Images, have.RowForm, have.Decoding, have.Int8 = g.first.Images, row.Newest, g.first.Decoding, g.first.Int8
	return output.Differs(have, *g.first) == ""
}

func (p *Plan) groups() []*group {
	var all []*group
	for _, r := range slices.Backward(p.Runs) {
		if r.State != Complete || r.Keep != "" {
			continue
		}
		i := slices.IndexFunc(all, func(g *group) bool { return g.has(&r.job) })
		if i < 0 {
			i, all = len(all), append(all, &group{first: &r.job})
		}
		all[i].runs = append(all[i].runs, r)
	}
	return all
}

// keepLast keeps the last runs of each group. Copies of an output count once. If one of them has
// lost rows, all of its group are kept.
func (p *Plan) keepLast(ctx context.Context, keep int) error {
	for _, g := range p.groups() {
		jobs := map[string]int{}
		var broken *Run
		for _, r := range g.runs {
			n, known := jobs[r.Job]
			if !known {
				n = len(jobs)
				jobs[r.Job] = n
			}
			if n >= keep {
				continue
			}
			switch {
			case known:
				r.Keep = "it is a copy of one of the last complete runs"
			case n == 0:
				r.Keep = "it is the last complete run"
			default:
				r.Keep = fmt.Sprintf("it is one of the last %d complete runs", keep)
			}
			lost, err := p.lost(ctx, r)
			if err != nil {
				return err
			}
			if lost != "" {
				r.Keep = "rows of it are lost: " + lost + "; bring that back, or delete this run by hand, and prune again"
				broken = r
			}
		}
		if broken == nil {
			continue
		}
		for _, r := range g.runs {
			if r.Keep == "" {
				r.Keep = "rows of " + broken.Name + " are lost, so all complete runs are kept"
			}
		}
	}
	return nil
}

// lost says which source of a complete run is gone or no longer complete; empty for none.
func (p *Plan) lost(ctx context.Context, r *Run) (string, error) {
	if !r.job.Increments() {
		return "", nil
	}
	for _, s := range r.job.After.Sources {
		if s.Folded || slices.ContainsFunc(p.sources(r, &s), func(r *Run) bool { return r.State == Complete }) {
			continue
		}
		st, err := s.Open(r.st)
		if err != nil {
			return s.Place + " cannot be opened", nil
		}
		done, err := output.ReadSuccess(ctx, st)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case errors.Is(err, store.ErrNotExist):
			return s.Place + " is gone or not complete", nil
		case err != nil:
			return s.Place + " cannot be read: " + err.Error(), nil
		case done.Job != s.Job:
			return s.Place + " is of another job now", nil
		}
	}
	return "", nil
}
