package output

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/store"
)

// Trials is what is known of the images of a chunk on which workers died: which
// ranges of them a worker began alone, and which it lived through. It is kept in
// the store, since those who try do not always live to tell.
type Trials struct {
	st     store.Store
	worker Worker
	prefix string
	begun  map[span]int // trials begun by workers that are gone
	passed map[span]bool
}

// span is the images lo <= i < hi of a chunk.
type span struct{ lo, hi int }

const trialFolder = Folder + "trials/"

// gone is how many leases old a trial must be, by the store's clock, before its
// worker on another machine counts as dead: a store that throttles for minutes
// keeps the living from giving a sign of life, too.
const gone = 5

// ReadTrials returns what is known of a chunk that c holds.
func (c *Claims) ReadTrials(ctx context.Context, chunk int) (*Trials, error) {
	t := &Trials{st: c.st, worker: c.worker, prefix: fmt.Sprintf("%s%05d.", trialFolder, chunk),
		begun: map[span]int{}, passed: map[span]bool{}}
	begun := map[string]span{}
	err := c.st.List(ctx, t.prefix, func(o store.Object) error {
		fields := strings.SplitN(strings.TrimPrefix(o.Name, t.prefix), ".", 3)
		if len(fields) != 3 {
			return nil
		}
		lo, err1 := strconv.Atoi(fields[0])
		hi, err2 := strconv.Atoi(fields[1])
		switch {
		case err1 != nil || err2 != nil:
		case fields[2] == "passed":
			t.passed[span{lo, hi}] = true
		default:
			begun[o.Name] = span{lo, hi}
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("list the trials: %w", err)
	}
	for name, s := range begun {
		dead, err := c.diedIn(ctx, name)
		if err != nil {
			return nil, err
		}
		if dead {
			t.begun[s]++
		}
	}
	return t, nil
}

// diedIn reports whether the worker that began a trial is dead.
func (c *Claims) diedIn(ctx context.Context, trial string) (bool, error) {
	body, o, err := readAll(ctx, c.st, trial)
	if err != nil {
		return false, fmt.Errorf("read a trial: %w", err)
	}
	var w Worker
	if json.Unmarshal(body, &w) == nil && w.sameMachine(&c.worker) {
		return !c.running(&w), nil
	}
	now, err := c.Now(ctx)
	return now.Sub(o.Modified) > gone*c.lease, err
}

// Deaths is how many workers began images lo <= i < hi alone and died in them.
func (t *Trials) Deaths(lo, hi int) int {
	if t.passed[span{lo, hi}] {
		return 0
	}
	return t.begun[span{lo, hi}]
}

// Begin notes that this worker is about to try a range.
func (t *Trials) Begin(ctx context.Context, lo, hi int) error {
	body, err := json.Marshal(t.worker)
	if err != nil {
		return err
	}
	return t.note(ctx, lo, hi, t.worker.ID, body)
}

// Pass notes that this worker lived through a range.
func (t *Trials) Pass(ctx context.Context, lo, hi int) error {
	t.passed[span{lo, hi}] = true
	return t.note(ctx, lo, hi, "passed", nil)
}

func (t *Trials) note(ctx context.Context, lo, hi int, what string, body []byte) error {
	name := fmt.Sprintf("%s%d.%d.%s", t.prefix, lo, hi, what)
	if _, err := t.st.Create(ctx, name, body); err != nil && !errors.Is(err, store.ErrExist) {
		return fmt.Errorf("note a trial: %w", err)
	}
	return nil
}
