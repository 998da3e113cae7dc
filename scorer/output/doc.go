// Package output owns the output folder of a job: its files, how workers create them,
// and how they are checked, merged and repaired. It does not know what rows say; that
// is package row.
//
//	part-00000.jsonl          the rows of chunk 0, in manifest order
//	part-00001.jsonl          ... one file per chunk; or .csv, or .parquet
//	_SUCCESS                  created last: counts, digests, makespan
//	_batchscore/
//	    job.json              everything that the bytes of the parts depend on
//	    manifest.jsonl        the frozen list of images
//	    claims/...            which worker holds which chunk, see scorer/claim
//	    clock/...             empty objects, created to learn the store's time
//	    workers/....json      what each worker reported when it ended
//	    parts.sha256          digests of the parts, for sha256sum -c
//	    retry/0001/...        a retry: an output of its own, like this one
//	    repair/0001/...       what a repair set aside
//
// Every object is created once and never changed, so the store is all that workers
// share. The only exceptions are the end of a retry, and a repair. A job takes
// these steps. Many workers may take each step at once; the first one to create an
// object decides its content.
//
//  1. Join creates the job record, or checks that the existing one describes the
//     same job. Nothing is written before.
//  2. Freeze creates the manifest from a listing, or reads the existing one.
//  3. Done returns which chunks have their part. Claims (scorer/claim) keep
//     workers from scoring the same chunk twice, which would waste time but do
//     no harm.
//  4. Commit creates the part of a chunk.
//  5. WriteSummary stores what a worker reports at its end.
//  6. Finish checks that every part exists and creates _SUCCESS.
//
// Some images of a complete output may be scored again. Such a retry is a job of its
// own in a folder of the first (generation.go). When it is complete, Finish replaces
// the old rows with its rows (overlay.go, publish.go).
//
// Repair sets aside what is damaged, so that running the job again creates it again.
//
// Verify and Merge need no workers; they only read.
package output
