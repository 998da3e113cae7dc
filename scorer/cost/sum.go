package cost

import (
	"math"
	"slices"
	"time"
)

// Work is the time that one worker was at work, on one device.
type Work struct {
	Host     string
	From, To time.Time
	Price    *Price // nil if it is not known
	// Guessed reports whether the times are those of its signs, since it did not say
	// itself for how long it worked: it worked for longer.
	Guessed bool
}

// Hours are the hours that were worked for a job.
type Hours struct {
	// Device is the sum over the workers, each with a device of its own. Node is the sum
	// over the machines, of the time in which at least one of their workers was at work.
	Device float64 `json:"device"`
	Node   float64 `json:"node"`
	// AtLeast is set if a worker is known to have worked for longer.
	AtLeast bool `json:"at_least,omitempty"`
}

// Cost is what a job cost.
type Cost struct {
	Amount   float64 `json:"amount"`
	Currency string  `json:"currency,omitempty"`
	// PerThousand is the cost of a thousand images that were scored; 0 if none was.
	PerThousand float64 `json:"per_1000_images,omitempty"`
	// AtLeast is set if a worker is known to have worked for longer, or if the price of
	// some is not known.
	AtLeast bool `json:"at_least,omitempty"`
}

// Sum adds up what workers did. The cost is nil if no price is known, or if the prices have
// several currencies. scored is how many images were scored.
func Sum(work []Work, scored int) (*Hours, *Cost) {
	if len(work) == 0 {
		return nil, nil
	}
	var h Hours
	c := new(Cost)
	priced, mixed := false, false
	nodes := map[string][]Work{} // by machine
	perNode := map[node][]Work{} // by machine and its price
	for _, w := range work {
		hours := max(w.To.Sub(w.From).Hours(), 0)
		h.Device += hours
		h.AtLeast = h.AtLeast || w.Guessed
		nodes[w.Host] = append(nodes[w.Host], w)
		switch {
		case w.Price == nil:
			c.AtLeast = true
			continue
		case priced && w.Price.Currency != c.Currency:
			mixed = true
			continue
		case w.Price.PerNode:
			of := node{w.Host, *w.Price}
			perNode[of] = append(perNode[of], w)
		default:
			c.Amount += hours * w.Price.PerHour
		}
		priced, c.Currency = true, w.Price.Currency
	}
	for _, w := range nodes {
		h.Node += together(w)
	}
	h.Device, h.Node = rounded(h.Device), rounded(h.Node)
	if mixed || !priced {
		return &h, nil
	}
	for of, w := range perNode {
		c.Amount += together(w) * of.price.PerHour
	}
	c.AtLeast = c.AtLeast || h.AtLeast
	c.finish(scored)
	return &h, c
}

type node struct {
	host  string
	price Price
}

// finish rounds the amount and divides it.
func (c *Cost) finish(scored int) {
	c.Amount, c.PerThousand = rounded(c.Amount), 0
	if scored > 0 {
		c.PerThousand = rounded(c.Amount / float64(scored) * 1000)
	}
}

// Add returns the sum of two costs, such as of a job and of a retry of it; scored is how many
// images were scored in all. A sum with what is not known is at least the other. It is nil
// if there are two currencies.
func Add(a, b *Cost, scored int) *Cost {
	switch {
	case a == nil && b == nil, a != nil && b != nil && a.Currency != b.Currency:
		return nil
	case a == nil:
		a, b = b, a
		fallthrough
	case b == nil:
		b = &Cost{AtLeast: true}
	}
	sum := &Cost{Amount: a.Amount + b.Amount, Currency: a.Currency, AtLeast: a.AtLeast || b.AtLeast}
	sum.finish(scored)
	return sum
}

// AddHours returns the sum of two numbers of hours, either of which may be nil, which is
// not known.
func AddHours(a, b *Hours) *Hours {
	if a == nil || b == nil {
		return nil
	}
	return &Hours{Device: rounded(a.Device + b.Device), Node: rounded(a.Node + b.Node), AtLeast: a.AtLeast || b.AtLeast}
}

// together returns for how many hours at least one of some workers was at work.
func together(work []Work) float64 {
	slices.SortFunc(work, func(a, b Work) int { return a.From.Compare(b.From) })
	var sum time.Duration
	var end time.Time
	for _, w := range work {
		if w.From.Before(end) {
			w.From = end
		}
		if w.To.After(w.From) {
			sum += w.To.Sub(w.From)
			end = w.To
		}
	}
	return sum.Hours()
}

// rounded rounds to six digits after the point, or to six in all if it is smaller than one.
func rounded(v float64) float64 {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0
	}
	digits := 6.0
	if v < 1 {
		digits = 5 - math.Floor(math.Log10(v))
	}
	if digits > 300 {
		return 0
	}
	scale := math.Pow(10, digits)
	return math.Round(v*scale) / scale
}
