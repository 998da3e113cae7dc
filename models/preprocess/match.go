package preprocess

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

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

// isCUR checks the first of a cursor's images, since the signature, mostly zeros, is
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

// isTGA reports whether src has the footer of version 2, or a header of which every
// field is plausible.
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

// isMedia reports whether src is an ISO base media file, such as a video.
func isMedia(src []byte) bool {
	brand, _ := brands(src)
	return brand != ""
}
