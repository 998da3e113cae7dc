package preprocess

import (
	"path"
	"slices"
	"strings"
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

// A codec is one row of what is known of picture formats.
type codec struct {
	format     format
	extensions string // without their dots, separated by blanks
	// signatures are beginnings of a file; a dot stands for any byte.
	signatures []string
	// is looks further where a signature is not enough, or is all there is; nil
	// where the signature decides.
	is      func(src []byte) bool
	decoded bool
}

// codecs is the one table of picture formats: under which names they are looked
// for, how they are told apart, and which are decoded. The first row that fits
// decides, so a container comes after what it may hold. Vector graphics and
// documents are left out.
var codecs = []codec{
	{format: formatJPEG, extensions: "jpg jpeg jpe jfif pjpeg pjp jif mpo", signatures: []string{"\xff\xd8\xff"}, decoded: true},
	{format: formatPNG, extensions: "png apng", signatures: []string{pngSignature}, decoded: true},
	{format: formatGIF, extensions: "gif", signatures: []string{"GIF87a", "GIF89a"}, decoded: true},
	{format: formatWebP, extensions: "webp", signatures: []string{"RIFF....WEBP"}, decoded: true},
	{format: formatBMP, extensions: "bmp dib", signatures: []string{"BM"}, is: isBMP, decoded: true},
	{format: formatBMP, is: isDIB, decoded: true},

	// Camera raw: most are TIFF structures whose first directory is a small
	// preview.
	{format: "Canon CR2", extensions: "cr2", signatures: []string{"II*\x00....CR\x02"}},
	{format: "Canon CR3", extensions: "cr3", signatures: []string{"....ftypcrx "}},
	{format: "Canon CRW", extensions: "crw", signatures: []string{"II....HEAPCCDR"}},
	{format: "Fujifilm RAF", extensions: "raf", signatures: []string{"FUJIFILMCCD-RAW"}},
	{format: "Olympus ORF", extensions: "orf", signatures: []string{"IIRO", "IIRS", "MMOR"}},
	{format: "Panasonic RW2", extensions: "rw2", signatures: []string{"IIU\x00"}},
	{format: "Sigma X3F", extensions: "x3f", signatures: []string{"FOVb"}},
	{format: "DNG", extensions: "dng", signatures: tiffSignatures, is: isDNG},
	{format: "camera raw", extensions: "nef nrw arw sr2 pef srw", signatures: tiffSignatures, is: isRaw},
	{format: formatTIFF, extensions: "tif tiff", signatures: tiffSignatures, decoded: true},
	{format: "BigTIFF", signatures: []string{"II+\x00", "MM\x00+"}},

	// HEIF and AVIF: the brands tell them apart from each other and from videos.
	{format: "AVIF", extensions: "avif avifs", is: isAVIF},
	{format: "HEIC", extensions: "heic heics", is: isHEIC},
	{format: "HEIF", extensions: "heif heifs hif", is: isHEIF},

	{format: "BPG", extensions: "bpg", signatures: []string{"BPG\xfb"}},
	{format: "DDS", extensions: "dds", signatures: []string{"DDS "}},
	{format: "DICOM", extensions: "dcm", is: isDICOM},
	{format: "DPX", extensions: "dpx", signatures: []string{"SDPX", "XPDS"}},
	{format: "FITS", extensions: "fits", signatures: []string{"SIMPLE  ="}},
	{format: "FLIF", extensions: "flif", signatures: []string{"FLIF"}},
	{format: "ICNS", extensions: "icns", signatures: []string{"icns"}},
	{format: "ICO", extensions: "ico", signatures: []string{"\x00\x00\x01\x00"}},
	{format: "CUR", extensions: "cur", signatures: []string{"\x00\x00\x02\x00"}, is: isCUR},
	{format: "JPEG 2000", extensions: "jp2 j2k jpf jpx jpm j2c jpc",
		signatures: []string{"\x00\x00\x00\x0cjP  \r\n\x87\n", "\xff\x4f\xff\x51"}},
	{format: "JPEG XL", extensions: "jxl", signatures: []string{"\x00\x00\x00\x0cJXL \r\n\x87\n", "\xff\x0a"}},
	{format: "JPEG XR", extensions: "jxr wdp hdp", signatures: []string{"II\xbc\x01"}},
	{format: "OpenEXR", extensions: "exr", signatures: []string{"v/1\x01"}},
	{format: "PCX", extensions: "pcx", signatures: []string{"\x0a.\x01"}, is: isPCX},
	{format: "PFM", extensions: "pfm", signatures: []string{"PF", "Pf"}, is: isPNM},
	{format: "PBM", extensions: "pbm", signatures: []string{"P1", "P4"}, is: isPNM},
	{format: "PGM", extensions: "pgm", signatures: []string{"P2", "P5"}, is: isPNM},
	{format: "PPM", extensions: "ppm pnm", signatures: []string{"P3", "P6"}, is: isPNM},
	{format: "PAM", extensions: "pam", signatures: []string{"P7\nWIDTH ", "P7\nHEIGHT ", "P7\nDEPTH ", "P7\nMAXVAL ", "P7\nTUPLTYPE ", "P7\n#"}},
	{format: "PSD", extensions: "psd psb", signatures: []string{"8BPS"}},
	{format: "QOI", extensions: "qoi", signatures: []string{"qoif"}},
	{format: "Radiance HDR", extensions: "hdr", signatures: []string{"#?RADIANCE", "#?RGBE"}},
	{format: "SGI", extensions: "sgi rgb", signatures: []string{"\x01\xda"}, is: isSGI},
	{format: "Sun raster", extensions: "ras", signatures: []string{"\x59\xa6\x6a\x95"}},
	{format: "XBM", extensions: "xbm", signatures: []string{"#define "}, is: isXBM},
	{format: "XCF", extensions: "xcf", signatures: []string{"gimp xcf "}},
	{format: "XPM", extensions: "xpm", signatures: []string{"/* XPM */", "! XPM"}},
	// Nothing but the plausibility of a header tells a TGA, so it comes last.
	{format: "TGA", extensions: "tga", is: isTGA},
}

var knownExtensions = func() map[string]bool {
	m := map[string]bool{}
	for _, c := range codecs {
		for _, e := range strings.Fields(c.extensions) {
			m["."+e] = true
		}
	}
	return m
}()

// Extensions returns the endings under which pictures are known, whether they
// are decoded or not: in lower case, with their dot, sorted.
func Extensions() []string {
	all := make([]string, 0, len(knownExtensions))
	for e := range knownExtensions {
		all = append(all, e)
	}
	slices.Sort(all)
	return all
}

// KnownExtension reports whether the file or object called name ends as a
// picture does, in upper or lower case.
func KnownExtension(name string) bool { return knownExtensions[strings.ToLower(path.Ext(name))] }
