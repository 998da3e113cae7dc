package preprocess

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// sniff names the format of src, or says why it has none that is decoded.
func sniff(src []byte) (format, *Failure) {
	if len(src) == 0 {
		return "", &Failure{StatusEmpty, "zero bytes"}
	}
	for i := range codecs {
		c := &codecs[i]
		if !c.fits(src) {
			continue
		}
		if !c.decoded {
			return "", &Failure{StatusUnsupported, string(c.format) + " is not decoded"}
		}
		return c.format, nil
	}
	// Nothing but a picture begins with these bytes.
	if bytes.HasPrefix([]byte("\xff\xd8\xff"), src) || bytes.HasPrefix([]byte(pngSignature), src) {
		return "", &Failure{StatusTruncated, "ends within the signature"}
	}
	if brand, _ := brands(src); brand != "" {
		return "", &Failure{StatusNotImage, fmt.Sprintf("a video or sound (ISO base media, brand %q)", brand)}
	}
	for _, o := range others {
		if strings.HasPrefix(string(src[:min(len(src), len(o.signature))]), o.signature) {
			return "", &Failure{StatusNotImage, o.name}
		}
	}
	return "", &Failure{StatusNotImage, "no image signature"}
}

// others are files that are found among pictures, under a picture's name.
var others = []struct{ signature, name string }{
	{"\x00\x05\x16\x07", "the attributes of another file (AppleDouble), no image"},
	{"\x00\x05\x16\x00", "the attributes of another file (AppleSingle), no image"},
	{"%PDF-", "a PDF document"},
	{"PK\x03\x04", "a ZIP archive"},
	{"\x1f\x8b", "a gzip file"},
	{"version https://git-lfs.github.com/", "a Git LFS pointer: the file itself was not fetched"},
}

func (c *codec) fits(src []byte) bool {
	if len(c.signatures) > 0 && !slices.ContainsFunc(c.signatures, func(s string) bool { return matches(src, s) }) {
		return false
	}
	return c.is == nil || c.is(src)
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

// isBMP reports whether the size of the second header is one that exists: "BM"
// also begins a text.
func isBMP(src []byte) bool {
	if len(src) < 18 {
		return false
	}
	switch binary.LittleEndian.Uint32(src[14:]) {
	case 12, 16, 40, 52, 56, 64, 108, 124:
		return true
	}
	return false
}

// isDIB reports whether src is a BMP without its first header: whether every field
// of the second makes sense.
func isDIB(src []byte) bool {
	const header = 40
	if len(src) < header || binary.LittleEndian.Uint16(src[12:]) != 1 { // planes
		return false
	}
	switch binary.LittleEndian.Uint32(src) {
	case 40, 52, 56, 64, 108, 124:
	default:
		return false
	}
	width, height := int32(binary.LittleEndian.Uint32(src[4:])), int32(binary.LittleEndian.Uint32(src[8:]))
	b := bmpFile{bits: int(binary.LittleEndian.Uint16(src[14:])), compression: binary.LittleEndian.Uint32(src[16:])}
	return width > 0 && height != 0 && b.supported(header) == nil
}

// brands returns the major brand of an ISO base media file and all that it is
// compatible with, the major one first; "" for any other file.
func brands(src []byte) (major string, all []string) {
	if !matches(src, "....ftyp....") {
		return "", nil
	}
	const most = 64 // brands that are looked at; files have fewer than ten
	end := min(int64(binary.BigEndian.Uint32(src)), int64(len(src)), 16+4*most)
	major = string(src[8:12])
	all = []string{major}
	for at := int64(16); at+4 <= end; at += 4 {
		all = append(all, string(src[at:at+4]))
	}
	return major, all
}

// Brands of HEIF. A file of a general brand names a coded one among those that it
// is compatible with.
var (
	brandsHEIC = strings.Fields("heic heix heim heis hevc hevx hevm hevs")
	brandsAVIF = strings.Fields("avif avis avio MA1A MA1B")
	brandsHEIF = strings.Fields("mif1 mif2 mif3 msf1 miaf MiHA MiHB MiHE MiPr avci avcs j2ki j2is jpeg jpgs " +
		"vvic vvis evbi evbs evmi evms unif 1pic")
)

func isHEIC(src []byte) bool { return heif(src) == "HEIC" }
func isAVIF(src []byte) bool { return heif(src) == "AVIF" }
func isHEIF(src []byte) bool { return heif(src) == "HEIF" }

// heif names the kind of HEIF that the brands say src is, the major brand before
// the others; "" when it is none.
func heif(src []byte) format {
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

// isCUR looks at the first of a cursor's images; zeros and a few odd bytes are
// common in other files.
func isCUR(src []byte) bool {
	return len(src) >= 22 && src[9] == 0 && binary.LittleEndian.Uint16(src[4:]) > 0 && binary.LittleEndian.Uint32(src[14:]) > 0
}

func isPCX(src []byte) bool {
	if len(src) < 128 || src[1] > 5 || src[1] == 1 {
		return false
	}
	switch src[3] { // bits a sample
	case 1, 2, 4, 8:
		return true
	}
	return false
}

// isPNM reports whether the letter and digit of a netpbm format are followed by
// white space and a number, or by a comment.
func isPNM(src []byte) bool {
	rest := bytes.TrimLeft(src[2:min(len(src), 64)], " \t\r\n")
	return len(rest) > 0 && len(rest) < len(src)-2 && (rest[0] == '#' || rest[0] >= '0' && rest[0] <= '9')
}

func isSGI(src []byte) bool {
	if len(src) < 12 {
		return false
	}
	dimensions := binary.BigEndian.Uint16(src[4:])
	return src[2] <= 1 && (src[3] == 1 || src[3] == 2) && dimensions >= 1 && dimensions <= 3
}

func isXBM(src []byte) bool { return bytes.Contains(src[:min(len(src), 256)], []byte("_width ")) }

// isTGA looks for the footer that version 2 has, and otherwise for a header of
// which every field makes sense.
func isTGA(src []byte) bool {
	const header = 18
	if len(src) <= header {
		return false
	}
	if bytes.HasSuffix(src, []byte("TRUEVISION-XFILE.\x00")) {
		return true
	}
	mapped, kind, depth := src[1], src[2]&^8, src[16]
	if mapped > 1 || src[2] > 11 || binary.LittleEndian.Uint16(src[12:]) == 0 || binary.LittleEndian.Uint16(src[14:]) == 0 {
		return false
	}
	switch kind {
	case 1: // with a colour map
		entry := src[7]
		return mapped == 1 && depth == 8 && (entry == 15 || entry == 16 || entry == 24 || entry == 32) &&
			binary.LittleEndian.Uint16(src[5:]) > 0
	case 2:
		return mapped == 0 && (depth == 15 || depth == 16 || depth == 24 || depth == 32)
	case 3:
		return mapped == 0 && (depth == 8 || depth == 16 || depth == 1)
	}
	return false
}
