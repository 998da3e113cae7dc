// Package simulate replaces ONNX Runtime with a simulated device that computes nothing
// but takes as long as a real one, and derives its scores from the pixels. With it, the
// rest of a worker, its store and its decoder can be tried with a GPU that nobody has
// rented yet. All results are marked as simulated.
package simulate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/models"
)

// Prefix is the beginning of a simulated provider on the command line.
const Prefix = "simulate:"

// Spec describes the device.
type Spec struct {
	// Device is one of Devices; empty for a device with a given rate. The rate of a
	// named device depends on the model: see For.
	Device string
	// Rate is in images per second; +Inf takes no time, and 0 means the rate of the named
	// device.
	Rate float64
	// Slow divides the rate, so that few cores suffice for many devices; 0 means 1.
	Slow float64
	// Jitter is the relative standard deviation of the time of a batch, from 0 to below
	// 1.
	Jitter float64
	// Load is how long the model takes to load.
	Load time.Duration
	// Batch is the device's default batch; 0 means 32.
	Batch int
	// Seed varies the jitter.
	Seed uint64

	call        float64 // seconds of a batch in addition to those of its images
	outOfMemory int     // the smallest batch that does not fit; 0 is none
	estimated   bool    // the rate was not measured
	published   int     // the batch of the rate in source; 0 if it was not published
	source      string  // what the rate is of, and where it was published
}

// Parse parses "rate=430,jitter=0.05,load=2s,batch=64,seed=1", or the same after the name
// of a device, as in "p100,jitter=0.05", where the rate is optional. With "rate=inf" the
// device takes no time, with "slow=40" 40 times as long. Errors wrap models.ErrProvider.
func Parse(text string) (Spec, error) {
	s, seen := Spec{Batch: 32}, map[string]bool{}
	fail := func(what string, args ...any) (Spec, error) {
		return s, fmt.Errorf("%w: %s%s: %w", models.ErrProvider, Prefix, text, fmt.Errorf(what, args...))
	}
	for i, field := range strings.Split(text, ",") {
		key, value, given := strings.Cut(field, "=")
		if name := strings.ToLower(key); i == 0 && !given && devices[name] != nil {
			s.Device = name
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

// Seconds returns how long the device takes for a batch, without jitter. The rate must be
// known: see For.
func (s Spec) Seconds(images int) float64 {
	seconds := s.call + float64(images)/s.Rate
	if s.Slow > 0 {
		seconds *= s.Slow
	}
	return min(seconds, longest)
}

// longest is the longest time of a batch in seconds: about thirty years, which fits into
// a time.Duration.
const longest = 1e9

// At returns the rate in images per second for batches of that size.
func (s Spec) At(batch int) float64 { return float64(batch) / s.Seconds(batch) }

// Fits reports whether the device holds a batch of that size.
func (s Spec) Fits(batch int) bool { return s.outOfMemory == 0 || batch < s.outOfMemory }

// Estimated reports whether the rate is an estimate and was never published.
func (s Spec) Estimated() bool { return s.estimated }

// Source says what the rate of a named device is a rate of, and where it was published;
// empty for a rate that was given.
func (s Spec) Source() string { return s.source }

// AtBatch says where the rate for batches of a size comes from, if it was not published for
// that size; else it returns "".
func (s Spec) AtBatch(batch int) string {
	if s.source == "" || s.published == 0 || batch == s.published {
		return ""
	}
	if s.call == 0 {
		return fmt.Sprintf("%s at batch %d: the same rate, because no other was published", s.Device, batch)
	}
	plain := s
	plain.Slow = 0
	return fmt.Sprintf("%s at batch %d: %.4g images/s, computed from the published rates of two batch sizes", s.Device, batch, plain.At(batch))
}

// String returns the device's name, such as "simulated:430/s" or
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
