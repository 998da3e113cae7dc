package compare

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/bench/result"
)

// BusyCores is what limits a run while other programs use the cores.
const BusyCores = "cores (other programs use them, too)"

// NoStage is what limits a run that came nowhere near the limit of any stage.
const NoStage = "no stage (too few images?)"

// Bounds in Limits.
const (
	// most is the share of a limit from which on a run has reached it.
	most = 0.9
	// little is the share below which something else than the stages took the time.
	little = 0.5
	// busy is the share of busy cores from which on they are the limit.
	busy = 0.95
	// above is the share of a limit that no correct measurement reaches.
	above = 1.05
)

// EnoughSeconds is how long a run takes in which its start and its end are a small part.
const EnoughSeconds = 10

// Brief reports whether the runs of a row took less than EnoughSeconds.
func Brief(r *result.Row) bool {
	if r.Name == "Scale" {
		s, ok := r.Summary["makespan-s"]
		return ok && s.Center < EnoughSeconds
	}
	s, ok := r.Summary[Rate]
	return r.Name == "Run" && ok && s.Center > 0 && r.Iterations > 0 && float64(r.Iterations)/s.Center < EnoughSeconds
}

// Limits returns what limits a row of bench run, simulate or scale, in words, or "" if
// its figures do not show it.
func Limits(r *result.Row) string {
	if binds := r.Key("binds"); binds != "" {
		return strings.ReplaceAll(binds, "_", " ") // which a key does not hold
	}
	median := func(unit string) float64 { return r.Summary[unit].Center }
	if r.Name == "Scale" {
		if strings.HasPrefix(r.Key("device"), "cpu") {
			return Shared
		}
		return limitsRanks(median)
	}
	session, decode := median("session-images/s"), median("decode-images/s")
	if session == 0 || decode == 0 {
		return ""
	}
	short, far := median("of-limit") < most, median("of-limit") < little
	if _, shared := r.Summary["of-limit-cpu"]; shared {
		switch {
		case short && median("of-limit-cpu") >= most:
			return BusyCores
		case far:
			return NoStage
		case session < decode:
			return "cores (computing the model)"
		}
		return "cores (decoding)"
	}
	if short && median("cores-busy") >= busy {
		if cores := median("cores-images/s"); cores > 0 && median(Rate) > 0 && median(Rate) < most*cores {
			return BusyCores // the cores allow more than the run reached
		}
		return "cores"
	}
	if far {
		return NoStage
	}
	what, least := "device", session
	for _, part := range []struct{ unit, what string }{
		{unit: "decode-images/s", what: "decoding"}, {unit: "cores-images/s", what: "cores"}, {unit: "fetch-images/s", what: "storage"},
	} {
		if part.unit == "fetch-images/s" && r.Key("images") != "blobs" {
			continue
		}
		if rate := median(part.unit); rate > 0 && rate < least {
			what, least = part.what, rate
		}
	}
	if busy, known := r.Summary["gpu-busy"]; known && what == "device" && busy.Center < most {
		what += fmt.Sprintf(" (GPU %.0f%% busy: its calls wait for copies or for each other)", 100*busy.Center)
	}
	return what
}

// limitsRanks returns what limits ranks that share a machine.
func limitsRanks(median func(unit string) float64) string {
	switch {
	case median("efficiency") >= most:
		return "devices"
	case median("cores-busy") >= busy:
		return Shared
	case median("stragglers") > 0:
		return "slow ranks"
	}
	return "start and end (a short run)"
}

// Shared is what limits ranks that keep the cores of their machine busy.
const Shared = "cores (all ranks share them)"

// Reached returns the share of the limit that a row reached, 0 if it is not known.
func Reached(r *result.Row) (share float64, unit string) {
	for _, unit := range []string{"of-limit", "efficiency", "of-peak"} {
		if s, ok := r.Summary[unit]; ok {
			return s.Center, unit
		}
	}
	return 0, ""
}

// Rate is the unit of a rate.
const Rate = "images/s"

// AddRate gives a row its rate in images/s at full speed, if it has only times.
func AddRate(r *result.Row) {
	if _, ok := r.Summary[Rate]; ok {
		return
	}
	for _, v := range r.Values("minutes/100k-images") { // a slowed device's time at full speed
		r.Add(Rate, 100_000/60/v)
	}
	if r.N(Rate) > 0 || r.Iterations == 0 {
		return
	}
	for _, v := range r.Values("makespan-s") {
		r.Add(Rate, float64(r.Iterations)/v)
	}
}
