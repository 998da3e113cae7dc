package gate

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/scorer/review/evaluate"
	"github.com/batchscore/batchscore/scorer/telemetry/metrics"
)

// example is a result of which every figure exists.
func example() *Input {
	var truth evaluate.Truth
	var other evaluate.Comparison
	for i := range 20 {
		label := []string{"cat", "dog", "Sexy", "a]<b"}[i%4]
		is := label
		if i < 5 {
			is = "cat"
		}
		var ranked []evaluate.Scored
		for j, l := range []string{label, "1", "2", "3", "4", "5", "6", "7", "8", "9"} {
			ranked = append(ranked, evaluate.Scored{Label: l, Score: 1 / float32(j+2)})
		}
		truth.Add([]string{is}, ranked)
		other.Add(evaluate.Answer{Status: "ok", Label: label, Score: 0.5}, evaluate.Answer{Status: "ok", Label: is, Score: 0.9})
	}
	truth.Add([]string{"cat"}, nil)
	other.Add(evaluate.Answer{Status: "empty"}, evaluate.Answer{Status: "ok", Label: "old", Score: 0.9})
	return &Input{
		Images: 21, OK: 20, Failed: 1, Statuses: map[string]int{"ok": 20, "empty": 1}, MeanScore: 0.5,
		Labels: map[string]int{"cat": 5, "dog": 5, "Sexy": 5, "a]<b": 5, "unused": 0}, Truth: truth.Result(), Other: other.Drift(),
	}
}

// TestEveryFigure: each figure that is defined has a value, each value a definition, and each a
// metric.
func TestEveryFigure(t *testing.T) {
	t.Parallel()
	figures := Figures(example(), nil)
	for _, f := range All() {
		found := false
		for name := range figures {
			found = found || name == f.Name() || f.Key() != "" && strings.HasPrefix(name, f.Name()+"[")
		}
		if !found {
			t.Errorf("%s has no value", f.Name())
		}
		if f.Whole != "" && (find(f.Whole) == nil || f.Kind != Count) {
			t.Errorf("%s: its whole %q is not a figure, or it is not a count", f.Name(), f.Whole)
		}
		if !strings.Contains(List(), f.spelled()+" ") || !strings.HasSuffix(f.Means(), ".") {
			t.Errorf("%s is not in the list with its meaning", f.Name())
		}
	}
	for name := range figures {
		base, _, _ := strings.Cut(name, "[")
		if find(base) == nil {
			t.Errorf("%s is not defined", name)
		}
	}
	for _, m := range metrics.All() {
		if m.Scope == metrics.OfReport && m != metrics.ReportBroken && !slices.ContainsFunc(All(), func(f *Figure) bool { return f.Metric == m }) {
			t.Errorf("the metric %s belongs to no figure", m.Name)
		}
	}
	nothing := Figures(&Input{MeanScore: math.NaN(), Truth: new(evaluate.Truth).Result(), Other: new(evaluate.Comparison).Drift()}, nil)
	for _, f := range []Values{figures, nothing} {
		if _, err := json.Marshal(f); err != nil {
			t.Error(err)
		}
	}
	if d := figures["drift"]; d != max(figures["psi"], figures["psi_scores"]) || d == figures["psi"] || d != figures["psi_scores"] {
		t.Errorf("drift is %v, with a psi of %v and %v", d, figures["psi"], figures["psi_scores"])
	}
}

