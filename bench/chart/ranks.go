package chart

import (
	"fmt"
	"math"

	"github.com/batchscore/batchscore/bench/ranks"
)

const (
	mostRankBars = 40   // of more ranks each is a dot
	mostDots     = 2000 // of more ranks each dot is the slowest of several
)

// Ranks returns a chart of the time of each rank of a job, with stragglers in a colour and
// with a name or mark of their own. Ranks whose time is not in the log are left out, and
// counted below.
func Ranks(title string, r *ranks.Report) (*Drawing, error) {
	var timed []ranks.Judged
	longest := 0.0
	for _, k := range r.Ranks {
		if k.Seconds > 0 {
			timed = append(timed, k)
			longest = max(longest, k.Seconds)
		}
	}
	if len(timed) == 0 {
		return nil, fmt.Errorf("the log has no rank whose time is known: a rank logs it at its end")
	}
	unit, per := "seconds", 1.0
	if longest > 600 {
		unit, per = "minutes", 60
	}
	note := ""
	if n := r.World - len(timed); n > 0 {
		note = fmt.Sprintf(" (not in the log for %s of %s ranks)", ranks.Thousands(n), ranks.Thousands(r.World))
	}
	if len(timed) <= mostRankBars {
		return Bars(title, unit+note, rankBars(timed, per))
	}
	x := "rank" + note
	if each := (len(timed) + mostDots - 1) / mostDots; each > 1 {
		timed = slowest(timed, each)
		x += fmt.Sprintf("; each dot is the slowest of %d ranks", each)
	}
	lines := []Line{{Name: "rank", Dots: true}, {Name: "rank that straggles", Dots: true}}
	for _, k := range timed {
		l := &lines[0]
		if k.Straggles {
			l = &lines[1]
		}
		l.XY = append(l.XY, Point{X: float64(k.Rank.Rank), Y: k.Seconds / per})
	}
	if len(lines[1].XY) == 0 {
		lines = lines[:1]
	}
	return Lines(title, Axes{X: x, Y: unit}, lines)
}

// rankBars returns a bar for each rank.
func rankBars(timed []ranks.Judged, per float64) (bars []Bar) {
	for _, k := range timed {
		b := Bar{Name: fmt.Sprintf("rank %d", k.Rank.Rank), Value: k.Seconds / per, Lo: math.Inf(-1), Hi: math.Inf(1)}
		if k.Straggles {
			b.Name, b.Group = b.Name+", straggles", 1
		}
		bars = append(bars, b)
	}
	return bars
}

// slowest returns the slowest of each so many ranks, of those that straggle if one does.
func slowest(timed []ranks.Judged, each int) (kept []ranks.Judged) {
	for i, k := range timed {
		if i%each == 0 {
			kept = append(kept, k)
			continue
		}
		if last := &kept[len(kept)-1]; k.Straggles == last.Straggles && k.Seconds > last.Seconds || k.Straggles && !last.Straggles {
			*last = k
		}
	}
	return kept
}
