// Package simulator is a discrete-event model of a job: ranks with devices,
// decoders and a store in common, which divide a manifest as the worker does, by
// the same shares and the same order of taking over. It answers for clusters
// larger than any at hand how long a job takes and what binds.
//
//  1. Every rank starts, loads its model, and waits for the manifest, which one
//     of them lists.
//  2. It claims a chunk whenever it has room for more images ([Config.Ahead]):
//     its own share in order, then what is nobody's of the others' shares, from
//     the far end, then a second time what others have held for longer than its
//     own chunks take. A static rank does its own share only.
//  3. A chunk takes as long as the slowest of its stages: fetching, decoding,
//     the device. Fetching also waits for its turn at the account's limits.
//  4. It is committed by one more request, while the next is on the device.
//
// An event is of a chunk, never of an image, so that a job of a billion images
// on thousands of devices takes minutes and some megabytes. What follows from
// that: the account's limits are shared in order of the chunks' claims and not
// image by image, and the jitter of a chunk's batches is drawn at once.
//
// Everything it says is simulated.
package simulator
