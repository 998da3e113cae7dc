package preprocess

import (
	"encoding/binary"
	"slices"
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

// brands returns the major brand of an ISO base media file, and all brands that it is
// compatible with, the major one first. It returns "" for any other file.
func brands(src []byte) (major string, all []string) {
	if !codec.HasSignature(src, "....ftyp....") {
		return "", nil
	}
	const most = 64 // brands that are read; files have fewer than ten
	end := min(int64(binary.BigEndian.Uint32(src)), int64(len(src)), 16+4*most)
	major = string(src[8:12])
	all = []string{major}
	for at := int64(16); at+4 <= end; at += 4 {
		all = append(all, string(src[at:at+4]))
	}
	return major, all
}

// Brands of HEIF. A file of a general brand names the coded one among those that it is
// compatible with.
var (
	brandsHEIC = strings.Fields("heic heix heim heis hevc hevx hevm hevs")
	brandsAVIF = strings.Fields("avif avis avio MA1A MA1B")
	brandsHEIF = strings.Fields("mif1 mif2 mif3 msf1 miaf MiHA MiHB MiHE MiPr avci avcs j2ki j2is jpeg jpgs " +
		"vvic vvis evbi evbs evmi evms unif 1pic")
)

func isHEIC(src []byte) bool { return heif(src) == "HEIC" }
func isAVIF(src []byte) bool { return heif(src) == "AVIF" }
func isHEIF(src []byte) bool { return heif(src) == "HEIF" }

// heif returns the kind of HEIF that src is by its brands, the major brand before the
// others, or "" for any other file.
func heif(src []byte) string {
	major, all := brands(src)
	if major == "" {
		return ""
	}
	is := func(list []string) func(string) bool {
		return func(brand string) bool { return slices.Contains(list, brand) }
	}
	heic, avif, general := is(brandsHEIC), is(brandsAVIF), is(brandsHEIF)
	switch {
	case heic(major):
		return "HEIC"
	case avif(major):
		return "AVIF"
	case slices.ContainsFunc(all, heic):
		return "HEIC"
	case slices.ContainsFunc(all, avif):
		return "AVIF"
	case slices.ContainsFunc(all, general):
		return "HEIF"
	}
	return ""
}

func isDICOM(src []byte) bool { return len(src) >= 132 && string(src[128:132]) == "DICM" }

// isMedia reports whether src is an ISO base media file, such as a video.
func isMedia(src []byte) bool {
	brand, _ := brands(src)
	return brand != ""
}
