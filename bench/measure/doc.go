// Package measure measures the parts of a run on this machine: the decoder, the
// device, and a whole run compared with the limit that the two set.
//
// Things that are compared are measured in turns within one run. So on a machine
// whose speed changes from minute to minute the ratios vary more, but are not biased.
package measure
