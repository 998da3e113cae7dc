package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/columns"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// refresh is the time between two looks at the output of a job.
const refresh = time.Second

// liveLine shows on a terminal how a job is doing, below what its ranks have to say.
type liveLine struct {
	*telemetry.Line
	f io.Writer

	mu   sync.Mutex
	text func(width int) string // nil if there is nothing to show
}

func newLiveLine(f io.Writer, width func() int) *liveLine {
	v := &liveLine{f: f}
	v.Line = telemetry.NewLine(f, width, func(width int) string {
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.text == nil {
			return ""
		}
		return v.text(width)
	})
	return v
}

// show replaces what the line says.
func (v *liveLine) show(text func(width int) string) {
	v.mu.Lock()
	v.text = text
	v.mu.Unlock()
	v.Draw()
}

// watch shows the progress of the job until ctx ends. Once stop is closed it says that
// the ranks are stopping, if they are.
func (w *watched) watch(ctx context.Context, v *liveLine, stop <-chan struct{}) {
	defer v.Close()
	observer := output.Observe(w.out)
	look, draw := time.NewTicker(refresh), time.NewTicker(telemetry.DrawEvery)
	defer look.Stop()
	defer draw.Stop()
	if _, drains := w.l.(deploy.Waiter); !drains {
		stop = nil
	}
	for stopping := ""; ; {
		line := w.progress(ctx, observer)
		if ctx.Err() != nil {
			return
		}
		v.show(func(width int) string { return line(width-len(stopping)) + stopping })
		for waiting := true; waiting; {
			select {
			case <-draw.C:
				v.Draw() // the terminal may have become narrower
			case <-look.C:
				waiting = false
			case <-stop:
				stop, stopping, waiting = nil, ", stopping", false
			case <-ctx.Done():
				return
			}
		}
	}
}

// progress returns how far the job is, as a line of at most so many columns.
func (w *watched) progress(ctx context.Context, observer *output.Observer) func(width int) string {
	say := func(text string) func(int) string {
		return func(width int) string { return columns.Cut(text, max(width, 1)) }
	}
	p, err := observer.Look(ctx)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return say(w.starting(ctx))
	case err != nil:
		return say("progress is not known: " + printable.Text(firstLine(err.Error())))
	case p.Stage == output.Listing:
		return say("the images are being listed")
	}
	return func(width int) string { return progressLine(&p, width) }
}

// starting says what a job without output waits for. It asks the engine no more often than
// every newsEvery, since each time costs a cluster several requests.
func (w *watched) starting(ctx context.Context) string {
	if w.waits != "" && time.Since(w.asked) < newsEvery {
		return w.waits
	}
	status, err := w.l.Status(ctx, w.r.ID)
	w.waits, w.asked = "the ranks are starting", time.Now()
	if err == nil && status.State != deploy.Running {
		w.waits = fmt.Sprintf("%s on %s", status.State, w.r.Engine)
		if status.Reason != "" {
			w.waits += ": " + printable.Line(status.Reason)
		}
	}
	return w.waits
}

// progressLine returns the progress of a job in one line of at most width columns:
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
			parts = append(parts, telemetry.Duration(q.LeftSeconds)+" left")
		}
		if q.Rate > 0 {
			parts = append(parts, telemetry.Rate(q.Rate)+markOf(q.Simulated))
		}
		parts = append(parts, numberOf(p.Alive(), "rank"))
	}
	line := parts[0]
	for _, part := range parts[1:] {
		if len(line)+2+len(part) <= width-12 {
			line += "  " + part
		}
	}
	bar := min(barWidth, width-len(line)-3)
	if bar < 5 {
		return columns.Cut(line, max(width, 1))
	}
	return telemetry.Gauge(bar, done) + " " + line
}

// rankLines passes on what ranks print, line by line, for people: the log as text
// instead of JSON. Unless all is set, it leaves out everything except warnings and
// errors, and what several ranks say alike it passes on once.
type rankLines struct {
	log  io.Writer // formats a line of the log and writes it above the progress
	text io.Writer // writes a line of text there
	all  bool
	rest []byte
	// said is the rank that said a text first, by the digest of the text: of the last
	// texts, and of those before them.
	said, saidBefore map[[sha256.Size]byte]string
}

