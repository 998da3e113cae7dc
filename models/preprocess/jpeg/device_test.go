package jpeg

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
	"github.com/batchscore/batchscore/models/preprocess/jpeg/nvimgcodec"
)

func requireDevice(t *testing.T) {
	t.Helper()
	requireTurbo(t)
	if _, _, err := Device(DeviceCPU); err != nil {
		if os.Getenv("CI") == "true" && runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// TestOnDevice tests which JPEGs the device itself decodes. The others get pixels, or a
// failure, from libjpeg-turbo.
func TestOnDevice(t *testing.T) {
	requireDevice(t)
	made, err := newDecoder(codec.Config{JPEG: DeviceCPU})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	d := made.(*decoder)
	damaged := func(file string, edit func(b []byte) []byte) []byte {
		return edit(codectest.File(t, "..", "testdata", file))
	}
	for name, c := range map[string]struct {
		src  []byte
		want bool
	}{
		"4:2:0":       {src: codectest.File(t, "..", "testdata", "jpeg-420.jpg"), want: true},
		"4:2:2":       {src: codectest.File(t, "..", "testdata", "jpeg-422.jpg"), want: true},
		"4:4:0":       {src: codectest.File(t, "..", "testdata", "jpeg-440.jpg"), want: true},
		"4:4:4":       {src: codectest.File(t, "..", "testdata", "jpeg-444.jpg"), want: true},
		"4:1:1":       {src: codectest.File(t, "..", "testdata", "jpeg-411.jpg"), want: true},
		"grey":        {src: codectest.File(t, "..", "testdata", "jpeg-grey.jpg"), want: true},
		"progressive": {src: codectest.File(t, "..", "testdata", "jpeg-progressive.jpg"), want: true},
		"restart":     {src: codectest.File(t, "..", "testdata", "jpeg-restart.jpg"), want: true},
		"turned":      {src: codectest.File(t, "..", "testdata", "exif-6.jpg"), want: true},
		"followed":    {src: damaged("jpeg-420.jpg", func(b []byte) []byte { return append(b, "garbage"...) }), want: true},

		"RGB":            {src: codectest.File(t, "..", "testdata", "jpeg-rgb.jpg"), want: false},
		"CMYK":           {src: codectest.File(t, "..", "testdata", "jpeg-cmyk.jpg"), want: false},
		"YCCK":           {src: codectest.File(t, "..", "testdata", "jpeg-ycck.jpg"), want: false},
		"arithmetic":     {src: codectest.File(t, "..", "testdata", "jpeg-arithmetic.jpg"), want: false},
		"uneven":         {src: codectest.File(t, "..", "testdata", "jpeg-uneven.jpg"), want: false},
		"without an end": {src: damaged("jpeg-420.jpg", func(b []byte) []byte { return b[:len(b)-2] }), want: false},
		"a hole": {src: damaged("jpeg-420.jpg", func(b []byte) []byte {
			return append(b[:len(b)-60], 0xff, mEOI)
		}), want: false},
	} {
		h, fail := walk(c.src, codectest.Bounds)
		if fail != nil {
			t.Errorf("%s: %v", name, fail)
			continue
		}
		var canvas codectest.Canvas
		got := onDevice(&h)
		if got {
			if got, err = d.decodeOnDevice(c.src, h, codectest.Bounds, &canvas); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got != c.want {
			t.Errorf("%s: decoded on the device: %t, want %t", name, got, c.want)
		}
		if want := map[bool]int{true: 1}[c.want]; canvas.Prepared != want {
			t.Errorf("%s: %d calls of Prepare, want %d", name, canvas.Prepared, want)
		}
	}
}

// TestDevice tests the names of devices.
func TestDevice(t *testing.T) {
	if got := DeviceGPU(3); got != "gpu:3" {
		t.Errorf("DeviceGPU(3) = %q", got)
	}
	if _, _, err := Device("gpu:x"); err == nil || errors.Is(err, nvimgcodec.ErrMissing) {
		t.Errorf("a device that does not exist: %v, want an error, and not that something is missing", err)
	}
	for kind, want := range map[string]string{
		"libjpeg-turbo": "", "go": "", "": "", "nvimgcodec 0.9.0 cpu": DeviceCPU, "nvimgcodec 0.9.0 gpu, nvjpeg 12.4.0": "gpu",
	} {
		if got := DeviceOf(kind); got != want {
			t.Errorf("DeviceOf(%q) = %q, want %q", kind, got, want)
		}
	}
	requireDevice(t)
	kind, name, err := Device(DeviceCPU)
	if err != nil || kind != "nvimgcodec 0.9.0 cpu" || len(name) <= len(kind) {
		t.Errorf("Device(%q) = %q, %q, %v", DeviceCPU, kind, name, err)
	}
}

// TestCheckReusesMemory tests that check gives an image the same result in the memory of
// another, and allocates little.
func TestCheckReusesMemory(t *testing.T) {
	var m memory
	read := func(file string) ([]byte, header) {
		src := codectest.File(t, "..", "testdata", file)
		h, fail := walk(src, codectest.Bounds)
		if fail != nil {
			t.Fatal(fail)
		}
		return src, h
	}
	large, hl := read("resize.jpg")
	small, hs := read("jpeg-420.jpg")
	alone, fail := check(new(memory), small, hs, codectest.Bounds, hs.colour())
	if fail != nil {
		t.Fatal(fail)
	}
	want := string(alone.data)
	if _, fail := check(&m, large, hl, codectest.Bounds, hl.colour()); fail != nil {
		t.Fatal(fail)
	}
	if got, _ := check(&m, small, hs, codectest.Bounds, hs.colour()); string(got.data) != want {
		t.Error("another JPEG in the memory of a larger one")
	}
	const most, times = 16 << 10, 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		if _, fail := check(&m, large, hl, codectest.Bounds, hl.colour()); fail != nil {
			t.Fatal(fail)
		}
	}
	runtime.ReadMemStats(&after)
	bytes := (after.TotalAlloc - before.TotalAlloc) / times
	if bytes > most {
		t.Errorf("%d bytes allocated an image of %d bytes, want %d at most", bytes, len(large), most)
	}
}
