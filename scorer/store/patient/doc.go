// Package patient makes a store of one whose place is sometimes busy, slow or
// cut off: calls are tried again until they succeed or patience ends, broken
// bodies are resumed, and fewer calls are made at once while the place
// throttles.
//
//   - What is tried again: errors that are a store.Transient, and calls that
//     stall. All else, above all store.ErrDenied, is returned at once as it is.
//   - How long: pauses double up to a maximum, with full jitter. What the place
//     asks for itself (Retry-After) is obeyed even above that maximum, by all
//     calls. When patience or the deadline ends, the error is
//     store.ErrUnavailable and no store.Transient any more.
//   - How many at once: a throttled answer halves the number of calls under
//     way, once for all calls that were under way together; every answer that
//     is not throttled raises it by its share of one.
//   - Create: a create whose answer was lost may find its own object in the
//     way of the next try. What is stored settles it: the same bytes are
//     success, others are store.ErrExist.
//   - Bodies: a body that breaks, stalls or ends early goes on at the same
//     byte, under the same ETag. A version is never mixed with another, and a
//     reader that comes to io.EOF has given exactly Object.Size bytes.
//   - Listings: of a store.Lister, the request that failed is made again. Any
//     other listing that breaks is begun again, and passes over the objects
//     that were delivered before.
package patient
