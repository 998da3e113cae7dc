// Package telemetry counts what a worker does and tells it: the recipe's rank
// lines on standard output, a progress bar on a terminal, and the figures of
// the worker's summary. Everything works at its zero value and from any number
// of goroutines.
package telemetry
