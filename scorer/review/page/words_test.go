package page

import (
	"path"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/review/evaluate"
)

// said reports whether a page has a text, whatever the breaks of its lines.
func said(body, text string) bool {
	return strings.Contains(strings.Join(strings.Fields(body), " "), text)
}

// TestTimeOfBound checks that the page says of which time the shares of the stages are.
func TestTimeOfBound(t *testing.T) {
	f := full()
	const start = "The first 1 min 0 s of the job are not in it"
	if body := written(t, f); !said(body, start) || !said(body, "Lost: chunks that it scored") {
		t.Errorf("the page does not say %q", start)
	}
	for i := range f.Timeline.Ranks {
		f.Timeline.Ranks[i].Busy = nil
	}
	if said(written(t, f), "of the job are not in it") {
		t.Error("without chunks the page says how long the start took")
	}
}

// TestWhyChanged checks that a change is put down to what differs, and to nothing else.
func TestWhyChanged(t *testing.T) {
	for _, c := range []struct {
		model, preprocessing bool
		want                 string
	}{
		{model: true, preprocessing: true, want: "Model and preprocessing are the same, so a change comes from the images"},
		{model: true, want: "The preprocessing differs, so a change may come from that, from other images, or from both."},
		{preprocessing: true, want: "The model is another one, so a change may come from that, from other images, or from both."},
		{want: "The model is another one, so a change"},
	} {
		f := &review.Findings{Against: against([]string{"a", "b"})}
		f.Against.SameModel, f.Against.SamePreprocessing = c.model, c.preprocessing
		if body := written(t, f); !said(body, c.want) || strings.Count(body, "so a change") != 1 {
			t.Errorf("same model %v, same preprocessing %v: the page does not say %q", c.model, c.preprocessing, c.want)
		}
	}
}

// TestCertainty checks that the page names the figures as other commands do, and claims no
// more of scores than the model does.
func TestCertainty(t *testing.T) {
	for _, c := range []struct {
		activation string
		margins    bool
		want, not  []string
	}{
		{activation: "probabilities", margins: true, want: []string{"mean <b>score</b>", "mean <b>certainty</b> (margin)", "call it the certainty",
			"calls its output <bdi>probabilities</bdi>", "That says nothing of how often", "--truth measures it"}},
		{activation: "independent", margins: true, want: []string{"mean <b>margin</b>"}, not: []string{"certainty</b>", "call it the certainty"}},
		{activation: "logits", want: []string{"a softmax makes scores of them"}, not: []string{"certainty</b>", "<b>margin</b>"}},
		{margins: true, want: []string{"mean <b>certainty</b>"}, not: []string{"calls its output"}},
	} {
		f := example(2)
		f.Job.Activation = c.activation
		if !c.margins {
			f.Margins = nil
		}
		body := written(t, f)
		for _, text := range c.want {
			if !said(body, text) {
				t.Errorf("%s, margins %v: the page does not say %q", c.activation, c.margins, text)
			}
		}
		for _, text := range append(c.not, "Scores are <bdi>") {
			if said(body, text) {
				t.Errorf("%s, margins %v: the page says %q", c.activation, c.margins, text)
			}
		}
	}
	if body := written(t, full()); !said(body, `see <a href="#reliability">`) || said(body, "--truth measures it") {
		t.Error("with a truth, the page does not lead to what it says of scores")
	}
}

