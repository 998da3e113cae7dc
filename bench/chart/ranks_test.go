package chart

import (
	"regexp"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/bench/ranks"
)

// job returns a job of n ranks, of which rank 2 straggles and the last never ended.
func job(n int) *ranks.Report {
	var all []ranks.Rank
	for i := range n {
		r := ranks.Rank{Rank: i, Share: 3125, Images: 3125, Seconds: 640 + float64(i%7), Ended: true, Starts: 1}
		if i == 2 {
			r.Seconds = 900
		}
		if i == n-1 {
			r.Seconds, r.Ended = 0, false
		}
		all = append(all, r)
	}
	report := ranks.Analyse(all, ranks.Options{})
	return &report
}

// TestRanks checks what a chart of ranks says, of few and of very many.
func TestRanks(t *testing.T) {
	for _, c := range []struct {
		ranks, most int // most marks
		says        []string
	}{
		{ranks: 32, most: 31, says: []string{" rank 2, straggles ", " rank 30 ", "minutes (not in the log for 1 of 32 ranks)"}},
		{ranks: 1024, most: 1025, says: []string{" rank that straggles ", "rank (not in the log for 1 of 1,024 ranks)", " minutes "}},
		{ranks: 100_000, most: 2002, says: []string{" rank that straggles ", "each dot is the slowest of 50 ranks"}},
	} {
		d, err := Ranks("Time of each rank", job(c.ranks))
		if err != nil {
			t.Fatal(err)
		}
		svg := string(d.SVG())
		var texts strings.Builder
		for _, m := range regexp.MustCompile(`>([^<]+)</text>`).FindAllStringSubmatch(svg, -1) {
			texts.WriteString(" " + m[1] + " ")
		}
		said := strings.ReplaceAll(texts.String(), "  ", " ")
		for _, want := range c.says {
			if !strings.Contains(said, want) {
				t.Errorf("%d ranks: the chart does not say %q", c.ranks, want)
			}
		}
		if n := strings.Count(svg, `class="c0"`) + strings.Count(svg, `class="c1"`); n > c.most+1 || n < min(c.ranks-1, 2000) {
			t.Errorf("%d ranks: the chart has %d marks, want %d at most", c.ranks, n, c.most)
		}
		if n := strings.Count(svg, `class="c1"`); n == 0 || n > 2 {
			t.Errorf("%d ranks: %d marks of stragglers, want one, and one in a legend", c.ranks, n)
		}
	}
	if _, err := Ranks("t", &ranks.Report{Ranks: []ranks.Judged{{}}}); err == nil || !strings.Contains(err.Error(), "no rank whose time is known") {
		t.Errorf("a log without times: %v", err)
	}
}
