package output

import (
	"context"
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

// ReadTrials returns what is known of a chunk.
func ReadTrials(ctx context.Context, st store.Store, worker Worker, chunk int) (*Trials, error) {
	t := &Trials{st: st, worker: worker, prefix: fmt.Sprintf("%s%05d.", trialFolder, chunk),
		begun: map[span]int{}, passed: map[span]bool{}}
	err := st.List(ctx, t.prefix, func(o store.Object) error {
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
			t.begun[span{lo, hi}]++
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("list the trials: %w", err)
	}
	return t, nil
}

// Deaths is how many workers began images lo <= i < hi alone and did not live
// through them.
func (t *Trials) Deaths(lo, hi int) int {
	if t.passed[span{lo, hi}] {
		return 0
	}
	return t.begun[span{lo, hi}]
}

// Begin notes that this worker is about to try a range.
func (t *Trials) Begin(ctx context.Context, lo, hi int) error {
	return t.note(ctx, lo, hi, t.worker.ID)
}

// Pass notes that this worker lived through a range.
func (t *Trials) Pass(ctx context.Context, lo, hi int) error {
	t.passed[span{lo, hi}] = true
	return t.note(ctx, lo, hi, "passed")
}

func (t *Trials) note(ctx context.Context, lo, hi int, what string) error {
	name := fmt.Sprintf("%s%d.%d.%s", t.prefix, lo, hi, what)
	if _, err := t.st.Create(ctx, name, nil); err != nil && !errors.Is(err, store.ErrExist) {
		return fmt.Errorf("note a trial: %w", err)
	}
	return nil
}
