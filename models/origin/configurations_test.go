package origin

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy/goldentest"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// configuration is one that testdata/make_configurations.py has found in a package.
type configuration struct {
	Name    string
	Models  int    // how many models have it
	Kind    string // "timm", or a model_type of transformers
	Test    bool   // at the size of timm's tests
	Classes int    // how many of the models are classifiers
	Config  json.RawMessage
	Error   string // why the library itself makes no tensor of one size
	// Width and Height are those of the tensor that the library makes.
	Width, Height int
}

// answers returns what the configuration says, and what it cannot say.
func (c *configuration) answers() (a models.Answers, notes []string, err error) {
	if c.Kind == "timm" {
		var t timmConfig
		if err := json.Unmarshal(c.Config, &t); err != nil {
			return a, nil, err
		}
		width, height := 0, 0
		if c.Test {
			width, height = t.TestInputSize[2], t.TestInputSize[1]
		}
		a, notes = t.answers(width, height)
		if c.Test {
			a.Width, a.Height = &width, &height
		}
		return a, notes, nil
	}
	var p processor
	if err := json.Unmarshal(c.Config, &p); err != nil {
		return a, nil, err
	}
	return p.answers(c.Kind, 0, 0)
}

// made reports whether the library makes pixels with the configuration, be they of different sizes.
func (c *configuration) made() bool {
	return c.Error == "" || strings.HasPrefix(c.Error, "sizes differ") || strings.HasPrefix(c.Error, "the result is")
}

// line returns the configuration and its answers, or why there are none, as the golden file has them.
func (c *configuration) line() string {
	a, notes, err := c.answers()
	said := shown(a)
	if err != nil {
		said = "refused: " + err.Error()
	} else if len(notes) > 0 {
		said += " (" + strings.Join(notes, "; ") + ")"
	}
	size := ""
	if c.Test {
		size = " at the size of tests"
	}
	return fmt.Sprintf("%s%s\t%s\t%s\n", c.Kind, size, c.Config, said)
}

