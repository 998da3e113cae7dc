package preprocess

import (
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// FuzzCompany tests that an image has one verdict, status, reason and row: decoded alone,
// after any other picture, over memory of any content, twice, and by several decoders at
// once; by each JPEG decoder. libjpeg-turbo must accept what image/jpeg accepts.
func FuzzCompany(f *testing.F) {
	var others [][]byte
	for _, file := range []string{
		"jpeg-420.jpg", "jpeg-progressive.jpg", "jpeg-grey.jpg", "jpeg-restart.jpg", "jpeg-cmyk.jpg", "jpeg-rgb.jpg",
		"jpeg-arithmetic.jpg", "exif-6.jpg", "tiff-raw.tif", "tiff-lzw.tif", "png-rgb.png", "gif.gif", "bmp-24.bmp",
		"bmp-8.bmp", "webp-lossy.webp", "webp-lossless.webp", filepath.Join("damaged", "reserved-marker.jpg"),
	} {
		src := readFixture(f, file)
		others = append(others, src)
		f.Add(src, byte(len(others)))
	}
	for name, src := range codectest.Archive(f, "testdata/formats.zip") {
		if filepath.Ext(name) != ".png" {
			f.Add(src, byte(0))
		}
	}
	for _, src := range [][]byte{
		flatJPEG(20, 12, 0x22, 0x11, 0x11),
		flatJPEG(24, 8, 0x31, 0x21, 0x11),
		append(others[0][:len(others[0])-2:len(others[0])-2], samsungTrailer()...),
		withoutSegment(others[3], mDHT),
		withoutSegment(others[0], mDQT),
	} {
		f.Add(src, byte(0))
	}
	f.Fuzz(func(t *testing.T, src []byte, company byte) {
		verdicts := make([]verdict, len(backends))
		for i, b := range backends {
			opt := b.opt
			opt.MaxPixels = 1 << 16
			other := others[int(company)%len(others)]
			verdicts[i] = checkCompany(t, opt, [][]byte{src, other}, 2)[0]
		}
		turbo, portable := verdicts[0].failure, verdicts[1].failure
		if turbo != "" && portable == "" {
			t.Errorf("libjpeg-turbo: %q, want ok as with image/jpeg", turbo)
		}
		for i, device := range verdicts[2:] {
			if device.failure != turbo {
				t.Errorf("%s: %q, want %q as with libjpeg-turbo", backends[2+i].name, device.failure, turbo)
			}
		}
	})
}
