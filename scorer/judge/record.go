package judge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

const (
	// folder has one object per tally and verdict.
	folder   = "_batchscore/failures/"
	stopName = "stop"
	// most is the most bytes of a tally and of a verdict. They have some 10 kB.
	most = 256 << 10
	// mostCount is more images than a job has.
	mostCount = 1 << 40
)

// Tally is what a worker has committed: all of it, so that only its last tally counts.
type Tally struct {
	Job      string         `json:"job"`
	Rank     int            `json:"rank"`
	World    int            `json:"world"`
	Images   int            `json:"images"`
	Failed   map[string]int `json:"failed"` // by status
	Sample   Sample         `json:"sample"`
	Examples []Example      `json:"examples"`
}

// Stop is a verdict: that a job has too many failures, and the facts that say so.
type Stop struct {
	Job    string `json:"job"`
	Worker string `json:"worker"` // that was the first to say so
	Limits string `json:"max_errors,omitempty"`
	// Images are those of the manifest, and Done those that had their rows.
	Images int            `json:"images"`
	Done   int            `json:"done"`
	Failed map[string]int `json:"failed"` // by status
	// Groups are those of Limits.
	Groups   []Group   `json:"groups"`
	Examples []Example `json:"examples"`

	number int
}

// Group is what is known of the images that count for one limit.
type Group struct {
	Name string `json:"name"`
	// Expected is how many will have failed at the end of the job, at least.
	Expected int `json:"expected"`
}

// Holds reports whether a run with limits l has to stop for this verdict, and why. What
// failed with one of the forgiven statuses does not count.
func (s *Stop) Holds(l Limits, byDefault string, forgiven row.Selection) (why string, holds bool) {
	counted := maps.Clone(s.Failed)
	maps.DeleteFunc(counted, func(status string, _ int) bool { return forgiven.Has(status) })
	for _, g := range l.groups(byDefault, s.Images) {
		failed := g.count(counted)
		e := excess{group: g, failed: failed, expected: failed}
		for _, known := range s.Groups {
			if known.Name == g.name && failed == g.count(s.Failed) {
				e.expected = max(failed, known.Expected)
			}
		}
		if e.expected > g.allowed {
			return e.why(s), true
		}
	}
	return "", false
}

// why says in words which limit is exceeded.
func (e *excess) why(s *Stop) string {
	text := fmt.Sprintf("%d of %d so far (%s), and of all %d %s", e.failed, s.Done, row.TallyFailures(e.only(s.Failed)), s.Images, e.of())
	if e.failed <= e.allowed {
		text += fmt.Sprintf("; chunks taken at random say that %d or more would fail", e.expected)
	}
	return text
}

// Past is what earlier workers and the other ranks have left.
type Past struct {
	Stop    *Stop            // the last verdict; nil for none
	Tallies map[string]Tally // the last of each worker, by its ID

	job   string
	last  map[string]int // the number of each worker's last tally
	stops int            // how many verdicts there are
}

func tallyName(worker string, n int) string { return fmt.Sprintf("%s%s.%06d.json", folder, worker, n) }

// Look adds to the past what has been written since: verdicts, and tallies if they are
// wanted. It makes one listing, and reads each object once.
func (p *Past) Look(ctx context.Context, st store.Store, job string, tallies bool) error {
	if p.last == nil {
		p.last, p.Tallies = map[string]int{}, map[string]Tally{}
	}
	p.job = job
	newest := map[string]int{}
	err := store.Names(ctx, st, folder, func(name string) error {
		who, digits, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(name, folder), ".json"), ".")
		if n, err := strconv.Atoi(digits); err == nil && n >= 0 && tallyName(who, n) == name {
			newest[who] = max(newest[who], n+1)
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return fmt.Errorf("list the failures: %w", err)
	}
	if n := newest[stopName]; n > p.stops {
		var s Stop
		if ok, err := read(ctx, st, tallyName(stopName, n-1), &s); err != nil {
			return err
		} else if ok && s.plausible(job) {
			s.number = n - 1
			p.Stop = &s
		}
		p.stops = n
	}
	delete(newest, stopName)
	if !tallies {
		return nil
	}
	for who, n := range newest {
		if n <= p.last[who] {
			continue
		}
		var t Tally
		if ok, err := read(ctx, st, tallyName(who, n-1), &t); err != nil {
			return err
		} else if ok && t.plausible(job) {
			p.Tallies[who] = t
		}
		p.last[who] = n
	}
	return nil
}

// read reads one object. ok is false for one that cannot be understood, as after a crash
// of the machine that wrote it: without it the judgement is a later one.
func read(ctx context.Context, st store.Store, name string, into any) (ok bool, err error) {
	body, _, err := store.ReadAll(ctx, st, name, most)
	switch {
	case errors.Is(err, store.ErrNotExist), errors.As(err, new(*store.TooLarge)):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read the failures: %w", err)
	}
	return json.Unmarshal(body, into) == nil, nil
}

// Forget has nothing that was found be forgiven.
func (p *Past) Forget() { p.Tallies, p.last = nil, nil }

// plausible reports whether a tally that was read may be one of that job: whoever can
// write to the output can write any.
func (t *Tally) plausible(job string) bool {
	return t.Job == job && t.World > 0 && t.World <= claim.MostRanks && t.Rank >= 0 && t.Rank < t.World && t.Images >= 0 && t.Images <= mostCount &&
		counts(t.Failed) && t.Sample.Chunks >= 0 && t.Sample.Chunks <= mostCount && counts(t.Sample.Failed) &&
		row.Failed(t.Failed) <= t.Images && row.Failed(t.Sample.Failed) <= t.Images && short(t.Examples)
}

func (s *Stop) plausible(job string) bool {
	for _, g := range s.Groups {
		if g.Expected < 0 || g.Expected > s.Images {
			return false
		}
	}
	return s.Job == job && s.Images >= 0 && s.Images <= mostCount && s.Done >= 0 && s.Done <= s.Images &&
		counts(s.Failed) && row.Failed(s.Failed) <= s.Images && short(s.Examples)
}

func counts(failed map[string]int) bool {
	for _, n := range failed {
		if n < 0 || n > mostCount {
			return false
		}
	}
	return true
}

func short(examples []Example) bool {
	return len(examples) <= mostExamples*examplesOf
}

// publish creates the tally number n of a worker.
func (t *Tally) publish(ctx context.Context, st store.Store, worker string, n int) error {
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	_, err = store.CreateVolatile(ctx, st, tallyName(worker, n), body)
	if errors.Is(err, store.ErrExist) {
		return nil // its answer was lost
	}
	return err
}

// pronounce creates a verdict, and returns the one that exists then: the first writer of
// this number decides.
func (p *Past) pronounce(ctx context.Context, st store.Store, s *Stop) error {
	body, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	_, err = st.Create(ctx, tallyName(stopName, p.stops), append(body, '\n'))
	if err != nil && !errors.Is(err, store.ErrExist) {
		return err
	}
	return p.Look(ctx, st, s.Job, false)
}
