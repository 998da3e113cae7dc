package main

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/telemetry/columns"
)

// TestScreenOfLaunch keeps the screen of a job under way, and what stands after Ctrl-C.
func TestScreenOfLaunch(t *testing.T) {
	needMpirun(t)
	for _, width := range screenWidths {
		folder := screenFolder(t)
		launch := command(t, newDesk(t).env, "launch", "-n", "2", "--", "--images", pictures(t, 400), "--out", "labels",
			"--model", tiny(t, graphtest.Options{}), "--provider", "simulate:k80,rate=20", "--chunk", "4", "--batch", "2")
		launch.Dir = folder
		term := newTerminal(t, width, screenHeight, launch)
		term.until("the rate", func(s string) bool { return strings.Contains(s, "images/s") && !strings.Contains(s, " 0 ranks") })
		masks := []mask{
			newMask(`(?m)^\[[#.]+\] +\d+%  \d+/400 images  .*$`, "[###.......]  30%  120/400 images  14.0 s left  20.0 images/s (simulated)"),
			newMask(`\d+ of 400 images have`, "120 of 400 images have"),
			newMask(`rank=((?:\x1b\[[0-9;]*m)?)[01]\b`, "rank=${1}0"),
		}
		term.keep("launch", masks...)
		term.tmux("send-keys", "C-c")
		if code := term.exitCode(); code != 130 {
			t.Errorf("exit code %d after Ctrl-C, want 130", code)
		}
		term.keep("launch-stopped", masks...)
	}
}

// TestScreenOfARefusal keeps the screen of a job whose ranks refuse their flags: what
// they say is not hidden by what mpirun says.
func TestScreenOfARefusal(t *testing.T) {
	needMpirun(t)
	in, model := pictures(t, 4), tiny(t, graphtest.Options{})
	codes := screens(t, "launch-refused", func(t *testing.T) *exec.Cmd {
		launch := command(t, newDesk(t).env, "launch", "--", "--images", in, "--out", "labels", "--model", model, "--static", "--retry", "failed")
		launch.Dir = screenFolder(t)
		return launch
	})
	for _, code := range codes {
		if code != 64 {
			t.Errorf("exit codes %v, want 64", codes)
		}
	}
}

// TestLaunchOffATerminal: without a terminal, launch prints the lines of the ranks.
func TestLaunchOffATerminal(t *testing.T) {
	needMpirun(t)
	out := filepath.Join(t.TempDir(), "out")
	r := must(t, 0, "launch", "-n", "2", "--", "--images", pictures(t, 10), "--out", out, "--model", tiny(t, graphtest.Options{}))
	says(t, r, "rank 0 | Worker 0 needs to process ", "rank 1 | Worker 1 Processed ", `rank 0 | {"level":"info","rank":0,`)
}

func TestRankLines(t *testing.T) {
	const warning = `{"level":"warn","rank":%,"device":"cuda:%","time":"2026-11-29T05:13:13Z","message":"slow storage"}` + "\n"
	of := func(rank string) string { return "rank " + rank + " | " + strings.ReplaceAll(warning, "%", rank) }
	for _, c := range []struct {
		name, text string
		all        bool
		want       []string
		not        string
	}{
		{name: "routine", text: "rank 0 | Worker 0 Processed 100/200 images\nrank 0 | {\"level\":\"info\",\"message\":\"doubling\"}\n\n", not: "o"},
		{name: "a warning of all ranks", text: of("0") + of("1") + of("2"), want: []string{"WRN", "slow storage", "rank=0"}, not: "rank=1"},
		{name: "a warning twice", text: of("0") + of("0"), want: []string{"slow storage device=cuda:0 rank=0\n", "slow storage device=cuda:0 rank=0\n"}},
		{name: "an error", text: "rank 3 | batchscore: no GPU\nrank 1 | batchscore: no GPU\n", want: []string{"rank 3: no GPU\n"}, not: "rank 1"},
		{name: "an escape sequence", text: "rank 3 | batchscore: no \x1b[2J.jpg\n", want: []string{`rank 3: no \u001b[2J.jpg` + "\n"}, not: "\x1b"},
		{name: "the engine's own", text: "mpirun: odd\n", want: []string{"mpirun: odd\n"}, not: "rank"},
		{name: "no end", text: "rank 0 | panic", want: []string{"rank 0: panic\n"}, not: "|"},
		{name: "not a log", text: "rank 0 | {\"level\":\"warn\", cut\n", want: []string{"rank 0: {\"level\":\"warn\", cut\n"}, not: "|"},
		{name: "in another form", text: "0: Worker 0 Processed 100/200 images\n[1,2]<stderr>:odd\n", want: []string{"rank 2: odd\n"}, not: "Worker"},
		{
			name: "all", all: true, text: "rank 0 | Worker 0 Processed 100/200 images\nrank 0 | {\"level\":\"info\",\"message\":\"doubling\"}\n",
			want: []string{"rank 0: Worker 0 Processed 100/200 images\n", "INF", "doubling"}, not: "{",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", "1")
			var got strings.Builder
			l := newRankLines(newLiveLine(&got, func() int { return 80 }), c.all)
			for _, piece := range strings.SplitAfter(c.text, "a") {
				if _, err := l.Write([]byte(piece)); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.close(); err != nil {
				t.Fatal(err)
			}
			rest := got.String()
			for _, want := range c.want {
				before, after, found := strings.Cut(rest, want)
				if !found {
					t.Errorf("got %q, want %q in it", got.String(), c.want)
				}
				rest = before + after
			}
			if c.not != "" && strings.Contains(got.String(), c.not) {
				t.Errorf("got %q, want no %q", got.String(), c.not)
			}
		})
	}
}

