// Package gpucheck checks on a machine with GPUs what is claimed of them, and writes a
// report.
//
//  1. [Claims] lists the claims as data: what is claimed, the limit, and a function
//     that checks it. There is a file for each subject.
//  2. [Check] checks one claim after the other within a budget of time. What did not
//     fit, or cannot be checked here, is not measured and says why; it is never passed.
//  3. A [Session] belongs to one claim. It runs batchscore itself as child processes
//     and keeps their output in files, so what is checked is what users run, and a crash
//     in a driver loses nothing. This process loads no CUDA.
//  4. Figures of devices on ready tensors come from a child, too: [Measure].
//  5. [Report] is what came of it. It is written as report.json, as report.md with
//     charts, and as a table for the terminal.
package gpucheck
