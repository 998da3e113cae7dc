package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rivo/uniseg"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
)

// thousandLabels is the result of a job with long names, some of them in wide
// characters.
func thousandLabels() *output.Success {
	s := &output.Success{
		Images: 123_456, Statuses: map[string]int{row.StatusOK: 120_000, "truncated": 3000, "not_found": 456},
		ImagesPlace: "az://acme/photos/2019", MakespanSeconds: 90_061, ImagesPerSecond: 1.37, WorkedSeconds: 1200, WorkedImagesPerSecond: 102.88,
		ScoredTwice: 48,
		Answers: &row.Summary{
			OtherLabels: 971, OtherImages: 50_000,
			Certainty: &row.Certain{Mean: 0.874, Least: 0.031, Path: "2019/07/" + strings.Repeat("name ", 30) + ".jpg"},
		},
	}
	for i := range row.SummaryLabels {
		label := fmt.Sprintf("%s number %d", strings.Repeat("a long label ", i%4), i)
		if i == 2 {
			label = strings.Repeat("ねこ", 40)
		}
		s.Answers.Labels = append(s.Answers.Labels, row.LabelCount{Label: label, Images: 10_000 >> i})
	}
	return s
}

// TestSummaryFitsTheTerminal: no line is wider than the terminal, whatever the names.
func TestSummaryFitsTheTerminal(t *testing.T) {
	for _, width := range []int{40, 80, 120, 300} {
		p := &page{width: width}
		p.result("result", thousandLabels())
		for line := range strings.Lines(p.String()) {
			if n := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); n > width && !strings.Contains(line, "batchscore ") {
				t.Errorf("on %d columns, a line has %d: %q", width, n, line)
			}
		}
		for _, want := range []string{"and 981 more labels", "48 images were scored twice", "0.87 on average", "103 images/s in 20 min 0 s of work",
			"1.37 images/s in 25 h 1 min", "batchscore merge result -o labels.csv\n", "batchscore show result --status failed\n"} {
			if text := strings.Join(strings.Fields(p.String()), " "); !strings.Contains(text, strings.TrimSpace(want)) {
				t.Errorf("on %d columns, %q is missing from\n%s", width, want, p)
			}
		}
	}
}

// TestCommandsStayWhole: a command to copy is whole, whatever the name of the place.
func TestCommandsStayWhole(t *testing.T) {
	place := "batchscore runs in a " + strings.Repeat("long ", 20) + "place: batchscore show/x"
	for _, width := range []int{0, 40, 80} {
		p := &page{width: width}
		p.result(place, &output.Success{Images: 2, Statuses: map[string]int{row.StatusOK: 1, "truncated": 1}})
		for _, command := range []string{"show '" + place + "'", "merge '" + place + "' -o labels.csv", "show '" + place + "' --status truncated"} {
			if !strings.Contains(p.String(), "batchscore "+command+"\n") {
				t.Errorf("on %d columns, the command to %s is broken in\n%s", width, command, p)
			}
		}
	}
}

// TestTextToCopyFits: an ID or a path is folded, and nothing of it is lost.
func TestTextToCopyFits(t *testing.T) {
	const width = 30
	for _, text := range []string{strings.Repeat("写真", 40), strings.Repeat("album/", 20)} {
		p := &page{width: width}
		p.toCopy("Output", text)
		p.trouble("Progress", "no such place: "+text)
		for line := range strings.Lines(p.String()) {
			if n := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("a line has %d columns: %q", n, line)
			}
		}
		if whole := strings.NewReplacer("\n", "", " ", "").Replace(p.String()); strings.Count(whole, text) != 2 {
			t.Errorf("something is lost in\n%s", p)
		}
	}
}

