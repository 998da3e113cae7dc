// Package claim divides the work of a job among its workers, who share nothing
// but a store.
//
// A claim on a [Right] is a chain of objects, each created once:
//
//	_batchscore/claims/chunk-00007.000000   the first link: a worker claims chunk 7
//	_batchscore/claims/chunk-00007.000001   the same worker renews its claim, or
//	                                        another one takes the chunk over
//
// Whoever creates the next link holds the right. The holder renews its claim by
// adding a link. Another worker takes the right over by adding a link once the
// claim is stale:
//
//   - the holder ran on this machine and is dead,
//   - the holder gave the right up, or
//   - the last link is older than the lease.
//
// Ages are differences between times by the store's clock, carried forward by
// this process's monotonic clock. No machine's wall clock matters.
//
// A claim only saves work. If two workers hold one chunk after all, both score it
// and the first to commit its part wins.
//
// A crash of a machine may remove the last links that it made, or leave them
// empty. Their chunks then count as claimed until the lease ends, or as unclaimed.
package claim
