package tiff

import (
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Values of Compression.
const (
	uncompressed = 1
	faxRLE       = 2
	group3       = 3
	group4       = 4
	lzw          = 5
	oldJPEG      = 6
	jpeg         = 7
	deflate      = 8
	faxWords     = 32771
	packBits     = 32773
	oldDeflate   = 32946
	lzma         = 34925
	zstandard    = 50000
	webP         = 50001
)

// Values of PhotometricInterpretation.
const (
	whiteIsZero = 0
	blackIsZero = 1
	rgb         = 2
	palette     = 3
	cmyk        = 5
	yCbCr       = 6
	cieLab      = 8
)

// Values of SampleFormat.
const (
	unsigned = 1
	signed   = 2
	float    = 3
	untyped  = 4
)

// colours is how many samples each PhotometricInterpretation that is decoded has.
var colours = map[uint64]int{whiteIsZero: 1, blackIsZero: 1, rgb: 3, palette: 1, cmyk: 4, yCbCr: 3, cieLab: 3}

// readMeaning reads what the samples of a pixel mean.
func (t *picture) readMeaning() {
	t.compression = t.one(tagCompression, uncompressed)
	t.photometric = t.one(tagPhotometric, whiteIsZero)
	t.samples = int(min(t.one(tagSamplesPerPixel, t.fewest()), 1<<16))
	t.bits = t.readBits()
	t.kind = t.readFormat()
	switch v := t.one(tagPlanarConfiguration, 1); v {
	case 1, 2:
		t.planar = v == 2 && t.samples > 1
	default:
		t.refuse(unsupportedTag(tagPlanarConfiguration, fmt.Sprint(v)))
	}
	if v := t.one(tagImageDepth, 1); v != 1 {
		t.refuse(unsupportedTag(tagImageDepth, fmt.Sprint(v)))
	}
	switch v := t.one(tagFillOrder, 1); v {
	case 1:
	case 2:
		t.reversed = t.compression != jpeg && t.compression != oldJPEG && t.compression != webP
	default:
		t.refuse(unsupportedTag(tagFillOrder, fmt.Sprint(v)))
	}
	t.readColour()
	t.readCompression()
}

// fewest returns the default of SamplesPerPixel, which some writers of the old kind of JPEG
// leave out.
func (t *picture) fewest() uint64 {
	if t.compression == oldJPEG {
		return 3
	}
	return 1
}

// readFormat returns SampleFormat, which must be the same for all samples.
func (t *picture) readFormat() uint64 {
	f := t.list(tagSampleFormat)
	if f.count == 0 || t.photometric == cieLab {
		return unsigned
	}
	kind := t.at(f, 0)
	for i := range int(f.count) {
		if v := t.at(f, i); v != kind {
			t.refuse(unsupportedTag(tagSampleFormat, fmt.Sprintf("%d next to %d", kind, v)))
			return unsigned
		}
	}
	ok := false
	switch kind {
	case unsigned, untyped:
		return unsigned
	case signed:
		ok = t.bits == 8 || t.bits == 16 || t.bits == 32 || t.bits == 64
	case float:
		ok = t.bits == 16 || t.bits == 24 || t.bits == 32 || t.bits == 64
	}
	if !ok {
		t.refuse(unsupportedTag(tagSampleFormat, fmt.Sprintf("%d (%s) of %d bits", kind, known(sampleFormats, kind), t.bits)))
	}
	return kind
}

// readBits returns BitsPerSample. One value may stand for all samples.
func (t *picture) readBits() int {
	f := t.list(tagBitsPerSample)
	if f.count == 0 {
		if t.compression == oldJPEG {
			return 8
		}
		return 1
	}
	bits := t.at(f, 0)
	if f.count != 1 && f.count < uint64(t.samples) {
		t.refuse(unsupportedTag(tagBitsPerSample, fmt.Sprintf("of %d values for %d samples", f.count, t.samples)))
		return 1
	}
	for i := range min(int(f.count), t.samples) {
		if t.at(f, i) != bits {
			t.refuse(unsupportedTag(tagBitsPerSample, fmt.Sprintf("%d next to %d", bits, t.at(f, i))))
		}
	}
	if bits >= 1 && bits <= 16 || bits == 24 || bits == 32 || bits == 64 {
		return int(bits)
	}
	t.refuse(unsupportedTag(tagBitsPerSample, fmt.Sprint(bits)))
	return 1
}

// unknownCompression returns the failure of a compression that is not decoded.
func (t *picture) unknownCompression() *codec.Failure {
	return unsupportedTag(tagCompression, fmt.Sprintf("%d (%s)", t.compression, known(compressions, t.compression)))
}

func (t *picture) readCompression() {
	layout := fmt.Sprintf("%d (%s) of %d samples of %d bits", t.compression, known(compressions, t.compression), t.samples, t.bits)
	t.predictor = 1
	switch t.compression {
	case uncompressed, packBits:
	case faxRLE, group3, group4, faxWords:
		if t.bits != 1 || t.samples != 1 && !t.planar {
			t.refuse(unsupportedTag(tagCompression, layout))
		}
		t.twoD = t.compression == group3 && t.one(tagT4Options, 0)&1 != 0
	case jpeg, oldJPEG:
		many := t.samples != colours[t.photometric] && !(t.planar && t.compression == jpeg)
		if t.bits != 8 || t.kind != unsigned || many || t.photometric == palette || t.photometric == cieLab ||
			t.compression == oldJPEG && t.photometric != yCbCr && t.photometric != rgb && t.photometric != blackIsZero {
			t.refuse(unsupportedTag(tagCompression, layout))
		}
	case webP:
		if t.bits != 8 || t.kind != unsigned || t.planar || t.photometric != rgb || t.samples > 4 || t.associated {
			t.refuse(unsupportedTag(tagCompression, layout))
		}
	case lzw, deflate, oldDeflate, lzma, zstandard:
		// Only these have a predictor: libtiff ignores it elsewhere.
		t.predictor = t.one(tagPredictor, 1)
		whole := t.bits == 8 || t.bits == 16 || t.bits == 32 || t.bits == 64
		if t.predictor != 1 && !(t.predictor == 2 && whole || t.predictor == 3 && t.kind == float) || t.predictor != 1 && t.subX*t.subY > 1 {
			t.refuse(unsupportedTag(tagPredictor, fmt.Sprintf("%d of samples of %d bits", t.predictor, t.bits)))
		}
	default:
		t.refuse(t.unknownCompression())
	}
}

// readColour checks that there are as many samples as the colour needs, and finds the meaning
// of the extra ones: 1 is alpha by which the colour is multiplied, and 2 is plain alpha.
func (t *picture) readColour() {
	if t.compression == oldJPEG && t.samples == 3 {
		t.photometric = yCbCr // whatever it says
	}
	if t.photometric == yCbCr && t.samples == 1 {
		t.photometric = blackIsZero
	}
	n, ok := colours[t.photometric]
	if !ok {
		t.refuse(unsupportedTag(tagPhotometric, fmt.Sprintf("%d (%s)", t.photometric, known(photometrics, t.photometric))))
		return
	}
	t.used, t.subX, t.subY = n, 1, 1
	extra := t.list(tagExtraSamples)
	if t.fail != nil {
		return
	}
	layout := fmt.Sprintf("%d with %d samples of %d bits", t.photometric, t.samples, t.bits)
	switch {
	case t.samples < n:
		t.refuse(unsupportedTag(tagPhotometric, layout))
	case extra.count > 0 && t.samples != n+int(extra.count):
		t.refuse(unsupportedTag(tagExtraSamples, fmt.Sprintf("of %d values for %d samples", extra.count, t.samples)))
	case t.photometric == palette && (t.bits > 8 || t.kind != unsigned),
		t.photometric == yCbCr && (t.bits != 8 || t.kind != unsigned),
		t.photometric == cieLab && (t.bits != 8 && t.bits != 16 || t.kind == float):
		t.refuse(unsupportedTag(tagBitsPerSample, fmt.Sprintf("%d with photometric %d", t.bits, t.photometric)))
	}
	if t.fail != nil {
		return
	}
	kind := uint64(0) // of the first extra sample: 999 is what Corel Draw writes for 2
	switch {
	case extra.count > 0:
		kind = t.at(extra, 0)
	case t.photometric == rgb && t.samples == 4:
		kind = 2
	}
	t.alpha = (kind == 1 || kind == 2 || kind == 999) && n < 4
	if t.associated = kind == 1 && t.alpha && t.photometric != palette; t.associated {
		t.used++
	}
	if t.photometric == palette {
		if m := t.list(tagColorMap); t.fail == nil && m.count != 3<<t.bits {
			t.refuse(unsupportedTag(tagColorMap, fmt.Sprintf("of %d values for %d bits", m.count, t.bits)))
		}
	}
	if t.photometric == yCbCr && t.compression != jpeg && t.compression != oldJPEG {
		t.readSubsampling()
	}
}

// readSubsampling reads how many pixels share the samples of their chroma.
func (t *picture) readSubsampling() {
	t.subX, t.subY = 2, 2
	if f := t.list(tagYCbCrSubSampling); f.count >= 2 {
		t.subX, t.subY = int(min(t.at(f, 0), 99)), int(min(t.at(f, 1), 99))
	} else if f.count == 1 {
		t.refuse(unsupportedTag(tagYCbCrSubSampling, "of 1 value"))
	}
	power := func(n int) bool { return n == 1 || n == 2 || n == 4 }
	if !power(t.subX) || !power(t.subY) || t.subX*t.subY > 1 && (t.planar || t.samples != 3) {
		t.refuse(unsupportedTag(tagYCbCrSubSampling, fmt.Sprintf("%d,%d with %d samples", t.subX, t.subY, t.samples)))
	}
}

// known returns the name of a value, or "unknown".
func known(names map[uint64]string, v uint64) string {
	if n, ok := names[v]; ok {
		return n
	}
	return "unknown"
}

var (
	sampleFormats = map[uint64]string{signed: "signed", float: "float", untyped: "undefined", 5: "complex", 6: "complex float"}
	photometrics  = map[uint64]string{4: "mask", 9: "ICCLab", 10: "ITULab", 32803: "CFA", 32844: "LogL", 32845: "LogLuv",
		34892: "linear raw"}
	compressions = map[uint64]string{uncompressed: "none", faxRLE: "CCITT RLE", group3: "CCITT Group 3", group4: "CCITT Group 4",
		lzw: "LZW", oldJPEG: "old JPEG", jpeg: "JPEG", deflate: "deflate", oldDeflate: "deflate", 9: "JBIG", 10: "JBIG",
		32766: "NeXT", faxWords: "CCITT RLEW", packBits: "PackBits", 32809: "ThunderScan", 34661: "JBIG", 34676: "SGI log",
		34677: "SGI log 24", 34712: "JPEG 2000", 34887: "LERC", lzma: "LZMA", zstandard: "zstd", webP: "WebP",
		50002: "JPEG XL", 52546: "JPEG XL"}
)
