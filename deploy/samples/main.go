// Command samples writes the generated pictures of the demo's collection: a
// gradient, shapes and noise in the formats that a collection holds, and a few
// files that are broken, so that the result of a run has failures to show.
//
// The bytes depend on this program and on Go's encoders only.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
)

func main() {
	dir := flag.String("o", "", "folder to write to; made if it does not exist (required)")
	flag.Parse()
	if err := write(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "samples:", err)
		os.Exit(1)
	}
}

// write puts every sample into dir.
func write(dir string) error {
	if dir == "" {
		return errors.New("-o is missing: the folder to write to")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, s := range samples {
		data, err := s.bytes()
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, s.name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// A sample is one file: its name and a function that makes its bytes.
type sample struct {
	name  string
	bytes func() ([]byte, error)
}

var samples = []sample{
	{"gradient.png", asPNG(gradient(640, 480))},
	{"gradient.jpg", asJPEG(gradient(640, 480), 90)},
	{"plain-grey.png", asPNG(greyRamp(320, 320))},
	{"shapes.png", asPNG(shapes(800, 600))},
	{"shapes.jpg", asJPEG(shapes(800, 600), 75)},
	{"shapes.gif", asGIF(shapes(400, 300))},
	{"checkers.png", asPNG(checkers(512, 512, 32))},
	{"waves.jpg", asJPEG(waves(1024, 683), 85)},
	{"noise.jpg", asJPEG(noise(400, 400), 80)},
	{"name with spaces & ümlaut.jpg", asJPEG(waves(300, 450), 85)},
	{"broken-truncated.jpg", truncated(asJPEG(waves(1024, 683), 85))},
	{"broken-html.jpg", text("<!DOCTYPE html>\n<title>404 Not Found</title>\n<p>The image is gone.</p>\n")},
	{"broken-empty.jpg", text("")},
}

func asPNG(m image.Image) func() ([]byte, error) {
	return func() ([]byte, error) {
		var b bytes.Buffer
		err := png.Encode(&b, m)
		return b.Bytes(), err
	}
}

func asJPEG(m image.Image, quality int) func() ([]byte, error) {
	return func() ([]byte, error) {
		var b bytes.Buffer
		err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality})
		return b.Bytes(), err
	}
}

func asGIF(m image.Image) func() ([]byte, error) {
	return func() ([]byte, error) {
		p := image.NewPaletted(m.Bounds(), palette.WebSafe)
		draw.Draw(p, p.Bounds(), m, image.Point{}, draw.Src)
		var b bytes.Buffer
		err := gif.Encode(&b, p, nil)
		return b.Bytes(), err
	}
}

// truncated keeps the first third of an encoded image, like a broken transfer: the header
// is complete, and most of the scan is missing.
func truncated(encode func() ([]byte, error)) func() ([]byte, error) {
	return func() ([]byte, error) {
		data, err := encode()
		return data[:len(data)/3], err
	}
}

func text(s string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(s), nil }
}

// paint returns a picture of w by h pixels, from a function of the pixel.
func paint(w, h int, at func(x, y int) color.RGBA) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetRGBA(x, y, at(x, y))
		}
	}
	return m
}

func gradient(w, h int) image.Image {
	return paint(w, h, func(x, y int) color.RGBA {
		return color.RGBA{uint8(255 * x / w), uint8(255 * y / h), uint8(255 - 255*x/w), 255}
	})
}

func greyRamp(w, h int) image.Image {
	m := image.NewGray(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = uint8(255 * (i % w) / w)
	}
	return m
}

func checkers(w, h, field int) image.Image {
	return paint(w, h, func(x, y int) color.RGBA {
		if (x/field+y/field)%2 == 0 {
			return color.RGBA{240, 240, 235, 255}
		}
		return color.RGBA{30, 40, 60, 255}
	})
}

// shapes returns a blue sky with a sun, above a green field with a red house.
func shapes(w, h int) image.Image {
	return paint(w, h, func(x, y int) color.RGBA {
		u, v := float64(x)/float64(w), float64(y)/float64(h)
		roof := 0.45 + 1.2*math.Abs(u-0.35)
		switch {
		case v > 0.6 && v < 0.85 && u > 0.22 && u < 0.48:
			return color.RGBA{180, 60, 50, 255}
		case v > roof && v <= 0.6:
			return color.RGBA{90, 50, 40, 255}
		case math.Hypot(u-0.78, (v-0.22)*0.75) < 0.08:
			return color.RGBA{250, 215, 60, 255}
		case v > 0.7:
			return color.RGBA{70, 140, 60, 255}
		}
		return color.RGBA{uint8(100 + 100*v), uint8(160 + 60*v), 235, 255}
	})
}

func waves(w, h int) image.Image {
	return paint(w, h, func(x, y int) color.RGBA {
		a := math.Sin(float64(x)/23 + 2*math.Sin(float64(y)/41))
		b := math.Sin(float64(y)/17 + 2*math.Sin(float64(x)/37))
		return color.RGBA{uint8(127 + 100*a), uint8(127 + 60*a*b), uint8(127 + 100*b), 255}
	})
}

func noise(w, h int) image.Image {
	r := rand.New(rand.NewPCG(1, 2))
	return paint(w, h, func(int, int) color.RGBA {
		v := r.Uint32()
		return color.RGBA{uint8(v), uint8(v >> 8), uint8(v >> 16), 255}
	})
}
