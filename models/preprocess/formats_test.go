package preprocess

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// TestExtensions tests that the endings of pictures are known, in upper and lower case, and
// that each belongs to one format.
func TestExtensions(t *testing.T) {
	all := Extensions()
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("Extensions() = %v, want them sorted and each once", all)
	}
	fields := 0
	for _, c := range formats {
		fields += len(strings.Fields(c.Extensions))
	}
	if fields != len(all) {
		t.Errorf("%d endings in the table, want %d: one belongs to two formats", fields, len(all))
	}
	for _, name := range strings.Fields("a.jpg a.JPEG a.jfif a.pjp a.mpo a.png a.apng a.gif a.bmp a.dib a.tif a.TIFF a.webp a.heic a.HEIC a.heif a.hif " +
		"a.avif a.jxl a.jp2 a.j2k a.ppm a.pgm a.pbm a.pnm a.pam a.ico a.cur a.tga a.psd a.psb a.dds a.pcx a.sgi a.icns a.qoi a.exr a.hdr " +
		"a.dng a.cr2 a.cr3 a.nef a.arw a.orf a.rw2 a.raf a.pef a.srw a.jxr a.xbm a.xpm a.ras folder.d/b.c.Jpg") {
		if !KnownExtension(name) {
			t.Errorf("KnownExtension(%q) = false, want true", name)
		}
	}
	for _, name := range []string{"", "jpg", "a.txt", "a.svg", "a.pdf", "a.mp4", "photo.jpg/", "a.jpg.json", "jpg.d/a"} {
		if KnownExtension(name) {
			t.Errorf("KnownExtension(%q) = true, want false", name)
		}
	}
}

// TestTable tests that the entries of the table are complete and do not contradict
// themselves.
func TestTable(t *testing.T) {
	names := map[string]bool{}
	for _, f := range formats {
		t.Run(f.Name, func(t *testing.T) {
			switch {
			case f.Name == "" || names[f.Name]:
				t.Errorf("the name %q is empty or another entry's", f.Name)
			case len(f.Signatures) == 0 && f.Match == nil:
				t.Error("the entry matches every file")
			case f.New != nil && f.Refuse != nil:
				t.Error("the entry has New and Refuse, want one at most")
			case f.Unmistakable && (f.New == nil || len(f.Signatures) == 0):
				t.Error("the entry is Unmistakable without New or Signatures")
			case f.New != nil && f.Extensions == "":
				t.Error("the format is decoded and has no extension")
			case f.Extensions != strings.ToLower(f.Extensions) || strings.Contains(f.Extensions, "."):
				t.Errorf("extensions %q, want them in lower case and without dots", f.Extensions)
			case slices.Contains(Decoded(), f.Name) != (f.New != nil):
				t.Errorf("Decoded() = %q, want %s in it: %t", Decoded(), f.Name, f.New != nil)
			}
			names[f.Name] = true
		})
	}
}

// ftyp returns the first box of an ISO base media file.
func ftyp(major string, compatible ...string) string {
	size := binary.BigEndian.AppendUint32(nil, uint32(16+4*len(compatible)))
	return string(size) + "ftyp" + major + "\x00\x00\x00\x00" + strings.Join(compatible, "") + "\x00\x00\x00\x08mdat"
}

// littleTIFF returns a TIFF of one directory, whose entries are SHORT.
func littleTIFF(entries ...[2]uint16) string {
	b := binary.LittleEndian.AppendUint16([]byte("II*\x00\x08\x00\x00\x00"), uint16(len(entries)))
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, e[0])
		b = append(b, 3, 0, 1, 0, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(e[1]))
	}
	return string(append(b, 0, 0, 0, 0))
}

