package page

import (
	"fmt"
	"math"
	"time"

	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/review/embedding"
	"github.com/batchscore/batchscore/scorer/review/evaluate"
	"github.com/batchscore/batchscore/scorer/review/timeline"
	"github.com/batchscore/batchscore/scorer/row"
)

// interval returns a share with bounds around it.
func interval(count, of int) evaluate.Interval {
	if of == 0 {
		return evaluate.Interval{Value: evaluate.None, Low: evaluate.None, High: evaluate.None}
	}
	v := float64(count) / float64(of)
	d := 1.96 * math.Sqrt(v*(1-v)/float64(of))
	return evaluate.Interval{Value: evaluate.Value(v), Low: evaluate.Value(max(v-d, 0)), High: evaluate.Value(min(v+d, 1)), Count: count, Of: of}
}

func thresholds(n int) []evaluate.Threshold {
	var all []evaluate.Threshold
	for i, wanted := range []float64{0.9, 0.95, 0.99, 0.999} {
		all = append(all, evaluate.Threshold{Wanted: wanted, Reached: i < 3, Score: float32(0.5 + 0.1*float64(i)),
			Precision: interval(int(wanted*float64(n)), n), Remain: n * (4 - i) / 4,
			Share: float64(4-i) / 4})
	}
	return all
}

// judgement returns how labels compare with a truth, of that many labels.
func judgement(names []string) *review.Judgement {
	r := chance()
	res := &evaluate.Result{Images: 123456, NoTruth: 100000, NoAnswer: 6, Judged: 23450, Accuracy: interval(20100, 23450), Coverage: interval(23450, 23456),
		AccuracyOfAll: interval(20100, 23456), Macro: evaluate.Averages{Precision: 0.81, Recall: 0.79, F1: 0.8},
		Weighted: evaluate.Averages{Precision: 0.86, Recall: 0.857, F1: 0.855}}
	for _, k := range []int{1, 2, 3, 5} {
		res.TopK = append(res.TopK, evaluate.TopAccuracy{K: k, Accuracy: interval(20100+600*k, 23450)})
	}
	for i, name := range names {
		truth, predicted := 5000/(i+1), 5100/(i+1)
		correct := int(float64(truth) * (0.95 - 0.5*float64(i)/float64(len(names))))
		res.Classes = append(res.Classes, evaluate.ClassResult{Label: name, Truth: truth, Predicted: predicted, Correct: correct,
			Precision: interval(correct, predicted),
			Recall:    interval(correct, truth), F1: evaluate.Value(2 * float64(correct) / float64(truth+predicted)), Thresholds: thresholds(predicted)})
	}
	res.Classes = append(res.Classes, evaluate.ClassResult{Label: "never seen", Precision: interval(0, 0), Recall: interval(0, 0), F1: evaluate.None,
		Thresholds: thresholds(0)})
	res.Confusion.Matrix = matrix(names)
	for i, a := range names[:min(len(names), 8)] {
		for j, b := range names[:min(len(names), 8)] {
			res.Confusion.Cells = append(res.Confusion.Cells, evaluate.Cell{Truth: a, Predicted: b, Images: 1 + r.IntN(1000/(i+j+1))})
		}
	}
	for i := range evaluate.ReliabilityBins {
		from, to := float64(i)/evaluate.ReliabilityBins, float64(i+1)/evaluate.ReliabilityBins
		n := i * i * 10
		bin := evaluate.Bin{From: from, To: to, Images: n, MeanScore: evaluate.Value((from + to) / 2), Accuracy: interval(int(float64(n)*(from+to)/2*0.9), n)}
		res.Calibration.Bins = append(res.Calibration.Bins, bin)
	}
	res.Calibration.ECE, res.Calibration.MCE, res.Calibration.Brier, res.Thresholds = 0.0712, 0.134, 0.101, thresholds(23450)
	return &review.Judgement{From: "labels.csv, a table (CSV) with a header: 23456 images with 24 labels, 23456 found by name", Unmatched: 2,
		Examples: []string{"a/b.jpg", "c.jpg"}, Result: res}
}

// matrix returns counts by two labels.
func matrix(names []string) evaluate.Matrix {
	r := chance()
	m := evaluate.Matrix{Labels: names[:min(len(names), evaluate.MatrixLabels)]}
	if len(names) > evaluate.MatrixLabels {
		m.Others = len(names) - evaluate.MatrixLabels
	}
	n := len(m.Labels) + min(m.Others, 1)
	for i := range n {
		line := make([]int, n)
		for j := range line {
			if i == j {
				line[j] = 4000 / (i + 1)
			} else if r.IntN(3) == 0 {
				line[j] = r.IntN(600/(i+j+1) + 1)
			}
		}
		m.Counts = append(m.Counts, line)
	}
	return m
}

