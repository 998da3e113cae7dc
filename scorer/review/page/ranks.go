package page

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/batchscore/batchscore/scorer/review/timeline"
)

// timeWidth is the width of a drawing of times.
const timeWidth = 1000

// shownRanks is how many ranks are listed before the others are folded.
const shownRanks = 32

// Span is a time that drawings stretch over.
type Span struct{ from, to time.Time }

func (s Span) at(t time.Time) float64 {
	all := s.to.Sub(s.from).Seconds()
	if all <= 0 {
		return 0
	}
	return min(max(t.Sub(s.from).Seconds()/all, 0), 1) * timeWidth
}

// Marks are texts along the time: its beginning, quarters, and end.
func (s Span) Marks() []string {
	seconds := s.to.Sub(s.from).Seconds()
	return []string{"0", duration(seconds / 4), duration(seconds / 2), duration(seconds * 3 / 4), duration(seconds)}
}

// Span returns the time of the whole timeline.
func (p *Page) Span() Span { return Span{from: p.Timeline.Started, to: p.Timeline.Ended} }

// RankRow is the line of a rank.
type RankRow struct {
	timeline.Rank
	// Alive and Held are drawings of when its processes ran, and of when they held a chunk that
	// they committed. Marks are those of events, by kind.
	Alive, Held string
	Marks       []EventMark
	End         string // how its last process ended
	Restarts    int
	Preempted   int
	Tail        bool
}

// EventMark is a drawing of the events of one kind, of one rank.
type EventMark struct{ Class, Path string }

// eventKinds are the kinds of events in the order of the legend.
var eventKinds = []struct{ kind, class, what string }{
	{kind: timeline.KindStolen, class: "e-stolen", what: "took a chunk of the share of another rank: balancing at the end, which is usual"},
	{kind: timeline.KindDoubled, class: "e-doubled", what: "began a chunk that another rank held: one of both is thrown away"},
	{kind: timeline.KindTakenOver, class: "e-taken", what: "took over a chunk whose holder was silent"},
	{kind: timeline.KindPreempted, class: "e-preempted", what: "was asked to end while it held a chunk"},
	{kind: timeline.KindDied, class: "e-died", what: "ended without a summary: it was killed"},
	{kind: timeline.KindFinished, class: "e-finished", what: "checked all parts and wrote _SUCCESS: every complete job has one"},
	{kind: timeline.KindDelivered, class: "e-finished", what: "wrote the file of all rows"},
	{kind: timeline.KindReleased, class: "e-released", what: "gave a chunk up"},
}

// EventKind is how many events there were of a kind.
type EventKind struct {
	Kind, Class, What string
	Count             int
}

