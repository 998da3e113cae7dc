// Package measure measures what a run is made of on the machine at hand: the
// decoder, the device, and a whole run against the limit that the two set.
//
// Whatever is compared is measured in turns within one run, so that a machine
// whose speed changes from minute to minute blurs the ratios and does not shift
// them.
package measure
