package serve

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/shard"
)

// Limits of what one question about rows costs.
const (
	mostRows    = 200     // of an answer
	defaultRows = 60      //
	mostOffset  = 10_000  // of an answer that is sorted
	mostNames   = 500_000 // that one search reads
)

// Orders of rows.
const (
	inOrder   = "order"  // of the manifest
	sampled   = "sample" // a fair sample first: see sample.go
	leastSure = "least"  // lowest score first
	surest    = "most"
)

// failedOnly stands for every status but ok.
const failedOnly = "failed"

// question asks for rows.
type question struct {
	status   string  // "" is any, failedOnly all but ok
	label    string  // "" is any; else one label or, if there is none of that name, a part of labels
	from, to float64 // of the score, which is less than to, or 1 if to is; NaN is no bound
	contains string  // is in the path; "" is any
	order    string
	after    int // rows to leave out: a row number in the order of the manifest, else how many
	limit    int
}

// parseQuestion reads the query of an address. What it does not know is an error.
func parseQuestion(q url.Values) (question, error) {
	ask := question{from: math.NaN(), to: math.NaN(), order: inOrder, limit: defaultRows}
	for name, values := range q {
		if len(values) != 1 {
			return ask, fmt.Errorf("%q is there %d times", name, len(values))
		}
		v, err := values[0], error(nil)
		switch name {
		case "status":
			ask.status = v
		case "label":
			ask.label = v
		case "from":
			ask.from, err = bound(v)
		case "to":
			ask.to, err = bound(v)
		case "contains":
			ask.contains = v
		case "order":
			switch v {
			case inOrder, sampled, leastSure, surest:
				ask.order = v
			default:
				err = fmt.Errorf("unknown order %q", v)
			}
		case "after":
			ask.after, err = number(v, math.MaxInt32)
		case "limit":
			if ask.limit, err = number(v, mostRows); err == nil && ask.limit == 0 {
				err = fmt.Errorf("a limit of 0 asks for nothing")
			}
		default:
			err = fmt.Errorf("unknown parameter %q", name)
		}
		if err != nil {
			return ask, err
		}
	}
	if ask.order != inOrder {
		ask.after = min(ask.after, mostOffset)
		if ask.contains != "" {
			return ask, fmt.Errorf("a part of the path can be searched for only in the order of the collection")
		}
	}
	return ask, nil
}

func bound(s string) (float64, error) {
	if s == "" {
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%q is not a score", s)
	}
	return v, nil
}

func number(s string, most int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%q is not a number from 0 to %d", s, most)
	}
	return n, nil
}

// shownRow is what an answer says of one row.
type shownRow struct {
	Row    int      `json:"row"`
	Path   string   `json:"path"`
	Status string   `json:"status"`
	Label  string   `json:"label,omitempty"`
	Score  *float32 `json:"score,omitempty"`
}

// answer has rows.
type answer struct {
	Rows []shownRow `json:"rows"`
	// Matching is how many rows match altogether; -1 if they were not counted.
	Matching int `json:"matching"`
	// Next is the After of the next question; 0 if there are no more.
	Next int `json:"next"`
	// Searched is how many rows of Of were looked at so far, if a search for a path ended early.
	Searched int `json:"searched,omitempty"`
	// Labels is how many labels contain the one that was asked for, which is none itself.
	Labels int `json:"labels,omitempty"`
	// Untold is how many rows have labels that are not told apart, so that no question finds them.
	Untold int `json:"untold,omitempty"`
	Of     int `json:"of"`
	// Edition is the one whose rows these are: see seen.Edition.
	Edition int `json:"edition"`
}

// test is a question in the numbers of an index.
type test struct {
	states   [256]bool
	labels   []bool // by number; nil is any
	from, to float64
	scored   bool // there is a bound
}

// test returns the test of a question; false if no row can match.
func (x *index) test(q *question) (test, bool) {
	t := test{from: math.Inf(-1), to: math.Inf(1)}
	any := false
	for i, s := range x.statuses.text {
		t.states[i] = q.status == "" || q.status == s || q.status == failedOnly && s != row.StatusOK
		any = any || t.states[i]
	}
	if x.statuses.others > 0 && q.status == "" {
		t.states[255], any = true, true
	}
	if q.label != "" {
		var found int
		if t.labels, found = x.labels.like(q.label); found == 0 {
			return t, false
		}
	}
	if !math.IsNaN(q.from) {
		t.from, t.scored = q.from, true
	}
	if !math.IsNaN(q.to) {
		if t.to, t.scored = q.to, true; q.to == 1 {
			t.to = math.Nextafter(1, 2) // the last bin of the histogram has 1
		}
	}
	return t, any
}

// like returns which texts are s or, if none is, contain it, in upper or lower case; and how many.
func (w *words) like(s string) (set []bool, found int) {
	set = make([]bool, w.most+1)
	if n, ok := w.number[s]; ok {
		set[n] = true
		return set, 1
	}
	s = strings.ToLower(s)
	for n, text := range w.text {
		if strings.Contains(strings.ToLower(text), s) {
			set[n] = true
			found++
		}
	}
	return set, found
}

// match reports whether row i of a part passes.
func (t *test) match(p *indexed, i int) bool {
	if !t.states[p.states[i]] || t.labels != nil && !t.labels[p.labels[i]] {
		return false
	}
	score := float64(p.scores[i])
	return !t.scored || score >= t.from && score < t.to
}

// may reports whether any row of a part may pass.
func (t *test) may(p *indexed) bool {
	for s, wanted := range t.states {
		if wanted && p.holds[s/64]&(1<<(s%64)) != 0 {
			return true
		}
	}
	return false
}

