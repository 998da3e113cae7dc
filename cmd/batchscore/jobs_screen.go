package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// watch shows one report after another until the job is over: redrawn in place
// in a terminal, one line each elsewhere. Leaving it by a signal is no error:
// the job goes on.
func (in *inspector) watch(cmd *cobra.Command, every time.Duration) error {
	ctx := cmd.Context()
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)

	var show shower = &lines{w: cmd.OutOrStdout()}
	if f, ok := cmd.OutOrStdout().(*os.File); ok && isTerminal(f) {
		show = &screen{f: f}
	}
	defer show.close()
	for {
		r, err := in.look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		show.show(&r)
		if r.over() {
			return nil
		}
		for waiting := true; waiting; {
			select {
			case <-resized:
				show.show(&r)
			case <-ticks.C:
				waiting = false
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// shower shows one report after another.
type shower interface {
	show(*report)
	close()
}

// lines writes one line for each report that differs from the one before.
type lines struct {
	w    io.Writer
	last string
}

func (l *lines) show(r *report) {
	line := r.line()
	if line != l.last {
		fmt.Fprintf(l.w, "%s %s\n", r.now.Format(time.TimeOnly), line)
	}
	l.last = line
}

func (l *lines) close() {}

// screen draws reports in place, from where the cursor is. The last one stays.
type screen struct {
	f     *os.File
	drawn int // lines that stand on the terminal
}

func (s *screen) show(r *report) {
	width, height, err := term.GetSize(int(s.f.Fd()))
	if err != nil || width < 1 || height < 2 {
		width, height = 80, 24
	}
	all := r.lines(width, height-1)
	var b strings.Builder
	if s.drawn == 0 {
		b.WriteString("\x1b[?25l") // no cursor
	} else {
		// After the terminal shrank, fewer lines of the old picture may be left.
		fmt.Fprintf(&b, "\x1b[%dA\r", min(s.drawn, height-1))
	}
	b.WriteString("\x1b[J") // clear from here down
	for _, line := range all {
		b.WriteString(line)
		b.WriteString("\r\n")
	}
	s.drawn = len(all)
	// A terminal that went away shows nothing; the context ends the watch.
	_, _ = io.WriteString(s.f, b.String())
}

func (s *screen) close() {
	if s.drawn > 0 {
		_, _ = io.WriteString(s.f, "\x1b[?25h")
	}
}

// line is the report in one line.
func (r *report) line() string {
	var parts []string
	if r.Engine != nil {
		parts = append(parts, string(r.Engine.State))
	} else if r.EngineTrouble != "" {
		parts = append(parts, "engine: "+firstLine(r.EngineTrouble))
	}
	p := r.Progress
	if p == nil {
		return strings.Join(append(parts, firstLine(r.Trouble)), ", ")
	}
	parts = append(parts, string(p.Stage))
	if p.Images > 0 {
		parts = append(parts, fmt.Sprintf("%d%% of %d images", percent(p.ImagesDone, p.Images), p.Images),
			fmt.Sprintf("%d of %d chunks", p.ChunksDone, p.Chunks))
	}
	parts = append(parts, r.pace()...)
	if n := p.Failed(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", n))
	}
	return strings.Join(append(parts, fmt.Sprintf("%d ranks at work", p.Alive())), ", ")
}

// pace is the rate and the time left, where they can be said.
func (r *report) pace() []string {
	p := r.Progress
	if p.Rate == 0 {
		return nil
	}
	rate := fmt.Sprintf("%.1f images/s", p.Rate)
	if p.Simulated {
		rate += " (simulated)"
	}
	switch {
	case p.Left > 0:
		return []string{rate, p.Left.String() + " left"}
	case p.Makespan > 0:
		return []string{rate, "took " + telemetry.Timedelta(p.Makespan.Round(time.Millisecond))}
	}
	return []string{rate}
}

func percent(n, of int) int {
	if of == 0 {
		return 100
	}
	return int(int64(n) * 100 / int64(of))
}

// barWidth is that of the progress bar, in characters.
const barWidth = 30

// lines is the report for a screen of that size; 0 is any.
func (r *report) lines(width, height int) []string {
	var all []string
	say := func(name, format string, args ...any) {
		all = append(all, fmt.Sprintf("%-10s", name)+fmt.Sprintf(format, args...))
	}
	if j := r.Job; j != nil {
		say("Job", "%s on %s, launched %s (%s ago)", j.ID, j.Engine, j.Launched.Local().Format("2006-01-02 15:04:05"), ago(r.now, j.Launched))
	}
	r.engineLines(say)
	p := r.Progress
	switch {
	case p != nil:
		say("Output", "%s", printable(p.Output))
	case r.Job != nil && r.Job.Out != "":
		say("Output", "%s", printable(r.Job.Out))
	}
	if r.Trouble != "" {
		say("Progress", "%s", r.Trouble)
	}
	if s := r.Store; s != nil && s.Retries+s.Throttled+s.Stalls > 0 {
		say("Storage", "is slow to answer: %d calls tried again, %d throttled, %d stalled", s.Retries, s.Throttled, s.Stalls)
	}
	if p != nil {
		r.progressLines(say)
		all = append(all, r.rankLines(height, len(all))...)
	}
	for i := range all {
		all[i] = cut(all[i], width)
	}
	if height > 0 && len(all) > height {
		all = all[:height]
	}
	return all
}

func (r *report) engineLines(say func(name, format string, args ...any)) {
	if r.EngineTrouble != "" {
		say("Engine", "%s", firstLine(r.EngineTrouble))
	}
	e := r.Engine
	if e == nil {
		return
	}
	text := string(e.State)
	switch {
	case e.Ended != nil:
		text += " " + e.Ended.Local().Format(time.TimeOnly)
	case e.Started != nil:
		text += " since " + e.Started.Local().Format(time.TimeOnly)
	}
	if e.ExitCode != nil && *e.ExitCode != 0 {
		text += fmt.Sprintf(", exit code %d", *e.ExitCode)
	}
	if e.Reason != "" {
		text += ": " + firstLine(e.Reason)
	}
	say("Engine", "%s", text)
	if e.Where != "" {
		say("See", "%s", e.Where)
	}
}

func (r *report) progressLines(say func(name, format string, args ...any)) {
	p := r.Progress
	if p.Stage == output.Listing {
		say("Progress", "the images are being listed")
		return
	}
	filled := barWidth * percent(p.ImagesDone, p.Images) / 100
	say("Progress", "[%s%s] %d%%  %d of %d images, %d of %d chunks%s",
		strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), percent(p.ImagesDone, p.Images),
		p.ImagesDone, p.Images, p.ChunksDone, p.Chunks, map[output.Stage]string{
			output.Checking: ", being checked", output.Complete: ", complete"}[p.Stage])
	if pace := r.pace(); pace != nil {
		say("Rate", "%s", strings.Join(pace, ", "))
	}
	if p.Failed() > 0 {
		failures := maps.Clone(p.Statuses)
		delete(failures, output.StatusOK)
		say("Failures", "%d images: %s", p.Failed(), tally(failures))
	}
	if s := p.Storage; s != nil && s.Trouble() {
		say("Storage", "made ranks wait that have ended: %d calls tried again, %d throttled, %d stalled, pauses of %v in all",
			s.Retries, s.Throttled, s.Stalls, s.Paused().Round(time.Second))
	}
	if p.Stage == output.Scoring && p.Alive() == 0 {
		say("Ranks", "none is at work; launching the job again goes on from here")
	}
}

// rankLines is the table of the ranks in what is left of the height after used
// lines: those that need a look first.
func (r *report) rankLines(height, used int) []string {
	ranks := slices.Clone(r.Progress.Ranks)
	if len(ranks) == 0 {
		return nil
	}
	table := []string{"", fmt.Sprintf("%-6s%-20s%8s%10s%8s  %-11s%s", "RANK", "HOST", "CHUNKS", "IMAGES", "HOLDS", "LAST SIGN", "STATE")}
	fit := len(ranks)
	if room := height - used - len(table); height > 0 && fit > room {
		fit = max(room-1, 0) // one line says how many are left out
	}
	for _, k := range ranks[:fit] {
		sign := "-"
		if !k.Sign.IsZero() {
			sign = ago(r.now, k.Sign)
		}
		host := k.Host
		if host == "" {
			host = "-"
		}
		table = append(table, fmt.Sprintf("%-6d%-20s%8d%10d%8d  %-11s%s",
			k.Rank, cut(printable(host), 19), k.Chunks, k.Images, k.Holding, sign, rankState(r.Progress, k)))
	}
	if left := len(ranks) - fit; left > 0 {
		table = append(table, fmt.Sprintf("... and %d more ranks", left))
	}
	return table
}

// rankState is a word for what a rank does.
func rankState(p *output.Progress, k output.RankProgress) string {
	switch {
	case k.Alive:
		return "at work"
	case k.End != "":
		return k.End
	case k.Sign.IsZero():
		return "not seen yet"
	case p.Stage == output.Complete:
		return "ended"
	}
	return "silent"
}

// ago is the time between then and now, for people. A clock that is ahead of
// this one shows as now.
func ago(now, then time.Time) string {
	d := max(now.Sub(then), 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

// cut shortens a line to the width of the screen; 0 is any.
func cut(s string, width int) string {
	runes := []rune(s)
	if width <= 0 || len(runes) <= width {
		return s
	}
	if width < 4 {
		return string(runes[:width])
	}
	return string(runes[:width-3]) + "..."
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
