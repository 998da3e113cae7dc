// Package prune deletes outputs that nothing needs any more.
//
// An increment keeps rows of earlier outputs, its sources, and leaves a mark in each of them. An
// output is deleted in an order that is safe wherever it ends: first it gets the mark of a
// deletion, then its dependents are looked for again, then _SUCCESS goes, so that nobody takes it
// for complete, then the record of the job, so that nobody continues it, then everything else, and
// last the mark.
package prune
