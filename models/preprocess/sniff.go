package preprocess

import (
	"strings"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A found is what decodes an image: the format's index in formats, the bytes that it decodes, and
// how the file around them says that the picture is turned upright.
type found struct {
	format int
	src    []byte
	turn   codec.Orientation
}

// find returns what decodes src, or why nothing does. With Spec.RawPreview a camera's raw file is
// decoded as the JPEG in it.
func (d *Decoder) find(src []byte) (found, *codec.Failure) {
	i, fail := sniff(src)
	f := &formats[i]
	if fail == nil || f.Preview == nil || !d.spec.RawPreview {
		return found{i, src, 1}, fail
	}
	preview, turn := f.Preview(src)
	if preview == nil {
		return found{}, codec.Fail(codec.StatusUnsupported, "%s without a JPEG as its preview", f.Name)
	}
	i, fail = sniff(preview)
	return found{i, preview, turn}, fail
}

// sniff returns the index of src's format in formats, or why src is not decoded.
func sniff(src []byte) (int, *codec.Failure) {
	if len(src) == 0 {
		return 0, codec.Fail(codec.StatusEmpty, "zero bytes")
	}
	for i := range formats {
		f := &formats[i]
		switch {
		case f.Unmistakable && isCut(src, f.Signatures):
			return 0, codec.Fail(codec.StatusTruncated, "ends within the signature")
		case !f.Matches(src):
		case f.New != nil:
			return i, nil
		case f.Refuse != nil:
			return i, f.Refuse(src)
		case f.Preview != nil:
			return i, codec.Fail(codec.StatusUnsupported, "%s is not decoded; --raw-preview decodes the preview in it", f.Name)
		default:
			return i, codec.Fail(codec.StatusUnsupported, "%s is not decoded", f.Name)
		}
	}
	return 0, codec.Fail(codec.StatusNotImage, "no image signature")
}

// isCut reports whether src ends within one of the signatures.
func isCut(src []byte, signatures []string) bool {
	for _, s := range signatures {
		if len(src) < len(s) && strings.HasPrefix(s, string(src)) {
			return true
		}
	}
	return false
}
