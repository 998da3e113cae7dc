package chart

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// examples are charts with few and many values, and with long names.
func examples(t *testing.T) map[string]*Drawing {
	t.Helper()
	none := math.Inf(1)
	long := strings.Repeat("a file of a very long name and", 4) + strings.Repeat("x", 90)
	all := map[string]*Drawing{}
	draw := func(name string, d *Drawing, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all[name] = d
	}
	d, err := Bars("Run by device, images/s (simulated)", "images/s", []Bar{
		{Name: "simulated:p100:430/s, ranks 32", Value: 12345, Lo: 12000, Hi: 12600},
		{Name: "k80 of a very long name", Value: 3456.7, Lo: -none, Hi: none, Group: 1},
		{Name: "t4", Value: 0.5, Lo: 0.4, Hi: 0.7, Group: 2},
	})
	draw("bars", d, err)
	var many []Bar
	for i := range 60 {
		many = append(many, Bar{Name: fmt.Sprintf("%d %s", i, []string{"k80", long, "日本語の名前"}[i%3]), Value: 1e9 / float64(i+1), Lo: -1e8, Hi: 1.1e9, Group: i})
	}
	d, err = Bars(long, "images/s", many)
	draw("many-bars", d, err)
	d, err = Bars("Nothing done", "images/s", []Bar{{Name: "a", Lo: -none, Hi: none}})
	draw("zero", d, err)
	d, err = Lines("Scaling", Axes{X: "ranks", Y: "images/s", Log: true}, []Line{
		Ideal("in proportion", 1, 32, 430),
		{Name: "p100", XY: []Point{{X: 1, Y: 430}, {X: 8, Y: 3400}, {X: 32, Y: 13000}}},
		{Name: "k80", XY: []Point{{X: 1, Y: 115}, {X: 8, Y: 910}, {X: 32, Y: 3500}}},
	})
	draw("lines", d, err)
	d, err = Lines("Rate over the batch", Axes{X: "batch", Y: "images/s"}, []Line{
		{Name: "v100 & <co>", XY: []Point{{X: 1, Y: 43}, {X: 64, Y: 1034}, {X: 1000000, Y: 1300}}},
	})
	draw("batches", d, err)
	var series []Line
	for i := range 14 {
		y := float64(i + 1)
		series = append(series, Line{Name: fmt.Sprintf("%d %s", i, []string{"k80", long}[i%7/6]), XY: []Point{{X: 1, Y: y}, {X: 1 << 20, Y: y * 1e6}}})
	}
	d, err = Lines(long, Axes{X: long, Y: long, Log: true}, series)
	draw("many-lines", d, err)
	d, err = Ranks("Time of each rank", job(12))
	draw("ranks", d, err)
	d, err = Ranks("Time of each rank (simulated)", job(5000))
	draw("many-ranks", d, err)
	return all
}

// TestTextIsEscaped checks that a chart is XML whatever a name holds.
func TestTextIsEscaped(t *testing.T) {
	name := "<b> & \"c\" 'd' \x00 \xff"
	for _, draw := range []func() (*Drawing, error){
		func() (*Drawing, error) { return Bars(name, name, []Bar{{Name: name, Value: 1, Lo: 1, Hi: 1}}) },
		func() (*Drawing, error) {
			return Lines(name, Axes{X: name, Y: name}, []Line{{Name: name, XY: []Point{{X: 1, Y: 2}}}})
		},
	} {
		d, err := draw()
		if err != nil {
			t.Fatal(err)
		}
		svg := d.SVG()
		found := 0
		for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, svg)
			}
			if text, ok := token.(xml.CharData); ok && strings.Contains(string(text), `<b> & "c" 'd'`) {
				found++
			}
		}
		if found < 4 {
			t.Errorf("the name is there %d times, want it in the title, as heading, at the axis and at the series:\n%s", found, svg)
		}
	}
}

// TestNoChart checks that values that a chart cannot show are an error.
func TestNoChart(t *testing.T) {
	line := func(x, y float64) []Line { return []Line{{Name: "a", XY: []Point{{X: x, Y: y}}}} }
	for name, draw := range map[string]func() (*Drawing, error){
		"no series":        func() (*Drawing, error) { return Lines("t", Axes{}, nil) },
		"no points":        func() (*Drawing, error) { return Lines("t", Axes{}, []Line{{Name: "a"}}) },
		"not a number":     func() (*Drawing, error) { return Lines("t", Axes{}, line(1, math.NaN())) },
		"zero with powers": func() (*Drawing, error) { return Lines("t", Axes{Log: true}, line(0, 1)) },
		"an endless bar":   func() (*Drawing, error) { return Bars("t", "s", []Bar{{Name: "a", Value: math.Inf(1)}}) },
	} {
		if _, err := draw(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestColoursCanBeSeen checks that every series differs from the background enough, as
// WCAG 2 asks for: 3 to 1, and texts 4.5 to 1.
func TestColoursCanBeSeen(t *testing.T) {
	for _, c := range colours {
		least := map[string]float64{"ink": 4.5, "soft": 4.5}[c.class]
		if c.class[0] == 'c' {
			least = 3
		}
		for _, pair := range [][2]string{{c.light, colours[0].light}, {c.dark, colours[0].dark}} {
			a, b := luminance(t, pair[0]), luminance(t, pair[1])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < least {
				t.Errorf("%s: %s on %s has a contrast of %.1f, want %v", c.class, pair[0], pair[1], ratio, least)
			}
		}
	}
}

// luminance returns the luminance of a colour such as #1f2328.
func luminance(t *testing.T, colour string) (sum float64) {
	t.Helper()
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		sum += weight * math.Pow((float64(n)/255+0.055)/1.055, 2.4)
	}
	return sum
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
	for name, d := range examples(t) {
		t.Run(name, func(t *testing.T) {
			page := filepath.Join(t.TempDir(), "chart.html")
			if err := os.WriteFile(page, []byte(strings.Replace(measuring, "CHART", string(d.SVG()), 1)), 0o644); err != nil {
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
			if len(found.Texts) < 6 {
				t.Errorf("texts %v, want at least six", found.Texts)
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
	if err := os.WriteFile(file, examples(t)["bars"].SVG(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scheme         string
		back, text, in uint32 // colours of the background, of texts and of the first bar
	}{
		{scheme: "1", back: 0xffffff, text: 0x1f2328, in: 0x0072b2},
		{scheme: "0", back: 0x0d1117, text: 0xe6edf3, in: 0x4aa8de},
	} {
		browser(t, "--blink-settings=preferredColorScheme="+c.scheme, "--window-size=620,260", "--screenshot="+shot, "file://"+file)
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