// EventKinds returns the kinds of events that there were.
func (p *Page) EventKinds() []EventKind {
	var all []EventKind
	known := map[string]bool{}
	for _, k := range eventKinds {
		known[k.kind] = true
		if n := p.Timeline.EventCounts[k.kind]; n > 0 {
			all = append(all, EventKind{Kind: k.kind, Class: k.class, What: k.what, Count: n})
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(p.Timeline.EventCounts)) {
		if !known[kind] {
			all = append(all, EventKind{Kind: kind, Class: "e-released", Count: p.Timeline.EventCounts[kind]})
		}
	}
	return all
}

// RankRows returns the lines of all ranks. If some are folded, those that straggle come first.
func (p *Page) RankRows() []RankRow {
	span := p.Span()
	events := map[int][]timeline.Event{}
	for _, e := range p.Timeline.Events {
		events[e.Rank] = append(events[e.Rank], e)
	}
	ranks := slices.Clone(p.Timeline.Ranks)
	if len(ranks) > shownRanks {
		slices.SortStableFunc(ranks, func(a, b timeline.Rank) int {
			return cmp.Or(boolOrder(b.Straggles)-boolOrder(a.Straggles), a.Rank-b.Rank)
		})
	}
	var all []RankRow
	for i, r := range ranks {
		row := RankRow{Rank: r, Restarts: max(0, len(r.Processes)-1), Tail: i >= shownRanks, Alive: processes(span, r.Processes), Held: intervals(span, r.Busy)}
		for _, process := range r.Processes {
			row.End = process.End
			if process.Preempted {
				row.Preempted++
			}
		}
		row.Marks = marks(span, events[r.Rank])
		all = append(all, row)
	}
	return all
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

func processes(span Span, all []timeline.Process) string {
	var p outline
	for _, one := range all {
		x := span.at(one.Started)
		p.box(x, 0, max(span.at(one.Ended)-x, 1), 10)
	}
	return p.String()
}

// intervals draws times. Those that are closer than can be seen become one.
func intervals(span Span, all []timeline.Interval) string {
	const near = 1.0
	var p outline
	from, to := math.Inf(-1), math.Inf(-1)
	flush := func() {
		if !math.IsInf(from, -1) {
			p.box(from, 1, max(to-from, 1), 8)
		}
	}
	for _, one := range all {
		f, t := span.at(one.From), span.at(one.To)
		if f <= to+near {
			to = max(to, t)
			continue
		}
		flush()
		from, to = f, t
	}
	flush()
	return p.String()
}

func marks(span Span, events []timeline.Event) []EventMark {
	var all []EventMark
	for _, k := range eventKinds {
		var p strings.Builder
		for _, e := range events {
			if e.Kind == k.kind {
				p.WriteString("M" + short(span.at(e.At)) + " 0v10")
			}
		}
		if p.Len() > 0 {
			all = append(all, EventMark{Class: k.class, Path: p.String()})
		}
	}
	return all
}

// Processes is how many processes committed rows; 0 if that is not known.
func (p *Page) Processes() int {
	n := 0
	if p.Timeline != nil {
		for _, r := range p.Timeline.Ranks {
			for _, process := range r.Processes {
				n += boolOrder(process.Images > 0 || process.Chunks > 0)
			}
		}
	}
	return max(n, p.Job.Workers)
}

// Hosts are the machines that computed rows, by name; nil if that is not known.
func (p *Page) Hosts() []string {
	all := map[string]bool{}
	if p.Timeline != nil {
		for _, r := range p.Timeline.Ranks {
			for _, process := range r.Processes {
				if host := cmp.Or(process.Host, r.Host); host != "" && (process.Images > 0 || process.Chunks > 0) {
					all[host] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// FoldedRanks is how many ranks are folded.
func (p *Page) FoldedRanks() int { return max(0, len(p.Timeline.Ranks)-shownRanks) }

// RateChart is a drawing of the speed over time.
type RateChart struct {
	Path  string
	Slots int
	Peak  float64
	Marks []string
	Slot  float64 // seconds
}

// RateChart returns the drawing of the speed.
func (p *Page) RateChart() RateChart {
	c := RateChart{Slots: len(p.Timeline.Rates)}
	values := make([]float64, c.Slots)
	for i, r := range p.Timeline.Rates {
		values[i] = r.PerSecond
		c.Peak = max(c.Peak, r.PerSecond)
	}
	if c.Slots == 0 {
		return c
	}
	first, last := p.Timeline.Rates[0], p.Timeline.Rates[c.Slots-1]
	c.Path, c.Slot = bars(values, c.Peak), first.To.Sub(first.From).Seconds()
	c.Marks = Span{from: first.From, to: last.To}.Marks()
	return c
}

// StartSeconds is how long the job took until the first rank began a chunk; 0 if that is not
// known or less than a second. A chunk that nobody committed is not seen.
func (p *Page) StartSeconds() float64 {
	if p.Timeline == nil || p.Timeline.Started.IsZero() {
		return 0
	}
	var first time.Time
	for _, r := range p.Timeline.Ranks {
		if len(r.Busy) > 0 && (first.IsZero() || r.Busy[0].From.Before(first)) {
			first = r.Busy[0].From
		}
	}
	seconds := first.Sub(p.Timeline.Started).Seconds()
	if first.IsZero() || seconds < 1 {
		return 0
	}
	return seconds
}

// Stage is for how much of the time a stage was busy.
type Stage struct {
	Name, What string
	Share      float64
	W          string
	Bound      bool
}

// stages say what each stage does.
var stages = []struct{ name, what string }{
	{name: "fetch", what: "reading images from their place"}, {name: "decode", what: "decoding and resizing"},
	{name: "infer", what: "the model"}, {name: "commit", what: "writing rows"},
}

// Stages returns the stages that workers reported.
func (p *Page) Stages() []Stage {
	if p.Timeline == nil || p.Timeline.Bound == nil {
		return nil
	}
	b := p.Timeline.Bound
	var all []Stage
	for _, s := range stages {
		if busy, ok := b.Busy[s.name]; ok {
			all = append(all, Stage{Name: s.name, What: s.what, Share: busy, W: short(100 * min(max(busy, 0), 1)), Bound: s.name == b.Stage})
		}
	}
	return all
}
