// Package output is what lies in an output folder, and what can be said of it:
// verify and merge.
//
//	part-00000.jsonl          the rows of chunk 0, in manifest order
//	part-00001.jsonl          ... one per chunk; or .csv, or .parquet
//	_SUCCESS                  created last: counts, digests, makespan
//	_batchscore/
//	    job.json              what the parts depend on; its creator decides
//	    manifest.jsonl        the frozen list of images
//	    claims/...            which worker holds which chunk, see scorer/claim
//	    clock/...             empty objects, created to learn the store's time
//	    workers/....json      what each worker said when it ended
//	    parts.sha256          digests of the parts, for sha256sum -c
//	    retry/0001/...        a retry: an output of its own, like this one
//	    repair/0001/...       what a repair set aside
//
// Every object is created once and never changed, so workers need nothing but
// a store to meet; the end of a retry and a repair are the exceptions. A job goes
// like this, and each step may be done by many
// workers at once, of which the first to create decides for all:
//
//  1. Join creates the job record, or makes sure that it describes the same
//     job. Nothing is written before.
//  2. Freeze creates the manifest from a listing, or reads it.
//  3. Done returns which chunks have their part. Claims (scorer/claim) keep
//     workers from scoring the same chunk twice, which would waste time but do
//     no harm.
//  4. Commit creates the part of a chunk.
//  5. WriteSummary leaves what a worker has to say at its end.
//  6. Finish checks that every part stands and creates _SUCCESS.
//
// Some images of a complete output may be scored again: a retry is a job of its
// own below the first (generation.go). At its end Finish puts its rows in the
// place of the old ones (overlay.go, publish.go).
//
// Repair takes away what is damaged, so that running the job again makes it.
//
// Verify and Merge need none of the workers: they read what stands.
package output
