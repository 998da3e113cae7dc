package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// buckets counts values by how large they are. Its zero value is empty.
type buckets struct {
	whole  bool        // numbers such as sizes; else numbers from 0 to 1, such as scores
	counts map[int]int // by number of the bucket
	n      int
	sum    float64
	lowest float64
	most   float64
}

func (b *buckets) add(v float64) {
	if b.n == 0 {
		b.lowest, b.most, b.counts = v, v, map[int]int{}
	}
	b.n++
	b.sum += v
	b.lowest, b.most = min(b.lowest, v), max(b.most, v)
	b.counts[b.bucket(v)]++
}

// tenths is how many buckets there are from 0 to 1.
const tenths = 10

// bucket returns the number of the bucket of a value. From 0 to 1 each bucket is a
// tenth, and the last one holds 1; -1 and tenths hold what is outside. Buckets of
// whole numbers begin at 1, 2, 5, 10, 20, 50 and so on, and -1 holds those below.
func (b *buckets) bucket(v float64) int {
	switch {
	case !b.whole:
		if v == 1 {
			return tenths - 1
		}
		// As 32 bits, in which scores are: 0.7 times ten is 7 then.
		return max(-1, min(tenths, int(math.Floor(float64(float32(v)*tenths)))))
	case v < 1:
		return -1
	}
	n := 0
	for b.start(n+1) <= v {
		n++
	}
	return n
}

// start returns the least value of a bucket.
func (b *buckets) start(n int) float64 {
	if !b.whole {
		return float64(n) / tenths
	}
	return []float64{1, 2, 5}[n%3] * math.Pow10(n/3)
}

// edges returns the least value of a bucket, and that of the next; nil where it has
// none.
func (b *buckets) edges(n int) (from, to *float64) {
	if n >= 0 {
		from = new(b.start(n))
	}
	if b.whole || n < tenths {
		to = new(b.start(n + 1))
	}
	return from, to
}

// shown returns the numbers of the buckets that are shown: all from the first to the
// last, and of those from 0 to 1 all.
func (b *buckets) shown() []int {
	from, to := 0, tenths-1
	numbers := slices.Sorted(maps.Keys(b.counts))
	if len(numbers) == 0 {
		return nil
	}
	if first, last := numbers[0], numbers[len(numbers)-1]; b.whole {
		from, to = first, last
	} else {
		from, to = min(from, first), max(to, last)
	}
	var all []int
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}

func (b *buckets) mean() float64 { return b.sum / float64(b.n) }

// distribution is how the values of one column are distributed.
type distribution struct {
	column row.Column
	all    buckets
	labels map[string]*buckets // by what the answer says; nil for whole numbers
}

// distributions returns one for each column; without columns, for the score and the
// certainty, or else all columns of numbers that the answer has.
func (v *view) distributions(named []row.Column) ([]*distribution, error) {
	if named == nil {
		own := []string{"score", row.Certainty}
		for _, c := range v.columns {
			if slices.Contains(own, c.Name) {
				named = append(named, c)
			}
		}
		for _, c := range v.columns {
			if len(named) == 0 && c.Kind == row.Number {
				named = append(named, c)
			}
		}
	}
	var all []*distribution
	for _, c := range named {
		if !c.Numeric() || c.Name == "class_id" {
			return nil, usagef("--histogram: %s is not an amount; columns that are: %s", c.Name, strings.Join(v.amounts(), ", "))
		}
		d := &distribution{column: c, all: buckets{whole: c.Kind == row.Whole}}
		if !d.all.whole {
			d.labels = map[string]*buckets{}
		}
		all = append(all, d)
	}
	if len(all) == 0 {
		return nil, usagef("--histogram: answers of the task %s have no numbers; columns that have: %s",
			v.job.Schema().Task.Name(), strings.Join(v.amounts(), ", "))
	}
	return all, nil
}

// amounts returns the names of the columns that a histogram can show.
func (v *view) amounts() []string {
	var names []string
	for _, c := range v.columns {
		if c.Numeric() && c.Name != "class_id" {
			names = append(names, c.Name)
		}
	}
	return names
}

// histogram prints how the values of columns are distributed over the chosen rows.
func (v *view) histogram(ctx context.Context, named []row.Column) error {
	all, err := v.distributions(named)
	if err != nil {
		return err
	}
	task := v.job.Schema().Shown()
	if err := v.each(ctx, func(r *row.Row) error {
		for _, d := range all {
			value := d.column.Of(r)
			if value.Unknown {
				continue
			}
			d.all.add(value.Number)
			if d.labels == nil {
				continue
			}
			label := task.Caption(r)
			if d.labels[label] == nil {
				d.labels[strings.Clone(label)] = &buckets{}
			}
			d.labels[label].add(value.Number)
		}
		return nil
	}); err != nil {
		return err
	}
	if v.json {
		var shown []distributionJSON
		for _, d := range all {
			shown = append(shown, d.json())
		}
		if err := printJSON(v.stdout, map[string]any{"rows": v.all, "chosen": v.chosen, "columns": shown}); err != nil {
			return err
		}
		return v.conclude(ctx, v.stderr)
	}
	for _, d := range all {
		if err := d.print(v); err != nil {
			return err
		}
	}
	return v.conclude(ctx, v.stdout)
}