// TestSaidIsBounded: of endless different texts few are kept, and what the ranks say alike
// is passed on once all the same.
func TestSaidIsBounded(t *testing.T) {
	var got strings.Builder
	l := newRankLines(newLiveLine(&got, func() int { return 80 }), false)
	for i := range 5 * mostSaid {
		for _, rank := range []string{"0", "1"} {
			if _, err := fmt.Fprintf(l, "rank %s | odd number %d\n", rank, i); err != nil {
				t.Fatal(err)
			}
		}
	}
	if kept := len(l.said) + len(l.saidBefore); kept > 2*mostSaid {
		t.Errorf("%d texts are kept, want at most %d", kept, 2*mostSaid)
	}
	if n := strings.Count(got.String(), "odd number"); n != 5*mostSaid {
		t.Errorf("%d texts are passed on, want %d", n, 5*mostSaid)
	}
	if _, err := fmt.Fprint(l, strings.Repeat("x", 3*longestLine)); err != nil || len(l.rest) >= longestLine {
		t.Errorf("%d bytes of a line without an end are kept, %v", len(l.rest), err)
	}
}

// TestLiveLine: what ranks say is written above the line of progress, which fits a
// terminal that has become narrower.
func TestLiveLine(t *testing.T) {
	var b strings.Builder
	width := 80
	v := newLiveLine(&b, func() int { return width })
	v.show(func(width int) string { return strings.Repeat("x", min(width, 50)) })
	v.Draw()
	if _, err := io.WriteString(v.Above(&b), "odd\n"); err != nil {
		t.Fatal(err)
	}
	width = 20
	v.Draw()
	v.Close()
	line, short := strings.Repeat("x", 50), strings.Repeat("x", 17)
	if want := line + "\r\x1b[Jodd\n" + line + "\r\x1b[2A\x1b[J" + short + "\r\x1b[J"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestProgressLineFits(t *testing.T) {
	p := output.Progress{
		Images: 1_000_000, ImagesDone: 450_000, Chunks: 100, ChunksDone: 45, Rate: 98.34, LeftSeconds: 5593, Simulated: true,
		Statuses: map[string]int{"ok": 449_997, "truncated": 3}, Ranks: []output.RankProgress{{Alive: true}, {Alive: true}},
	}
	const whole = "[############...............]  45%  450000/1000000 images  3 failed  1 h 33 min left  98.3 images/s (simulated)  2 ranks"
	if got := progressLine(&p, 120); got != whole {
		t.Errorf("at 120 columns: %q, want %q", got, whole)
	}
	for width := 1; width < 140; width++ {
		if got := progressLine(&p, width); columns.Width(got) > width {
			t.Errorf("at %d columns: %q", width, got)
		}
	}
	p.ChunksDone, p.ImagesDone = 100, 1_000_000
	if got := progressLine(&p, 80); !strings.Contains(got, "the result is being checked") {
		t.Errorf("after the last chunk: %q", got)
	}
	p.Retry = &output.Progress{Images: 3, ImagesDone: 1, Chunks: 2, ChunksDone: 1}
	if got := progressLine(&p, 80); !strings.Contains(got, "33%  1/3 images again") {
		t.Errorf("in a retry: %q", got)
	}
}
