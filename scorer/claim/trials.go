package claim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/store"
)

// Trials is what is known of the images of a chunk on which workers died: the
// ranges of images that a worker tried on their own, those that it survived, and the trials
// that it withdrew.
// Trials are kept in the store, since a worker that dies cannot report its own.
type Trials struct {
	st     store.Store
	worker Worker
	prefix string
	died   map[span]int // trials whose workers are dead
	passed map[span]bool
}

// span is the images lo <= i < hi of a chunk.
type span struct{ lo, hi int }

const (
	trialFolder = "_batchscore/trials/"
	passedName  = "passed"
	// withdrawn ends the name of a mark, whose beginning is that of the trial.
	withdrawn = ".withdrawn"
)

// trialLeases is how many leases old a trial must be, by the store's clock,
// before its worker on another machine counts as dead. A store that throttles for
// minutes keeps live workers from renewing their claims, too.
const trialLeases = 5

// ReadTrials returns what is known of a chunk that this worker holds.
func (c *Claims) ReadTrials(ctx context.Context, chunk int) (*Trials, error) {
	t := &Trials{st: c.st, worker: c.worker, prefix: fmt.Sprintf("%s%05d.", trialFolder, chunk),
		died: map[span]int{}, passed: map[span]bool{}}
	begun, over := map[string]span{}, []string{}
	err := c.st.List(ctx, t.prefix, func(o store.Object) error {
		fields := strings.SplitN(strings.TrimPrefix(o.Name, t.prefix), ".", 3)
		if len(fields) != 3 {
			return nil
		}
		lo, err1 := strconv.Atoi(fields[0])
		hi, err2 := strconv.Atoi(fields[1])
		switch {
		case err1 != nil || err2 != nil:
		case fields[2] == passedName:
			t.passed[span{lo, hi}] = true
		case strings.HasSuffix(fields[2], withdrawn):
			over = append(over, strings.TrimSuffix(o.Name, withdrawn))
		default:
			begun[o.Name] = span{lo, hi}
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("list the trials: %w", err)
	}
	for _, name := range over {
		delete(begun, name)
	}
	for name, s := range begun {
		dead, err := c.diedIn(ctx, name)
		if err != nil {
			return nil, err
		}
		if dead {
			t.died[s]++
		}
	}
	return t, nil
}

// diedIn reports whether the worker that began a trial is dead.
func (c *Claims) diedIn(ctx context.Context, trial string) (bool, error) {
	body, o, err := store.ReadAll(ctx, c.st, trial, claimMost)
	if err != nil && !errors.As(err, new(*store.TooLarge)) {
		return false, fmt.Errorf("read a trial: %w", err)
	}
	var w Worker
	if json.Unmarshal(body, &w) == nil && w.plausible() && w.SameMachine(&c.worker) {
		return !c.running(&w), nil
	}
	now, err := c.Now(ctx)
	return now.Sub(o.Modified).Abs() > trialLeases*c.lease, err // a date to come proves no life either
}

// Deaths returns how many workers tried images lo <= i < hi on their own and died.
// It is 0 once a worker survived them.
func (t *Trials) Deaths(lo, hi int) int {
	if t.passed[span{lo, hi}] {
		return 0
	}
	return t.died[span{lo, hi}]
}

// Begin records that this worker is about to try a range.
func (t *Trials) Begin(ctx context.Context, lo, hi int) error {
	body, err := json.Marshal(t.worker)
	if err != nil {
		return err
	}
	return t.record(ctx, lo, hi, t.worker.ID, body)
}

// Pass records that this worker survived a range.
func (t *Trials) Pass(ctx context.Context, lo, hi int) error {
	t.passed[span{lo, hi}] = true
	return t.record(ctx, lo, hi, passedName, nil)
}

// Withdraw records that this worker ended its trial of a range for a reason that is not one
// of its images, such as a signal, a storage that failed or want of memory. The trial counts
// as no death then.
func (t *Trials) Withdraw(ctx context.Context, lo, hi int) error {
	return t.record(ctx, lo, hi, t.worker.ID+withdrawn, nil)
}

func (t *Trials) record(ctx context.Context, lo, hi int, what string, body []byte) error {
	name := fmt.Sprintf("%s%d.%d.%s", t.prefix, lo, hi, what)
	if _, err := t.st.Create(ctx, name, body); err != nil && !errors.Is(err, store.ErrExist) {
		return fmt.Errorf("record a trial: %w", err)
	}
	return nil
}
