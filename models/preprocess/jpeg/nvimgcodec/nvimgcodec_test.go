package nvimgcodec

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// require skips a test if the library is missing, and fails it in CI on the kind of
// machine that it exists for.
func require(tb testing.TB) {
	tb.Helper()
	if _, err := Find(); err != nil {
		if os.Getenv("CI") == "true" && runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
			tb.Fatal(err)
		}
		tb.Skip(err)
	}
}

func openCPU(tb testing.TB) *Pool {
	tb.Helper()
	require(tb)
	p, err := Open(CPU)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// picture returns a JPEG of width x height pixels, in a colour that n decides.
func picture(tb testing.TB, width, height, n int) ([]byte, color.RGBA) {
	tb.Helper()
	c := color.RGBA{uint8(37 * n), uint8(91 * n), uint8(153 * n), 255}
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		img.SetRGBA(i%width, i/width, c)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes(), c
}

func pixels(width, height int) codec.Pixels {
	pitch := 4*width + 20
	return codec.Pixels{Bytes: make([]byte, pitch*height), Pitch: pitch, Width: width, Height: height}
}

// filled reports whether all pixels are of colour c, within the rounding of JPEG.
func filled(px codec.Pixels, c color.RGBA) bool {
	near := func(a, b uint8) bool { return max(a, b)-min(a, b) <= 3 }
	for y := range px.Height {
		row := px.Row(y)
		for x := range px.Width {
			if !near(row[4*x], c.R) || !near(row[4*x+1], c.G) || !near(row[4*x+2], c.B) {
				return false
			}
		}
	}
	return true
}

func TestKind(t *testing.T) {
	p := openCPU(t)
	if want := "nvimgcodec 0.9.0 cpu"; p.Kind() != want {
		t.Errorf("Kind() = %q, want %q", p.Kind(), want)
	}
	if !strings.HasSuffix(p.Name(), "libnvimgcodec.so.0)") {
		t.Errorf("Name() = %q, want the library's file in it", p.Name())
	}
	again, err := Open(CPU)
	if err != nil || again != p {
		t.Errorf("Open again = %p, %v, want %p", again, err, p)
	}
}

// TestAtOnce decodes pictures of different sizes on more goroutines than a batch has
// images, and looks for pixels that belong to another.
func TestAtOnce(t *testing.T) {
	p := openCPU(t)
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	var g sync.WaitGroup
	for k := range 3 * Batch {
		g.Go(func() {
			d := p.NewDecoder()
			for i := range rounds {
				width, height := 1+(k*7+i)%70, 1+(k*13+i*5)%50
				src, c := picture(t, width, height, k*rounds+i)
				px := pixels(width, height)
				if ok, err := d.Decode(px, src); !ok || err != nil {
					t.Errorf("goroutine %d, %dx%d: %t, %v", k, width, height, ok, err)
				} else if !filled(px, c) {
					t.Errorf("goroutine %d, %dx%d: not all pixels are %v", k, width, height, c)
				}
			}
		})
	}
	g.Wait()
	if len(p.waiting) != 0 || len(p.free) != inFlight {
		t.Errorf("%d wait and %d handles are free, want 0 and %d", len(p.waiting), len(p.free), inFlight)
	}
}

// TestTake tests the bounds of a batch.
func TestTake(t *testing.T) {
	sized := func(sides ...int) *Pool {
		p := &Pool{}
		for _, s := range sides {
			p.waiting = append(p.waiting, &Decoder{px: codec.Pixels{Width: s, Height: s}})
		}
		return p
	}
	var many []int
	for range 2*Batch + 3 {
		many = append(many, 10)
	}
	for name, c := range map[string]struct {
		sides, want []int
	}{
		"small":        {sides: many, want: []int{Batch, Batch, 3, 0}},
		"large":        {sides: []int{6000, 5000, 6000, 8000, 10}, want: []int{2, 1, 2, 0}},
		"at the bound": {sides: []int{8192, 1, 8192}, want: []int{1, 1, 1, 0}},
	} {
		p := sized(c.sides...)
		all := append([]*Decoder(nil), p.waiting...)
		at := 0
		for i, want := range c.want {
			got := p.take()
			if len(got) != want {
				t.Errorf("%s: batch %d has %d images, want %d", name, i, len(got), want)
			}
			for _, d := range got {
				if d != all[at] {
					t.Errorf("%s: batch %d is out of order", name, i)
				}
				at++
			}
		}
	}
}

// TestNotDecoded tests that what the library reads otherwise, or not at all, is not decoded
// and is no error.
func TestNotDecoded(t *testing.T) {
	d := openCPU(t).NewDecoder()
	src, c := picture(t, 20, 10, 5)
	for name, s := range map[string]struct {
		src []byte
		px  codec.Pixels
	}{
		"text":           {src: []byte("a text, which has nothing of a picture"), px: pixels(20, 10)},
		"another size":   {src: src, px: pixels(21, 10)},
		"too many":       {src: src, px: codec.Pixels{Width: 1 << 14, Height: 1 << 14}},
		"only its start": {src: src[:2], px: pixels(20, 10)},
	} {
		if ok, err := d.Decode(s.px, s.src); ok || err != nil {
			t.Errorf("%s: %t, %v, want false, nil", name, ok, err)
		}
	}
	px := pixels(20, 10)
	if ok, err := d.Decode(px, src); !ok || err != nil || !filled(px, c) {
		t.Errorf("a picture after them: %t, %v", ok, err)
	}
}

// TestMemory tests that 2,000 images leave no memory behind.
func TestMemory(t *testing.T) {
	d := openCPU(t).NewDecoder()
	src, _ := picture(t, 640, 480, 1)
	px := pixels(640, 480)
	decode := func(n int) {
		for range n {
			if ok, err := d.Decode(px, src); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
	}
	decode(200)
	before := resident(t)
	decode(2000)
	if grown := resident(t) - before; grown > 8<<20 {
		t.Errorf("memory grew by %d bytes in 2,000 images of %d bytes", grown, len(px.Bytes))
	}
}

func resident(tb testing.TB) int {
	tb.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Skip(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		tb.Fatal(err)
	}
	return pages * os.Getpagesize()
}

func TestAllocations(t *testing.T) {
	d := openCPU(t).NewDecoder()
	src, _ := picture(t, 64, 48, 1)
	px := pixels(64, 48)
	n := testing.AllocsPerRun(100, func() {
		if ok, err := d.Decode(px, src); !ok || err != nil {
			t.Fatal(ok, err)
		}
	})
	if n > 6 {
		t.Errorf("%v allocations an image, want 6 at most", n)
	}
}

// TestMissing tests that the error says what is missing and how to install it.
func TestMissing(t *testing.T) {
	folder := t.TempDir()
	alone := filepath.Join(folder, "libnvimgcodec.so.0")
	if err := os.WriteFile(alone, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		filepath.Join(folder, "nothing"): "no such file",
		alone:                            "has no extensions/libjpeg_turbo_ext.so next to it",
	} {
		t.Setenv(LibraryVariable, given)
		_, err := open(CPU)
		if err == nil {
			t.Fatalf("%s was opened", given)
		}
		for _, want := range []string{want, "fetch.sh nvimgcodec", "nvidia-nvimgcodec-cu12", LibraryVariable} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not mention %q", err, want)
			}
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "extensions"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "extensions", "libjpeg_turbo_ext.so.1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(LibraryVariable, alone)
	if _, err := open(CPU); err == nil || !strings.Contains(err.Error(), alone) {
		t.Errorf("an empty extension: %v", err)
	}
	t.Setenv(LibraryVariable, "")
	if canOpen("libcuda.so.1") {
		return // this machine has a driver
	}
	require(t)
	if _, err := Open(0); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "no NVIDIA driver") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Open(0) = %v, want ErrMissing and one line about the driver", err)
	}
}
