package preprocess

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// TestExtensions: every ending under which pictures are found is known, in any
// case, and belongs to one format.
func TestExtensions(t *testing.T) {
	all := Extensions()
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("not sorted, or one twice: %v", all)
	}
	fields := 0
	for _, c := range codecs {
		fields += len(strings.Fields(c.extensions))
	}
	if fields != len(all) {
		t.Errorf("%d endings in the table, %d known: one belongs to two formats", fields, len(all))
	}
	for _, name := range strings.Fields("a.jpg a.JPEG a.jfif a.pjp a.mpo a.png a.apng a.gif a.bmp a.dib a.tif a.TIFF a.webp a.heic a.HEIC a.heif a.hif " +
		"a.avif a.jxl a.jp2 a.j2k a.ppm a.pgm a.pbm a.pnm a.pam a.ico a.cur a.tga a.psd a.psb a.dds a.pcx a.sgi a.icns a.qoi a.exr a.hdr " +
		"a.dng a.cr2 a.cr3 a.nef a.arw a.orf a.rw2 a.raf a.pef a.srw a.jxr a.xbm a.xpm a.ras folder.d/b.c.Jpg") {
		if !KnownExtension(name) {
			t.Errorf("%s is not known", name)
		}
	}
	for _, name := range []string{"", "jpg", "a.txt", "a.svg", "a.pdf", "a.mp4", "photo.jpg/", "a.jpg.json", "jpg.d/a"} {
		if KnownExtension(name) {
			t.Errorf("%q is taken for a picture", name)
		}
	}
}

// ftyp is the first box of an ISO base media file.
func ftyp(major string, compatible ...string) string {
	size := binary.BigEndian.AppendUint32(nil, uint32(16+4*len(compatible)))
	return string(size) + "ftyp" + major + "\x00\x00\x00\x00" + strings.Join(compatible, "") + "\x00\x00\x00\x08mdat"
}

// littleTIFF is a TIFF of one directory, whose entries are SHORT.
func littleTIFF(entries ...[2]uint16) string {
	b := binary.LittleEndian.AppendUint16([]byte("II*\x00\x08\x00\x00\x00"), uint16(len(entries)))
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, e[0])
		b = append(b, 3, 0, 1, 0, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(e[1]))
	}
	return string(append(b, 0, 0, 0, 0))
}

