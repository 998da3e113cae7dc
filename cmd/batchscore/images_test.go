package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pictures returns a new folder with n small JPEGs, all different.
func pictures(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("batch %d", i%3), fmt.Sprintf("%05d.jpg", i)), picture(t, i))
	}
	return dir
}

// picture returns the nth of many different small JPEGs.
func picture(t testing.TB, n int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 40, 30))
	for y := range 30 {
		for x := range 40 {
			img.Set(x, y, color.RGBA{uint8(n*37 + x), uint8(n*11 + x*n), uint8(n>>3 + y*17), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// colourImages returns a new folder with 1.png, red, 2.png, green, and 3.png, blue.
func colourImages(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, c := range map[string]color.RGBA{"1.png": {255, 0, 0, 255}, "2.png": {0, 255, 0, 255}, "3.png": {0, 0, 255, 255}} {
		img := image.NewRGBA(image.Rect(0, 0, 8, 8))
		for i := range 64 {
			img.SetRGBA(i%8, i/8, c)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), b.Bytes())
	}
	return dir
}

// brokenLinks returns a new folder with n pictures and as many links that lead
// nowhere, and a function that makes the links lead to pictures.
func brokenLinks(t testing.TB, n int) (folder string, mend func()) {
	t.Helper()
	folder, targets := t.TempDir(), t.TempDir()
	for i := range n {
		name := string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		writeFile(t, filepath.Join(folder, name+" good.jpg"), picture(t, i))
		if err := os.Symlink(filepath.Join(targets, name), filepath.Join(folder, name+" link.jpg")); err != nil {
			t.Fatal(err)
		}
	}
	return folder, func() {
		for i := range n {
			name := string(rune('a'+i%26)) + strings.Repeat("x", i/26)
			writeFile(t, filepath.Join(targets, name), picture(t, 100+i))
		}
	}
}