// TestJudge judges the example, of which 17 of 20 answers are right.
func TestJudge(t *testing.T) {
	t.Parallel()
	in := example()
	for text, want := range map[string]string{
		"accuracy<0.9":                           "accuracy is 0.85, below 0.9",
		"accuracy<85%":                           "",
		"accuracy<=85%":                          "accuracy is 85%, not above 85%",
		"accuracy<85.0001%":                      "accuracy is 85%, below 85.0001%",
		"accuracy<85.00001%":                     "accuracy is 85%, below 85.00001%",
		"accuracy<=84.99999%,accuracy>84.99999%": "accuracy is 85%, above 84.99999%",
		"accuracy < 0.85000001":                  "accuracy is 0.85, below 0.85000001",
		"failed>0":                               "failed is 1, above 0",
		"failed>1":                               "",
		"failed>4.7%":                            "failed is 1, which is 4.762% of images, above 4.7%",
		"failed>5%,images<22":                    "images is 21, below 22",
		"status[empty]>=1":                       "status[empty] is 1, not below 1",
		"status[not_found]>0":                    "",
		"share[Sexy]>0.24":                       "share[Sexy] is 0.25, above 0.24",
		"share[unused]>0":                        "",
		"recall[cat]<90%":                        "recall[cat] is 62.5%, below 90%",
		`recall["a]<b"]<0.9`:                     "",
		"coverage<0.99":                          "coverage is 0.9524, below 0.99",
		"flips>14%":                              "flips is 3, which is 15% of compared, above 14%",
		"mistakes>2":                             "mistakes is 3, above 2",
		"vanished_labels>0 , new_labels>0":       "vanished_labels is 1, above 0",
		"top[3]<1":                               "top[3] is 0.85, below 1",
		"psi>0,missing>0":                        "psi is ",
		"drift>1000":                             "",
		"status_changes>=1":                      "status_changes is 1, not below 1",
	} {
		conditions, err := Parse(text)
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if err := conditions.Check(true, true); err != nil {
			t.Errorf("Check(%q): %v", text, err)
		}
		broken, err := conditions.Judge(Figures(in, conditions))
		if err != nil {
			t.Errorf("Judge(%q): %v", text, err)
			continue
		}
		if want == "" && len(broken) > 0 || want != "" && (len(broken) != 1 || !strings.HasPrefix(broken[0].Text, want)) {
			t.Errorf("Judge(%q) = %+v, want %q", text, broken, want)
		}
	}
}

