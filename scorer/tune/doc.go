// Package tune finds out, within seconds, how a worker should use the machine it
// is on: how large a batch and how many calls at a time suit its device, and how
// many decoders and fetchers feed it.
//
//  1. [Sweep] measures the device on noise: batches first, with every session
//     at work, then numbers of sessions at the batch that was chosen. [Cached]
//     keeps what it found for the same model, device and version.
//  2. [Decode] measures what a core decodes of the images at hand.
//  3. [Feed] works out decoders, fetchers and read-ahead from both.
//
// Nothing here touches the bytes of a result: the batch goes through the job's
// record, which the first worker writes and the others follow, and the rest
// changes only when things happen.
package tune
