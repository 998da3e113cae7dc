package preprocess

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess/bmp"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/dds"
	"github.com/batchscore/batchscore/models/preprocess/gif"
	"github.com/batchscore/batchscore/models/preprocess/icns"
	"github.com/batchscore/batchscore/models/preprocess/ico"
	"github.com/batchscore/batchscore/models/preprocess/jpeg"
	"github.com/batchscore/batchscore/models/preprocess/native"
	"github.com/batchscore/batchscore/models/preprocess/pcx"
	"github.com/batchscore/batchscore/models/preprocess/png"
	"github.com/batchscore/batchscore/models/preprocess/pnm"
	"github.com/batchscore/batchscore/models/preprocess/psd"
	"github.com/batchscore/batchscore/models/preprocess/qoi"
	"github.com/batchscore/batchscore/models/preprocess/rawpreview"
	"github.com/batchscore/batchscore/models/preprocess/sgi"
	"github.com/batchscore/batchscore/models/preprocess/sunraster"
	"github.com/batchscore/batchscore/models/preprocess/tga"
	"github.com/batchscore/batchscore/models/preprocess/tiff"
	"github.com/batchscore/batchscore/models/preprocess/webp"
	"github.com/batchscore/batchscore/models/preprocess/xbm"
	"github.com/batchscore/batchscore/models/preprocess/xpm"
)

// Decoding is the version of the decoders' results. It grows when rows change: when a
// picture that was refused is decoded, or when one is decoded to other pixels.
const Decoding = 3

// formats is the one table of picture formats: under which names they are found, how they
// are recognised, and which are decoded. The first entry that matches decides, so a
// container comes after what it may hold. Vector graphics are left out.
//
// A format that has a decoder is a package with a codec.Format, and its line here. A new
// one changes Decoding.
var formats = []codec.Format{
	jpeg.Format,
	png.Format,
	gif.Format,
	webp.Format,
	bmp.Format,

	// Camera raw, of which a preview is decoded on request. The decoders of TIFF would find a
	// small one in some of them.
	raw(codec.Format{Name: "Canon CR2", Extensions: "cr2", Signatures: []string{"II*\x00....CR\x02"}}),
	raw(codec.Format{Name: "Canon CR3", Extensions: "cr3", Signatures: []string{"....ftypcrx "}}),
	raw(codec.Format{Name: "Canon CRW", Extensions: "crw", Signatures: []string{"II....HEAPCCDR"}}),
	raw(codec.Format{Name: "Fujifilm RAF", Extensions: "raf", Signatures: []string{"FUJIFILMCCD-RAW"}}),
	raw(codec.Format{Name: "Olympus ORF", Extensions: "orf", Signatures: []string{"IIRO", "IIRS", "MMOR"}}),
	raw(codec.Format{Name: "Panasonic RW2", Extensions: "rw2", Signatures: []string{"IIU\x00"}}),
	raw(codec.Format{Name: "Sigma X3F", Extensions: "x3f", Signatures: []string{"FOVb"}}),
	raw(tiff.DNG),
	raw(tiff.CameraRaw),
	tiff.Format,

	// HEIF and AVIF: the brands tell them apart from each other and from videos.
	{Name: "AVIF", Extensions: "avif avifs", Match: isAVIF, New: native.NewAVIF},
	{Name: "HEIC", Extensions: "heic heics", Match: isHEIC, New: native.NewHEIC},
	{Name: "HEIF", Extensions: "heif heifs hif", Match: isHEIF, New: native.NewHEIF},

	{Name: "BPG", Extensions: "bpg", Signatures: []string{"BPG\xfb"}},
	dds.Format,
	{Name: "DICOM", Extensions: "dcm", Match: isDICOM},
	{Name: "DPX", Extensions: "dpx", Signatures: []string{"SDPX", "XPDS"}},
	{Name: "FITS", Extensions: "fits", Signatures: []string{"SIMPLE  ="}},
	{Name: "FLIF", Extensions: "flif", Signatures: []string{"FLIF"}},
	icns.Format,
	ico.ICO,
	ico.CUR,
	{Name: "JPEG 2000", Extensions: "jp2 j2k jpf jpx jpm j2c jpc",
		Signatures: []string{"\x00\x00\x00\x0cjP  \r\n\x87\n", "\xff\x4f\xff\x51"}, New: native.NewJP2},
	{Name: "JPEG XL", Extensions: "jxl", Signatures: []string{"\x00\x00\x00\x0cJXL \r\n\x87\n", "\xff\x0a"}, New: native.NewJXL},
	{Name: "JPEG XR", Extensions: "jxr wdp hdp", Signatures: []string{"II\xbc\x01"}},
	{Name: "OpenEXR", Extensions: "exr", Signatures: []string{"v/1\x01"}},
	pcx.Format,
	pcx.DCX,
	pnm.PFM,
	pnm.PBM,
	pnm.PGM,
	pnm.PPM,
	pnm.PAM,
	psd.Format,
	qoi.Format,
	{Name: "Radiance HDR", Extensions: "hdr", Signatures: []string{"#?RADIANCE", "#?RGBE"}},
	sgi.Format,
	sunraster.Format,
	xbm.Format,
	{Name: "XCF", Extensions: "xcf", Signatures: []string{"gimp xcf "}},
	xpm.Format,
	// Only the plausibility of its header tells a TGA, so it comes last.
	tga.Format,

	// Other files that are found among pictures, under a picture's name.
	{Name: "video or sound", Match: isMedia, Refuse: func(src []byte) *codec.Failure {
		brand, _ := brands(src)
		return codec.Fail(codec.StatusNotImage, "a video or sound (ISO base media, brand %q)", brand)
	}},
	notImage("the attributes of another file (AppleDouble), no image", "\x00\x05\x16\x07"),
	notImage("the attributes of another file (AppleSingle), no image", "\x00\x05\x16\x00"),
	notImage("a PDF document", "%PDF-"),
	notImage("a ZIP archive", "PK\x03\x04"),
	notImage("a gzip file", "\x1f\x8b"),
	notImage("a Git LFS pointer: the file itself was not fetched", "version https://git-lfs.github.com/"),
}

