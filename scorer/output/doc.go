// Package output is what lies in an output folder, and what can be said of it:
// verify and merge.
//
//	part-00000.jsonl          the rows of chunk 0, in manifest order
//	part-00001.jsonl          ... one per chunk; or .csv, or .parquet
//	_SUCCESS                  created last: counts, digests, makespan
//	_batchscore/
//	    job.json              what the parts depend on; its creator decides
//	    manifest.jsonl        the frozen list of images
//	    claims/00007.000002   chunk 7 is in somebody's hands, third link
//	    clock/...             empty objects, created to learn the store's time
//	    workers/....json      what each worker said when it ended
//	    parts.sha256          digests of the parts, for sha256sum -c
//
// Every object is created once and never changed, so workers need nothing but
// a store to meet. A job goes like this, and each step may be done by many
// workers at once, of which the first to create decides for all:
//
//  1. Join creates the job record, or makes sure that it describes the same
//     job. Nothing is written before.
//  2. Freeze creates the manifest from a listing, or reads it.
//  3. Done says which chunks have their part; Claims keeps workers from doing
//     the same chunk twice, which would be a waste but do no harm.
//  4. Commit creates the part of a chunk.
//  5. WriteSummary leaves what a worker has to say at its end.
//  6. Finish checks that every part stands and creates _SUCCESS.
//
// Verify and Merge need none of the workers: they read what stands.
package output