// ask answers a question. The names come from the manifest; no storage is read.
func (x *index) ask(ctx context.Context, q question, m *shard.Manifest) (answer, error) {
	x.mu.RLock()
	t, possible := x.test(&q)
	parts := append([]*indexed(nil), x.parts...)
	a := answer{Rows: []shownRow{}, Of: m.Len()}
	if q.label != "" {
		a.Untold = x.labels.others
		if _, exact := x.labels.number[q.label]; !exact {
			for _, is := range t.labels {
				if is {
					a.Labels++
				}
			}
		}
	}
	x.mu.RUnlock()
	if !possible {
		return a, nil
	}
	var numbers []int
	var err error
	switch {
	case q.contains != "":
		a.Matching = -1
		numbers, err = a.search(ctx, parts, &t, &q, m)
	case q.order == inOrder:
		numbers, err = a.page(ctx, parts, &t, &q)
	default:
		numbers, err = a.sort(ctx, parts, &t, &q, m)
	}
	if err != nil {
		return a, err
	}
	return a, x.show(&a, numbers, m)
}

// matching calls fn for each row of the parts that matches, by its part and its number there.
func matching(ctx context.Context, parts []*indexed, t *test, fn func(p *indexed, i int)) error {
	for _, p := range parts {
		if p == nil || !t.may(p) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for i := range p.states {
			if t.match(p, i) {
				fn(p, i)
			}
		}
	}
	return nil
}

// page finds the rows of one page in the order of the manifest, and counts all that match.
func (a *answer) page(ctx context.Context, parts []*indexed, t *test, q *question) ([]int, error) {
	var numbers []int
	err := matching(ctx, parts, t, func(p *indexed, i int) {
		a.Matching++
		if n := p.first + i; n >= q.after && len(numbers) < q.limit {
			numbers = append(numbers, n)
		} else if n >= q.after && a.Next == 0 {
			a.Next = n
		}
	})
	return numbers, err
}

// ranked is a row and what puts it in order.
type ranked struct {
	key float64
	row int
}

// sort finds the rows of one page in another order, and counts all that match.
func (a *answer) sort(ctx context.Context, parts []*indexed, t *test, q *question, m *shard.Manifest) ([]int, error) {
	first := choose.First[ranked]{N: q.after + q.limit + spare, Less: func(a, b ranked) bool {
		return a.key < b.key || a.key == b.key && a.row < b.row
	}}
	if err := matching(ctx, parts, t, func(p *indexed, i int) {
		r := ranked{row: p.first + i}
		switch score := float64(p.scores[i]); {
		case q.order == sampled:
			r.key = float64(p.hashes[i])
		case math.IsNaN(score):
			return // an image that failed has no score
		case q.order == leastSure:
			r.key = score
		default:
			r.key = -score
		}
		a.Matching++
		if first.Takes(r) {
			first.Add(r)
		}
	}); err != nil {
		return nil, err
	}
	all := first.Sorted()
	if q.order == sampled {
		if err := untie(all, m); err != nil {
			return nil, err
		}
	}
	var numbers []int
	for _, r := range all[min(q.after, len(all)):min(q.after+q.limit, len(all))] {
		numbers = append(numbers, r.row)
	}
	if next := q.after + len(numbers); next < a.Matching && next <= mostOffset {
		a.Next = next
	}
	return numbers, nil
}

// search finds the rows of one page whose paths contain a text. It ends early after mostNames.
func (a *answer) search(ctx context.Context, parts []*indexed, t *test, q *question, m *shard.Manifest) ([]int, error) {
	var numbers []int
	var entries []shard.Entry
	want := strings.ToLower(q.contains)
	names := 0
	for _, p := range parts {
		if p == nil || p.first+len(p.states) <= q.after || !t.may(p) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if names >= mostNames {
			a.Next, a.Searched = p.first, p.first
			return numbers, nil
		}
		var err error
		if entries, err = m.Entries(entries, p.first, p.first+len(p.states)); err != nil {
			return nil, err
		}
		names += len(entries)
		for i := range p.states {
			if p.first+i < q.after || !t.match(p, i) || !strings.Contains(strings.ToLower(entries[i].Path), want) {
				continue
			}
			if len(numbers) == q.limit {
				a.Next = p.first + i
				return numbers, nil
			}
			numbers = append(numbers, p.first+i)
		}
	}
	return numbers, nil
}

// show adds rows to an answer.
func (x *index) show(a *answer, numbers []int, m *shard.Manifest) error {
	for _, n := range numbers {
		e, err := m.At(n)
		if err != nil {
			return err
		}
		r := shownRow{Row: n, Path: e.Path}
		x.mu.RLock()
		if p, i := x.find(n); p != nil {
			r.Status = x.statuses.of(int(p.states[i]))
			if score := p.scores[i]; !math.IsNaN(float64(score)) && !math.IsInf(float64(score), 0) {
				r.Label, r.Score = x.labels.of(int(p.labels[i])), &score
			}
		}
		x.mu.RUnlock()
		a.Rows = append(a.Rows, r)
	}
	return nil
}

// find returns where a row is; nil if its part is not read.
func (x *index) find(n int) (*indexed, int) {
	chunk := 0
	if x.size > 0 {
		chunk = n / x.size
	}
	if chunk >= len(x.parts) || x.parts[chunk] == nil {
		return nil, 0
	}
	p := x.parts[chunk]
	if i := n - p.first; i >= 0 && i < len(p.states) {
		return p, i
	}
	return nil, 0
}
