package main

import (
	"crypto/rand"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rivo/uniseg"

	"github.com/batchscore/batchscore/deploy/goldentest"
	"github.com/batchscore/batchscore/docs/terminal/sgr"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// The widths, in columns, of the terminals whose screens are kept, and their height in
// lines.
var screenWidths = []int{80, 120}

const screenHeight = 24

// screens runs a program to its end in terminals of 80 and of 120 columns, and compares
// each screen with testdata/screens/NAME.WIDTH.txt as terminal.keep does. program is
// called for each of them. It returns the exit codes.
func screens(t *testing.T, name string, program func(t *testing.T) *exec.Cmd, masks ...mask) []int {
	t.Helper()
	var codes []int
	for _, width := range screenWidths {
		t.Run(fmt.Sprint(width, " columns"), func(t *testing.T) {
			term := newTerminal(t, width, screenHeight, program(t))
			codes = append(codes, term.exitCode())
			term.keep(name, masks...)
		})
	}
	return codes
}

// keep compares what the terminal shows now, with what has scrolled away, with
// testdata/screens/NAME.WIDTH.txt; the flag -update writes that file. Times, rates,
// hosts, job IDs and the path of a screenFolder are replaced with examples first, and
// what the masks match. It fails the test for a line that is wider than the terminal,
// and for a style that cannot be read on a light or on a dark background.
func (term *terminal) keep(name string, masks ...mask) {
	term.t.Helper()
	width := 0
	if _, err := fmt.Sscan(term.tmux("display-message", "-p", "#{pane_width}"), &width); err != nil {
		term.t.Fatal(err)
	}
	// With -J a line that was wrapped is one.
	text := masked(term.tmux("capture-pane", "-p", "-e", "-J", "-S", "-"), masks)
	var plain, styles strings.Builder
	var now sgr.Style
	for i, line := range strings.Split(strings.TrimRight(text, " \n"), "\n") {
		var runs []sgr.Run
		runs, now = sgr.Parse(line, now)
		shown := ""
		for _, run := range runs {
			shown += run.Text
			if run.Style == (sgr.Style{}) || strings.TrimSpace(run.Text) == "" {
				continue
			}
			fmt.Fprintf(&styles, "%d: %s: %q\n", i+1, run.Style, run.Text)
			if bad := unreadable(run.Style); bad != "" {
				term.t.Errorf("%s: %q is %s, which cannot be read on %s", name, run.Text, run.Style, bad)
			}
		}
		if n := uniseg.StringWidth(shown); n > width {
			term.t.Errorf("%s: line %d is %d columns wide, and the terminal %d: %s", name, i+1, n, width, shown)
		}
		fmt.Fprintln(&plain, strings.TrimRight(shown, " "))
	}
	if styles.Len() > 0 {
		fmt.Fprintf(&plain, "--- styles\n%s", &styles)
	}
	goldentest.Check(term.t, filepath.Join("screens", fmt.Sprintf("%s.%d.txt", name, width)), plain.String())
}

// mask replaces what differs from run to run. If the match ends in spaces, the text is
// filled up with spaces to its width, so that columns stay where they are.
type mask struct {
	match *regexp.Regexp
	with  string // may contain $1
}

func newMask(match, with string) mask { return mask{regexp.MustCompile(match), with} }

var everywhere = []mask{
	newMask(`/tmp/screen-[0-9a-z]{10}`, exampleFolder),
	newMask(`-\d{6}-\d{6}-[0-9a-z]{4}\b`, "-261129-120000-k3fa"),
	newMask(`\b\d{4}-\d\d-\d\d([ T])`, "2026-11-29${1}"),
	newMask(`(\b|m)\d\d:\d\d:\d\d\b`, "${1}12:00:00"), // m ends an escape sequence
	newMask(`\b\d+:\d\d:\d\d\.\d{6}\b`, "0:00:01.234567"),
	newMask(`\b\d+(?:\.\d+)? images/(?:s|min|hr)\b`, "10.0 images/s"),
	newMask(`\b\d+(?:s|m\d\ds) ago\b`, "1s ago"),
}

func masked(text string, masks []mask) string {
	if host, err := os.Hostname(); err == nil {
		masks = append(masks, newMask(`\b`+regexp.QuoteMeta(host)+`\b *`, "node1"))
	}
	for _, m := range append(everywhere, masks...) {
		text = m.match.ReplaceAllStringFunc(text, func(match string) string {
			with := m.match.ReplaceAllString(match, m.with)
			if strings.HasSuffix(match, " ") {
				return fmt.Sprintf("%-*s", len(match), with)
			}
			return with
		})
	}
	return text
}

// exampleFolder replaces the path of a screenFolder, which is as long.
const exampleFolder = "/home/ada/photographs"

// screenFolder returns an empty folder whose path always has the same length, so that
// what is clipped because of it does not depend on the test.
func screenFolder(t *testing.T) string {
	t.Helper()
	for {
		folder := "/tmp/screen-" + strings.ToLower(rand.Text()[:10])
		err := os.Mkdir(folder, 0o700)
		if os.IsExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(folder) })
		return folder
	}
}