// TestSummaryOfOtherTasksAndReleases: where there are no labels, or nothing is known of
// them, the rest is said.
func TestSummaryOfOtherTasksAndReleases(t *testing.T) {
	p := &page{}
	p.result("result", &output.Success{Images: 1, Statuses: map[string]int{row.StatusOK: 1}, MakespanSeconds: 2, ImagesPerSecond: 0.5, Simulated: true})
	want := "Speed      0.50 images/s in 2.0 s (simulated)\n" +
		"Result     result\n" +
		"Next       batchscore show result\n" +
		"           batchscore merge result -o labels.csv\n" +
		"1 image: 1 ok, 0 failed\n"
	if p.String() != want {
		t.Errorf("got\n%s\nwant\n%s", p, want)
	}
	for _, c := range []struct{ task, want string }{
		{task: models.MultiLabel, want: "Next batchscore show result batchscore merge result -o labels.csv 1 image"},
		{task: models.Embed, want: "Next batchscore show result batchscore merge result -o vectors.npy 1 image"},
		{task: models.Raw, want: "Next batchscore show result batchscore merge result -o numbers.csv 1 image"},
		{task: models.Detect, want: "Next batchscore show result batchscore merge result -o boxes.parquet batchscore export result --to coco -o coco 1 image"},
	} {
		p = &page{}
		p.result("result", &output.Success{Images: 1, Statuses: map[string]int{row.StatusOK: 1}, Task: c.task})
		if text := strings.Join(strings.Fields(p.String()), " "); !strings.Contains(text, c.want) {
			t.Errorf("%s: %q is missing from\n%s", c.task, c.want, p)
		}
	}
	p = &page{}
	p.answers(&row.Summary{Certainty: &row.Certain{Mean: 0.5, Least: 0.25, Path: "a\nb.jpg"}}, 1)
	if want := "Certainty  0.50 on average; the least is 0.25, of \"a\\nb.jpg\"\n"; p.String() != want {
		t.Errorf("got %q, want %q", p, want)
	}
}

// TestSharesOfLabels: a share is that of the images with an answer, of which one may have a label of
// each model, several labels, or none.
func TestSharesOfLabels(t *testing.T) {
	for _, c := range []struct {
		name   string
		labels []row.LabelCount
		want   []string
	}{
		{name: "two models", labels: []row.LabelCount{{Label: "kind: cat", Images: 4}, {Label: "age: old", Images: 3}, {Label: "age: new", Images: 1}},
			want: []string{"4 100%", "3  75%", "1  25%"}},
		{name: "several labels or none", labels: []row.LabelCount{{Label: "wet", Images: 2}, {Label: "red", Images: 1}}, want: []string{"2  50%", "1  25%"}},
	} {
		p := &page{}
		p.result("result", &output.Success{Images: 5, Statuses: map[string]int{row.StatusOK: 4, "truncated": 1}, Answers: &row.Summary{Labels: c.labels}})
		for _, want := range c.want {
			if !strings.Contains(p.String(), want+"  ") {
				t.Errorf("%s: %q is missing in\n%s", c.name, want, p)
			}
		}
	}
}

func TestFromHere(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for place, want := range map[string]string{
		filepath.Join(here, "result"): "result", filepath.Join(here, "a b", "c"): "a b/c", here: ".",
		"result": "result", "../result": "../result", "/nowhere/result": "/nowhere/result", "az://acme/labels": "az://acme/labels",
	} {
		if got := fromHere(place); got != want {
			t.Errorf("fromHere(%q) = %q, want %q", place, got, want)
		}
	}
}

func TestShare(t *testing.T) {
	for _, tt := range []struct {
		n, all int
		want   string
	}{{n: 1, all: 1000, want: "<1%"}, {n: 999, all: 1000, want: "99%"}, {n: 1, all: 1, want: "100%"}, {n: 1, all: 3, want: "33%"}} {
		if got := share(tt.n, tt.all); got != tt.want {
			t.Errorf("share(%d, %d) = %q, want %q", tt.n, tt.all, got, tt.want)
		}
	}
}
