// Package patient wraps a store whose place is sometimes busy, slow or out of
// reach. It repeats calls until they succeed or patience ends, continues broken
// bodies, and makes fewer calls at once while the place throttles.
//
//   - What is repeated: calls that fail with a store.Transient or stall. Any other
//     error, above all store.ErrDenied, is returned at once and unchanged.
//   - How long: pauses double up to a maximum, with full jitter. If the place asks
//     for a longer pause (Retry-After), all calls wait for that long. When patience
//     or the deadline ends, the error is store.ErrUnavailable and no longer a
//     store.Transient.
//   - How many at once: a throttled answer halves the number of calls under way,
//     once for all calls that were under way together. Every other answer raises
//     it by one divided by that number.
//   - Create: after a lost answer, the next try may find that its own object
//     exists. Then the stored object is read: the same bytes mean success, other
//     bytes store.ErrExist.
//   - Bodies: a body that breaks, stalls or ends early is continued at the same
//     byte, with the same ETag. Versions are never mixed, and a reader that comes
//     to io.EOF has returned exactly Object.Size bytes.
//   - Listings: of a store.PagedLister, only the request that failed is repeated.
//     Any other listing that breaks is started over, without the objects that were
//     delivered before.
package patient
