// Package bench holds Go's benchmarks of the worker as a whole, for what
// "batchscore bench" does not measure: bookkeeping and manifests of collections
// that nobody stored, memory, listing and fetching from an emulator, ranks in one
// process, and the start of the binary.
package bench
