package page

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/review"
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