// against returns a comparison with another output.
func against(names []string) *review.Against {
	d := &evaluate.Drift{Here: 123456, There: 120000, Both: 119000, OnlyHere: 4456, OnlyThere: 1000, Compared: 118900, Same: 115000, Flipped: 3900,
		FlipShare: interval(3900, 118900),
		Matrix:    matrix(names), StatusChanges: []evaluate.StatusChange{{From: "truncated", To: row.StatusOK, Images: 7}}, New: []string{"a new label"},
		Vanished: []string{"an old one"},
		Label:    evaluate.Distance{PSI: 0.134, JS: 0.012, JSDistance: 0.11}, Score: evaluate.Distance{PSI: 0.031, JS: 0.004, JSDistance: 0.063},
		MeanScoreChange: 0.012, MeanScoreMoved: 0.034}
	for i := range evaluate.ScoreBins {
		d.Scores = append(d.Scores, evaluate.ScoreBin{From: float64(i) / 20, To: float64(i+1) / 20, Here: i * i * 13, There: i * (i + 3) * 11})
	}
	for i, name := range names {
		here, there := 50000/(i+1), 48000/(i+1)+i*10
		d.Labels = append(d.Labels, evaluate.LabelDrift{Label: name, Here: here, There: there, HereShare: evaluate.Value(float64(here) / 123456),
			ThereShare: evaluate.Value(float64(there) / 120000)})
		if i > 0 && i < 12 {
			d.Flips = append(d.Flips, evaluate.Flip{From: names[i-1], To: name, Images: 900 / i})
		}
	}
	return &review.Against{Output: "/data/yesterday/result", Model: "older.onnx", SamePreprocessing: true, Drift: d}
}

// ranks returns a timeline of that many ranks.
func ranks(n int) *timeline.Timeline {
	r := chance()
	start := time.Date(2026, 3, 4, 1, 2, 3, 0, time.UTC)
	at := func(minutes float64) time.Time { return start.Add(time.Duration(minutes * float64(time.Minute))) }
	t := &timeline.Timeline{Started: start, Ended: at(132), Complete: true, Images: 123456, Chunks: 482, Committed: 482, StragglesAbove: 0.31,
		EventCounts: map[string]int{timeline.KindStolen: 5, timeline.KindPreempted: 1, timeline.KindDied: 1, timeline.KindDoubled: 2, timeline.KindTakenOver: 1},
		Notes:       []string{"Images per second are from the times of parts, so they rise and fall with the size of chunks."}}
	for i := range n {
		one := timeline.Rank{Rank: i, Host: fmt.Sprintf("node-%03d", i/4), Device: []string{"cuda:Tesla T4", "cpu/winograd"}[i%2], Images: 15432 - i*10,
			Chunks: 60, Stolen: i % 3,
			SecondsPerImage: 0.06 + 0.01*float64(i%4)}
		if i%5 == 2 {
			one.Straggles, one.SecondsPerImage, one.Lost = true, 0.42, 256
			t.Straggling = append(t.Straggling, i)
		}
		end := 130 - r.Float64()*9
		one.Processes = []timeline.Process{{ID: "a", Host: one.Host, Started: at(0.5), Ended: at(end), End: "done", Images: one.Images, Chunks: 60}}
		if i%4 == 3 {
			one.Processes = []timeline.Process{{ID: "a", Started: at(0.5), Ended: at(50), End: timeline.EndKilled}, {ID: "b", Started: at(60), Ended: at(end),
				End: "done", Preempted: i == 3}}
		}
		for m := 1.0; m < end-3; m += 3 + r.Float64()*2 {
			if i%4 == 3 && m > 48 && m < 61 {
				continue
			}
			one.Busy = append(one.Busy, timeline.Interval{From: at(m), To: at(m + 2.5)})
		}
		t.Ranks = append(t.Ranks, one)
	}
	t.Events = []timeline.Event{{At: at(50), Kind: timeline.KindDied, Rank: 3, Chunk: 12, From: -1}, {At: at(55), Kind: timeline.KindTakenOver, Rank: 1,
		Chunk: 12, From: 3},
		{At: at(100), Kind: timeline.KindPreempted, Rank: 3, Chunk: 77, From: -1}, {At: at(120), Kind: timeline.KindStolen, Rank: 0, Chunk: 400, From: 2},
		{At: at(125), Kind: timeline.KindDoubled, Rank: 5, Chunk: 401, From: 2}}
	for i := range 120 {
		slot := timeline.Interval{From: at(float64(i) * 1.1), To: at(float64(i+1) * 1.1)}
		n := int(1000 + 200*r.NormFloat64())
		if i > 110 {
			n /= i - 109
		}
		t.Rates = append(t.Rates, timeline.Rate{Interval: slot, Images: n, PerSecond: float64(n) / 66})
	}
	for i := range 8 {
		t.Slowest = append(t.Slowest, timeline.Chunk{Chunk: i * 31, Rank: 2, Images: 256, First: fmt.Sprintf("2026/march/IMG_%05d.jpg", i*7777),
			Seconds: 200 - float64(i)*11, Doubled: i == 1, Taken: i % 2})
	}
	t.Bound = &timeline.Bound{Stage: "decode", Busy: map[string]float64{"fetch": 0.21, "decode": 0.96, "infer": 0.48, "commit": 0.013},
		Text: "Decoding bound the job: its goroutines were busy for 96% of the time.", Workers: 7, Of: 8}
	t.Retries = []timeline.Retry{{Generation: 1, Statuses: []string{"truncated", "unreadable"}, Images: 12, Started: at(140), Ended: at(141),
		Complete: true, Workers: 1}}
	return t
}