// TestFault17_KnownFormats: what is known and not decoded is named by its bytes,
// whatever the file is called.
func TestFault17_KnownFormats(t *testing.T) {
	pad := strings.Repeat("\x00", 128)
	tga := func(mapped, kind, depth byte) string {
		return string([]byte{0, mapped, kind, 0, 0, 0, 1, 24, 0, 0, 0, 0, 5, 0, 4, 0, depth, 0}) + pad
	}
	type is struct {
		name, src string
		status    Status
		reason    string
	}
	cases := []is{
		{"HEIF of no coded brand", ftyp("mif1"), StatusUnsupported, "HEIF is not decoded"},
		{"AVIF under the general brand", ftyp("mif1", "mif1", "avif", "miaf"), StatusUnsupported, "AVIF is not decoded"},
		{"HEIC under the general brand", ftyp("mif1", "mif1", "heic"), StatusUnsupported, "HEIC is not decoded"},
		{"HEIF among the compatible brands", ftyp("isom", "iso6", "miaf"), StatusUnsupported, "HEIF is not decoded"},
		{"HEIC cut after its major brand", ftyp("heic")[:12], StatusUnsupported, "HEIC is not decoded"},
		{"MP4", ftyp("isom", "iso2", "mp41"), StatusNotImage, `a video or sound (ISO base media, brand "isom")`},
		{"QuickTime", ftyp("qt  "), StatusNotImage, `a video or sound (ISO base media, brand "qt  ")`},
		{"letters of two brands", ftyp("ic h"), StatusNotImage, `a video or sound (ISO base media, brand "ic h")`},
		{"CR3", ftyp("crx ", "crx ", "isom"), StatusUnsupported, "Canon CR3 is not decoded"},
		{"CR2", "II*\x00\x10\x00\x00\x00CR\x02\x00" + pad, StatusUnsupported, "Canon CR2 is not decoded"},
		{"DNG", littleTIFF([2]uint16{tagNewSubfileType, 1}, [2]uint16{tagDNGVersion, 1}), StatusUnsupported, "DNG is not decoded"},
		{"NEF", littleTIFF([2]uint16{tagNewSubfileType, 1}, [2]uint16{tagMake, 1}, [2]uint16{tagSubIFDs, 1}),
			StatusUnsupported, "camera raw is not decoded"},
		{"RAF", "FUJIFILMCCD-RAW 0201", StatusUnsupported, "Fujifilm RAF is not decoded"},
		{"ORF", "IIRS\x08\x00\x00\x00", StatusUnsupported, "Olympus ORF is not decoded"},
		{"RW2", "IIU\x00\x18\x00\x00\x00", StatusUnsupported, "Panasonic RW2 is not decoded"},
		{"X3F", "FOVb\x00\x00", StatusUnsupported, "Sigma X3F is not decoded"},
		{"CRW", "II\x1a\x00\x00\x00HEAPCCDR", StatusUnsupported, "Canon CRW is not decoded"},
		{"JPEG XL container", "\x00\x00\x00\x0cJXL \r\n\x87\n", StatusUnsupported, "JPEG XL is not decoded"},
		{"JPEG XL codestream", "\xff\x0a\x00", StatusUnsupported, "JPEG XL is not decoded"},
		{"JPEG 2000 file", "\x00\x00\x00\x0cjP  \r\n\x87\n", StatusUnsupported, "JPEG 2000 is not decoded"},
		{"JPEG 2000 codestream", "\xff\x4f\xff\x51\x00", StatusUnsupported, "JPEG 2000 is not decoded"},
		{"JPEG XR", "II\xbc\x01\x20", StatusUnsupported, "JPEG XR is not decoded"},
		{"PPM", "P6\n4 4\n255\n" + pad, StatusUnsupported, "PPM is not decoded"},
		{"PGM with a comment", "P5\n# GIMP\n4 4\n255\n" + pad, StatusUnsupported, "PGM is not decoded"},
		{"PBM", "P4\n8 4\n\x00\x00\x00\x00", StatusUnsupported, "PBM is not decoded"},
		{"PAM", "P7\nWIDTH 4\n" + pad, StatusUnsupported, "PAM is not decoded"},
		{"PFM", "PF\n4 4\n-1.0\n" + pad, StatusUnsupported, "PFM is not decoded"},
		{"text that begins with P6", "P6 is the name of a printer", StatusNotImage, "no image signature"},
		{"text that begins with PF", "PFLICHT", StatusNotImage, "no image signature"},
		{"ICO", "\x00\x00\x01\x00\x01\x00" + pad, StatusUnsupported, "ICO is not decoded"},
		{"CUR", "\x00\x00\x02\x00\x01\x00\x20\x20\x00\x00\x00\x00\x00\x00\x30\x01\x00\x00\x16\x00\x00\x00", StatusUnsupported, "CUR is not decoded"},
		{"PSD", "8BPS\x00\x01", StatusUnsupported, "PSD is not decoded"},
		{"DDS", "DDS \x7c\x00\x00\x00", StatusUnsupported, "DDS is not decoded"},
		{"PCX", "\x0a\x05\x01\x08" + pad, StatusUnsupported, "PCX is not decoded"},
		{"SGI", "\x01\xda\x01\x01\x00\x03\x00\x04\x00\x04\x00\x03", StatusUnsupported, "SGI is not decoded"},
		{"ICNS", "icns\x00\x00\x01\x00", StatusUnsupported, "ICNS is not decoded"},
		{"QOI", "qoif\x00\x00\x00\x04", StatusUnsupported, "QOI is not decoded"},
		{"OpenEXR", "v/1\x01\x02\x00\x00\x00", StatusUnsupported, "OpenEXR is not decoded"},
		{"Radiance", "#?RADIANCE\n", StatusUnsupported, "Radiance HDR is not decoded"},
		{"Sun raster", "\x59\xa6\x6a\x95\x00\x00\x00\x04", StatusUnsupported, "Sun raster is not decoded"},
		{"XBM", "#define im_width 4\n#define im_height 4\n", StatusUnsupported, "XBM is not decoded"},
		{"C header", "#define A 4\n", StatusNotImage, "no image signature"},
		{"XPM", "/* XPM */\nstatic char *x[] = {", StatusUnsupported, "XPM is not decoded"},
		{"FLIF", "FLIF\x44\x31", StatusUnsupported, "FLIF is not decoded"},
		{"BPG", "BPG\xfb\x20", StatusUnsupported, "BPG is not decoded"},
		{"FITS", "SIMPLE  =                    T", StatusUnsupported, "FITS is not decoded"},
		{"DICOM", pad + "DICM\x02\x00", StatusUnsupported, "DICOM is not decoded"},
		{"TGA of 24 bits", tga(0, 2, 24), StatusUnsupported, "TGA is not decoded"},
		{"TGA with run lengths and a colour map", tga(1, 9, 8), StatusUnsupported, "TGA is not decoded"},
		{"TGA grey", tga(0, 3, 8), StatusUnsupported, "TGA is not decoded"},
		{"TGA by its footer", pad + "\x00\x00\x00\x00\x00\x00\x00\x00TRUEVISION-XFILE.\x00", StatusUnsupported, "TGA is not decoded"},
		{"no TGA: a depth that does not exist", tga(0, 2, 17), StatusNotImage, "no image signature"},
		{"AppleDouble", "\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", StatusNotImage, "the attributes of another file (AppleDouble), no image"},
		{"PDF", "%PDF-1.7", StatusNotImage, "a PDF document"},
		{"LFS pointer", "version https://git-lfs.github.com/spec/v1\n", StatusNotImage, "a Git LFS pointer: the file itself was not fetched"},
	}
	for _, brand := range brandsHEIC {
		cases = append(cases, is{brand, ftyp(brand), StatusUnsupported, "HEIC is not decoded"})
	}
	for _, brand := range brandsAVIF {
		cases = append(cases, is{brand, ftyp(brand, "mif1"), StatusUnsupported, "AVIF is not decoded"})
	}
	for _, brand := range brandsHEIF {
		cases = append(cases, is{brand, ftyp(brand), StatusUnsupported, "HEIF is not decoded"})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, f := sniff([]byte(c.src))
			if f == nil || f.Status != c.status || f.Reason != c.reason {
				t.Errorf("%v, want %s: %s", f, c.status, c.reason)
			}
		})
	}
}

// TestFault17_EveryPrefix: no signature reads past the end of a short file.
func TestFault17_EveryPrefix(t *testing.T) {
	for _, file := range []string{"png-rgb.png", "tiff-raw.tif", "bmp-24.bmp", "unsupported-jpeg2000.jp2"} {
		src := readFixture(t, file)
		for n := range min(len(src), 300) {
			if _, f := sniff(bytes.Clone(src[:n])); n == 0 && f.Status != StatusEmpty {
				t.Errorf("%s cut to nothing: %v", file, f)
			}
		}
	}
	for _, c := range codecs {
		for _, s := range c.signatures {
			for n := range len(s) + 1 {
				_, _ = sniff([]byte(s[:n]))
			}
		}
	}
}
