package chart

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
)

// decodePNG returns the pixels of a PNG.
func decodePNG(t *testing.T, body []byte, err error) *image.RGBA {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	pixels := image.NewRGBA(img.Bounds())
	draw.Draw(pixels, pixels.Bounds(), img, image.Point{}, draw.Src)
	return pixels
}

// TestPNGLooksAsInABrowser compares PNGs with what chromium shows of the same charts, with
// the same font, by the mean colour of small blocks.
func TestPNGLooksAsInABrowser(t *testing.T) {
	const block = 8
	var page strings.Builder
	page.WriteString("<!doctype html><style>body{margin:0}svg{display:block}")
	for weight, ttf := range map[int][]byte{400: goregular.TTF, 600: gobold.TTF} {
		fmt.Fprintf(&page, "@font-face{font-family:Go;font-weight:%d;src:url(data:font/ttf;base64,%s)}", weight, base64.StdEncoding.EncodeToString(ttf))
	}
	page.WriteString(".chart{font-family:Go!important}</style>")
	all := examples(t)
	names := []string{"bars", "lines", "many-lines", "ranks"}
	drawn, high := map[string]*image.RGBA{}, 0
	for _, name := range names {
		page.Write(all[name].SVG())
		body, err := all[name].PNG()
		drawn[name] = decodePNG(t, body, err)
		high += drawn[name].Bounds().Dy()
	}
	file, shot := filepath.Join(t.TempDir(), "charts.html"), filepath.Join(t.TempDir(), "charts.png")
	if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	browser(t, "--blink-settings=preferredColorScheme=1", fmt.Sprintf("--force-device-scale-factor=%d", pngScale),
		fmt.Sprintf("--window-size=%d,%d", width, high/pngScale), "--screenshot="+shot, "file://"+file)
	body, err := os.ReadFile(shot)
	shown := decodePNG(t, body, err)
	if shown.Bounds().Dx() != pngScale*width || shown.Bounds().Dy() != high {
		t.Fatalf("chromium drew %v, want %d by %d pixels", shown.Bounds(), pngScale*width, high)
	}
	top := 0
	for _, name := range names {
		img := drawn[name]
		sum, blocks := 0, 0
		for y := 0; y+block <= img.Bounds().Dy(); y += block {
			for x := 0; x+block <= img.Bounds().Dx(); x += block {
				a, b := meanColour(img, x, y, block), meanColour(shown, x, top+y, block)
				for i := range a {
					apart := max(a[i]-b[i], b[i]-a[i])
					if apart > 64 {
						t.Errorf("%s: the block at %d,%d has the colour %v, and %v in chromium", name, x, y, a, b)
						break
					}
					sum += apart
				}
				blocks++
			}
		}
		if mean := float64(sum) / 3 / float64(blocks); mean > 1 {
			t.Errorf("%s: blocks are %.2f from those of chromium in the mean, want 1 at most", name, mean)
		} else {
			t.Logf("%s: blocks are %.2f apart", name, mean)
		}
		top += img.Bounds().Dy()
	}
}

// meanColour returns the mean colour of a square.
func meanColour(img *image.RGBA, x, y, size int) (mean [3]int) {
	for j := y; j < y+size; j++ {
		row := img.Pix[img.PixOffset(x, j):img.PixOffset(x+size, j)]
		for i, v := range row {
			if i%4 < 3 {
				mean[i%4] += int(v)
			}
		}
	}
	for k := range mean {
		mean[k] /= size * size
	}
	return mean
}

// TestFileByItsEnding checks which format a name stands for.
func TestFileByItsEnding(t *testing.T) {
	d := examples(t)["zero"]
	for name, want := range map[string]string{"a.png": "\x89PNG", "a.PNG": "\x89PNG", "a.svg": "<svg", "png": "<svg"} {
		if body, err := d.File(name); err != nil || !strings.HasPrefix(string(body), want) {
			t.Errorf("%s begins with %.10q (%v), want %q", name, body, err, want)
		}
	}
}