// rgb is a colour in sRGB.
type rgb uint32

// luminance and contrast are those of WCAG 2.
func (c rgb) luminance() float64 {
	sum := 0.0
	for i, weight := range []float64{0.0722, 0.7152, 0.2126} {
		v := float64(c>>(8*i)&0xff) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

func contrast(a, b rgb) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// palettes are the sixteen colours of widespread terminals, and their backgrounds.
var palettes = []struct {
	name       string
	background rgb
	colours    [16]rgb
}{
	{name: "black in xterm", background: 0x000000, colours: xterm},
	{name: "white in xterm", background: 0xffffff, colours: xterm},
	{name: "dark in GNOME", background: 0x171421, colours: gnome},
	{name: "white in GNOME", background: 0xffffff, colours: gnome},
	{name: "dark in Solarized", background: 0x002b36, colours: solarized},
	{name: "light in Solarized", background: 0xfdf6e3, colours: solarized},
}

var (
	xterm = [16]rgb{
		0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5,
		0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff,
	}
	gnome = [16]rgb{
		0x171421, 0xc01c28, 0x26a269, 0xa2734c, 0x12488b, 0xa347ba, 0x2aa1b3, 0xd0cfcc,
		0x5e5c64, 0xf66151, 0x33d17a, 0xe9ad0c, 0x2a7bde, 0xc061cb, 0x33c7de, 0xffffff,
	}
	solarized = [16]rgb{
		0x073642, 0xdc322f, 0x859900, 0xb58900, 0x268bd2, 0xd33682, 0x2aa198, 0xeee8d5,
		0x002b36, 0xcb4b16, 0x586e75, 0x657b83, 0x839496, 0x6c71c4, 0x93a1a1, 0xfdf6e3,
	}
)

// leastContrast is that of a text which does not vanish. Yellow on white has 1.7.
const leastContrast = 1.6

// unreadable returns the background on which a style vanishes, or "". Bold letters may
// be shown in the bright colour of the same name, as xterm does.
func unreadable(s sgr.Style) string {
	if s.Background != sgr.Default {
		return "a terminal whose default colour is that of the background"
	}
	switch s.Foreground {
	case sgr.Default:
		return ""
	case sgr.Other:
		return "a background that the program does not know"
	}
	shown := []sgr.Colour{s.Foreground}
	if s.Bold && s.Foreground < sgr.BrightBlack {
		shown = append(shown, s.Foreground+8)
	}
	for _, p := range palettes {
		for _, c := range shown {
			if contrast(p.colours[c-sgr.Black], p.background) < leastContrast {
				return p.name
			}
		}
	}
	return ""
}

// TestColoursThatVanish checks which of the sixteen colours may be used.
func TestColoursThatVanish(t *testing.T) {
	var pass []string
	for c := sgr.Black; c <= sgr.BrightWhite; c++ {
		if unreadable(sgr.Style{Foreground: c}) == "" {
			pass = append(pass, c.String())
		}
	}
	const want = "red green yellow blue magenta cyan bright red bright blue bright magenta"
	if got := strings.Join(pass, " "); got != want {
		t.Errorf("%s can be read on each background, want %s", got, want)
	}
	for _, s := range []sgr.Style{{Foreground: sgr.Other}, {Background: sgr.Black}, {Bold: true, Foreground: sgr.Black + 2}} {
		if unreadable(s) == "" {
			t.Errorf("%s can be read on each background, want it refused", s)
		}
	}
	if s := (sgr.Style{Bold: true, Dim: true}); unreadable(s) != "" {
		t.Errorf("%s cannot be read", s)
	}
}

// TestScreenOfStatus keeps the live screen of a job that stopped half way, and what
// stands after Ctrl-C.
func TestScreenOfStatus(t *testing.T) {
	for _, width := range screenWidths {
		folder := screenFolder(t)
		run := command(t, nil, "run", "--images", pictures(t, 40), "--out", "labels", "--model", tiny(t, graphtest.Options{}),
			"--chunk", "4", "--budget-images", "20", "--batch", "2")
		run.Dir = folder
		if r := finish(t, run); r.code != 75 {
			t.Fatalf("run: got %v, want exit code 75", r)
		}
		watch := command(t, newDesk(t).env, "jobs", "status", "--watch", filepath.Join(folder, "labels"))
		term := newTerminal(t, width, screenHeight, watch)
		term.until("the table", func(s string) bool { return strings.Contains(s, "stopped") })
		// Which rank has how much depends on the moment of its stop.
		masks := []mask{
			newMask(`\[[#.]+\] \d+%: \d+ of 40 images, \d+ of 10`, "[##########] 50%: 20 of 40 images, 5 of 10"),
			newMask(`(?m)^(0 {5}.{20}).{8}.{9}.{7}  \d+s +`, "${1}       5       20      0  1s "),
		}
		term.keep("status", masks...)
		term.tmux("send-keys", "C-c")
		if code := term.exitCode(); code != 0 {
			t.Errorf("exit code %d after Ctrl-C, want 0", code)
		}
		term.keep("status-left", masks...)
	}
}
