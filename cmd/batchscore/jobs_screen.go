package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/columns"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// watch shows one report after another until the job has ended: redrawn in place in a
// terminal, one line each elsewhere. Stopping it, with a signal or with the key q, is not
// an error, and the job continues. It returns the last report.
func (in *inspector) watch(cmd *cobra.Command, every time.Duration, asJSON bool) (r report, err error) {
	ctx := cmd.Context()
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)

	var show shower = &lines{w: cmd.OutOrStdout()}
	var quit <-chan struct{}
	if asJSON {
		show = jsonReports{json.NewEncoder(cmd.OutOrStdout())}
	} else if f, ok := terminalOf(cmd.OutOrStdout()); ok {
		show = &screen{f: f}
		var restore func()
		quit, restore = quitKey(os.Stdin)
		defer restore()
	}
	defer show.close()
	for {
		now, err := in.look(ctx)
		if ctx.Err() != nil {
			return r, nil
		}
		if err != nil {
			return r, err
		}
		r = now
		show.show(&now)
		if r.over() {
			return r, nil
		}
		for waiting := true; waiting; {
			select {
			case <-resized:
				show.show(&now)
			case <-ticks.C:
				waiting = false
			case <-quit:
				return r, nil
			case <-ctx.Done():
				return r, nil
			}
		}
	}
}

// shower shows reports, one after another.
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
	if l.last == "" && r.Note != "" {
		printf(l.w, "%s %s\n", r.now.Format(time.TimeOnly), r.Note)
	}
	if line != l.last {
		printf(l.w, "%s %s\n", r.now.Format(time.TimeOnly), line)
	}
	l.last = line
}

func (l *lines) close() {}

// jsonReports writes one JSON object per line for each report.
type jsonReports struct{ e *json.Encoder }

// Writing to a closed pipe fails; the signal that comes with it ends the watch.
func (j jsonReports) show(r *report) { _ = j.e.Encode(r) }

func (jsonReports) close() {}

// screen draws reports in place, on the terminal's alternate screen, so that resizing
// leaves no traces. The last report stays on the normal screen.
type screen struct {
	f    *os.File
	last *report
}

// leave is the last line of the live screen.
const leave = "q leaves this screen; the job continues"

const (
	alternateScreen = "\x1b[?1049h\x1b[?25l" // and no cursor
	normalScreen    = "\x1b[?25h\x1b[?1049l"
	home            = "\x1b[H"
	clearLine       = "\x1b[K" // from the cursor on
	clearBelow      = "\x1b[J"
)

func (s *screen) show(r *report) {
	width, height := s.size()
	var b strings.Builder
	if s.last == nil {
		b.WriteString(alternateScreen)
	}
	s.last = r
	r.bars = utf8Locale(os.Getenv)
	b.WriteString(home)
	drawn := r.lines(width, height-1)
	if len(drawn) < height-2 {
		drawn = append(drawn, "", columns.Cut(leave, width))
	}
	for _, line := range drawn {
		b.WriteString(line + clearLine + "\r\n")
	}
	b.WriteString(clearBelow)
	// Writing to a closed terminal fails; the context ends the watch.
	_, _ = io.WriteString(s.f, b.String())
}

func (s *screen) size() (width, height int) { return terminalSize(s.f) }

func (s *screen) close() {
	if s.last == nil {
		return
	}
	width, _ := s.size()
	_, _ = io.WriteString(s.f, normalScreen+strings.Join(s.last.lines(width, 0), "\n")+"\n")
}

// line returns the report in one line.
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
	if r.Failing == "" {
		parts = append(parts, string(p.Stage))
	} else {
		parts = append(parts, string(p.Stage)+": "+output.EndFailing)
	}
	if p.Images > 0 {
		parts = append(parts, fmt.Sprintf("%d%% of %d images", percent(p.ImagesDone, p.Images), p.Images),
			fmt.Sprintf("%d of %d chunks", p.ChunksDone, p.Chunks))
	}
	if q := p.Retry; q != nil {
		parts = append(parts, fmt.Sprintf("%d of %d images are scored again", q.ImagesDone, q.Images))
	}
	parts = append(parts, r.pace()...)
	if n := p.Failed(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", n))
	}
	if inc := p.Increment; inc != nil {
		parts = append(parts, fmt.Sprintf("%d kept of %d", inc.Kept, inc.Images))
	}
	return strings.Join(append(parts, fmt.Sprintf("%d ranks at work", p.Alive())), ", ")
}