const (
	// mostSaid is how many texts said has at most. Ranks that say the same say it at
	// nearly the same time.
	mostSaid = 1000
	// longestLine is how much of a line without an end is kept.
	longestLine = 1 << 20
)

func newRankLines(v *liveLine, all bool) *rankLines {
	above := v.Above(v.f)
	return &rankLines{all: all, log: console(above, true), text: toWidth(above, 2), said: map[[sha256.Size]byte]string{}}
}

var (
	// rankPrefix is what engines put in front of a rank's line.
	rankPrefix = regexp.MustCompile(`^(?:rank (\d+) \| |(\d+): |\[[^\]]*,(\d+)\]<std[a-z]+>: ?)`)
	// routine are lines of a rank without news for someone who sees the progress. How a rank
	// ended it says in words before the line that says so in its log.
	routine = regexp.MustCompile(`^(?:Worker \d+ |\d+ images: |batchscore: stopped before the job was done|` +
		`\d\d:\d\d:\d\d (?:INF|DBG|TRC) |\{"level":"(?:info|debug|trace)"|\{"level":"\w+",[^{}]*"event":"run_ended")`)
	// unlike are the fields of a log line in which ranks differ that say the same.
	unlike = regexp.MustCompile(`"(?:rank|time|device|gpu_uuid|worker)":(?:"[^"]*"|\d+),?`)
)

func (l *rankLines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole && len(line) < longestLine {
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

// saidFirst returns the rank that said a text before, if one did, and notes that this one
// has.
func (l *rankLines) saidFirst(text [sha256.Size]byte, rank string) (first string, before bool) {
	if first, before = l.said[text]; before {
		return first, true
	}
	if first, before = l.saidBefore[text]; !before {
		first = rank
	}
	if len(l.said) == mostSaid {
		l.saidBefore, l.said = l.said, map[[sha256.Size]byte]string{}
	}
	l.said[text] = first
	return first, before
}

func (l *rankLines) line(line []byte) error {
	rank := ""
	if m := rankPrefix.FindSubmatch(line); m != nil {
		rank, line = string(bytes.Join(m[1:], nil)), line[len(m[0]):]
	}
	if !l.all {
		if routine.Match(line) || len(bytes.TrimSpace(line)) == 0 {
			return nil
		}
		text := sha256.Sum256(unlike.ReplaceAll(line, nil))
		if first, before := l.saidFirst(text, rank); before && rank != "" && first != rank {
			return nil
		}
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
	_, err := io.WriteString(l.text, printable.Text(text)+"\n")
	return err
}

// followed are the writers for what the ranks print, and end, which is called when
// the job has ended. On a terminal they show the progress of a scoring job and what
// the ranks warn of or, with --logs, all that they print.
func (w *watched) followed(ctx context.Context, stop <-chan struct{}) (stdout, stderr io.Writer, end func() error) {
	if w.log != nil {
		// Engines that have one log for both write it to standard output.
		of, lines := &rankJSON{log: w.stderr, text: w.stdout}, &rankJSON{log: w.stderr, own: w.log}
		return of, lines, func() error { return errors.Join(of.close(), lines.close()) }
	}
	f, ok := terminalOf(w.stderr)
	if !ok || !w.r.Job.Scores() || w.out == nil && !w.logs {
		return verbatim(w.stdout), verbatim(w.stderr), func() error { return nil }
	}
	v := newLiveLine(f, func() int { width, _ := terminalSize(f); return width })
	lines := newRankLines(v, w.logs)
	stdout, stderr = verbatim(w.stdout), lines
	if isTerminal(w.stdout) {
		stdout = lines
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	if w.out != nil {
		watching.Go(func() { w.watch(ctx, v, stop) })
	}
	return stdout, stderr, func() error {
		cancel()
		watching.Wait()
		return lines.close()
	}
}
