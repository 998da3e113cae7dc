package chart

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"image"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot/plotter"
)

// examples are a chart of bars with long names and one of lines.
func examples(t *testing.T) map[string][]byte {
	t.Helper()
	none := math.Inf(1)
	bars, err := Bars("Run by device, images/s (simulated)", "images/s", []Bar{
		{Name: "simulated:p100:430/s, ranks 32", Value: 12345, Lo: 12000, Hi: 12600},
		{Name: "k80 of a very long name", Value: 3456.7, Lo: -none, Hi: none, Group: 1},
		{Name: "t4", Value: 0.5, Lo: 0.4, Hi: 0.7, Group: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := Lines("Scaling", Axes{X: "ranks", Y: "images/s", Log: true}, []Line{
		Ideal("in proportion", 1, 32, 430),
		{Name: "p100", XY: plotter.XYs{{X: 1, Y: 430}, {X: 8, Y: 3400}, {X: 32, Y: 13000}}},
		{Name: "k80", XY: plotter.XYs{{X: 1, Y: 115}, {X: 8, Y: 910}, {X: 32, Y: 3500}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"bars": bars, "lines": lines}
}

// browser runs chromium without a window, and returns what it prints.
func browser(t *testing.T, args ...string) []byte {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "google-chrome", "chromium-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium is missing: make deps")
		}
		t.Skip("chromium is missing: make deps")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--hide-scrollbars", "--user-data-dir=" + t.TempDir()}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, &stderr)
	}
	return out
}

// measuring is a page with a chart. It measures the texts in it.
const measuring = `<!doctype html><body style="margin:0">CHART<pre id="found"></pre><script>
const box = e => { const b = e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
document.getElementById("found").textContent = JSON.stringify({
	frame: box(document.querySelector("svg")),
	texts: [...document.querySelectorAll("svg text")].map(e => ({text: e.textContent, box: box(e)})),
});
</script>`

// TestTextsInABrowser checks with chromium that no text of a chart is cut off, and none
// lies on another.
func TestTextsInABrowser(t *testing.T) {
	for name, svg := range examples(t) {
		t.Run(name, func(t *testing.T) {
			_, body, _ := bytes.Cut(svg, []byte("?>")) // a page has no XML declaration
			page := filepath.Join(t.TempDir(), "chart.html")
			if err := os.WriteFile(page, []byte(strings.Replace(measuring, "CHART", string(body), 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			dom := browser(t, "--dump-dom", "file://"+page)
			m := regexp.MustCompile(`(?s)<pre id="found">(.*?)</pre>`).FindSubmatch(dom)
			if m == nil {
				t.Fatalf("the page holds no measurements:\n%s", dom)
			}
			type text struct {
				Text string
				Box  [4]float64 // left, top, right, bottom
			}
			var found struct {
				Frame [4]float64
				Texts []text
			}
			if err := json.Unmarshal([]byte(html.UnescapeString(string(m[1]))), &found); err != nil {
				t.Fatal(err)
			}
			if len(found.Texts) < 8 {
				t.Errorf("texts %v, want at least eight", found.Texts)
			}
			for i, a := range found.Texts {
				if f := found.Frame; a.Box[0] < f[0]-0.5 || a.Box[1] < f[1]-0.5 || a.Box[2] > f[2]+0.5 || a.Box[3] > f[3]+0.5 {
					t.Errorf("%q is cut off: it fills %v of %v", a.Text, a.Box, f)
				}
				for _, b := range found.Texts[:i] {
					// Boxes are as high as the font's highest letters, which few texts have.
					const room = 3
					if a.Box[0]+room < b.Box[2] && b.Box[0]+room < a.Box[2] && a.Box[1]+room < b.Box[3] && b.Box[1]+room < a.Box[3] {
						t.Errorf("%q lies on %q: %v, %v", a.Text, b.Text, a.Box, b.Box)
					}
				}
			}
		})
	}
}

// TestLightAndDark looks at a chart in chromium with both kinds of screens.
func TestLightAndDark(t *testing.T) {
	dir := t.TempDir()
	file, shot := filepath.Join(dir, "chart.svg"), filepath.Join(dir, "chart.png")
	if err := os.WriteFile(file, examples(t)["bars"], 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scheme         string
		back, text, in uint32 // colours of the background, of texts and of the first bar
	}{
		{scheme: "1", back: 0xffffff, text: 0x000000, in: 0x0072b2},
		{scheme: "0", back: 0x0d1117, text: 0xe6edf3, in: 0x4aa8de},
	} {
		browser(t, "--blink-settings=preferredColorScheme="+c.scheme, "--window-size=620,220", "--screenshot="+shot, "file://"+file)
		f, err := os.Open(shot)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if colours := coloursOf(img); colours[0] != c.back || !slices.Contains(colours, c.text) || !slices.Contains(colours, c.in) {
			t.Errorf("scheme %s: the corner is %06x, want %06x; the text's colour is there: %v, the bar's: %v", c.scheme, colours[0], c.back,
				slices.Contains(colours, c.text), slices.Contains(colours, c.in))
		}
	}
}

// coloursOf returns the colours of an image, that of its corner first.
func coloursOf(img image.Image) []uint32 {
	var all []uint32
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			if c := r>>8<<16 | g>>8<<8 | b>>8; !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 4: "4", 0.0123: "0.012", 0.1234: "0.123", 9.994: "9.99", 12.34: "12.3", 123.4: "123",
		1234567: "1,234,567", 999.7: "1,000", 100: "100", -1234: "-1,234",
	} {
		if got := Number(v); got != want {
			t.Errorf("%v is written %s, want %s", v, got, want)
		}
	}
}
