// Package simulator is a discrete-event model of a job. Its ranks have devices,
// decoders and a common store. They divide a manifest as the worker does: with the same
// shares and the same order of stealing. So it can tell, for clusters larger than any
// that can be tested, how long a job takes and what limits it.
//
//  1. Every rank starts, loads its model, and waits for the manifest, which one
//     rank makes by listing the images.
//  2. It claims a chunk whenever it has room for more images ([Config.Ahead]):
//     first those of its own share, in order; then unclaimed ones of other shares,
//     from the far end; then, a second time, chunks that others have held for
//     longer than its own chunks take. A static rank claims only its own share.
//  3. A chunk takes as long as the slowest of its stages: fetching, decoding, the
//     device. Fetching also waits for its turn at the account's limits.
//  4. The chunk is committed with one more request, while the next chunk is on the
//     device.
//
// Events are about chunks, never about images. So a job of a billion images on
// thousands of devices takes minutes and some megabytes. It also means that the
// account's limits are shared in the order of the chunks' claims and not image by
// image, and that the jitter of a chunk's batches is drawn once.
//
// All its results are simulated.
package simulator
