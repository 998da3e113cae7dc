// Package scorer takes part in a scoring job: one worker of any number that
// share a store of images and a store of results, and nothing else.
//
// [Run] goes through these steps. Each stage is a struct that holds what it uses;
// scorer.go connects them.
//
//  1. Join (join.go). Package listing makes the manifest, which output.Freeze
//     stores once for all workers. From then on only the manifest says which
//     images there are. A manifest too large for memory is kept in a temporary
//     file (package scratch).
//  2. Take (take.go). The taker claims chunk after chunk: the worker's own share,
//     then what others leave undone, and at the very end it races slow workers.
//     What the worker holds is in hold.go; renew.go renews the claims on it.
//  3. Feed (feeder.go). The feeder cuts a chunk into batches (chunk.go). The place
//     of an image in its batch follows from the manifest alone. A chunk that
//     workers died on is scored on its own, by bisection (isolate.go).
//  4. Fetch (fetch.go). Fetchers read the images' bytes (read.go), as many at once
//     as latency and rate require (readahead.go), within a budget of memory.
//  5. Decode (decode.go). Decoders write pixels straight into the batch's tensor.
//  6. Infer (lanes.go). Lanes run batches on the [Engine] (engine.go) and turn
//     what the model gives into rows.
//  7. Commit (commit.go). The committer stores a chunk's rows as one part, unless
//     another worker was first.
//  8. Finish (finish.go). When every part exists, one worker has output.Finish
//     write _SUCCESS. A static worker waits for the others first (static.go).
//
// If [Options.Retry] is set, a worker then scores images again that failed: the
// same steps with a manifest of those images (retry.go), whose rows then replace
// the old ones (publish.go).
//
// If [Options.Delivery] is set, one worker at the end writes all rows to one file. The
// others do not wait for it (finish.go).
//
// If [Options.Tune] is set, a worker first measures what suits its device and
// cores (tuning.go).
//
// A worker that is asked to stop, or reaches its deadline or budget, takes no
// more chunks and commits what it has in hand (halt.go).
//
// An image that cannot be read or decoded gets a row that says why. Any other
// error ends the worker. What it committed is kept; other workers or a rerun score
// the rest.
package scorer
