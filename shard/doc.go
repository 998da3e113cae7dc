// Package shard decides who works on what: which worker of how many this
// process is, what the frozen list of images holds, how it is cut into chunks
// and in which order each worker takes them.
//
// It is pure logic. It does no I/O except through what it is given: a manifest that
// is too large for memory goes to a Scratch. Everything in it is a function of its
// arguments, so workers that never communicate arrive at the same plan:
//
//  1. FromEnv turns flags and launcher variables into a World, or returns an error.
//  2. Builder collects the listed images; Build sorts and freezes them into a
//     Manifest, whose encoded form is what all workers share.
//  3. Chunks cuts the manifest into runs of consecutive entries. The cut does not
//     depend on ranks, so a part is the same whoever computes it.
//  4. Chunks.Share gives every rank its own contiguous run of chunks, and
//     Chunks.StealOrder is the order in which it tries the chunks of others.
package shard
