// Package tune finds out, within seconds, how a worker should use its machine: which
// batch size and how many calls at a time suit its device, and how many decoders and
// fetchers feed it.
//
//  1. [Sweep] measures the device on noise: first batch sizes, with every session
//     at work, then numbers of sessions with the batch size that was chosen.
//     [Cached] stores what it found for the same model, device and version.
//  2. [Decode] measures how fast a core decodes the first images of the job.
//  3. [Feed] computes decoders, fetchers and read-ahead from both.
//
// None of this changes the bytes of a result. The batch size goes into the job's
// record, which the first worker writes and the others follow. The rest only
// changes when things happen.
package tune