// What configurations in timm and transformers answer is what it was when TestConfigurations
// compared the pixels.
func TestConfigurationsAnswer(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/configurations.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) < 300 {
		t.Errorf("%d configurations", len(lines))
	}
	for _, want := range lines {
		fields := strings.Split(want, "\t")
		if len(fields) != 3 {
			t.Fatalf("%d fields: %s", len(fields), want)
		}
		c := configuration{Config: json.RawMessage(fields[1])}
		c.Kind, _, c.Test = strings.Cut(fields[0], " ")
		if got := c.line(); strings.TrimSuffix(got, "\n") != strings.TrimSuffix(want, "\n") {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

// Every configuration in timm and transformers is expressed exactly, or refused with a reason.
// "make zoo-check" writes what the libraries make of photographs.
func TestConfigurations(t *testing.T) {
	dir := os.Getenv("BATCHSCORE_CONFIGURATIONS")
	if dir == "" {
		return // make zoo-check runs it
	}
	var list []configuration
	text, err := os.ReadFile(filepath.Join(dir, "configurations.json"))
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil {
		t.Fatal(err)
	}
	var pictures [][]byte
	for i := range 3 {
		picture, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, picture)
	}
	count := map[string]int{}
	var lines strings.Builder
	for i, c := range list {
		verdict, why := c.compare(t, dir, i, pictures)
		source := "transformers"
		if c.Kind == "timm" {
			source = "timm"
		}
		if verdict == "wrong" {
			t.Errorf("%s: %s", c.Name, why)
		} else if verdict != "exact" {
			t.Logf("%s (%d models): %s: %s", c.Name, c.Models, verdict, why)
		}
		if c.made() {
			lines.WriteString(c.line())
		}
		if !c.Test {
			count[source+" "+verdict]++
			count[source+" "+verdict+", models"] += c.Models
			count[source+" "+verdict+", classifiers"] += c.Classes
		}
	}
	for _, verdict := range slices.Sorted(maps.Keys(count)) {
		t.Logf("%s: %d", verdict, count[verdict])
	}
	goldentest.Check(t, "configurations.txt", lines.String())
}

// compare returns how what the configuration says compares with what its library does:
// "exact", "within a step" of 255, "refused", with the reason, or "wrong".
func (c *configuration) compare(t *testing.T, dir string, number int, pictures [][]byte) (verdict, why string) {
	if !c.made() {
		return "not made by the library itself", c.Error
	}
	a, notes, err := c.answers()
	if err != nil {
		return "refused", err.Error()
	}
	if a.Resize == nil || a.Fit == nil || a.BGR == nil || a.Scale == nil || len(a.Mean) != 3 || len(a.Std) != 3 || a.Width == nil || a.Height == nil {
		if len(notes) == 0 {
			return "wrong", "answers are not complete, without a reason: " + shown(a)
		}
		return "refused", strings.Join(notes, "; ")
	}
	if c.Error != "" {
		return "wrong", fmt.Sprintf("%s, though its library says: %s", shown(a), c.Error)
	}
	if *a.Width != c.Width || *a.Height != c.Height {
		return "wrong", fmt.Sprintf("%s, want %dx%d pixels", shown(a), c.Width, c.Height)
	}
	spec := specOf(t, a)
	d, err := preprocess.NewDecoder(spec, preprocess.Options{})
	if err != nil {
		return "wrong", err.Error()
	}
	defer d.Close()
	worst, differ, all := 0., 0, 0
	row := make([]byte, spec.RowBytes())
	compared := 0
	for n, picture := range pictures {
		if c.verticalFirst(t, spec, picture) {
			continue
		}
		compared++
		if err := d.Decode(row, picture); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d-%d.raw", number, n)))
		if err != nil {
			t.Fatal(err)
		}
		rows := (c.Height + 4) / 5
		if len(want) != 4*3*rows*c.Width {
			t.Fatalf("%d bytes", len(want))
		}
		for i := range len(want) / 4 {
			plane, y, x := i/(rows*c.Width), i/c.Width%rows*5, i%c.Width
			if spec.BGR {
				plane = 2 - plane
			}
			w := float64(math.Float32frombits(binary.LittleEndian.Uint32(want[4*i:])))
			g := float64(math.Float32frombits(binary.NativeEndian.Uint32(row[4*((i/(rows*c.Width)*c.Height+y)*c.Width+x):])))
			by := math.Abs(w-g) * float64(spec.Std[plane]) / float64(spec.Scale)
			worst = max(worst, by)
			all++
			if by > 0.01 {
				differ++
			}
		}
	}
	why = fmt.Sprintf("%.2g%% of the values differ, by up to %.2g steps: %s", 100*float64(differ)/float64(all), worst, shown(a))
	switch {
	case compared < 2:
		return "wrong", "too few pictures are compared"
	case differ == 0:
		return "exact", ""
	case spec.Resize == preprocess.PillowNearest && differ < all/1000:
		return "the same but for few pixels", why
	case worst < 1.01 && strings.HasSuffix(c.Name, "Fast"):
		return "within a step", why
	}
	return "wrong", why
}

// verticalFirst reports whether Pillow 13 resizes the picture vertically first, as it does where a
// picture shrinks in height, and by more than twice as many pixels as in width. batchscore resizes
// horizontally first, as Pillow did before. Where the aspect is kept, no picture here is tall enough.
func (c *configuration) verticalFirst(t *testing.T, s preprocess.Spec, picture []byte) bool {
	t.Helper()
	size, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	width, height := s.Width, s.Height
	if s.Fit == preprocess.StretchCrop {
		width, height = s.ResizeTo, cmp.Or(s.ResizeToHeight, s.ResizeTo)
	} else if s.Fit != preprocess.Stretch {
		return false
	}
	return !strings.HasSuffix(c.Name, "Fast") && height < size.Height && size.Height-height > 2*(size.Width-width)
}
