package page

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/row"
)

// hostile are names and labels that try to leave their place, or to look like others.
var hostile = []string{
	`<script>document.title="taken"</script>`, `"><img src=x onerror="document.title='taken'">`, `' onmouseover='x`, "</title></style><b>bold</b>",
	"\u202egpj.exe", "תמונה של חתול", "صورة", "a\xff\xfeb", "line\nbreak", "{{.Output}}", "`${document.title='taken'}`", "javascript:alert(1)",
	strings.Repeat("a long label that does not end ", 10), "",
}

// drawn are the pictures that thumbs has drawn.
var drawn = map[int][]byte{}

// thumbs are pictures that are drawn, three in four.
func thumbs(n int) ([]byte, int, int) {
	if n%4 == 3 {
		return nil, 0, 0
	}
	n %= 24
	w, h := 160, 100+n%7*10
	if n%3 == 0 {
		w, h = h, w
	}
	if drawn[n] != nil {
		return drawn[n], w, h
	}
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			s := uint8(128 + 90*math.Sin(float64(x*(n%5+1))/23)*math.Cos(float64(y*(n%3+1))/19))
			m.SetRGBA(x, y, color.RGBA{R: s, G: uint8(n * 37), B: uint8(y), A: 255})
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 60}); err != nil {
		panic(err)
	}
	drawn[n] = out.Bytes()
	return drawn[n], w, h
}

// chance are numbers that are the same in every run.
func chance() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// spread returns a histogram of n values near a mean.
func spread(r *rand.Rand, n int, mean float64) *review.Histogram {
	h := &review.Histogram{N: n, Least: 1, Mean: mean, Most: 0}
	for range n {
		v := min(max(mean+r.NormFloat64()*0.15, 0), 1)
		h.Counts[min(int(v*review.Bins), review.Bins-1)]++
		h.Least, h.Most = min(h.Least, v), max(h.Most, v)
	}
	return h
}

// example returns findings of a complete job with that many labels.
func example(labels int) *review.Findings {
	r := chance()
	f := &review.Findings{
		Version: review.Version, Output: "/data/night/result", Complete: true,
		Images: 123456, OK: 123400, Failed: 56, Bytes: 45_678_901_234,
		Statuses: map[string]int{row.StatusOK: 123400, "truncated": 40, "not_image": 15, "quarantined": 1},
		Job: review.Job{
			ID: "gtqirqs4txwmy7vferd6kzlk7w", Images: "az://account/photos/2026", Model: "classification.onnx", Task: "classify", Precision: "float32",
			Activation: "probabilities", TopK: 5, Classes: labels, Format: "parquet",
			Started: time.Date(2026, 3, 4, 1, 2, 3, 0, time.UTC), Ended: time.Date(2026, 3, 4, 3, 14, 25, 0, time.UTC), MakespanSeconds: 7942, WorkedSeconds: 7402,
			ImagesPerSecond: 15.5, Workers: 8, Devices: []string{"cpu/winograd", "cuda:Tesla T4"},
			Facts: []review.Fact{{Name: "Model digest", Value: "sha256:" + strings.Repeat("0123456789abcdef", 4), Exact: true}, {Name: "ONNX Runtime", Value: "1.30.0"}},
		},
		Scores: spread(r, 2000, 0.8), Margins: spread(r, 2000, 0.6),
		Verified: &review.Verdict{OK: true, Text: "verified: 123456 images, 124 parts, digests match\n"},
		Figures:  map[string]float64{"images": 123456, "failed": 56.0 / 123456, "score_mean": 0.8},
	}
	for i := range 18 {
		f.Sizes = append(f.Sizes, review.Bucket{From: 1 << (8 + i), To: 1 << (9 + i), Images: int(9000 * math.Exp(-math.Pow(float64(i)-9, 2)/9))})
	}
	left := 1.0
	for i := range labels {
		part := left * 0.3
		left -= part
		s, m := spread(r, 60, 0.9-0.4*float64(i)/float64(labels)), spread(r, 60, 0.7-0.4*float64(i)/float64(labels))
		f.Labels = append(f.Labels, review.Label{Label: fmt.Sprintf("label %d", i+1), Images: int(part*123400) + 1, Share: part, MeanScore: s.Mean,
			MeanMargin: m.Mean,
			Scores:     *s, Margins: m})
	}
	f.Galleries = []review.Gallery{
		gallery("least-sure", "Least sure", 24, func(p *review.Picture, i int) { p.Score, p.Margin = 0.4+float64(i)/100, float64(i)/200 }),
		gallery("random", "Random", 24, nil),
		gallery("status-truncated", "Failed: truncated", 5, func(p *review.Picture, i int) {
			p.Label, p.Score, p.Margin, p.Classes, p.Status, p.Error = "", 0, -1, nil, "truncated", "ends after 1234 of 5678 bytes"
		}),
	}
	for i := range min(labels, 4) {
		f.Galleries = append(f.Galleries, gallery(fmt.Sprintf("label-%d", i+1), f.Labels[i].Label, 8, func(p *review.Picture, n int) { p.Label = f.Labels[i].Label }))
	}
	f.Remarks = []review.Remark{
		{Level: "bad", Text: "1 image was quarantined: it killed two workers.", Where: "failures",
			Command: "batchscore show /data/night/result --status quarantined"},
		{Level: "look", Text: "4,321 images have a margin below 0.1: the model could hardly tell two labels apart.", Where: "least-sure"},
		{Level: "good", Text: "verify found no fault.", Where: "provenance"},
	}
	return f
}

