package codec

// A Need is what an image's headers say that decoding it takes. A codec finds it without
// decoding; where the headers are damaged it is what is taken until the decode fails.
type Need struct {
	// Width and Height are those with which the codec calls Canvas.Prepare; 0 if it
	// fails before.
	Width, Height int
	Scales        []Scale
	// Bytes is how much memory the codec holds at most at once, besides the canvas's
	// and src: in Go, in C and in libraries, copies of parts of src included. Go memory
	// counts until it is collected. What is small for every image is left out.
	Bytes int64
}
