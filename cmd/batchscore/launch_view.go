package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// liveLine shows on a terminal how a job is doing: one line with its progress, drawn again
// and again, and above it what the ranks have to say. Its methods may be called from
// several goroutines.
type liveLine struct {
	f io.Writer

	mu    sync.Mutex
	shown string // the line of progress; empty if there is none
}

// above writes whole lines above the line of progress.
func (v *liveLine) above(text []byte) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var b bytes.Buffer
	if v.shown != "" {
		b.WriteString("\r" + clearLine)
	}
	b.Write(text)
	b.WriteString(v.shown)
	_, err := v.f.Write(b.Bytes())
	return err
}

// draw replaces the line of progress.
func (v *liveLine) draw(line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if line == v.shown {
		return
	}
	v.shown = line
	// The job continues even if the terminal is gone.
	_, _ = io.WriteString(v.f, "\r"+line+clearLine)
}

// close removes the line of progress.
func (v *liveLine) close() { v.draw("") }

// refresh is the time between two looks at the output of a job.
const refresh = time.Second

// watch draws the progress of the job until ctx ends. Once stop is closed it says that
// the ranks are stopping, if they are.
func (w *watched) watch(ctx context.Context, v *liveLine, width func() int, stop <-chan struct{}) {
	defer v.close()
	observer := output.Observe(w.out)
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	if _, drains := w.l.(deploy.Waiter); !drains {
		stop = nil
	}
	for stopping := ""; ; {
		if line := w.progress(ctx, observer, width()-len(stopping)); ctx.Err() == nil {
			v.draw(line + stopping)
		}
		select {
		case <-tick.C:
		case <-stop:
			stop, stopping = nil, ", stopping"
		case <-ctx.Done():
			return
		}
	}
}

// progress returns how far the job is, in one line of at most width characters.
func (w *watched) progress(ctx context.Context, observer *output.Observer, width int) string {
	p, err := observer.Look(ctx)
	switch {
	case errors.Is(err, store.ErrNotExist):
		status, err := w.l.Status(ctx, w.r.ID)
		if err == nil && status.State != deploy.Running {
			return cut(fmt.Sprintf("%s on %s", status.State, w.r.Engine), width)
		}
		return cut("the ranks are starting", width)
	case err != nil:
		return cut("progress is not known: "+firstLine(err.Error()), width)
	case p.Stage == output.Listing:
		return cut("the images are being listed", width)
	}
	return progressLine(&p, width)
}

// progressLine returns the progress of a job in one line of at most width characters:
// what is most important first, and as much as there is room for.
func progressLine(p *output.Progress, width int) string {
	q := p
	what := "images"
	if p.Retry != nil {
		q, what = p.Retry, "images again"
	}
	done := percent(q.ImagesDone, q.Images)
	parts := []string{fmt.Sprintf("%3d%%", done), fmt.Sprintf("%d/%d %s", q.ImagesDone, q.Images, what)}
	if n := q.Failed(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", n))
	}
	if q.ChunksDone == q.Chunks {
		parts = append(parts, "the result is being checked")
	} else {
		if q.LeftSeconds > 0 {
			parts = append(parts, seconds(q.LeftSeconds).String()+" left")
		}
		if q.Rate > 0 {
			parts = append(parts, fmt.Sprintf("%.1f images/s", q.Rate)+markOf(q.Simulated))
		}
		if n := p.Alive(); n == 1 {
			parts = append(parts, "1 rank")
		} else {
			parts = append(parts, fmt.Sprintf("%d ranks", n))
		}
	}
	line := parts[0]
	for _, part := range parts[1:] {
		if len(line)+2+len(part) <= width-12 {
			line += "  " + part
		}
	}
	bar := min(barWidth, width-len(line)-3)
	if bar < 5 {
		return cut(line, width)
	}
	return drawBar(bar, done) + " " + line
}

// drawBar returns a bar that is so many characters wide, without its brackets.
func drawBar(width, percent int) string {
	filled := width * percent / 100
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", width-filled) + "]"
}

// rankLines passes on what ranks print, line by line, for people: the log as text
// instead of JSON. Unless all is set, it leaves out everything except warnings and
// errors, and what several ranks say alike it passes on once.
type rankLines struct {
	log  io.Writer // formats a line of the log and writes it above the progress
	text io.Writer // writes a line of text there
	all  bool
	rest []byte
	said map[string]string // the rank that said a text first
}

func newRankLines(v *liveLine, all bool) *rankLines {
	above := writerFunc(func(p []byte) (int, error) { return len(p), v.above(p) })
	return &rankLines{all: all, log: console(above, true), text: toWidth(above, 2), said: map[string]string{}}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

var (
	// rankPrefix is what engines put in front of a rank's line.
	rankPrefix = regexp.MustCompile(`^(?:rank (\d+) \| |(\d+): |\[[^\]]*,(\d+)\]<std[a-z]+>: ?)`)
	// routine are lines of a rank without news for someone who sees the progress.
	routine = regexp.MustCompile(`^(?:Worker \d+ |\d+ images: |batchscore: stopped before the job was done|` +
		`\d\d:\d\d:\d\d (?:INF|DBG|TRC) |\{"level":"(?:info|debug|trace)")`)
	// unlike are the fields of a log line in which ranks differ that say the same.
	unlike = regexp.MustCompile(`"(?:rank|time|device|worker)":(?:"[^"]*"|\d+),?`)
)

func (l *rankLines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		if err := l.line(line); err != nil {
			return 0, err
		}
		l.rest = rest
	}
}

// close passes on a last line without an end.
func (l *rankLines) close() error {
	if len(l.rest) == 0 {
		return nil
	}
	return l.line(l.rest)
}

func (l *rankLines) line(line []byte) error {
	rank := ""
	if m := rankPrefix.FindSubmatch(line); m != nil {
		rank, line = string(bytes.Join(m[1:], nil)), line[len(m[0]):]
	}
	if !l.all {
		text := string(unlike.ReplaceAll(line, nil))
		first, before := l.said[text]
		if routine.Match(line) || len(bytes.TrimSpace(line)) == 0 || before && rank != "" && first != rank {
			return nil
		}
		l.said[text] = rank
	}
	if bytes.HasPrefix(line, []byte(`{"level":`)) {
		if _, err := l.log.Write(append(bytes.Clone(line), '\n')); err == nil {
			return nil // else it is not a line of the log
		}
	}
	text := string(line)
	if rank != "" {
		text = "rank " + rank + ": " + strings.TrimPrefix(text, "batchscore: ")
	}
	_, err := io.WriteString(l.text, visible(text)+"\n")
	return err
}

// followed are the writers for what the ranks print, and end, which is called when
// the job has ended. On a terminal they show the progress of a scoring job and what
// the ranks warn of or, with --logs, all that they print.
func (w *watched) followed(ctx context.Context, stop <-chan struct{}) (stdout, stderr io.Writer, end func() error) {
	f, ok := w.stderr.(*os.File)
	if !ok || !isTerminal(f) || !w.r.Job.Scores() || w.out == nil && !w.logs {
		return w.stdout, w.stderr, func() error { return nil }
	}
	v := &liveLine{f: f}
	lines := newRankLines(v, w.logs)
	stdout, stderr = w.stdout, lines
	if isTerminal(w.stdout) {
		stdout = lines
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	if w.out != nil {
		width := func() int { columns, _ := terminalSize(f); return columns - 3 } // there is room for ^C
		watching.Go(func() { w.watch(ctx, v, width, stop) })
	}
	return stdout, stderr, func() error {
		cancel()
		watching.Wait()
		return lines.close()
	}
}
