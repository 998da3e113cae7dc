// Package judge decides whether too many images of a job fail: at its end, and while
// it runs, over all ranks.
//
// [Limits] say how many images may fail, in all and by status. Ranks share nothing but
// the store of the result, in which each object is created once:
//
//	_batchscore/failures/r00003-host-71-abcd.000002.json   the third tally of a rank
//	_batchscore/failures/stop.000000.json                  the first verdict
//
// A rank whose images fail publishes tallies (record.go) of what it committed, a new one
// when they have grown by a quarter. It judges all of them (watch.go), and the first to
// find an excess creates the verdict. Every rank that finds the verdict, and every later
// run whose limits do not allow what it says, stops.
//
// The rule (rule.go) never relies on the order of the images. Either more have failed
// than may fail of the whole job, or that follows from chunks that ranks took at random
// from what was left of their shares, which they do as soon as their images fail
// (counter.go). A rank without failures publishes nothing, and looks for a verdict now
// and then.
package judge
