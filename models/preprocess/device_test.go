package preprocess

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
	turbo "github.com/batchscore/batchscore/models/preprocess/jpeg"
	"github.com/batchscore/batchscore/models/preprocess/jpeg/nvimgcodec/standin"
)

// TestDeviceIsTested fails in CI, on the kind of machine that nvImageCodec exists for, if
// the tests of all decoders leave it out.
func TestDeviceIsTested(t *testing.T) {
	requireDevice(t)
	if len(backends) != 3 {
		t.Errorf("%d decoders are tested, want 3", len(backends))
	}
}

func requireDevice(tb testing.TB) {
	tb.Helper()
	requireTurbo(tb)
	if _, _, err := turbo.Device(turbo.DeviceCPU); err != nil {
		if os.Getenv("CI") == "true" && runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
			tb.Fatal(err)
		}
		tb.Skip(err)
	}
}

// photographs returns the sample photographs and the JPEGs of testdata.
func photographs(tb testing.TB) []string {
	tb.Helper()
	cache := os.Getenv("BATCHSCORE_CACHE")
	if cache == "" {
		cache = filepath.Join("..", "..", ".cache")
	}
	files, err := filepath.Glob(filepath.Join(cache, "images", "photos", "*.jpg"))
	if err != nil || len(files) == 0 && os.Getenv("CI") == "true" {
		tb.Fatalf("no sample photographs: make deps (%v)", err)
	}
	own, err := filepath.Glob(filepath.Join("testdata", "*.jpg"))
	if err != nil || len(own) == 0 {
		tb.Fatal("no JPEGs in testdata: ", err)
	}
	return append(files, own...)
}

// TestDevicePixels compares nvImageCodec's pixels on the CPU with libjpeg-turbo's, for every
// sample photograph, every chroma ratio, and sizes that blocks do not divide. The two
// are builds of the same decoder, so what differs would be an option that the wrapper gets
// wrong. On a GPU other pixels are to be expected.
func TestDevicePixels(t *testing.T) {
	requireDevice(t)
	pictures := map[string][]byte{}
	for _, file := range photographs(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		pictures[filepath.Base(file)] = b
	}
	for _, size := range []image.Point{{1, 1}, {1, 40}, {40, 1}, {15, 17}, {16, 16}, {17, 15}, {16000, 1}, {1, 16000}, {255, 129}} {
		img := codectest.Picture(size.X, size.Y, 1)
		pictures[fmt.Sprintf("%dx%d", size.X, size.Y)] = encodeJPEG(t, img, 85)
		grey := image.NewGray(img.Bounds())
		for i := range grey.Pix {
			grey.Pix[i] = byte(i * 7)
		}
		pictures[fmt.Sprintf("%dx%d grey", size.X, size.Y)] = encodeJPEG(t, grey, 85)
	}
	most, sum, n := 0.0, 0.0, 0
	for name, src := range pictures {
		config, err := turboSize(src)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		spec := sizedSpec(min(config.X, maxSide), min(config.Y, maxSide))
		spec.IgnoreOrientation = true
		ours, device := decodeRow(t, spec, Options{}, src), decodeRow(t, spec, Options{JPEG: turbo.DeviceCPU}, src)
		largest := 0.0
		for i := range ours {
			d := math.Abs(float64(ours[i]) - float64(device[i]))
			largest, sum, n = max(largest, d), sum+d, n+1
		}
		if largest > 1 {
			t.Errorf("%s: differs by %g", name, largest)
		}
		most = max(most, largest)
	}
	t.Logf("%d pictures: differ by at most %g, on average %.6f steps of 255", len(pictures), most, sum/float64(n))
	if mean := sum / float64(n); mean > 0.001 {
		t.Errorf("differ by %.6f steps of 255 on average", mean)
	}
}

// turboSize returns the size of a JPEG, from its frame header.
func turboSize(src []byte) (image.Point, error) {
	for at := 2; at+9 < len(src) && src[at] == 0xff; {
		marker, n := src[at+1], int(src[at+2])<<8|int(src[at+3])
		if marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc {
			return image.Pt(int(src[at+7])<<8|int(src[at+8]), int(src[at+5])<<8|int(src[at+6])), nil
		}
		at += 2 + n
	}
	return image.Point{}, errors.New("no frame header")
}

// TestDeviceDecoders decodes on more decoders than a batch holds, whole images among damaged
// ones, and tests that each gets what it gets alone.
func TestDeviceDecoders(t *testing.T) {
	requireDevice(t)
	opt := Options{JPEG: turbo.DeviceCPU}
	var images [][]byte
	for _, kind := range jpegKinds {
		src := readFixture(t, kind)
		images = append(images, src, src[:len(src)/2], append(bytes.Clone(src), "garbage"...))
	}
	var alone []string
	verdict := func(d *Decoder, src []byte) string {
		row := make([]byte, smallSpec.RowBytes())
		err := d.Decode(row, src)
		return fmt.Sprintf("%x %v", row, err)
	}
	for _, src := range images {
		alone = append(alone, verdict(newDecoder(t, smallSpec, opt), src))
	}
	var g sync.WaitGroup
	for k := range 40 {
		d := newDecoder(t, smallSpec, opt)
		g.Go(func() {
			for i := range 3 * len(images) {
				at := (i + k) % len(images)
				if got := verdict(d, images[at]); got != alone[at] {
					t.Errorf("decoder %d, image %d: not what it gets alone", k, at)
				}
			}
		})
	}
	g.Wait()
}

// TestDeviceNeedsTurbo tests that the device is not used without libjpeg-turbo, which decodes
// what the device does not, and that an unknown device is refused.
func TestDeviceNeedsTurbo(t *testing.T) {
	for _, device := range []string{"gpu", "gpu:", "gpu:-1", "cpu", "nvimgcodec"} {
		if _, err := NewDecoder(smallSpec, Options{JPEG: device}); err == nil || !strings.Contains(err.Error(), device) {
			t.Errorf("device %q: %v", device, err)
		}
	}
	requireDevice(t)
	wantStatus(t, decodeSmall(t, readFixture(t, "jpeg-420.jpg"), Options{JPEG: turbo.DeviceCPU}), codec.StatusOK)
}

// TestPixelsInUse: pixels that a device may still write to are not freed with their Decoder.
func TestPixelsInUse(t *testing.T) {
	requireTurbo(t)
	if runtime.GOOS != "linux" {
		t.Skip("the stand-in is for Linux")
	}
	env, _ := standin.Build(t)
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	spec := Spec{Width: 8, Height: 8, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
	d, err := NewDecoder(spec, Options{JPEG: turbo.DeviceGPU(0)})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var src bytes.Buffer
	if err := jpeg.Encode(&src, image.NewRGBA(image.Rect(0, 0, standin.Lost, 20)), nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(make([]byte, spec.RowBytes()), src.Bytes()); !errors.Is(err, codec.ErrInUse) {
		t.Fatalf("the error is %v", err)
	}
	if d.canvas.pixels.pointer() != nil {
		t.Error("the decoder would free the pixels, or use them for another image")
	}
}