// gallery returns a gallery of n pictures.
func gallery(id, title string, n int, set func(p *review.Picture, i int)) review.Gallery {
	g := review.Gallery{ID: id, Title: title, Why: "A fair sample of all images: the same whenever the report is made.", Of: n * 1000}
	for i := range n {
		p := review.Picture{Path: fmt.Sprintf("2026/march/%s/IMG_%05d.jpg", id, i*37), Size: int64(12345 * (i + 1)), Status: row.StatusOK,
			Label: fmt.Sprintf("label %d", i%5+1),
			Score: 1 - float64(i)/40, Margin: 0.5, Thumb: i + len(id), Width: 4000, Height: 3000}
		p.Address = "az://account/photos/" + p.Path
		p.Classes = []review.Class{{Label: p.Label, Score: p.Score}, {Label: "another", Score: (1 - p.Score) * 0.8}, {Label: "third", Score: (1 - p.Score) * 0.1}}
		if set != nil {
			set(&p, i)
		}
		g.Pictures = append(g.Pictures, p)
	}
	return g
}

// examples are the findings that the page must show.
var examples = map[string]func() *review.Findings{
	"usual": func() *review.Findings { return example(12) }, "one-label": func() *review.Findings { return example(1) },
	"full": full, "small": less, "hostile": mean,
	"many": func() *review.Findings { return large(1000, 1024) }, "hundred": func() *review.Findings { return large(100, 64) },
	"empty": func() *review.Findings {
		return &review.Findings{Version: review.Version, Output: "out", Complete: true, Job: review.Job{Model: "m", Images: "i"}}
	},
	"all-failed": func() *review.Findings {
		f := example(0)
		f.OK, f.Failed, f.Images, f.Statuses, f.Scores, f.Margins = 0, 12, 12, map[string]int{"truncated": 12}, nil, nil
		f.Galleries = f.Galleries[2:3]
		return f
	},
	"simulated": func() *review.Findings {
		f := example(6)
		f.Job.Simulated, f.NoPictures, f.Job.After = true, "the place of the images cannot be read from here: permission denied", "/data/yesterday/result"
		return f
	},
	"incomplete": func() *review.Findings {
		f := example(3)
		f.Complete, f.Missing, f.Verified, f.Remarks, f.Job.Ended, f.Job.MakespanSeconds = false, 54321, nil, nil, time.Time{}, 0
		return f
	},
}

// mean returns findings of which all texts are hostile.
func mean() *review.Findings {
	f := example(len(hostile))
	for i, name := range hostile {
		f.Labels[i].Label = name
		for g := range f.Galleries {
			if p := f.Galleries[g].Pictures; i < len(p) {
				p[i].Label, p[i].Path, p[i].Address, p[i].Error, p[i].Truth = name, name+"/"+name, name, name, []string{name + "?"}
				p[i].Other = &review.Other{Status: row.StatusOK, Label: name, Score: 0.5}
			}
		}
	}
	f.Truth, f.Against, f.Timeline = judgement(hostile), against(hostile), ranks(4)
	f.Truth.From, f.Truth.Examples, f.Against.Output, f.Against.Model = hostile[0], hostile, hostile[1], hostile[2]
	f.Timeline.Ranks[0].Host, f.Timeline.Ranks[1].Device, f.Timeline.Notes, f.Timeline.Bound.Text = hostile[0], hostile[1], hostile, hostile[0]
	f.Timeline.Slowest[0].First = hostile[1]
	f.Output, f.Job.Images, f.Job.Model, f.Job.ID, f.Job.Devices = hostile[0], hostile[1], hostile[3], hostile[4], hostile
	f.Statuses[hostile[1]] = 3
	f.Remarks = append(f.Remarks, review.Remark{Level: "look", Text: hostile[0], Where: hostile[1], Command: hostile[1]})
	f.Verified = &review.Verdict{Text: strings.Join(hostile, "\n")}
	return f
}

// written returns a page of findings.
func written(t *testing.T, f *review.Findings) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, f, Options{Thumb: thumbs, Program: "batchscore v1.2.3"}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
