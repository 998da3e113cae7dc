package codec

import "fmt"

// Status is the stable word that a row carries for an image.
type Status string

// The outcomes of decoding one image. StatusOK is the only one with pixels.
const (
	StatusOK          Status = "ok"
	StatusEmpty       Status = "empty"         // zero bytes
	StatusNotImage    Status = "not_image"     // no known image signature, such as HTML
	StatusUnsupported Status = "unsupported"   // an image of a format or kind that is not decoded
	StatusTruncated   Status = "truncated"     // ends before its last pixel
	StatusCorrupt     Status = "corrupt"       // cannot be decoded
	StatusTooLarge    Status = "too_large"     // beyond the bounds on pixels, bytes or scans
	StatusPanic       Status = "decoder_panic" // the decoder panicked, or its process ended
)

// Failures returns every Status but StatusOK.
func Failures() []Status {
	return []Status{
		StatusEmpty, StatusNotImage, StatusUnsupported, StatusTruncated, StatusCorrupt, StatusTooLarge, StatusPanic,
	}
}

// A Failure is the error for an image that yields no pixels. It becomes the image's
// row and never stops a run.
type Failure struct {
	Status Status
	Reason string
}

func (f *Failure) Error() string { return string(f.Status) + ": " + f.Reason }

// Fail returns a Failure whose reason is formatted as fmt.Sprintf does.
func Fail(status Status, format string, args ...any) *Failure {
	if len(args) == 0 {
		return &Failure{status, format}
	}
	return &Failure{status, fmt.Sprintf(format, args...)}
}
