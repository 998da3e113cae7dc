package chart

import (
	"math"
	"strconv"
)

// axis maps values to pixels.
type axis struct {
	log      bool
	from, to float64   // the pixels of the first and of the last tick
	ticks    []float64 // rising
}

// newAxis returns an axis for the values from lowest to highest, with as many ticks as
// there is room for. size returns how much of the axis a tick's label takes.
func newAxis(log bool, lowest, highest, from, to float64, size func(string) float64) axis {
	const least = 2 // ticks fit always
	for parts := 10; ; parts-- {
		a := axis{log: log, from: from, to: to, ticks: steps(lowest, highest, parts)}
		if log {
			a.ticks = powersOfTwo(lowest, highest, parts)
		}
		most := 0.0
		for _, v := range a.ticks {
			most = max(most, size(tick(v)))
		}
		if gap := math.Abs(to-from) / float64(len(a.ticks)-1); parts < least || 1.3*most+8 <= gap {
			return a
		}
	}
}

// at returns the pixel of a value.
func (a axis) at(v float64) float64 {
	first, last := a.ticks[0], a.ticks[len(a.ticks)-1]
	if a.log {
		v, first, last = math.Log2(v), math.Log2(first), math.Log2(last)
	}
	return a.from + (a.to-a.from)*(v-first)/(last-first)
}

// widest returns the width of the widest label.
func (a axis) widest() (most float64) {
	for _, v := range a.ticks {
		most = max(most, textWidth(tick(v)))
	}
	return most
}

// tick returns the label of a tick, whose value is a round one.
func tick(v float64) string {
	if math.Abs(v) >= 1000 {
		return Number(v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// steps returns ticks from lowest or less to highest or more: multiples of 1, 2 or 5
// times a power of ten, with about that many parts between them.
func steps(lowest, highest float64, parts int) []float64 {
	const tiny = 1e-9 // more than what floating point loses
	if highest-lowest < 1e-100 {
		highest = lowest + 1
	}
	least := (highest - lowest) / float64(parts)
	power := math.Floor(math.Log10(least))
	step := 0.0
	for _, n := range []float64{1, 2, 5, 10} {
		if step = scaled(n, power); step >= least*(1-tiny) {
			break
		}
	}
	var ticks []float64
	for i := math.Floor(lowest/step + tiny); i <= math.Ceil(highest/step-tiny); i++ {
		ticks = append(ticks, i*step)
	}
	return ticks
}

// scaled returns n times a power of ten. Division keeps 0.1 and the like exact.
func scaled(n, power float64) float64 {
	if power < 0 {
		return n / math.Pow(10, -power)
	}
	return n * math.Pow(10, power)
}

// powersOfTwo returns ticks from lowest or less to highest or more, each the same power
// of two times the one before.
func powersOfTwo(lowest, highest float64, parts int) []float64 {
	const tiny = 1e-9
	first, last := math.Floor(math.Log2(lowest)+tiny), math.Ceil(math.Log2(highest)-tiny)
	last = max(last, first+1)
	step := math.Ceil((last - first) / float64(parts))
	ticks := []float64{math.Exp2(first)}
	for i := first; i < last; i += step {
		ticks = append(ticks, math.Exp2(i+step))
	}
	return ticks
}
