package page

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/scorer/review/browsertest"
)

var update = flag.Bool("update", false, "write the kept screens")

const (
	// block is the side of the squares, in pixels, whose mean brightness is compared. Fonts
	// differ between machines, so letters cannot be compared, and lines break elsewhere.
	block = 32
	// muchElsewhere is by how much the blocks of two screens may differ on average, of 255. A
	// page in another typeface differs by less, one without its style sheet or with the colours
	// of the other scheme by more.
	muchElsewhere = 9.0
)

// keep writes a file to look at into the folder that BATCHSCORE_SCREENS names.
func keep(t *testing.T, name string, body []byte) {
	t.Helper()
	if dir := os.Getenv("BATCHSCORE_SCREENS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// checkScreen compares the first screen of a page with a kept one. With -update it writes that.
func checkScreen(t *testing.T, tab *browsertest.Tab, name string) {
	t.Helper()
	shot := tab.Screenshot()
	keep(t, name+".png", shot)
	got := coarse(t, shot)
	file := filepath.Join("testdata", "screens", name+".png")
	if *update {
		var out bytes.Buffer
		if err := png.Encode(&out, got); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: look at the screen, and keep it with -update", err)
	}
	want, err := png.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if d := distance(got, want); d > muchElsewhere {
		t.Errorf("the screen differs by %.1f of 255 from the kept one, want at most %.1f: look at it, "+
			"which BATCHSCORE_SCREENS=FOLDER writes, and keep it with -update", d, muchElsewhere)
	}
}

// coarse returns the mean brightness of the blocks of a picture.
func coarse(t *testing.T, shot []byte) *image.Gray {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	size := m.Bounds().Size()
	small := image.NewGray(image.Rect(0, 0, size.X/block, size.Y/block))
	for y := range small.Rect.Max.Y {
		for x := range small.Rect.Max.X {
			sum, n := 0, 0
			for i := 1; i < block; i += 3 {
				for j := 1; j < block; j += 3 {
					sum, n = sum+int(color.GrayModel.Convert(m.At(x*block+i, y*block+j)).(color.Gray).Y), n+1
				}
			}
			small.SetGray(x, y, color.Gray{Y: uint8(sum / n)})
		}
	}
	return small
}

// distance returns by how much two pictures differ on average; 255 if their sizes differ.
func distance(a, b image.Image) float64 {
	if a.Bounds() != b.Bounds() {
		return 255
	}
	sum, n := 0.0, 0
	for y := range a.Bounds().Max.Y {
		for x := range a.Bounds().Max.X {
			p, q := color.GrayModel.Convert(a.At(x, y)).(color.Gray).Y, color.GrayModel.Convert(b.At(x, y)).(color.Gray).Y
			sum, n = sum+float64(max(p, q)-min(p, q)), n+1
		}
	}
	return sum / float64(n)
}

// checkScreens compares the first screens of pages, wide and narrow, light and dark, and checks
// that the comparison would find a page without its style sheet.
func checkScreens(t *testing.T, open func(*testing.T, string, browsertest.Options) *browsertest.Tab, names ...string) {
	for _, name := range names {
		for _, width := range []int{1280, 390} {
			for _, dark := range []bool{false, true} {
				scheme := map[bool]string{false: "light", true: "dark"}[dark]
				screen := fmt.Sprintf("%s-%d-%s", name, width, scheme)
				t.Run(screen, func(t *testing.T) {
					tab := open(t, name, browsertest.Options{Width: width, Height: 832, Dark: dark, Still: true})
					checkScreen(t, tab, screen)
					before := coarse(t, tab.Screenshot())
					if dark && !everything {
						return
					}
					browsertest.Evaluate[bool](tab, `document.body.style.fontFamily = "serif", true`)
					if d := distance(coarse(t, tab.Screenshot()), before); d > muchElsewhere {
						t.Errorf("in another typeface, the screen differs by %.1f of 255: the comparison is too strict", d)
					}
					browsertest.Evaluate[bool](tab, `document.querySelector("style").remove(), true`)
					if d := distance(coarse(t, tab.Screenshot()), before); d <= muchElsewhere {
						t.Errorf("without its style sheet, the screen differs by %.1f of 255 only: the comparison finds nothing", d)
					}
				})
			}
		}
	}
}
