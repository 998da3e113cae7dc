package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/native"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// sayResult says what came of a job that is complete: labels, certainty, speed and
// place, and last the line of tallyLine. On a terminal nothing is wider than that,
// except a command or a path that does not fit into one line. merged is the file that has
// all rows; empty for none.
func sayResult(w io.Writer, place, merged string, s *output.Success) {
	p := newPage(w)
	p.merged = merged
	if p.width > 0 {
		place = fromHere(place)
	}
	p.result(place, s)
	p.print(w)
}

// result adds what sayResult says.
func (p *page) result(place string, s *output.Success) {
	if s.Answers != nil && !s.Simulated { // its labels mean nothing
		p.answers(s.Answers, s.Statuses[row.StatusOK])
	}
	p.say("Speed", speed(s))
	if text := gpuFigures(s.GPUKinds, s.GPU, s.Images); text != "" {
		p.say("GPU", text)
	}
	if text := costText(s.Hours, s.Cost, s.Simulated); text != "" {
		p.say("Cost", printable.Field(text))
	}
	if s.ScoredTwice > 0 {
		p.say("Twice", scoredTwice(s.ScoredTwice))
	}
	if s.ImagesPlace != "" {
		p.say("Images", printable.Field(s.ImagesPlace))
	}
	p.say("Result", printable.Field(place))
	if p.merged != "" {
		p.say("All rows", printable.Field(p.merged))
	}
	quoted := shellquote.Path(place)
	p.command("Next", "batchscore show "+quoted)
	if p.merged == "" {
		p.command("", "batchscore merge "+quoted+" -o "+mergedName(s.Task))
	}
	if s.Task == models.Detect {
		p.command("", "batchscore export "+quoted+" --to coco -o coco")
	}
	p.ending(place, s)
}

// mergedName returns a name for the file of all rows of a task, whose ending suits them.
func mergedName(task string) string {
	switch task {
	case models.Embed:
		return "vectors.npy"
	case models.Raw:
		return "numbers.csv"
	case models.Detect:
		return "boxes.parquet"
	}
	return "labels.csv"
}

// ending adds which images are not those of the job, if there are any, and the last
// line.
func (p *page) ending(place string, s *output.Success) {
	if s.Drift != nil && *s.Drift != (output.Drift{}) {
		p.wrap("", s.Drift.String(), "")
	}
	if note := output.MixedGPUsNote(s.GPUKinds); note != "" {
		p.wrap("", note, "")
	}
	if note := output.HalvedNote(s.LeastBatch); note != "" {
		p.wrap("", note, "")
	}
	for _, text := range librariesToInstall(s) {
		p.wrap("", text, "")
	}
	text, command := tallyLine(place, s)
	p.wrap("", text, command)
}

// librariesToInstall says which libraries the job had none of, so that images have the status
// unsupported, and what to do; empty if it had all that it needed.
func librariesToInstall(s *output.Success) (lines []string) {
	if s.AllStatuses()[string(codec.StatusUnsupported)] == 0 {
		return nil
	}
	for _, l := range native.Libraries() {
		if s.Versions[l.Name] == output.NotInstalled {
			lines = append(lines, fmt.Sprintf("%s is not installed, so that %s was not decoded. Install it (%s).", l.Name, l.Decodes, l.Install))
		}
	}
	if lines != nil {
		lines = append(lines, "Then score those images: the same command with --retry unsupported.")
	}
	return lines
}

// tallyLine says how many images have which status, what the listing passed over,
// and the command that shows the failures, if there are any.
func tallyLine(place string, s *output.Success) (text, command string) {
	text = row.Tally(s.AllStatuses()) + andPassedOver(s.PassedOver)
	if i := s.Increment; i != nil {
		text += "; " + i.Text()
	}
	if see := output.ShowCommand(place, s.AllStatuses()); see != "" {
		return text + "; see: ", see
	}
	return text, ""
}

// speed returns the rate over the whole time and, if workers paused and it is known for
// how long they were at work, over that.
func speed(s *output.Success) string {
	mark := markOf(s.Simulated)
	whole := telemetry.Rate(s.ImagesPerSecond) + " in " + telemetry.Duration(s.MakespanSeconds)
	if !rested(s.WorkedSeconds, s.MakespanSeconds) {
		return whole + mark
	}
	return whole + "; " + withoutPauses(s.WorkedImagesPerSecond, s.WorkedSeconds) + mark
}

// gpuFigures returns which GPU scored, and what GPUs reported, of a job with so many images;
// empty if nothing is known.
func gpuFigures(kinds []string, g *output.GPUTotal, images int) string {
	var parts []string
	if len(kinds) == 1 {
		name, _, _ := strings.Cut(kinds[0], " (")
		parts = append(parts, printable.Field(name))
	}
	return strings.Join(append(parts, gpuReported(g, images)...), ", ")
}

