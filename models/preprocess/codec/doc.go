// Package codec is what the decoders of picture formats share with package
// preprocess: the description of a format, the memory for pixels, the bounds on an
// image, and the reasons why an image has no pixels.
//
// To add a format, write a package that has a [Format] and add one line to the
// table in package preprocess. Sniffing, listing and decoding all read that table.
package codec
