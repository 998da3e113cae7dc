// Package scorer takes part in a scoring job: one worker of any number that
// share a store of images and a store of results, and nothing else.
//
//  1. [List] makes the manifest, which output.Freeze stores once for all
//     workers; from then on only the manifest says which images there are. What
//     of it does not fit into some memory lies in a temporary file (scratch).
//  2. The taker (take.go) claims chunk after chunk: the worker's own share,
//     then what others leave undone, and at the very end what they are slow
//     with.
//  3. The feeder (batch.go) cuts a chunk into batches. The place of an image in
//     its batch follows from the manifest alone. A chunk that workers died on
//     it does alone and by halves (isolate.go).
//  4. Fetchers (fetch.go) read the images' bytes, as many at once as latency and
//     rate ask for (readahead.go), within a budget of memory.
//  5. Decoders (decode.go) write pixels straight into the batch's tensor.
//  6. Lanes (infer.go) run the [Engine] and turn scores into rows.
//  7. The committer (commit.go) stores a chunk's rows as one part, unless
//     another worker was first.
//  8. When every part stands, one worker has output.Finish write _SUCCESS
//     (finish.go).
//
// Where it is asked to, a worker then scores images again that failed: the same
// steps over again, with a manifest of those images (retry.go).
//
// Where it is asked to, a worker first measures what suits its device and cores
// (tuning.go). While it runs it tells which stage binds (condition.go).
//
// A worker that is asked to stop, or comes to its deadline or budget, takes no
// more chunks and commits what it has in hand (halt.go).
//
// An image that cannot be read or decoded ends as a row that says why. Any
// other error ends the worker; what it committed stands, and what it had
// claimed is done by others or by a rerun.
package scorer