// raw returns the entry of a camera's raw files.
func raw(f codec.Format) codec.Format {
	f.Preview = rawpreview.Find
	return f
}

// notImage returns the entry of a kind of files that are not images.
func notImage(what, signature string) codec.Format {
	return codec.Format{Name: what, Match: func(src []byte) bool { return bytes.HasPrefix(src, []byte(signature)) },
		Refuse: func([]byte) *codec.Failure {
			return &codec.Failure{Status: codec.StatusNotImage, Reason: what}
		}}
}

var knownExtensions = func() map[string]bool {
	m := map[string]bool{}
	for _, f := range formats {
		for _, e := range strings.Fields(f.Extensions) {
			m["."+e] = true
		}
	}
	return m
}()

// Extensions returns the endings of picture files, whether they are decoded or not: in
// lower case, with their dot, sorted.
func Extensions() []string {
	all := make([]string, 0, len(knownExtensions))
	for e := range knownExtensions {
		all = append(all, e)
	}
	slices.Sort(all)
	return all
}

// KnownExtension reports whether name ends as the name of a picture does, in upper or
// lower case.
func KnownExtension(name string) bool { return knownExtensions[strings.ToLower(path.Ext(name))] }

// FormatOf returns the name of the format of an encoded image, and whether it is decoded.
func FormatOf(src []byte) (string, bool) {
	i, fail := sniff(src)
	if fail != nil {
		return "", false
	}
	return formats[i].Name, true
}

// Decoded returns the names of the formats that are decoded, in the order of the table.
func Decoded() []string {
	var names []string
	for _, f := range formats {
		if f.New != nil {
			names = append(names, f.Name)
		}
	}
	return names
}