// TestErrors: what cannot be judged is an error that says what to do.
func TestErrors(t *testing.T) {
	t.Parallel()
	in := example()
	alone := *in
	alone.Truth, alone.Other = nil, nil
	nobody := &Input{Missing: -1, MeanScore: math.NaN(), Truth: new(evaluate.Truth).Result(), Other: new(evaluate.Comparison).Drift()}
	for _, test := range []struct {
		text, want string
		in         *Input
	}{
		{text: "", want: "begins with the name of a figure", in: in},
		{text: "accurate<0.9", want: "\"accurate\" is not a figure", in: in},
		{text: "accuracy<0.9,", want: "begins with the name", in: in},
		{text: "accuracy=0.9", want: "after the name comes <", in: in},
		{text: "accuracy", want: "after the name comes <", in: in},
		{text: "accuracy<", want: "the limit of accuracy is 0 to 1", in: in},
		{text: "accuracy<90", want: "never above 1", in: in},
		{text: "accuracy<101%", want: "never above 1", in: in},
		{text: "accuracy<NaN", want: "the limit of accuracy", in: in},
		{text: "accuracy<1e-1", want: "the limit of accuracy", in: in},
		{text: "accuracy<-1", want: "the limit of accuracy", in: in},
		{text: "accuracy<0.9 failed>1", want: "stands where a comma", in: in},
		{text: "accuracy[cat]<0.9", want: "nothing in brackets", in: in},
		{text: "failed>0.01", want: "write a share as a percentage, as in failed>1%", in: in},
		{text: "images<0.5", want: "images is a whole number, and \"0.5\" is not", in: in},
		{text: "images>1%", want: "is a percentage", in: in},
		{text: "drift>20%", want: "is a percentage", in: in},
		{text: "recall<0.9", want: "needs a label in brackets: recall[LABEL]", in: in},
		{text: "recall[cat<0.9", want: "the bracket has no end", in: in},
		{text: "recall[Cat]<0.9", want: "for that label, but for Sexy, a]<b, cat, dog", in: in},
		{text: "share[nothing]>0", want: "for that label, but for", in: in},
		{text: "status[void]>0", want: "for that status, but for", in: in},
		{text: "top[4]<0.5", want: "for that k, but for 1, 10, 2, 3, 5", in: in},
		{text: "accuracy<0.9", want: "needs --truth", in: &alone},
		{text: "recall[cat]<0.9", want: "needs --truth", in: &alone},
		{text: "flips>1%", want: "needs --against", in: &alone},
		{text: "accuracy<0.9", want: "no images to compute it from", in: nobody},
		{text: "drift>0.2", want: "no images to compute it from", in: nobody},
		{text: "mean_score<0.2", want: "no images to compute it from", in: nobody},
		{text: "missing>0", want: "this result has no missing", in: nobody},
		{text: "failed>1%", want: "no images to have a percentage of", in: nobody},
		{text: "flips>1%", want: "no images to have a percentage of", in: nobody},
		{text: "recall[cat]<1", want: "no recall for any label", in: nobody},
	} {
		conditions, err := Parse(test.text)
		if err == nil {
			_, err = conditions.Judge(Figures(test.in, conditions))
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
	conditions, _ := Parse("failed>1,flips>1,accuracy<1")
	for _, has := range [][2]bool{{true, false}, {false, true}} {
		if err := conditions.Check(has[0], has[1]); err == nil {
			t.Errorf("truth %v and another output %v are enough for %v", has[0], has[1], conditions)
		}
	}
}

// TestManyLabels: of very many labels, those that conditions name have figures, too.
func TestManyLabels(t *testing.T) {
	t.Parallel()
	in := &Input{OK: 5000, Images: 5000, Labels: map[string]int{}}
	var truth evaluate.Truth
	for i := range 5000 {
		label := strings.Repeat("x", i%70) + string(rune('a'+i%26)) + string(rune('0'+i/70))
		in.Labels[label]++
		truth.Add([]string{label}, []evaluate.Scored{{Label: label, Score: 1}})
	}
	in.Truth = truth.Result()
	last := in.Truth.Classes[len(in.Truth.Classes)-1].Label
	conditions := Conditions{{Figure: find("recall"), Key: last, Operator: "<", Limit: 1}, {Figure: find("share"), Key: last, Operator: ">", Limit: 0.5}}
	if all := Figures(in, nil); len(all) > 4*MostLabels+100 {
		t.Errorf("%d figures", len(all))
	}
	if broken, err := conditions.Judge(Figures(in, conditions)); err != nil || len(broken) > 0 {
		t.Errorf("Judge() = %v, %v", broken, err)
	}
}

// TestLabelsOfOthers: a label that no image has any longer is known from the truth and the other
// output, and its share is 0.
func TestLabelsOfOthers(t *testing.T) {
	t.Parallel()
	in := example()
	in.OtherLabels = 0
	conditions, err := Parse("share[old]>0,failed<=1,labels>4,accuracy<1%")
	if err != nil {
		t.Fatal(err)
	}
	figures := Figures(in, conditions)
	broken, err := conditions.Judge(figures)
	if err != nil || len(broken) != 1 || broken[0].Text != "failed is 1, not above 1" {
		t.Errorf("Judge() = %+v, %v", broken, err)
	}
	for i, want := range []string{"share[old] is 0", "failed is 1", "labels is 4", "accuracy is 85%"} {
		if got := conditions[i].Is(figures); got != want {
			t.Errorf("%v: %q, want %q", conditions[i], got, want)
		}
	}
	in.OtherLabels = 3
	if n := Figures(in, nil)["labels"]; n != 7 {
		t.Errorf("%v labels, want 7", n)
	}
	// It may be among the labels that are not listed.
	in.Truth.Classes = append(in.Truth.Classes, evaluate.ClassResult{Label: "gone"})
	conditions = Conditions{{Figure: find("share"), Key: "gone", Operator: ">"}}
	if _, err := conditions.Judge(Figures(in, conditions)); err == nil {
		t.Error("the share of a label that may not be listed is taken for 0")
	}
	in.OtherLabels = 0
	if _, err := conditions.Judge(Figures(in, conditions)); err != nil {
		t.Error(err)
	}
}

// TestRoundTrip: a condition that is shown is read as the same one, whatever its label.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Condition{Figure: rapid.SampledFrom(All()).Draw(t, "figure"), Operator: rapid.SampledFrom(operators).Draw(t, "operator")}
		if c.Figure.Key() != "" {
			c.Key = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"]<", "a]", "\"", "`", "'", "`]<0,top[`", "\xff", "a,b", " x ", ""})).Draw(t, "key")
		}
		switch {
		case c.Figure.Kind == Count && c.Figure.Whole == "":
			c.Limit = float64(rapid.IntRange(0, 1<<40).Draw(t, "limit"))
		case c.Figure.Kind != Number && rapid.Bool().Draw(t, "percent"):
			c.Percent = true
			c.Limit = float64(rapid.IntRange(0, 10000).Draw(t, "limit")) / 10000
		case c.Figure.Kind == Count:
			c.Limit = float64(rapid.IntRange(0, 1<<40).Draw(t, "limit"))
		default:
			c.Limit = rapid.Float64Range(0, 1).Draw(t, "limit")
		}
		text := c.String() + "," + c.String()
		got, err := Parse(text)
		if err != nil || !slices.Equal(got, Conditions{c, c}) {
			t.Fatalf("Parse(%q) = %+v, %v, want %+v twice", text, got, err, c)
		}
	})
}