// pace returns the rate and the time left or taken, as far as they are known.
func (r *report) pace() []string {
	p := r.Progress
	if p.Rate == 0 {
		return nil
	}
	mark := markOf(p.Simulated)
	rate := telemetry.Rate(p.Rate) + mark
	switch {
	case p.LeftSeconds > 0:
		return []string{rate, telemetry.Duration(p.LeftSeconds) + " left"}
	case rested(p.WorkedSeconds, p.MakespanSeconds):
		return []string{telemetry.Rate(p.Rate) + " in " + telemetry.Duration(p.MakespanSeconds),
			withoutPauses(p.WorkedRate, p.WorkedSeconds) + mark}
	case p.MakespanSeconds > 0:
		return []string{rate, "took " + telemetry.Timedelta(seconds(p.MakespanSeconds).Round(time.Millisecond))}
	}
	return []string{rate}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func percent(n, of int) int {
	if of == 0 {
		return 100
	}
	return int(int64(n) * 100 / int64(of))
}

// Widths in characters: of the progress bar and of the column of hosts if there is
// room, and of the table without that column.
const (
	barWidth   = 30
	hostWidth  = 20
	tableWidth = 54
)

// lines returns the report for a screen of this size; 0 means no limit.
func (r *report) lines(width, height int) []string {
	s := &page{width: width}
	p := r.Progress
	if r.Note != "" {
		s.trouble("Note", r.Note)
	}
	if j := r.Job; j != nil {
		launched := fmt.Sprintf("launched %s (%s ago)", j.Launched.Local().Format("2006-01-02 15:04:05"), ago(r.now, j.Launched))
		if line := fmt.Sprintf("%s on %s, %s", j.ID, j.Engine, launched); width == 0 || columns.Width(line) <= width-nameWidth {
			s.sayf("Job", "%s", line)
		} else {
			s.toCopy("Job", j.ID)
			s.sayf("", "on %s, %s", j.Engine, launched)
		}
	}
	r.engineLines(s)
	if r.Job != nil && r.Job.Images != "" {
		s.toCopy("Images", r.Job.Images)
	}
	switch {
	case p != nil:
		s.toCopy("Output", p.Output)
	case r.Job != nil && r.Job.Out != "":
		s.toCopy("Output", r.Job.Out)
	}
	if r.Trouble != "" {
		s.trouble("Progress", r.Trouble)
	}
	if t := r.Store; t != nil && t.Retries+t.Throttled+t.Stalls > 0 {
		s.sayf("Storage", "is slow to answer: %d calls tried again, %d throttled, %d stalled", t.Retries, t.Throttled, t.Stalls)
	}
	if p != nil {
		r.progressLines(s)
	}
	all := strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
	if p != nil {
		all = append(all, r.rankLines(width, height, len(all))...)
	}
	for i := range all {
		all[i] = columns.Cut(printable.Line(all[i]), width)
	}
	if height > 0 && len(all) > height {
		all = all[:height]
	}
	return all
}

func (r *report) engineLines(s *page) {
	if r.EngineTrouble != "" {
		s.trouble("Engine", firstLine(r.EngineTrouble))
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
	s.sayf("Engine", "%s", text)
	if e.Where != "" {
		where := e.Where
		if home, err := os.UserHomeDir(); err == nil && s.width > 0 {
			where = strings.ReplaceAll(where, home+"/", "~/")
		}
		s.toCopy("See", where)
	}
}

func (r *report) progressLines(s *page) {
	say, width := s.sayf, s.width
	p := r.Progress
	if p.Stage == output.Listing {
		say("Progress", "the images are being listed")
		return
	}
	if p.Stage == output.Stopped && p.Chunks == 0 {
		say("Progress", "the list of images was not written; start the job again to continue")
		return
	}
	bar := barWidth
	if width > 0 {
		bar = min(max(width-70, 10), barWidth)
	}
	stage := map[output.Stage]string{
		output.Checking: ", being checked", output.Complete: ", complete", output.Retrying: ", complete", output.Broken: ", damaged",
	}[p.Stage]
	done := percent(p.ImagesDone, p.Images)
	say("Progress", "%s %d%%%s: %d of %d images, %d of %d chunks", telemetry.Gauge(bar, done), done, stage, p.ImagesDone, p.Images, p.ChunksDone, p.Chunks)
	switch inc := p.Increment; {
	case inc != nil:
		say("All images", "%s", collectionText(inc))
	case p.After != "":
		say("These are", "the images that are new or changed since %s, scored again or copied; the rows of all others are kept", printable.Field(p.After))
	}
	if q := p.Retry; q != nil {
		say("Retry", "%d of %d images are scored again", q.ImagesDone, q.Images)
	}
	if pace := r.pace(); pace != nil {
		say("Rate", "%s", strings.Join(pace, ", "))
	}
	if h := p.History; h != nil {
		say("Over time", "%s", historyText(h, r.bars))
	}
	if text := costText(p.Hours, p.Cost, p.Simulated); text != "" {
		say("Cost", "%s", printable.Field(text))
	}
	if names := p.GPUs; len(names) > 0 {
		text := strings.Join(append([]string{printable.Field(strings.Join(names, " and "))}, gpuReported(p.GPU, p.ImagesDone)...), ", ")
		if p.Stage == output.Scoring && p.Alive() > 0 {
			text += "; of the ranks at work more is known once they have ended"
		}
		say("GPU", "%s", text)
	}
	if note := output.MixedGPUsNote(p.GPUKinds); note != "" {
		s.trouble("Note", note)
	}
	if p.Failed() > 0 {
		failures := map[string]int{}
		for status, n := range p.Statuses {
			if status != row.StatusOK {
				failures[printable.Field(status)] += n
			}
		}
		say("Failures", "%d of these images: %s", p.Failed(), tally(failures))
	}
	if t := p.Storage; t != nil && t.Trouble() {
		say("Storage", "made ranks wait that have ended: %d calls tried again, %d throttled, %d stalled, pauses of %v in all",
			t.Retries, t.Throttled, t.Stalls, t.Paused().Round(time.Second))
	}
	if r.Failing != "" {
		title := "Stopped"
		for line := range strings.Lines(strings.TrimPrefix(r.Failing, "stopped, because ")) {
			s.trouble(title, strings.TrimSpace(line))
			title = ""
		}
	} else if p.Stage == output.Stopped {
		say("Ranks", "none is at work; launch the job again to continue")
	}
}

// collectionText says what became of all images of an increment, and how many of them failed.
func collectionText(inc *output.Increment) string {
	text := fmt.Sprintf("%d: %d new, %d changed, %d scored again, ", inc.Images, inc.New, inc.Changed, inc.Retried)
	if inc.Renamed > 0 {
		text += fmt.Sprintf("%d renamed, ", inc.Renamed)
	}
	text += fmt.Sprintf("%d kept; %d gone; rows in %s", inc.Kept, inc.Gone, numberOf(inc.Outputs, "output"))
	if inc.Failed > 0 {
		text += fmt.Sprintf("; %d failed (%s)", inc.Failed, printable.Field(row.TallyFailures(inc.Statuses)))
	}
	return text
}

// rankLines returns the table of the ranks, for the height that is left after used
// lines. If not all ranks fit, those that need attention come first. On a narrow
// screen the hosts are shortened.
func (r *report) rankLines(width, height, used int) []string {
	ranks := r.Progress.Ranks
	if len(ranks) == 0 {
		return nil
	}
	hosts := hostWidth
	if width > 0 {
		hosts = min(max(width-tableWidth, 5), hostWidth)
	}
	row := func(rank, host string, chunks, images, holds any, sign, state string) string {
		return fmt.Sprintf("%-6s%s%8v%9v%7v  %-11s%s", rank, columns.Pad(columns.Cut(host, hosts), hosts), chunks, images, holds, sign, state)
	}
	table := []string{"", row("RANK", "HOST", "CHUNKS", "IMAGES", "HOLDS", "LAST SIGN", "STATE")}
	fit := len(ranks)
	if room := height - used - len(table); height > 0 && fit > room {
		fit = max(room-1, 0) // one line says how many are left out
		ranks = slices.Clone(ranks)
		slices.SortStableFunc(ranks, func(a, b output.RankProgress) int {
			return cmp.Compare(urgency(r.Progress, a), urgency(r.Progress, b))
		})
	}
	for _, k := range ranks[:fit] {
		host, sign := "-", "-"
		if k.Host != "" {
			host = printable.Field(k.Host)
		}
		if !k.Sign.IsZero() {
			sign = ago(r.now, k.Sign)
		}
		table = append(table, row(strconv.Itoa(k.Rank), host, k.Chunks, k.Images, k.Holding, sign, rankState(r.Progress, k)))
	}
	if left := len(ranks) - fit; left > 0 {
		table = append(table, fmt.Sprintf("... and %d more ranks", left))
	}
	return table
}

// urgency returns how urgently a rank needs attention; 0 is the most urgent.
func urgency(p *output.Progress, k output.RankProgress) int {
	switch rankState(p, k) {
	case silent, gone, "failed":
		return 0
	case notSeen:
		return 1
	case atWork:
		return 2
	}
	return 3
}

// States of a rank, besides the ends that ranks report themselves.
const (
	atWork  = "at work"
	notSeen = "not seen yet"
	silent  = "silent"
	gone    = "gone" // the process is not there any more
)

// rankState returns the state of a rank in a word or two.
func rankState(p *output.Progress, k output.RankProgress) string {
	switch {
	case k.Alive:
		return atWork
	case k.End != "":
		return k.End
	case k.Sign.IsZero():
		return notSeen
	case p.Stage == output.Complete:
		return "ended"
	case k.Gone:
		return gone
	}
	return silent
}

// ago returns the time between then and now, for people. A time in the future, by a
// clock that is ahead, counts as now.
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
