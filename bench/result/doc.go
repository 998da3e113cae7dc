// Package result keeps what benchmarks measured: raw samples, and with them the
// machine, versions, commit and seed that they come from.
//
// A [Run] is printed as a table of medians with their confidence intervals, as
// JSON, or in the Go benchmark format, in which runs are also kept: [Append] adds
// them to a file, [Read] returns them, and benchstat compares them. The format
// holds a run's provenance as configuration lines, so tell benchstat to ignore
// those that differ from run to run: benchstat -ignore date,seed,commit. Package
// compare puts devices side by side.
//
// Simulated figures and measured ones never share a row: a [Sample] says which
// it is, and so does every form it is written in.
package result
