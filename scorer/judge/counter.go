package judge

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/batchscore/batchscore/scorer/row"
)

// Example is an image that failed.
type Example struct {
	Path   string `json:"path"`
	Status string `json:"status"`
	Error  string `json:"error"`
}

const (
	// examplesOf is how many examples of one status a rank keeps, and mostExamples how
	// many a verdict has.
	examplesOf   = 3
	mostExamples = 8
	// longestReason is how much of an example's error is kept.
	longestReason = 400
)

// Counter counts what became of the images of one worker. Its methods may be called
// from any number of goroutines.
type Counter struct {
	groups []group
	images int // of the job
	world  int
	perm   func(n int) []int // numbers below n in random order

	mu       sync.Mutex
	seen     int // images
	failed   map[string]int
	examples map[string][]Example
	spread   bool
	sample   Sample
	// drawn are the chunks that were drawn and are not in the sample yet, in the order in
	// which they were: those that fail are quick, so a sample of the first to be done
	// would have too many of them.
	drawn   []int
	outcome map[int]map[string]int // of drawn chunks; nil of one that another worker committed
}

// NewCounter returns a counter for a worker of a job with that many images. byDefault is
// the share that the job's record names, and world the number of ranks.
func NewCounter(l Limits, byDefault string, images, world int) *Counter {
	return &Counter{groups: l.groups(byDefault, images), images: images, world: max(world, 1), perm: rand.Perm,
		failed: map[string]int{}, examples: map[string][]Example{}, outcome: map[int]map[string]int{}}
}

// Commit counts the rows of a chunk that this worker committed.
func (c *Counter) Commit(chunk int, rows []row.Row) {
	var failed map[string]int
	for i := range rows {
		if rows[i].Status == row.StatusOK {
			continue
		}
		if failed == nil {
			failed = map[string]int{}
		}
		failed[rows[i].Status]++
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen += len(rows)
	for status, n := range failed {
		c.failed[status] += n
		c.keep(status, rows)
	}
	if failed == nil {
		failed = map[string]int{}
	}
	c.settle(chunk, failed)
}

// keep keeps examples of a status.
func (c *Counter) keep(status string, rows []row.Row) {
	for i := 0; i < len(rows) && len(c.examples[status]) < examplesOf; i++ {
		if r := &rows[i]; r.Status == status && utf8.ValidString(r.Path) {
			reason := []rune(r.Error)
			c.examples[status] = append(c.examples[status], Example{r.Path, status, string(reason[:min(len(reason), longestReason)])})
		}
	}
}

// Lose says that another worker has committed a chunk that this one took.
func (c *Counter) Lose(chunk int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle(chunk, nil)
}

// settle notes the outcome of a chunk if it was drawn.
func (c *Counter) settle(chunk int, failed map[string]int) {
	if !slices.Contains(c.drawn, chunk) {
		return
	}
	c.outcome[chunk] = failed
	for len(c.drawn) > 0 {
		failed, known := c.outcome[c.drawn[0]]
		if !known {
			return
		}
		delete(c.outcome, c.drawn[0])
		c.drawn = c.drawn[1:]
		if failed == nil {
			continue
		}
		c.sample.Chunks++
		if c.sample.Failed == nil {
			c.sample.Failed = map[string]int{}
		}
		for status, n := range failed {
			c.sample.Failed[status] += n
		}
	}
}

// Spread returns the chunks of next in random order, and true, if so many images of this
// worker fail that a sample of the rest of its share is worth having. It does so once.
func (c *Counter) Spread(next, end int) ([]int, bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spread || !c.suspicious() {
		return nil, false
	}
	c.spread = true
	order := c.perm(end - next)
	for i := range order {
		order[i] += next
	}
	return order, true
}

// Draw says that a chunk was taken as the next in the order that Spread returned.
func (c *Counter) Draw(chunk int) {
	c.mu.Lock()
	c.drawn = append(c.drawn, chunk)
	c.mu.Unlock()
}

// few is how many failed images are worth a tally, unless fewer are allowed.
const few = 10

// suspicious reports whether so many images failed that all ranks together may exceed a
// limit: half of the share that is allowed of this worker's images, or half of its part of
// all that are allowed.
func (c *Counter) suspicious() bool {
	for i := range c.groups {
		g := &c.groups[i]
		n := g.count(c.failed)
		if g.allowed >= c.images || n < min(few, g.allowed+1) {
			continue
		}
		if 2*float64(n)*float64(c.images) >= float64(g.allowed)*float64(c.seen) || 2*n*c.world >= g.allowed {
			return true
		}
	}
	return false
}

// tally returns what is counted, and whether it may exceed a limit.
func (c *Counter) tally() (Tally, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := Tally{Images: c.seen, Failed: maps.Clone(c.failed), Sample: Sample{c.sample.Chunks, maps.Clone(c.sample.Failed)}}
	for _, status := range row.Failures(c.failed) {
		t.Examples = append(t.Examples, c.examples[status]...)
	}
	return t, c.suspicious()
}