// TestFault17_KnownFormats tests that formats are recognised by their bytes, and that those that
// are not decoded are named.
func TestFault17_KnownFormats(t *testing.T) {
	pad := strings.Repeat("\x00", 128)
	tga := func(mapped, kind, depth byte) string {
		return string([]byte{0, mapped, kind, 0, 0, 0, 1, 24, 0, 0, 0, 0, 5, 0, 4, 0, depth, 0}) + pad
	}
	type is struct {
		name, src string
		status    codec.Status
		reason    string // the format, if the status is ok
	}
	const preview = "; --raw-preview decodes the preview in it"
	cases := []is{
		{name: "HEIF of no coded brand", src: ftyp("mif1"), status: codec.StatusOK, reason: "HEIF"},
		{name: "AVIF under the general brand", src: ftyp("mif1", "mif1", "avif", "miaf"), status: codec.StatusOK, reason: "AVIF"},
		{name: "HEIC under the general brand", src: ftyp("mif1", "mif1", "heic"), status: codec.StatusOK, reason: "HEIC"},
		{name: "HEIF among the compatible brands", src: ftyp("isom", "iso6", "miaf"), status: codec.StatusOK, reason: "HEIF"},
		{name: "HEIC cut after its major brand", src: ftyp("heic")[:12], status: codec.StatusOK, reason: "HEIC"},
		{name: "MP4", src: ftyp("isom", "iso2", "mp41"), status: codec.StatusNotImage, reason: `a video or sound (ISO base media, brand "isom")`},
		{name: "QuickTime", src: ftyp("qt  "), status: codec.StatusNotImage, reason: `a video or sound (ISO base media, brand "qt  ")`},
		{name: "letters of two brands", src: ftyp("ic h"), status: codec.StatusNotImage, reason: `a video or sound (ISO base media, brand "ic h")`},
		{name: "CR3", src: ftyp("crx ", "crx ", "isom"), status: codec.StatusUnsupported, reason: "Canon CR3 is not decoded" + preview},
		{name: "CR2", src: "II*\x00\x10\x00\x00\x00CR\x02\x00" + pad, status: codec.StatusUnsupported, reason: "Canon CR2 is not decoded" + preview},
		{name: "DNG", src: littleTIFF([2]uint16{0x00fe, 1}, [2]uint16{0xc612, 1}), status: codec.StatusUnsupported, reason: "DNG is not decoded" + preview},
		{name: "NEF", src: littleTIFF([2]uint16{0x00fe, 1}, [2]uint16{0x010f, 1}, [2]uint16{0x014a, 1}),
			status: codec.StatusUnsupported, reason: "camera raw is not decoded" + preview},
		{name: "RAF", src: "FUJIFILMCCD-RAW 0201", status: codec.StatusUnsupported, reason: "Fujifilm RAF is not decoded" + preview},
		{name: "ORF", src: "IIRS\x08\x00\x00\x00", status: codec.StatusUnsupported, reason: "Olympus ORF is not decoded" + preview},
		{name: "RW2", src: "IIU\x00\x18\x00\x00\x00", status: codec.StatusUnsupported, reason: "Panasonic RW2 is not decoded" + preview},
		{name: "X3F", src: "FOVb\x00\x00", status: codec.StatusUnsupported, reason: "Sigma X3F is not decoded" + preview},
		{name: "CRW", src: "II\x1a\x00\x00\x00HEAPCCDR", status: codec.StatusUnsupported, reason: "Canon CRW is not decoded" + preview},
		{name: "JPEG XL container", src: "\x00\x00\x00\x0cJXL \r\n\x87\n", status: codec.StatusOK, reason: "JPEG XL"},
		{name: "JPEG XL codestream", src: "\xff\x0a\x00", status: codec.StatusOK, reason: "JPEG XL"},
		{name: "JPEG 2000 file", src: "\x00\x00\x00\x0cjP  \r\n\x87\n", status: codec.StatusOK, reason: "JPEG 2000"},
		{name: "JPEG 2000 codestream", src: "\xff\x4f\xff\x51\x00", status: codec.StatusOK, reason: "JPEG 2000"},
		{name: "JPEG XR", src: "II\xbc\x01\x20", status: codec.StatusUnsupported, reason: "JPEG XR is not decoded"},
		{name: "PPM", src: "P6\n4 4\n255\n" + pad, status: codec.StatusOK, reason: "PPM"},
		{name: "PGM with a comment", src: "P5\n# GIMP\n4 4\n255\n" + pad, status: codec.StatusOK, reason: "PGM"},
		{name: "PBM", src: "P4\n8 4\n\x00\x00\x00\x00", status: codec.StatusOK, reason: "PBM"},
		{name: "PAM", src: "P7\nWIDTH 4\n" + pad, status: codec.StatusOK, reason: "PAM"},
		{name: "PFM", src: "PF\n4 4\n-1.0\n" + pad, status: codec.StatusOK, reason: "PFM"},
		{name: "text that begins with P6", src: "P6 is the name of a printer", status: codec.StatusNotImage, reason: "no image signature"},
		{name: "text that begins with PF", src: "PFLICHT", status: codec.StatusNotImage, reason: "no image signature"},
		{name: "ICO", src: "\x00\x00\x01\x00\x01\x00" + pad, status: codec.StatusOK, reason: "ICO"},
		{
			name:   "CUR",
			src:    "\x00\x00\x02\x00\x01\x00\x20\x20\x00\x00\x00\x00\x00\x00\x30\x01\x00\x00\x16\x00\x00\x00",
			status: codec.StatusOK,
			reason: "CUR",
		},
		{name: "PSD", src: "8BPS\x00\x01", status: codec.StatusOK, reason: "PSD"},
		{name: "DDS", src: "DDS \x7c\x00\x00\x00", status: codec.StatusOK, reason: "DDS"},
		{name: "PCX", src: "\x0a\x05\x01\x08" + pad, status: codec.StatusOK, reason: "PCX"},
		{name: "not PCX: an encoding that does not exist", src: "\x0a\x05\x01\x07" + pad, status: codec.StatusNotImage, reason: "no image signature"},
		{name: "SGI", src: "\x01\xda\x01\x01\x00\x03\x00\x04\x00\x04\x00\x03", status: codec.StatusOK, reason: "SGI"},
		{name: "ICNS", src: "icns\x00\x00\x01\x00", status: codec.StatusOK, reason: "ICNS"},
		{name: "QOI", src: "qoif\x00\x00\x00\x04", status: codec.StatusOK, reason: "QOI"},
		{name: "OpenEXR", src: "v/1\x01\x02\x00\x00\x00", status: codec.StatusUnsupported, reason: "OpenEXR is not decoded"},
		{name: "Radiance", src: "#?RADIANCE\n", status: codec.StatusUnsupported, reason: "Radiance HDR is not decoded"},
		{name: "Sun raster", src: "\x59\xa6\x6a\x95\x00\x00\x00\x04", status: codec.StatusOK, reason: "Sun raster"},
		{name: "XBM", src: "#define im_width 4\n#define im_height 4\n", status: codec.StatusOK, reason: "XBM"},
		{name: "C header", src: "#define A 4\n", status: codec.StatusNotImage, reason: "no image signature"},
		{name: "DCX", src: "\xb1\x68\xde\x3a\x10\x00\x00\x00", status: codec.StatusOK, reason: "DCX"},
		{name: "XPM", src: "/* XPM */\nstatic char *x[] = {", status: codec.StatusOK, reason: "XPM"},
		{name: "FLIF", src: "FLIF\x44\x31", status: codec.StatusUnsupported, reason: "FLIF is not decoded"},
		{name: "BPG", src: "BPG\xfb\x20", status: codec.StatusUnsupported, reason: "BPG is not decoded"},
		{name: "FITS", src: "SIMPLE  =                    T", status: codec.StatusUnsupported, reason: "FITS is not decoded"},
		{name: "DICOM", src: pad + "DICM\x02\x00", status: codec.StatusUnsupported, reason: "DICOM is not decoded"},
		{name: "TGA of 24 bits", src: tga(0, 2, 24), status: codec.StatusOK, reason: "TGA"},
		{name: "TGA with run lengths and a colour map", src: tga(1, 9, 8), status: codec.StatusOK, reason: "TGA"},
		{name: "TGA grey", src: tga(0, 3, 8), status: codec.StatusOK, reason: "TGA"},
		{
			name:   "TGA by its footer",
			src:    pad + "\x00\x00\x00\x00\x00\x00\x00\x00TRUEVISION-XFILE.\x00",
			status: codec.StatusOK,
			reason: "TGA",
		},
		{name: "no TGA: a depth that does not exist", src: tga(0, 2, 17), status: codec.StatusNotImage, reason: "no image signature"},
		{
			name:   "AppleDouble",
			src:    "\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X",
			status: codec.StatusNotImage,
			reason: "the attributes of another file (AppleDouble), no image",
		},
		{name: "PDF", src: "%PDF-1.7", status: codec.StatusNotImage, reason: "a PDF document"},
		{
			name:   "LFS pointer",
			src:    "version https://git-lfs.github.com/spec/v1\n",
			status: codec.StatusNotImage,
			reason: "a Git LFS pointer: the file itself was not fetched",
		},
	}
	for _, brand := range brandsHEIC {
		cases = append(cases, is{brand, ftyp(brand), codec.StatusOK, "HEIC"})
	}
	for _, brand := range brandsAVIF {
		cases = append(cases, is{brand, ftyp(brand, "mif1"), codec.StatusOK, "AVIF"})
	}
	for _, brand := range brandsHEIF {
		cases = append(cases, is{brand, ftyp(brand), codec.StatusOK, "HEIF"})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			i, f := sniff([]byte(c.src))
			if f == nil {
				f = &codec.Failure{Status: codec.StatusOK, Reason: formats[i].Name}
			}
			if f.Status != c.status || f.Reason != c.reason {
				t.Errorf("sniff() = %v, want %s: %s", f, c.status, c.reason)
			}
		})
	}
}

// TestFault17_EveryPrefix tests that no signature reads past the end of a short file.
func TestFault17_EveryPrefix(t *testing.T) {
	for _, file := range []string{"png-rgb.png", "tiff-raw.tif", "bmp-24.bmp", "unsupported-jpeg2000.jp2"} {
		src := readFixture(t, file)
		for n := range min(len(src), 300) {
			if _, f := sniff(bytes.Clone(src[:n])); n == 0 && f.Status != codec.StatusEmpty {
				t.Errorf("%s cut to nothing: %v, want %s", file, f, codec.StatusEmpty)
			}
		}
	}
	for _, c := range formats {
		for _, s := range c.Signatures {
			for n := range len(s) + 1 {
				_, _ = sniff([]byte(s[:n]))
			}
		}
	}
}
