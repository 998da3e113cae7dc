package ranks

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/scorer/telemetry/columns"
	"github.com/batchscore/batchscore/shard/straggle"
)

// WriteTexts prints the reports of several jobs, each below a line that names its output.
func WriteTexts(out io.Writer, all []Report, simulated []bool, width int) error {
	for i, r := range all {
		if len(all) > 1 {
			name := r.Job.Out
			if name == "" {
				name = "the log does not name its output"
			}
			if i > 0 {
				fmt.Fprintln(out)
			}
			fmt.Fprintln(out, strings.Join(columns.Fit(fmt.Sprintf("Job %d of %d: %s", i+1, len(all), name), width), "\n"))
		}
		if err := WriteText(out, r, simulated[i], width); err != nil {
			return err
		}
	}
	return nil
}

// WriteText prints a report for people, with sentences of at most width characters; 0 is
// no limit. With simulated it says that the figures are those of simulated devices.
func WriteText(out io.Writer, r Report, simulated bool, width int) error {
	fmt.Fprintf(out, "Ranks (%s)\n", kind(simulated))
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "rank\tnode\tshare\timages\ttook\timages/s\t")
	for _, k := range r.Ranks {
		node, share, rate, took, say := "-", "-", "-", Clock(k.Seconds), ""
		if k.Node >= 0 {
			node = strconv.Itoa(k.Node)
		}
		if k.Share >= 0 {
			share = strconv.Itoa(k.Share)
		}
		if k.speed() > 0 {
			rate = fmt.Sprintf("%.4g", k.speed())
		}
		if k.Straggles {
			say = "  <- straggles"
		}
		if !k.Ended {
			took, say = "-", "  <- never logged its end"
		}
		if k.Starts > 1 {
			say += fmt.Sprintf("  (started %d times)", k.Starts)
		}
		if k.Untimed > 0 && k.speed() > 0 {
			say += fmt.Sprintf("  (time and rate are of %d images)", k.Images-k.Untimed)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%s\t%s\n", k.Rank.Rank, node, share, k.Images, took, rate, say)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	lines := []string{""}
	for _, sentence := range r.Sentences() {
		lines = append(lines, columns.Fit(sentence, width)...)
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}

func kind(simulated bool) string {
	if simulated {
		return "simulated"
	}
	return "as logged"
}

// Sentences returns the findings of the report, one per line.
func (r *Report) Sentences() []string {
	var s []string
	say := func(format string, args ...any) { s = append(s, fmt.Sprintf(format, args...)) }
	s = append(s, r.counted()...)
	if len(r.Missing) > 0 {
		say("%s of %d logged nothing", Runs(r.Missing), r.World)
	}
	if len(r.Ranks) == 0 {
		say("no rank worked in this log: the job was complete before it")
		return s
	}
	if len(r.Job.Several) > 0 {
		say("what belongs to which job is not known, so there is no makespan: read the log of each job by itself")
		return s
	}
	if len(r.Unfinished) == len(r.Ranks) {
		say("no rank logged its end: the images that they logged count, the makespan is not known")
		return s
	}
	if len(r.Unfinished) > 0 {
		say("%s never logged the end: the images that they logged count, all times are of the other ranks", Runs(r.Unfinished))
	}
	var again []int
	for _, k := range r.Ranks {
		if k.Ended && k.Untimed > 0 {
			again = append(again, k.Rank.Rank)
		}
	}
	if len(again) > 0 {
		say("%s had a start whose end is not in the log: its images count, its time is not known", Runs(again))
	}
	s = append(s, r.times()...)
	if r.SpeedUp > 0 {
		say("%.1f times one GPU on %d: efficiency %.1f%% on the makespan", r.SpeedUp, r.World, 100*r.Efficiency)
	}
	s = append(s, r.straggling()...)
	if r.LastRank == 0 {
		return s
	}
	idle := fmt.Sprintf("%s GPU-seconds idle while the last rank was at work", Thousands(int(math.Round(r.IdleGPUSeconds))))
	if r.Cost > 0 {
		idle += fmt.Sprintf(": %.2f of the %.2f paid", r.IdleCost, r.Cost)
	}
	say("%s", idle)
	if r.LostCost > 0 {
		say("%.2f paid beyond what one GPU costs for the same work", r.LostCost)
	}
	return s
}

// times returns what the report says about the makespan.
func (r *Report) times() []string {
	switch {
	case r.Makespan == 0:
		return []string{"the makespan is not known, because the log does not say how long all starts took"}
	case r.LastRank == 0:
		return []string{fmt.Sprintf("makespan %s, as the job reports it, with the time between starts; the log does not say how long all starts took",
			Clock(r.Makespan))}
	case r.Earlier > 0:
		if r.Job.Seconds > 0 {
			return []string{fmt.Sprintf("makespan %s, as the job reports it, from its first start; the ranks in this log took %s", Clock(r.Makespan), Clock(r.LastRank))}
		}
		return []string{fmt.Sprintf("the ranks in this log took %s; the makespan of the whole job is not known", Clock(r.LastRank))}
	}
	s := "makespan " + Clock(r.Makespan)
	if r.Balanced > 0 {
		s += fmt.Sprintf("; %s if the same ranks had divided the work perfectly (%.1f%% of it)", Clock(r.Balanced), 100*r.Balance)
	}
	all := []string{s}
	if r.paused && r.Job.Seconds > 0 {
		all = append(all, "the makespan is from the first start to the last part, with the time between starts")
	} else if late := r.LastRank - r.Makespan; r.Job.Seconds > 0 && late > 0.02*r.Makespan {
		all = append(all, fmt.Sprintf("quote that makespan: it ends with the last part; the last rank ended %s later, with work that another had done", Clock(late)))
	}
	return all
}

// straggling returns what the report says about stragglers.
func (r *Report) straggling() []string {
	switch {
	case r.timed < 2:
		return nil
	case r.timed == 2 && r.apart > 1+straggle.Least:
		return []string{fmt.Sprintf("one rank takes %.3g times as long per image as the other; the rule for stragglers needs three ranks", r.apart)}
	case r.timed == 2:
		return []string{"both ranks are about as fast"}
	case len(r.Stragglers) == 0:
		return []string{"no rank straggles"}
	}
	verb, nodes := "straggles", ""
	if len(r.Stragglers) > 1 {
		verb = "straggle"
	}
	if len(r.StragglerNodes) > 0 {
		nodes = ", on " + strings.Replace(Runs(r.StragglerNodes), "rank", "node", 1)
	}
	return []string{fmt.Sprintf("%s %s%s: above %.3g s an image, the median and %g robust deviations", Runs(r.Stragglers), verb, nodes,
		r.StragglesAbove, straggle.Factor)}
}

// counted returns what the report says about the number of images.
func (r *Report) counted() []string {
	s := []string{fmt.Sprintf("%s images labelled", Thousands(r.Labelled))}
	switch closed := r.Job.Images > 0; {
	case r.Surplus > 0 && !closed:
		s[0] += fmt.Sprintf(" of %s asked for: %s too many; some were labelled twice, or the logs are of several runs",
			Thousands(r.Asked), Thousands(r.Surplus))
	case r.Surplus > 0:
		s[0] += fmt.Sprintf(" of %s asked for: %s more than asked for", Thousands(r.Asked), Thousands(r.Surplus))
	case r.Asked > 0 && r.Lost > 0 && r.Job.Ours && !closed:
		s[0] += fmt.Sprintf(" of %s asked for; the log lacks the end of the job, so it does not say whether the other %s have a row",
			Thousands(r.Asked), Thousands(r.Lost))
	case r.Asked > 0:
		s[0] += fmt.Sprintf(" of %s asked for: %s lost", Thousands(r.Asked), Thousands(r.Lost))
	}
	if len(r.Job.Several) > 0 {
		return append(s, fmt.Sprintf("the log has the ends of %d jobs: images are not counted from it", len(r.Job.Several)))
	}
	if r.Job.Failed > 0 {
		s = append(s, fmt.Sprintf("of these, %s failed and have a row that says why", Thousands(r.Job.Failed)))
	}
	switch {
	case r.Twice > 0 && r.Job.Races > 0 && !r.paused:
		s = append(s, fmt.Sprintf("the ranks processed %s: %s of them twice, because ranks raced slow ones for the last chunks; each image has one row",
			Thousands(r.Processed), Thousands(r.Twice)))
	case r.Twice > 0:
		s = append(s, fmt.Sprintf("the ranks processed %s: %s of them twice, in a race for a chunk or after a restart; each image has one row",
			Thousands(r.Processed), Thousands(r.Twice)))
	case r.Unlogged > 0 && r.Job.Begun && len(r.Missing) == 0:
		s = append(s, fmt.Sprintf("the ranks logged %s; the other %s have a row as well: a rank that is killed does not log its last images",
			Thousands(r.Processed), Thousands(r.Unlogged)))
	case r.Unlogged > 0:
		s = append(s, fmt.Sprintf("the ranks logged %s; the other %s have a row as well, but this log does not say of which rank or start",
			Thousands(r.Processed), Thousands(r.Unlogged)))
	case r.Earlier > 0:
		s = append(s, fmt.Sprintf("the ranks processed %s; the other %s were labelled before this log begins", Thousands(r.Processed), Thousands(r.Earlier)))
	}
	if r.Job.Ours {
		s = append(s, `the log is no proof; "batchscore verify OUT" compares every image with its row`)
	}
	return s
}

// Runs names ranks: "rank 7", "ranks 0 to 3 and 9", "ranks 1, 4 and 8".
func Runs(sorted []int) string {
	var parts []string
	for i := 0; i < len(sorted); {
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		if j >= i+2 {
			parts = append(parts, fmt.Sprintf("%d to %d", sorted[i], sorted[j]))
			i = j + 1
			continue
		}
		parts = append(parts, strconv.Itoa(sorted[i]))
		i++
	}
	text := "rank "
	if len(sorted) > 1 {
		text = "ranks "
	}
	if last := len(parts) - 1; last > 0 {
		return text + strings.Join(parts[:last], ", ") + " and " + parts[last]
	}
	return text + strings.Join(parts, "")
}

// Clock returns a time as people write it: "11:10" is minutes and seconds, "2:00:05"
// hours before them, "8.3 s" below a minute.
func Clock(seconds float64) string {
	if seconds < 60 {
		return fmt.Sprintf("%.3g s", seconds)
	}
	s := int64(math.Round(seconds))
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// Thousands writes a number with commas: 99,968.
func Thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Samples returns the report in the Go benchmark format: one line per rank, and one for
// the job, with more keys if some are given.
func (r *Report) Samples(simulated bool, keys ...result.Key) []result.Sample {
	var all []result.Sample
	for _, k := range r.Ranks {
		all = append(all, result.Sample{Name: "Rank", Simulated: simulated, Iterations: k.Images,
			Keys:   append([]result.Key{result.K("rank", k.Rank.Rank)}, keys...),
			Values: []result.Value{{Value: k.Seconds, Unit: "rank-s"}, {Value: float64(k.Images), Unit: "images"}}})
	}
	job := result.Sample{Name: "Job", Simulated: simulated, Iterations: r.Labelled,
		Keys: append([]result.Key{result.K("ranks", r.World)}, keys...),
		Values: []result.Value{
			{Value: r.Makespan, Unit: "makespan-s"}, {Value: r.Balance, Unit: "balance"},
			{Value: float64(r.Lost), Unit: "lost-images"}, {Value: float64(r.Surplus), Unit: "surplus-images"}, {Value: float64(len(r.Stragglers)), Unit: "stragglers"},
			{Value: r.IdleGPUSeconds, Unit: "idle-GPU-s"},
		}}
	unknown := map[string]bool{"makespan-s": r.Makespan == 0, "balance": r.Balanced == 0, "idle-GPU-s": r.LastRank == 0}
	job.Values = slices.DeleteFunc(job.Values, func(v result.Value) bool { return unknown[v.Unit] })
	if r.SpeedUp > 0 {
		job.Values = append(job.Values, result.Value{Value: r.SpeedUp, Unit: "speed-up"}, result.Value{Value: r.Efficiency, Unit: "efficiency"})
	}
	return append(all, job)
}
