package ranks

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/batchscore/batchscore/bench/result"
)

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
		fmt.Fprintf(w, "%d\t%s\t%s\t%d\t%s\t%s\t%s\n", k.Rank.Rank, node, share, k.Images, took, rate, say)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	lines := []string{""}
	for _, sentence := range r.Sentences() {
		lines = append(lines, result.Wrap(sentence, width)...)
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
	makespan := "makespan " + Clock(r.Makespan)
	if r.Balanced > 0 {
		makespan += fmt.Sprintf("; %s if the same ranks had divided the work perfectly (%.1f%% of it)", Clock(r.Balanced), 100*r.Balance)
	}
	say("%s", makespan)
	if r.SpeedUp > 0 {
		say("%.1f times one GPU on %d: efficiency %.1f%% on the makespan", r.SpeedUp, r.World, 100*r.Efficiency)
	}
	switch {
	case len(r.Stragglers) == 0:
		say("no rank straggles")
	default:
		verb, nodes := "straggles", ""
		if len(r.Stragglers) > 1 {
			verb = "straggle"
		}
		if len(r.StragglerNodes) > 0 {
			nodes = ", on " + strings.Replace(Runs(r.StragglerNodes), "rank", "node", 1)
		}
		say("%s %s%s: above %.3g s an image, the median and %g robust deviations", Runs(r.Stragglers), verb, nodes, r.StragglesAbove, StragglerFactor)
	}
	idle := fmt.Sprintf("%s GPU-seconds idle while the last rank was at work", Thousands(int(math.Round(r.IdleGPUSeconds))))
	if r.Cost > 0 {
		idle += fmt.Sprintf(": %.2f of the %.2f paid", r.IdleCost, r.Cost)
	}
	say("%s", idle)
	if r.SpeedUp > 0 && r.Cost > 0 {
		say("%.2f paid beyond what one GPU costs for the same work", r.LostCost)
	}
	return s
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
	case r.Twice > 0 && r.Job.Races > 0:
		s = append(s, fmt.Sprintf("the ranks processed %s: %s of them twice, because ranks raced slow ones for the last chunks; each image has one row",
			Thousands(r.Processed), Thousands(r.Twice)))
	case r.Twice > 0:
		s = append(s, fmt.Sprintf("the ranks processed %s: %s of them twice, in a race for a chunk or after a restart; each image has one row",
			Thousands(r.Processed), Thousands(r.Twice)))
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
// the job.
func (r *Report) Samples(simulated bool) []result.Sample {
	var all []result.Sample
	for _, k := range r.Ranks {
		all = append(all, result.Sample{Name: "Rank", Simulated: simulated, Iterations: k.Images,
			Keys:   []result.Key{result.K("rank", k.Rank.Rank)},
			Values: []result.Value{{Value: k.Seconds, Unit: "rank-s"}, {Value: float64(k.Images), Unit: "images"}}})
	}
	job := result.Sample{Name: "Job", Simulated: simulated, Iterations: r.Labelled,
		Keys: []result.Key{result.K("ranks", r.World)},
		Values: []result.Value{
			{Value: r.Makespan, Unit: "makespan-s"}, {Value: r.Balance, Unit: "balance"},
			{Value: float64(r.Lost), Unit: "lost-images"}, {Value: float64(r.Surplus), Unit: "surplus-images"}, {Value: float64(len(r.Stragglers)), Unit: "stragglers"},
			{Value: r.IdleGPUSeconds, Unit: "idle-GPU-s"},
		}}
	if r.SpeedUp > 0 {
		job.Values = append(job.Values, result.Value{Value: r.SpeedUp, Unit: "speed-up"}, result.Value{Value: r.Efficiency, Unit: "efficiency"})
	}
	return append(all, job)
}
