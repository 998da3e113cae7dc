// Package gate judges the figures of a result by conditions, such as
//
//	drift>0.2,accuracy<0.9,failed>1%,recall[Sexy]<0.8
//
// Each condition says when the result is not good enough. figures.go has the list of all
// figures: documents, messages and metrics are made from it.
//
// Nothing passes silently. An unknown figure, a limit that a figure cannot have, and a figure
// that this result does not have are errors.
package gate
