package main

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
)

// TestLibrariesToInstall tests that the end of a job says what to install, once for each library, and
// how to score the images, if and only if images failed for want of it.
func TestLibrariesToInstall(t *testing.T) {
	for _, c := range []struct {
		name     string
		statuses map[string]int
		versions map[string]string
		want     []string
	}{
		{name: "all there", statuses: map[string]int{string(codec.StatusUnsupported): 2}, versions: map[string]string{"libheif": "libheif 1.15.1"}},
		{name: "retried since", statuses: map[string]int{row.StatusOK: 2}, versions: map[string]string{"libheif": output.NotInstalled}},
		{name: "two missing", statuses: map[string]int{row.StatusOK: 1, string(codec.StatusUnsupported): 10},
			versions: map[string]string{"libheif": output.NotInstalled, "libjxl": output.NotInstalled},
			want:     []string{"libheif is not installed", "libheif1", "libjxl is not installed", "--retry unsupported"}},
	} {
		var b strings.Builder
		sayResult(&b, "result", "", &output.Success{Images: 11, Statuses: c.statuses, Versions: c.versions})
		for _, text := range c.want {
			if strings.Count(b.String(), text) < 1 {
				t.Errorf("%s: no %q in\n%s", c.name, text, b.String())
			}
		}
		if c.want == nil && strings.Contains(b.String(), "nstall") {
			t.Errorf("%s: something to install in\n%s", c.name, b.String())
		}
	}
}
