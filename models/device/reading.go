package device

import "math"

// Reading is what a GPU reports of itself at one time. What it does not report is NaN.
type Reading struct {
	// Busy is the share, 0 to 1, of the last second or less in which a kernel ran.
	Busy     float64
	MemoryMB float64 // in use by all processes, in MiB
	ClockMHz float64 // of the multiprocessors
	Watts    float64
	Celsius  float64
	// Joules is how much energy it has used since its driver was loaded.
	Joules float64
	// Throttle is why its clock is lower than it could be; 0 also if it does not say.
	Throttle Throttle
}

// NoReading returns a reading in which nothing is reported.
func NoReading() Reading {
	n := math.NaN()
	return Reading{Busy: n, MemoryMB: n, ClockMHz: n, Watts: n, Celsius: n, Joules: n}
}

// Throttle is a set of reasons why a GPU's clock is lower than it could be.
type Throttle uint8

// The reasons.
const (
	ThrottlePower    Throttle = 1 << iota // its power limit
	ThrottleHeat                          // its temperature
	ThrottleHardware                      // the hardware slows it: heat, or a power supply's signal
)

// The names of two reasons, as GPUUse.Throttle has them.
const (
	NameHeat     = "heat"
	NameHardware = "hardware"
)

// throttleNames are the reasons' names, in the order of their bits.
var throttleNames = []string{"power", NameHeat, NameHardware}

// Names returns the names of the reasons, in order.
func (t Throttle) Names() []string {
	var names []string
	for i, name := range throttleNames {
		if t&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// GPUUse is what a GPU reported over some time. What it did not report is nil or 0.
type GPUUse struct {
	// Seconds is how long it was observed.
	Seconds float64 `json:"seconds"`
	// Busy is the share of the time in which a kernel ran.
	Busy *float64 `json:"busy,omitempty"`
	// Joules is the energy that the whole GPU used, whoever used it.
	Joules   float64 `json:"joules,omitempty"`
	Watts    float64 `json:"watts,omitempty"`     // on average
	ClockMHz float64 `json:"clock_mhz,omitempty"` // on average
	// MemoryMB is the most memory in use, in MiB, and Celsius the highest temperature.
	MemoryMB float64 `json:"memory_mb,omitempty"`
	Celsius  float64 `json:"celsius,omitempty"`
	// ThrottledSeconds is how long its clock was lowered, Throttle for how many seconds
	// by reason, several of which may hold at a time.
	ThrottledSeconds float64            `json:"throttled_seconds,omitempty"`
	Throttle         map[string]float64 `json:"throttle_seconds,omitempty"`
}
