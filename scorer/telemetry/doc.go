// Package telemetry counts what a worker does and reports it: in the recipe's rank
// lines on standard output, in a progress bar on a terminal, and in the figures of
// the worker's summary. Everything works at its zero value and may be used by any
// number of goroutines.
package telemetry