// TestFirstCards checks what the first screen says of the truth, another output and machines.
func TestFirstCards(t *testing.T) {
	first, _, _ := strings.Cut(written(t, full()), `<section id="labels"`)
	for _, text := range []string{"<h3>Accuracy</h3> <p class=\"big\">85.7%</p>", "20,100 of 23,450 images with a known label have the right one",
		"3,900 of 118,900 images have another label than in <bdi>/data/yesterday/result</bdi>", "processes computed the rows, on 2 machines",
		"<dt>Machines</dt><dd><bdi>node-000</bdi>, <bdi>node-001</bdi></dd>", "<dt>Devices</dt><dd><bdi>cpu/winograd</bdi>, <bdi>cuda:Tesla T4</bdi></dd>"} {
		if !said(first, text) {
			t.Errorf("the first screen does not say %q", text)
		}
	}
	f := full()
	f.Truth.Accuracy, f.Truth.Judged, f.Against.Compared, f.Timeline = interval(0, 0), 0, 0, nil
	f.Against.FlipShare = interval(0, 0)
	first, _, _ = strings.Cut(written(t, f), `<section id="labels"`)
	for _, text := range []string{"no image with an answer has a known label", "no image has an answer in both this output and",
		"processes computed the rows</p>"} {
		if !said(first, text) {
			t.Errorf("without figures, the first screen does not say %q", text)
		}
	}
	if said(first, "95% interval: .") || said(first, "NaN") {
		t.Error("the first screen has intervals that do not exist")
	}
}

// TestOneSentence checks why there are no pictures, and bars of shares, which are of all images.
func TestOneSentence(t *testing.T) {
	f := example(2)
	f.NoPictures, f.Labels[0].Share = "they were not asked for", 0.8
	body := written(t, f)
	for _, text := range []string{"<strong>No pictures:</strong> they were not asked for.</p>", `<rect class="c0" width="80" height="4"/>`} {
		if !said(body, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
	if f.NoPictures = "access denied."; said(written(t, f), "denied..") {
		t.Error("the page ends a sentence twice")
	}
}

// TestFileNames checks that each picture of a gallery has the name of its file below it, in two
// parts of which a screen shortens the first one.
func TestFileNames(t *testing.T) {
	for _, c := range []struct{ base, head, end string }{
		{base: "a.jpg", head: "a.jpg"}, {base: "123456789abc", head: "123456789abc"}, {base: "123456789abcd", head: "1234", end: "56789abcd"},
		{base: "a-long-name-IMG_0001.jpeg", head: "a-long-name-IMG_", end: "0001.jpeg"}, {base: "", head: "(empty)"},
		{base: "abcdefghe\u03012345.jpg", head: "abcdefgh", end: "e\u03012345.jpg"},
	} {
		if got := newFileName(c.base); got.Head != c.head || got.End != c.end {
			t.Errorf("%q: got %q and %q, want %q and %q", c.base, got.Head, got.End, c.head, c.end)
		}
	}
	f := example(2)
	body, n := written(t, f), 0
	for _, g := range f.Galleries {
		for i := range g.Pictures {
			name := newFileName(path.Base(g.Pictures[i].Path))
			text := `<span class="file" title="` + g.Pictures[i].Path + `"><bdi><span class="head">` + name.Head +
				`</span><span class="end">` + name.End + "</span></bdi>"
			if !said(body, text) {
				t.Fatalf("the page does not have %s", text)
			}
			n++
		}
	}
	if strings.Count(body, `<span class="file"`) != n || n < 50 {
		t.Errorf("%d names of files, want %d", strings.Count(body, `<span class="file"`), n)
	}
}

// TestChange checks that an index is not called a change where chance makes one as large.
func TestChange(t *testing.T) {
	for _, c := range []struct {
		d    evaluate.Distance
		want string
	}{
		{d: evaluate.Distance{PSI: evaluate.None, Noise: evaluate.None}, want: "not known"}, {d: evaluate.Distance{PSI: 0.05, Noise: 0.3}, want: "little change"},
		{d: evaluate.Distance{PSI: 0.267, Noise: 0.85}, want: "may be chance, which makes up to 0.850 of so few images"},
		{d: evaluate.Distance{PSI: 0.15, Noise: 0.01}, want: "some change"}, {d: evaluate.Distance{PSI: 0.3, Noise: 0.1}, want: "much change"},
	} {
		if got := psi(c.d); got != c.want {
			t.Errorf("%v: got %q, want %q", c.d, got, c.want)
		}
	}
}
