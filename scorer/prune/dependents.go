package prune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

const (
	// dependentsFolder, in an output, has a mark of each increment that keeps rows of it.
	dependentsFolder = output.Folder + "dependents/"
	// pruningName marks an output that is being deleted.
	pruningName = output.Folder + "pruning.json"
	// markMost is the most bytes of a mark.
	markMost = 64 << 10
)

// ErrNeeded means that increments keep rows of an output, so that it must stay as it is.
var ErrNeeded = errors.New("other outputs keep rows of it")

// Dependent is the mark of an increment in an output that it keeps rows of.
type Dependent struct {
	// Place is that of the increment, as seen from the output: see store.Neighbor.
	Place string `json:"place"`
	Job   string `json:"job"` // its ID
	// Why says why it counts although it could not be read; empty for those that could.
	Why string `json:"-"`
	// Missing reports whether it is elsewhere and does not exist.
	Missing bool `json:"-"`
}

// String names the increment.
func (d Dependent) String() string {
	if d.Why == "" {
		return d.Place
	}
	return d.Place + " (" + d.Why + "; mount or repair it, or forget it if it was removed: batchscore prune --forget PLACE, " +
		"or delete " + dependentsFolder + d.Job + ".json)"
}

// Announce puts the mark of an increment into each of its sources, so that nobody deletes or
// changes them. Call it once the record of the increment is stored, before its sources are read.
// Where a mark cannot be written, warn is called. An error means that a source is gone or being
// deleted, or that the storage does not answer.
//
// Announce writes the mark and then looks for that of a deletion; a deletion writes its own and
// then looks for those of increments. So at least one of them sees the other.
func Announce(ctx context.Context, out store.Store, job *output.Job, warn func(error)) error {
	if !job.Increments() {
		return nil
	}
	for i := range job.After.Sources {
		s := &job.After.Sources[i]
		st, err := s.Open(out)
		if err != nil {
			return err
		}
		_, err = output.ReadJob(ctx, st)
		gone := errors.Is(err, store.ErrNotExist)
		if err != nil && !gone {
			return err
		}
		body, err := json.MarshalIndent(Dependent{Place: store.Relative(st, out.String()), Job: job.ID}, "", "  ")
		if err != nil {
			return err
		}
		if !gone { // a mark must not make a folder of nothing else
			_, err = st.Create(ctx, dependentsFolder+job.ID+".json", append(body, '\n'))
		}
		if err != nil && !errors.Is(err, store.ErrExist) {
			if ctx.Err() != nil {
				return err
			}
			warn(fmt.Errorf("mark %s as needed by this output, so that 'batchscore prune' keeps it: %w", st, err))
		}
		pruning, err := has(ctx, st, pruningName)
		if err != nil {
			return fmt.Errorf("see whether %s is being deleted: %w", st, err)
		}
		if pruning {
			return fmt.Errorf("%w: %s, whose rows %s keeps, is being deleted by 'batchscore prune'; if it is gone, remove %s and begin again; "+
				"if it stays, run 'batchscore prune' again, then this", output.ErrIncomplete, st, out, out)
		}
		if gone {
			return fmt.Errorf("%s, whose rows %s keeps, is gone: the content %w; bring it back, or begin again without --after in another --out",
				st, out, output.ErrMismatch)
		}
		// A retry looks for marks once it has begun, and this for retries once it has left its mark.
		if err := s.Settled(ctx, out); err != nil {
			return err
		}
	}
	return nil
}

// Deleting reports whether an output has the mark of a deletion: it is being deleted, or that was
// interrupted.
func Deleting(ctx context.Context, st store.Store) (bool, error) { return has(ctx, st, pruningName) }

func has(ctx context.Context, st store.Store, name string) (bool, error) {
	r, _, err := st.Open(ctx, name, "")
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, r.Close()
}

// Dependents returns the increments that need the rows of an output, by their marks in it. An
// increment next to the output that was removed, or one that has copied all that it needs, does not
// count. One that cannot be read does, and so does one elsewhere that does not exist: its file
// system may not be mounted.
func Dependents(ctx context.Context, st store.Store, job string) ([]Dependent, error) {
	var names []string
	err := store.Names(ctx, st, dependentsFolder, func(name string) error {
		names = append(names, name)
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("list what depends on %s: %w", st, err)
	}
	slices.Sort(names)
	var live []Dependent
	for _, name := range names {
		d, err := readMark(ctx, st, name)
		if err != nil {
			return nil, err
		}
		needs, err := d.needs(ctx, st, job)
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			d.Why = "it could not be looked at: " + err.Error()
		}
		if needs || err != nil {
			live = append(live, d)
		}
	}
	return live, nil
}

// readMark returns a mark. One that is damaged counts.
func readMark(ctx context.Context, st store.Store, name string) (d Dependent, err error) {
	body, _, err := store.ReadAll(ctx, st, name, markMost)
	if err == nil {
		err = json.Unmarshal(body, &d)
	}
	if err == nil && d.Place != "" {
		return d, nil
	}
	if ctx.Err() != nil {
		return d, err
	}
	return Dependent{Place: name, Job: strings.TrimPrefix(name, dependentsFolder)}, nil
}

// needs reports whether the increment exists and needs the rows of an output.
func (d *Dependent) needs(ctx context.Context, st store.Store, job string) (bool, error) {
	place, err := store.Neighbor(st, d.Place)
	if err != nil {
		return false, err
	}
	have, err := output.ReadJob(ctx, place)
	if errors.Is(err, store.ErrNotExist) {
		if !store.IsRelative(d.Place) {
			d.Missing = true
			return true, errors.New("it is not there now")
		}
		_, err := store.Real(place, place.String())
		return err != nil, err
	}
	if err != nil || have.ID != d.Job {
		return false, err
	}
	return needs(ctx, place, &have, st, job)
}

// needs reports whether an output needs the rows of another, which is of that job: as long as it is
// not complete also those that it copies.
func needs(ctx context.Context, st store.Store, have *output.Job, of store.Store, job string) (bool, error) {
	if !have.Increments() {
		return false, nil
	}
	for _, s := range have.After.Sources {
		if s.Job != job || readsCopy(ctx, st, &s, of) {
			continue
		}
		if !s.Folded {
			return true, nil
		}
		_, err := output.ReadSuccess(ctx, st)
		if errors.Is(err, store.ErrNotExist) {
			return true, nil
		}
		return false, err
	}
	return false, nil
}

// Unneeded returns ErrNeeded if increments need the rows of an output, which is about to be
// changed in place.
func Unneeded(ctx context.Context, st store.Store, job string) error {
	all, err := Dependents(ctx, st, job)
	if err != nil || len(all) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w: %s", st, ErrNeeded, list(all))
}

// readsCopy reports whether an increment reads a source at another place than st, with
// the same job: one of them is a copy of the other.
func readsCopy(ctx context.Context, inc store.Store, s *output.Source, st store.Store) bool {
	src, err := s.Open(inc)
	if err != nil || samePlace(src, st) {
		return false
	}
	job, err := output.ReadJob(ctx, src)
	return err == nil && job.ID == s.Job
}

// list names dependents, the first three of them.
func list(all []Dependent) string {
	const most = 3
	var names []string
	for _, d := range all[:min(most, len(all))] {
		names = append(names, d.String())
	}
	text := strings.Join(names, ", ")
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
