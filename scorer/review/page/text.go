package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// show returns a text from outside with what cannot be seen made visible.
func show(s string) string {
	if s == "" {
		return "(empty)"
	}
	return printable.Line(s)
}

// lines is show for a text of several lines.
func lines(s string) string { return printable.Text(s) }

// sentence is lines with a full stop at the end.
func sentence(s string) string { return strings.TrimRight(lines(s), ". \n") + "." }

// count writes 1234567 as 1,234,567.
func count[N int | int64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	sign := ""
	if n < 0 {
		sign, text = "−", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

// things writes a number of things: 1 rank, 2,000 ranks.
func things(n int, what string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(what, "s"), strings.HasSuffix(what, "ch"):
		what += "es"
	default:
		what += "s"
	}
	return count(n) + " " + what
}

// size writes a number of bytes in B, kB, MB, GB or TB.
func size(n int64) string {
	f := float64(n)
	for i, unit := range []string{"TB", "GB", "MB", "kB"} {
		if least := math.Pow(1000, float64(4-i)); f >= least {
			return strconv.FormatFloat(f/least, 'f', digits(f/least), 64) + " " + unit
		}
	}
	return count(n) + " B"
}

// digits is how many decimals a number of some size has for people.
func digits(f float64) int {
	switch {
	case f >= 99.95:
		return 0
	case f >= 9.995:
		return 1
	}
	return 2
}

// binary writes a power of two of bytes: 64 KiB.
func binary(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{name: "TiB", bytes: 1 << 40}, {name: "GiB", bytes: 1 << 30}, {name: "MiB", bytes: 1 << 20}, {name: "KiB", bytes: 1 << 10}} {
		if n >= unit.bytes {
			return strconv.FormatFloat(float64(n)/float64(unit.bytes), 'f', -1, 64) + " " + unit.name
		}
	}
	return count(n) + " B"
}

// percent writes a share from 0 to 1. A share that is neither nothing nor all never looks so.
func percent(share float64) string {
	switch p := share * 100; {
	case math.IsNaN(p) || math.IsInf(p, 0):
		return "–"
	case p == 0:
		return "0%"
	case p > 0 && p < 0.01:
		return "<0.01%"
	case p < 1:
		return fmt.Sprintf("%.2f%%", p)
	case p < 10, p > 99 && p < 100:
		if p > 99.99 && p < 100 {
			return ">99.99%"
		}
		return fmt.Sprintf("%.2f%%", p)
	case p == 100:
		return "100%"
	default:
		return fmt.Sprintf("%.1f%%", p)
	}
}

// of is percent for two counts.
func of(n, all int) string {
	if all == 0 {
		return "–"
	}
	return percent(float64(n) / float64(all))
}

// score writes a score or another figure from 0 to 1.
func score(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "–"
	}
	if f != 0 && math.Abs(f) < 0.0005 {
		return strconv.FormatFloat(f, 'g', 2, 64)
	}
	return strconv.FormatFloat(f, 'f', 3, 64)
}

// exact writes a number for scripts, which sort and filter by it.
func exact(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

// duration writes seconds for people.
func duration(seconds float64) string {
	if seconds < 0.0995 && seconds > 0 {
		return fmt.Sprintf("%.1f ms", seconds*1000)
	}
	return telemetry.Duration(seconds)
}

// rate writes a speed for people.
func rate(perSecond float64) string {
	if perSecond >= 1000 {
		return count(int(math.Round(perSecond))) + " images/s"
	}
	return telemetry.Rate(perSecond)
}

// when writes a time for people, machine for programs.
func when(t time.Time) string    { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
func machine(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// figure writes any number: whole ones without decimals.
func figure(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return count(int64(f))
	}
	return score(f)
}

// seconds writes a time for one image with three digits.
func seconds(f float64) string { return strconv.FormatFloat(f, 'g', 3, 64) }