// FuzzParse: whatever is read can be shown and read again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"drift>0.2,accuracy<0.9,failed>1%", `recall["a]<b"]<0.8`, "recall[a]<b]<=.5", "top[5]<1", "failed>.", "status[\xff]>0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := Parse(text)
		if err != nil {
			return
		}
		var words []string
		for _, c := range first {
			words = append(words, c.String())
		}
		again, err := Parse(strings.Join(words, ","))
		if err != nil || !slices.Equal(first, again) {
			t.Errorf("%q is shown as %q, which is read as %v, %v", text, words, again, err)
		}
		_, _ = first.Judge(Values{})
	})
}

// TestMetrics writes figures as metrics, among them labels that look the same.
func TestMetrics(t *testing.T) {
	t.Parallel()
	in := example()
	in.Labels["\xfe"], in.Labels["\xff"] = 1, 2
	figures := Figures(in, nil)
	name := filepath.Join(t.TempDir(), "report.prom")
	hide := func(s string) string { return strings.ReplaceAll(s, "secret", "hidden") }
	if err := metrics.WriteFile(name, Set("az://secret/labels", figures, NotPassed, hide).Gatherer()); err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`batchscore_report_broken{place="az://hidden/labels"} 1`,
		`batchscore_report_accuracy{place="az://hidden/labels"} 0.85`,
		`batchscore_report_recall{label="cat",place="az://hidden/labels"} 0.625`,
		`batchscore_report_top{k="5",place="az://hidden/labels"} 0.85`,
		`batchscore_report_status{place="az://hidden/labels",status="empty"} 1`,
	} {
		if !strings.Contains(string(body), want+"\n") {
			t.Errorf("the file has no %s", want)
		}
	}
	values := 0
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, "#") {
			values++
		}
	}
	if values != len(figures) { // two labels look the same, and the verdict is no figure
		t.Errorf("%d values of %d figures: %v", values, len(figures), slices.Sorted(maps.Keys(figures)))
	}
}

// TestSharesOfManyLabels: of more labels than have figures, those of most images have them, and those that
// conditions name.
func TestSharesOfManyLabels(t *testing.T) {
	in := &Input{Labels: map[string]int{}, MeanScore: math.NaN()}
	for i := range MostLabels + 1 {
		in.Labels[strconv.Itoa(i)] = i
		in.OK += i
	}
	conditions, err := Parse("share[0]>0.5")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		conditions Conditions
		want       int
	}{{want: MostLabels}, {conditions: conditions, want: MostLabels + 1}} {
		n := 0
		figures := Figures(in, test.conditions)
		for name := range figures {
			if strings.HasPrefix(name, "share[") {
				n++
			}
		}
		if _, ok := figures["share[1000]"]; n != test.want || !ok {
			t.Errorf("%d shares, that of the largest is there: %v; want %d", n, ok, test.want)
		}
	}
}