// gpuReported returns what GPUs reported. If that covers only some of the images, the
// energy says of how many it is.
func gpuReported(g *output.GPUTotal, images int) (parts []string) {
	if g != nil {
		if g.Busy != nil {
			parts = append(parts, fmt.Sprintf("busy for %.0f%% of the time", 100**g.Busy))
		}
		if g.ImagesPerJoule > 0 {
			text := fmt.Sprintf("%.3g images per joule", g.ImagesPerJoule)
			if g.Images < images {
				text += fmt.Sprintf(" (of %d of %d images)", g.Images, images)
			}
			parts = append(parts, text)
		}
		if text := g.ThrottledText(); text != "" {
			parts = append(parts, text)
		}
	}
	return parts
}

// markOf returns what follows a figure of a device that may be simulated.
func markOf(simulated bool) string {
	if simulated {
		return " (simulated)"
	}
	return ""
}

// withoutPauses returns the rate over the time in which workers were at work.
func withoutPauses(rate, worked float64) string {
	return telemetry.Rate(rate) + " in " + telemetry.Duration(worked) + " of work, without the pauses"
}

// rested reports whether a job is known to have been at rest for a part of its makespan
// that is worth mentioning: a second and a hundredth. Less is a busy machine, not a rest.
func rested(worked, makespan float64) bool {
	return worked > 0 && makespan-worked >= max(1, 0.01*makespan)
}

// scoredTwice explains why the workers' numbers of images add up to more than there
// are.
func scoredTwice(n int) string {
	if n == 1 {
		return "1 image was scored twice, because two workers raced for its chunk; it has one row"
	}
	return fmt.Sprintf("%d images were scored twice, because two workers raced for their chunks; each has one row", n)
}

// logResult logs what sayResult prints.
func logResult(log zerolog.Logger, place string, s *output.Success) {
	e := event.JobComplete.On(log).Int("images", s.AllImages()).Int("ok", s.AllStatuses()[row.StatusOK]).Int("failed", s.AllFailed()).
		Interface("statuses", s.AllStatuses())
	kept := ""
	if i := s.Increment; i != nil {
		kept = "; " + i.Text()
		e = e.Int("new", i.New).Int("changed", i.Changed).Int("retried", i.Retried).Int("renamed", i.Renamed).Int("kept", i.Kept).Int("gone", i.Gone)
	}
	if n := s.PassedOver.Files(); n > 0 {
		e = e.Int("passed_over", n)
	}
	if s.Hours != nil && s.Cost != nil {
		e = e.Float64("cost", s.Cost.Amount).Str("currency", s.Cost.Currency).Float64("device_hours", s.Hours.Device).Float64("node_hours", s.Hours.Node)
	}
	if see := output.ShowCommand(place, s.AllStatuses()); see != "" {
		e = e.Str("see", see)
	}
	if g := s.GPU; g != nil {
		if g.Busy != nil {
			e = e.Float64("gpu_busy", *g.Busy)
		}
		if g.ImagesPerJoule > 0 {
			e = e.Int("gpu_images", g.Images).Float64("gpu_joules", g.Joules).Float64("images_per_joule", g.ImagesPerJoule)
		}
		if g.ThrottledSeconds > 0 {
			e = e.Float64("gpu_throttled_s", g.ThrottledSeconds).Strs("gpu_throttled_by", slices.Sorted(maps.Keys(g.Throttle)))
		}
		e = e.Int("gpu_workers", g.Workers)
	}
	e.Msg("complete: " + row.Tally(s.AllStatuses()) + kept)
	if note := output.MixedGPUsNote(s.GPUKinds); note != "" {
		event.GPUsMixed.On(log).Strs("kinds", s.GPUKinds).Msg(note)
	}
	if note := output.HalvedNote(s.LeastBatch); note != "" {
		event.BatchesHalved.On(log).Int("least_batch", s.LeastBatch).Msg(note)
	}
}

// proof returns nil if the report proves that the output is complete, else an
// error that says what is wrong.
func proof(r *output.Report) error {
	if err := r.Err(); err != nil || r.Complete {
		return err
	}
	if r.Publishing {
		return marked{fmt.Errorf("%s: incomplete: the rows of a retry are being put into the parts; run the job again to finish that",
			r.Output), output.ErrMismatch}
	}
	return marked{fmt.Errorf("%s: incomplete: every part exists, but there is no %s; run the job again to finish it",
		r.Output, output.SuccessName), output.ErrMismatch}
}
