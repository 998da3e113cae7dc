// Package metrics is the one definition of all metrics: list.go has their names, units
// and meaning. A new metric is one line there, and one line in the [Source] that knows
// its value.
//
// The values are read when somebody asks for them; nothing is counted for the metrics
// alone. [Set.Gatherer] gives them to whoever serves, writes or sends them.
package metrics
