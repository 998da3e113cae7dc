package codec

// A Striper is a Decoder that can also give an image's pixels in strips, so that a picture
// that is larger than memory can be read from top to bottom.
type Striper interface {
	Decoder

	// StripNeed is Need for DecodeStrips. Its Bytes contain the pixels of a strip, for which
	// there is no canvas. For a picture that is coded as a whole they are not fewer than
	// those of Decode and its canvas.
	StripNeed(src []byte, bounds Bounds) Need

	// DecodeStrips decodes the first picture in src as Decode does, to the same pixels. A
	// Failure may come after some strips.
	DecodeStrips(src []byte, bounds Bounds, to StripSink) (*Failure, error)
}

// A StripSink takes the strips of one image.
type StripSink interface {
	// Begin gets the size of the stored pixels, and how they become upright. It is called
	// once, before the first strip.
	Begin(width, height int, o Orientation)

	// Strip gets the rows from top of the stored picture on, as wide as the picture. They
	// follow those of the strip before. The pixels may be changed, and are invalid after it
	// returns. If it returns false, the decode ends without a Failure.
	Strip(top int, px Pixels) bool
}