// full returns findings with everything that there may be.
func full() *review.Findings {
	f := example(24)
	var names []string
	for _, l := range f.Labels {
		names = append(names, l.Label)
	}
	f.Truth, f.Against, f.Timeline = judgement(names), against(names), ranks(8)
	f.Vectors = &embedding.Result{Images: 123000, Dimensions: 768, LeftOut: 3, Similar: 0.98, Compared: 20000, WithDuplicate: 812, Pairs: 1034, Crowded: 2,
		Duplicates: []embedding.Pair{{A: "a/1.jpg", B: "b/1.jpg", Similarity: 0.99991}}, Groups: []embedding.Group{{Images: 7, Paths: []string{"a/1.jpg",
			"b/1.jpg"}}},
		Outliers: []embedding.Outlier{{Path: "c/9.jpg", Label: names[0], Distance: 0.873}}}
	r := chance()
	f.Pixels = &review.Pixels{Unread: 3}
	for range 400 {
		w := int(math.Exp(6 + r.NormFloat64()))
		f.Pixels.Sides = append(f.Pixels.Sides, [2]int{w, int(float64(w) * []float64{0.75, 1.33, 1, 0.66, 0.4}[r.IntN(5)])})
	}
	f.Galleries = append([]review.Gallery{
		gallery("mistakes", "Most confident mistakes", 12, func(p *review.Picture, i int) { p.Truth = []string{"another"} }),
		gallery("flip-1", "Changed: label 1 to label 2", 6, func(p *review.Picture, i int) {
			p.Other = &review.Other{Status: row.StatusOK, Label: "label 9", Score: 0.4}
		}),
		gallery("duplicates", "Near duplicates", 4, nil), gallery("outliers", "Outliers", 4, nil),
	}, f.Galleries...)
	f.Remarks = append(f.Remarks, review.Remark{Level: "look", Text: "The model is more sure than it is right.", Where: "reliability"},
		review.Remark{Level: "look", Text: "The shares of the labels have changed.", Where: "drift"}, review.Remark{Level: "look",
			Text: "2 ranks straggle.", Where: "ranks"})
	return f
}

// less returns findings with everything that there may be, and little of each.
func less() *review.Findings {
	f := full()
	f.Labels, f.Timeline = f.Labels[:3], ranks(3)
	names := []string{f.Labels[0].Label, f.Labels[1].Label, f.Labels[2].Label}
	f.Truth, f.Against = judgement(names), against(names)
	var few []review.Gallery
	for _, g := range f.Galleries {
		g.Pictures = g.Pictures[:2]
		if len(few) == 0 || g.ID != "label-4" {
			few = append(few, g)
		}
	}
	f.Galleries = few
	f.Timeline.Slowest, f.Timeline.Rates = f.Timeline.Slowest[:2], f.Timeline.Rates[:10]
	return f
}

// large returns findings with many labels and ranks.
func large(labels, workers int) *review.Findings {
	f := example(labels)
	f.Galleries = f.Galleries[:1]
	var names []string
	for _, l := range f.Labels {
		names = append(names, l.Label)
	}
	f.Truth, f.Against, f.Timeline = judgement(names), against(names), ranks(workers)
	return f
}
