// Package hook tells others of the events of a job: its end, and its first failure. It
// sends a document to a URL, signed if there is a secret for that, or runs a command with
// the document on its standard input.
//
// Every event has a right ([claim.OnHook]) and a mark in the output folder, so that one
// of any number of ranks tells it. The mark is written once the receiver has taken the
// event; a rank that dies before that leaves it to the next one. So an event is told at
// least once, each time with the same ID.
package hook