// print prints a bar for each bucket, and a line for each label.
func (d *distribution) print(v *view) error {
	heading := fmt.Sprintf("%s of %s", d.column.Name, images(d.all.n)) + markOf(v.job.Simulated())
	if d.all.n > 0 {
		heading += fmt.Sprintf(": mean %s, lowest %s, highest %s", d.text(d.all.mean()), d.text(d.all.lowest), d.text(d.all.most))
	}
	if err := sayLine(v.stdout, heading); err != nil || d.all.n == 0 {
		return err
	}
	g := newGrid(v.stdout)
	g.right = map[int]bool{0: true, 1: true}
	most := 0
	for _, n := range d.all.counts {
		most = max(most, n)
	}
	longest := longestBar
	if g.width > 0 {
		widest := 2 * len(gap)
		for _, n := range d.all.shown() {
			widest = max(widest, 2*len(gap)+len(d.span(n))+len(fmt.Sprint(most)))
		}
		longest = max(1, min(longest, g.width-widest))
	}
	for _, n := range d.all.shown() {
		g.add(d.span(n), fmt.Sprint(d.all.counts[n]), bar(d.all.counts[n], most, longest))
	}
	if err := g.flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(v.stdout); err != nil || d.labels == nil {
		return err
	}
	return d.printLabels(v)
}

// longestBar is the length of the longest bar where there is room for it.
const longestBar = 40

// bar returns a bar for n of most, which has the longest one. A bar that is not empty
// has a character at least.
func bar(n, most, longest int) string {
	if n == 0 {
		return ""
	}
	return strings.Repeat("#", max(1, (n*longest+most/2)/most))
}

// text returns a value of the column for people.
func (d *distribution) text(v float64) string {
	switch {
	case d.column.Name == "size":
		return formatBytes(int64(v))
	case d.all.whole:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4f", v)
}

// span returns the values that a bucket holds.
func (d *distribution) span(n int) string {
	edge := func(v float64) string {
		if d.all.whole {
			return strings.Replace(d.text(v), ".0 ", " ", 1)
		}
		return fmt.Sprintf("%.1f", v)
	}
	switch from, to := d.all.edges(n); {
	case from == nil:
		return "below " + edge(*to)
	case to == nil:
		return "above " + edge(*from)
	default:
		return edge(*from) + " to " + edge(*to)
	}
}

// roomForBuckets is the least width of a terminal on which each label's buckets are
// shown.
const roomForBuckets = 64

// mostLabels is how many labels have a line of their own.
const mostLabels = 20

// printLabels prints which share of each label's images is in which bucket.
func (d *distribution) printLabels(v *view) error {
	g := newGrid(v.stdout)
	shown := d.all.shown()
	if g.width > 0 && g.width < roomForBuckets {
		shown = nil
	}
	headings := []string{"LABEL", "IMAGES", "MEAN"}
	for _, n := range shown {
		headings = append(headings, strings.TrimPrefix(strings.Fields(d.span(n))[0], "0"))
	}
	for i := 1; i < len(headings); i++ {
		g.right[i] = true
	}
	g.add(headings...)
	names := d.byImages()
	for _, name := range names[:min(len(names), mostLabels)] {
		b := d.labels[name]
		cells := []string{printable.Field(name), fmt.Sprint(b.n), d.text(b.mean())}
		for _, n := range shown {
			cells = append(cells, shareOf(b.counts[n], b.n))
		}
		g.add(cells...)
	}
	if err := g.flush(); err != nil {
		return err
	}
	if n := len(names) - mostLabels; n > 0 {
		if _, err := printf(v.stdout, "... and %d more labels, see --json\n", n); err != nil {
			return err
		}
	}
	note := ""
	if shown != nil {
		note = fmt.Sprintf("(percent of the label's images, by %s)\n", d.column.Name)
	}
	_, err := fmt.Fprintln(v.stdout, note)
	return err
}

// byImages returns the labels, that of most images first.
func (d *distribution) byImages() []string {
	return slices.SortedFunc(maps.Keys(d.labels), func(a, b string) int {
		return cmp.Or(d.labels[b].n-d.labels[a].n, strings.Compare(a, b))
	})
}

// shareOf returns n of all in percent: a dot for none, and no 0 or 100 unless it is
// none or all.
func shareOf(n, all int) string {
	if n == 0 {
		return "."
	}
	p := (100*n + all/2) / all
	if n < all {
		p = min(p, 99)
	}
	return fmt.Sprint(max(1, p))
}

// distributionJSON is a distribution for programs.
type distributionJSON struct {
	Column  string             `json:"column,omitempty"`
	Label   *string            `json:"label,omitempty"`
	Images  int                `json:"images"`
	Mean    *float64           `json:"mean"`
	Lowest  *float64           `json:"lowest"`
	Highest *float64           `json:"highest"`
	Buckets []bucketJSON       `json:"buckets"`
	Labels  []distributionJSON `json:"labels,omitempty"`
}

// bucketJSON holds the values from From to below To; null where it has no such end.
type bucketJSON struct {
	From   *float64 `json:"from"`
	To     *float64 `json:"to"`
	Images int      `json:"images"`
}

func (d *distribution) json() distributionJSON {
	j := d.all.json(d.all.shown())
	j.Column = d.column.Name
	for _, name := range d.byImages() {
		one := d.labels[name].json(d.all.shown())
		one.Label = &name
		j.Labels = append(j.Labels, one)
	}
	return j
}

func (b *buckets) json(shown []int) distributionJSON {
	j := distributionJSON{Images: b.n, Buckets: []bucketJSON{}}
	if b.n > 0 {
		j.Mean, j.Lowest, j.Highest = new(b.mean()), &b.lowest, &b.most
	}
	for _, n := range shown {
		from, to := b.edges(n)
		j.Buckets = append(j.Buckets, bucketJSON{From: from, To: to, Images: b.counts[n]})
	}
	return j
}
