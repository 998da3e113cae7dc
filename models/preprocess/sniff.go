package preprocess

import (
	"strings"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

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
			return 0, f.Refuse(src)
		default:
			return 0, codec.Fail(codec.StatusUnsupported, "%s is not decoded", f.Name)
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
