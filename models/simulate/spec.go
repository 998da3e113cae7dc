// Package simulate is a device that computes nothing: it takes the time that a
// real one would and derives its scores from the pixels. With it the rest of a
// worker, its store and its decoder can be tried against a GPU that nobody has
// rented yet. Whatever comes of it is marked as simulated.
package simulate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/models"
)

// Prefix is how a provider that is simulated begins on the command line.
const Prefix = "simulate:"

// Spec is what the device is like.
type Spec struct {
	// Device is a name among Devices; empty for a device of a given rate. Its
	// rate depends on the model: see For.
	Device string
	// Rate in images per second; +Inf takes no time, and 0 is that of the
	// named device.
	Rate float64
	// Slow divides the rate, so that few cores suffice for many devices; 0 is 1.
	Slow float64
	// Jitter is the relative standard deviation of the time of a batch, from 0
	// up to and not including 1.
	Jitter float64
	// Load is how long the model takes to load.
	Load time.Duration
	// Batch is the device's default batch; 0 means 32.
	Batch int
	// Seed varies the jitter.
	Seed uint64

	call        float64 // seconds that a batch takes beside those of its images
	outOfMemory int     // the smallest batch that does not fit; 0 is none
	estimated   bool    // the rate is nobody's measurement
}

// Parse reads "rate=430,jitter=0.05,load=2s,batch=64,seed=1", or the same after
// the name of a device, as in "p100,jitter=0.05", where the rate may be left
// out. "rate=inf" takes no time, "slow=40" as many times as long. Errors wrap
// models.ErrProvider.
func Parse(text string) (Spec, error) {
	s, seen := Spec{Batch: 32}, map[string]bool{}
	fail := func(what string, args ...any) (Spec, error) {
		return s, fmt.Errorf("%w: %s%s: %w", models.ErrProvider, Prefix, text, fmt.Errorf(what, args...))
	}
	for i, field := range strings.Split(text, ",") {
		key, value, given := strings.Cut(field, "=")
		if i == 0 && !given && devices[key] != nil {
			s.Device = key
			continue
		}
		if seen[key] {
			return fail("%s is given twice", key)
		}
		seen[key] = true
		var err error
		switch key {
		case "rate":
			s.Rate, err = above(value, 0)
		case "slow":
			s.Slow, err = above(value, 0)
		case "jitter":
			s.Jitter, err = strconv.ParseFloat(value, 64)
			if err == nil && !(s.Jitter >= 0 && s.Jitter < 1) {
				err = fmt.Errorf("%q is not from 0 to below 1", value)
			}
		case "load":
			s.Load, err = time.ParseDuration(value)
			if err == nil && s.Load < 0 {
				err = fmt.Errorf("%q is below zero", value)
			}
		case "batch":
			s.Batch, err = strconv.Atoi(value)
			if err == nil && s.Batch < 1 {
				err = fmt.Errorf("%q is below 1", value)
			}
		case "seed":
			s.Seed, err = strconv.ParseUint(value, 10, 64)
		default:
			return fail("%q: it takes a device (%s) first, then rate=, slow=, jitter=, load=, batch= and seed=", field, strings.Join(Devices(), ", "))
		}
		if err != nil {
			return fail("%s: %w", key, err)
		}
	}
	if s.Rate == 0 && s.Device == "" {
		return fail("the rate is missing, such as %srate=430, or a device, such as %sp100", Prefix, Prefix)
	}
	return s, nil
}

func above(value string, bound float64) (float64, error) {
	v, err := strconv.ParseFloat(value, 64)
	if err == nil && !(v > bound) {
		err = fmt.Errorf("%q is not above %g", value, bound)
	}
	return v, err
}

// Seconds is how long the device takes for a batch, without jitter. The rate
// is known: see For.
func (s Spec) Seconds(images int) float64 {
	seconds := s.call + float64(images)/s.Rate
	if s.Slow > 0 {
		seconds *= s.Slow
	}
	return min(seconds, longest)
}

// longest is what a batch takes at most, in seconds: some thirty years, which a
// time.Duration still holds.
const longest = 1e9

// At is the rate, in images per second, in batches of that size.
func (s Spec) At(batch int) float64 { return float64(batch) / s.Seconds(batch) }

// Fits reports whether the device holds a batch of that size.
func (s Spec) Fits(batch int) bool { return s.outOfMemory == 0 || batch < s.outOfMemory }

// Estimated reports whether nobody published the rate.
func (s Spec) Estimated() bool { return s.estimated }

// String is the device's name, such as "simulated:430/s" or
// "simulated:k80:115/s", with the rate in batches of the default size.
func (s Spec) String() string {
	name := "simulated:"
	if s.Device != "" {
		name += s.Device + ":"
	}
	if math.IsInf(s.Rate, 1) {
		return name + "no-time"
	}
	return fmt.Sprintf("%s%.6g/s", name, s.At(s.batch()))
}

func (s Spec) batch() int {
	if s.Batch == 0 {
		return 32
	}
	return s.Batch
}
