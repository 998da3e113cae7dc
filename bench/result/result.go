package result

import (
	"fmt"
	"strings"
)

// Run is one execution of a benchmark.
type Run struct {
	Provenance Provenance `json:"provenance"`
	Samples    []Sample   `json:"samples"`
}

// Sample is one measurement under one configuration. Repeated measurements are
// samples that differ in their values only.
type Sample struct {
	// Name is that of the benchmark, in the form of Go's: "Decode".
	Name string `json:"name"`
	// Keys is the configuration in the order in which it is shown.
	Keys []Key `json:"keys,omitempty"`
	// Simulated is true if the values, or what they are compared with, come from a
	// model of a device and not from a real one.
	Simulated bool `json:"simulated,omitempty"`
	// Iterations is how many images or operations the values are means over; 0
	// is written as 1.
	Iterations int     `json:"iterations,omitempty"`
	Values     []Value `json:"values"`
}

// Key is one part of a configuration, such as {"batch", "4"}. Neither side may
// contain a space, a slash or an equals sign; Label replaces these.
type Key struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// K returns a Key with any value.
func K(name string, value any) Key { return Key{name, Label(fmt.Sprint(value))} }

// Value is a figure in its unit, such as 430 "images/s". A unit holds no space.
type Value struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Label returns text that a Key may contain, with underscores in place of other
// characters.
func Label(text string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\n', '/', '=':
			return '_'
		}
		return r
	}, text)
}
