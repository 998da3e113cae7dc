package codec

import "slices"

// A Format is one entry of the table of picture formats: under which names files of
// the format are found, how their bytes are recognised, and what decodes them.
type Format struct {
	Name string

	// Extensions are the endings of file names, in lower case, without their dots and
	// separated by blanks.
	Extensions string

	// Signatures are beginnings of a file, of which one must match; a dot stands for
	// any byte. None means that any beginning matches.
	Signatures []string

	// Match looks further where a signature is not enough; nil means that a matching
	// signature decides.
	Match func(src []byte) bool

	// Unmistakable says that nothing but the format begins with even one byte of a
	// signature: a file that ends within it is truncated.
	Unmistakable bool

	// New returns a decoder. It is nil for a format that is known and not decoded.
	New func(Config) (Decoder, error)

	// Preview returns the JPEG that a file of a format without New holds as a preview, or
	// nil, and how the file says that its pictures are turned upright. It decodes nothing.
	Preview func(src []byte) ([]byte, Orientation)

	// Refuse says why src has no pixels, for an entry without New; nil means that
	// the format is not decoded, with status unsupported.
	Refuse func(src []byte) *Failure
}

// Config is what decoders are made for.
type Config struct {
	// GoOnly excludes libraries that are loaded at run time.
	GoOnly bool
	// JPEG is what decodes JPEG, as package jpeg names it; "" is the default.
	JPEG string
	// Libraries is asked before the first image that a library of its own decodes. Nil allows
	// any library.
	Libraries Libraries
	// ValueRange is empty, or the values that are black and white where samples have more than 8 bits.
	ValueRange []float64
	// Bands is empty, or which samples of a TIFF are red, green and blue, from 1, or which one is grey.
	Bands []int
	// Inner returns the decoder of another format, for a picture inside this one's, such as
	// a JPEG in a TIFF. name is its Format's; nil means that the format is not decoded. The
	// decoder may be called when this one is, and is not closed. Inner itself may be nil,
	// and is not called before New has returned.
	Inner func(name string) Decoder
}

// Libraries says which native libraries may decode.
type Libraries interface {
	// Agree gets the name of a library and its identity, which is empty if it is not
	// installed. An error ends the decode; it is not about the image.
	Agree(name, identity string) error
}

// A Keeper is a Decoder that keeps memory outside of this process until its next image.
type Keeper interface {
	// Settle frees of that memory what is above most bytes, as far as it can, and returns how
	// many bytes it still keeps. It may be called between images only.
	Settle(most int64) (kept int64)
}

// InnerDecoder returns the decoder of a picture inside another one, or nil.
func (c Config) InnerDecoder(name string) Decoder {
	if c.Inner == nil {
		return nil
	}
	return c.Inner(name)
}

// A RawDecoder is a Decoder of JPEG that can leave samples as they are coded: the four of a
// picture of CMYK, one in each byte of a pixel, where Decode converts them to RGB; and those
// that several pixels share, which Decode interpolates and it repeats.
type RawDecoder interface {
	Decoder
	DecodeRaw(src []byte, bounds Bounds, to Canvas) (*Failure, error)
}

// Stored returns a Canvas for a picture inside another one, which is stored upright whatever
// its own metadata say.
func Stored(to Canvas) Canvas { return stored{to} }

// Turned returns a Canvas for a picture inside a file that says how its pictures are turned
// upright, for those that do not say it themselves.
func Turned(to Canvas, o Orientation) Canvas { return turned{to, o} }

type turned struct {
	Canvas
	o Orientation
}

func (t turned) Alpha() bool { return Alpha(t.Canvas) }

func (t turned) Dark() { tellDark(t.Canvas) }

func (t turned) Prepare(width, height int, o Orientation, scales []Scale) Pixels {
	if o == 1 {
		o = t.o
	}
	return t.Canvas.Prepare(width, height, o, scales)
}

type stored struct{ Canvas }

func (s stored) Alpha() bool { return Alpha(s.Canvas) }

func (s stored) Dark() { tellDark(s.Canvas) }

func (s stored) Prepare(width, height int, _ Orientation, scales []Scale) Pixels {
	return s.Canvas.Prepare(width, height, 1, scales)
}

// A Decoder decodes the images of one format. It may reuse its memory from image to
// image. One goroutine at a time may use it.
type Decoder interface {
	// Need returns what decoding src with these bounds takes. It reads the headers
	// only and changes nothing in the decoder: it may be called by any goroutine, also
	// while another decodes.
	Need(src []byte, bounds Bounds) Need

	// Decode decodes the first picture in src, which it only reads:
	//
	//  1. It walks over the container without decoding, finds the size, the
	//     orientation, and whether the file ends before the picture does, and refuses
	//     what exceeds the bounds.
	//  2. It calls to.Prepare.
	//  3. It fills the pixels.
	//
	// Which Failure an image has depends on its bytes and the bounds alone. An error
	// is not about the image: the decoder can no longer be used.
	Decode(src []byte, bounds Bounds, to Canvas) (*Failure, error)

	// Close frees the decoder's memory. It is called once, and nothing after it.
	Close()
}

// Matches reports whether src begins as a file of the format does.
func (f *Format) Matches(src []byte) bool {
	if len(f.Signatures) > 0 && !slices.ContainsFunc(f.Signatures, func(s string) bool { return HasSignature(src, s) }) {
		return false
	}
	return f.Match == nil || f.Match(src)
}

// HasSignature reports whether src begins with a signature, in which a dot stands for
// any byte.
func HasSignature(src []byte, signature string) bool {
	if len(src) < len(signature) {
		return false
	}
	for i := range len(signature) {
		if signature[i] != '.' && signature[i] != src[i] {
			return false
		}
	}
	return true
}

// Stateless returns a Format's New for a decoder that keeps nothing from image to
// image. The functions are Decode and Need of [Decoder].
func Stateless(decode func(src []byte, bounds Bounds, to Canvas) *Failure, need func(src []byte, bounds Bounds) Need) func(Config) (Decoder, error) {
	return func(Config) (Decoder, error) { return stateless{decode, need}, nil }
}

type stateless struct {
	decode func(src []byte, bounds Bounds, to Canvas) *Failure
	need   func(src []byte, bounds Bounds) Need
}

func (s stateless) Decode(src []byte, bounds Bounds, to Canvas) (*Failure, error) {
	return s.decode(src, bounds, to), nil
}

func (s stateless) Need(src []byte, bounds Bounds) Need { return s.need(src, bounds) }

func (stateless) Close() {}
