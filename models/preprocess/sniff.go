package preprocess

import (
	"bytes"
	"encoding/binary"
)

// A format is what an image's first bytes say it is.
type format string

const (
	formatJPEG format = "JPEG"
	formatPNG  format = "PNG"
	formatGIF  format = "GIF"
	formatBMP  format = "BMP"
	formatTIFF format = "TIFF"
	formatWebP format = "WebP"
)

const pngSignature = "\x89PNG\r\n\x1a\n"

// signatures of formats that are decoded, then of those that are only known by
// name. A dot stands for any byte.
var signatures = []struct {
	pattern string
	format  format
	decoded bool
}{
	{"\xff\xd8\xff", formatJPEG, true},
	{pngSignature, formatPNG, true},
	{"GIF87a", formatGIF, true},
	{"GIF89a", formatGIF, true},
	{"II*\x00", formatTIFF, true},
	{"MM\x00*", formatTIFF, true},
	{"RIFF....WEBP", formatWebP, true},
	{"BM", formatBMP, true},
	{"....ftypheic", "HEIC", false},
	{"....ftypheix", "HEIC", false},
	{"....ftypmif1", "HEIF", false},
	{"....ftypavif", "AVIF", false},
	{"....ftypavis", "AVIF", false},
	{"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG 2000", false},
	{"\xff\x4f\xff\x51", "JPEG 2000", false},
	{"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL", false},
	{"\xff\x0a", "JPEG XL", false},
	{"II+\x00", "BigTIFF", false},
	{"MM\x00+", "BigTIFF", false},
	{"II\xbc\x01", "JPEG XR", false},
	{"8BPS", "PSD", false},
	{"\x00\x00\x01\x00", "ICO", false},
	{"qoif", "QOI", false},
}

// sniff names the format of src, or says why it has none that is decoded.
func sniff(src []byte) (format, *Failure) {
	if len(src) == 0 {
		return "", &Failure{StatusEmpty, "zero bytes"}
	}
	for _, s := range signatures {
		if !matches(src, s.pattern) {
			continue
		}
		if s.format == formatBMP && !bmpHeader(src) {
			continue // "BM" also begins a text
		}
		if !s.decoded {
			return "", &Failure{StatusUnsupported, string(s.format) + " is not decoded"}
		}
		return s.format, nil
	}
	// Nothing but a picture begins with these bytes.
	if bytes.HasPrefix([]byte("\xff\xd8\xff"), src) || bytes.HasPrefix([]byte(pngSignature), src) {
		return "", &Failure{StatusTruncated, "ends within the signature"}
	}
	return "", &Failure{StatusNotImage, "no image signature"}
}

func matches(src []byte, pattern string) bool {
	if len(src) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		if pattern[i] != '.' && pattern[i] != src[i] {
			return false
		}
	}
	return true
}

// bmpHeader reports whether the size of the second header is one that exists.
func bmpHeader(src []byte) bool {
	if len(src) < 18 {
		return false
	}
	switch binary.LittleEndian.Uint32(src[14:]) {
	case 12, 16, 40, 52, 56, 64, 108, 124:
		return true
	}
	return false
}
