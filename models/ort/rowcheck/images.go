package rowcheck

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
)

// maxSide is the largest side of a synthetic image. Larger ones would only take
// more time.
const maxSide = 256

// syntheticImages returns PNG files that any network tells apart: their colours,
// their textures and the ranges of their values differ. They are the same for the
// same size.
func syntheticImages(width, height int) ([][]byte, error) {
	width, height = min(width, maxSide), min(height, maxSide)
	state := uint32(2463534242)
	noise := func(n uint32) uint8 {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		return uint8(state % n)
	}
	var files [][]byte
	for _, paint := range []func(x, y int) color.RGBA{
		// Soft gradients of medium colours.
		func(x, y int) color.RGBA {
			return color.RGBA{uint8(60 + 120*x/width), uint8(170 - 110*y/height), uint8(40 + 80*(x+y)/(width+height)), 255}
		},
		// Nearly black.
		func(int, int) color.RGBA { return color.RGBA{noise(12), noise(24), noise(16), 255} },
		// Large fields of white, red, green and blue.
		func(x, y int) color.RGBA {
			return []color.RGBA{{255, 255, 255, 255}, {250, 20, 10, 255}, {10, 230, 30, 255}, {0, 10, 255, 255}}[2*(2*y/height)+2*x/width]
		},
		// Noise of all values, mostly red.
		func(int, int) color.RGBA { return color.RGBA{255 - noise(100), noise(256), noise(200), 255} },
	} {
		picture := image.NewRGBA(image.Rect(0, 0, width, height))
		for y := range height {
			for x := range width {
				picture.SetRGBA(x, y, paint(x, y))
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, picture); err != nil {
			return nil, fmt.Errorf("make an image of %d x %d: %w", width, height, err)
		}
		files = append(files, b.Bytes())
	}
	return files, nil
}
