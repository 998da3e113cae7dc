package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/shard"
)

// shownPaths returns the paths that show --json prints with those flags.
func shownPaths(t *testing.T, out string, flags ...string) []string {
	t.Helper()
	r := must(t, 0, append([]string{"show", out, "--json"}, flags...)...)
	var paths []string
	for line := range strings.Lines(r.stdout) {
		var one struct{ Path string }
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		paths = append(paths, one.Path)
	}
	return paths
}

// TestShowChooses filters and sorts outputs in all formats, complete and unfinished.
func TestShowChooses(t *testing.T) {
	t.Parallel()
	for _, format := range []row.Format{row.JSONL, row.CSV, row.Parquet} {
		for _, unfinished := range []bool{false, true} {
			t.Run(fmt.Sprint(format, " unfinished ", unfinished), func(t *testing.T) {
				t.Parallel()
				out := animals(t, crafted{format: format, unfinished: unfinished})
				got := shownPaths(t, out, "--where", `label=dog,"hot dog" score<0.6`, "--sort", "-score")
				want := []string{"album 0/012.jpg", "album 2/011.jpg", "album 2/008.jpg", "album 2/005.jpg", "album 2/002.jpg"}
				if !slices.Equal(got, want) {
					t.Errorf("dogs: %q, want %q", got, want)
				}
				if got := shownPaths(t, out, "--sort", "margin", "--limit", "2"); !slices.Equal(got, []string{"album 0/000.jpg", "album 1/001.jpg"}) {
					t.Errorf("least margin: %q", got)
				}
				if got := shownPaths(t, out, "--where", "status!=ok"); !slices.Equal(got, []string{"album 0/006.jpg"}) {
					t.Errorf("failed: %q", got)
				}
				all := shownPaths(t, out, "--limit", "0", "--sort", "score")
				if n := map[bool]int{true: 36, false: 40}[unfinished]; len(all) != n || all[n-1] != "album 0/006.jpg" {
					t.Errorf("all by score: %q, want %d with the failed one last", all, n)
				}
			})
		}
	}
}

func TestShowJSON(t *testing.T) {
	t.Parallel()
	out := animals(t, crafted{unfinished: true})
	r := must(t, 0, "show", out, "--json", "--where", "path~/006 size<1MB")
	want := `{"path":"album 0/006.jpg","path_base64":"","size":7000,"status":"truncated","label":null,"class_id":null,"score":null,`
	if !strings.HasPrefix(r.stdout, want) || !strings.Contains(r.stdout, `"address":"/data/photos/album 0/006.jpg"`) {
		t.Errorf("got %v, want a line that begins %s", r, want)
	}
	says(t, processResult{stdout: r.stderr}, "1 of 36 images: 1 truncated", "the job is not complete")
	r = must(t, 0, "show", out, "--json", "--columns", "label,score", "--limit", "1")
	if want := "{\"label\":\"cat\",\"score\":0.414}\n"; r.stdout != want || !strings.Contains(r.stderr, "... and 35 more, see --limit") {
		t.Errorf("got %v, want only %q", r, want)
	}
}

// TestShowTable: the columns by which rows were chosen are shown.
func TestShowTable(t *testing.T) {
	t.Parallel()
	out := animals(t, crafted{})
	for _, test := range []struct {
		name  string
		flags []string
		want  string
	}{
		{
			name: "default", flags: []string{"--limit", "2"},
			want: `IMAGE            STATUS  LABEL  SCORE
album 0/000.jpg  ok      cat    0.4140
album 0/003.jpg  ok      cat    0.4560
... and 38 more, see --limit
40 images: 24 cat, 12 dog, 3 hot dog, 1 truncated
`,
		},
		{
			name: "where and sort", flags: []string{"--where", `label="hot dog" margin<0.9`, "--sort", "-size"},
			want: `IMAGE            STATUS  LABEL    SCORE    SIZE  MARGIN
album 1/025.jpg  ok      hot dog  0.7640  26000  0.6460
album 0/012.jpg  ok      hot dog  0.5820  13000  0.3730
2 of 40 images: 2 hot dog
`,
		},
		{
			name: "failed", flags: []string{"--where", "status=failed"},
			want: `IMAGE            STATUS     LABEL  SCORE  ERROR
album 0/006.jpg  truncated         -      the data end before the picture does
1 of 40 images: 1 truncated
`,
		},
		{
			name: "columns", flags: []string{"--columns", "size, address,score", "--limit", "1", "--where", "status!=ok"},
			want: `SIZE  ADDRESS                       SCORE
7000  /data/photos/album 0/006.jpg      -
1 of 40 images: 1 truncated
`,
		},
		{
			name: "no such label", flags: []string{"--where", "label=dgo,cats,cat score>2"},
			want: `IMAGE  STATUS  LABEL  SCORE
0 of 40 images
No row has the label "dgo"; did you mean "dog"?
No row has the label "cats"; did you mean "cat"?
`,
		},
		{
			name: "no such label, and none like it", flags: []string{"--where", "label=elephant"},
			want: `IMAGE  STATUS  LABEL  SCORE
0 of 40 images
No row has the label "elephant". There are cat, dog, hot dog
`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if r := must(t, 0, append([]string{"show", out}, test.flags...)...); r.stdout != test.want {
				t.Errorf("got\n%swant\n%s", r.stdout, test.want)
			}
		})
	}
}

func TestShowRefuses(t *testing.T) {
	t.Parallel()
	out := animals(t, crafted{})
	for _, test := range []struct {
		name  string
		flags []string
		says  string
	}{
		{name: "column", flags: []string{"--where", "scor<0.5"}, says: `--where: there is no column "scor"; there are path,`},
		{name: "meant", flags: []string{"--where", "scor<0.5"}, says: `did you mean "score"`},
		{name: "type", flags: []string{"--where", "score<low"}, says: `score is a number, and "low" is not one`},
		{name: "status", flags: []string{"--where", "status=missing"}, says: `there is no status "missing"`},
		{name: "size", flags: []string{"--where", "size>big"}, says: `size is a whole number, and "big" is not one`},
		{name: "nothing", flags: []string{"--where", ""}, says: "--where: it is empty"},
		{name: "sort", flags: []string{"--sort", "certanty"}, says: `did you mean "certainty"`},
		{name: "columns", flags: []string{"--columns", "path,lable"}, says: `did you mean "label"`},
		{name: "limit", flags: []string{"--limit", "-1"}, says: "or 0 for all"},
		{name: "histogram of labels", flags: []string{"--histogram", "--columns", "label"}, says: "label is not an amount; columns that are: size, score"},
		{name: "sorted histogram", flags: []string{"--histogram", "--sort", "score"}, says: "leave out --sort"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if r := must(t, 64, append([]string{"show", out}, test.flags...)...); !strings.Contains(r.stderr, test.says) {
				t.Errorf("got %v, want %q", r, test.says)
			}
		})
	}
}

// TestShowNumberedLabels: a label that is a number is not taken for one.
func TestShowNumberedLabels(t *testing.T) {
	t.Parallel()
	out := crafted{entries: named("a", "b"), rows: func(shard.Entry) row.Row { return answer("2", 0.75, "3") }}.write(t)
	if r := must(t, 0, "show", out); lastLine(r.stdout) != `2 images: 2 "2"` {
		t.Errorf("the last line is %q", lastLine(r.stdout))
	}
	if r := must(t, 0, "show", out, "--where", "path=a"); lastLine(r.stdout) != `1 of 2 images: 1 "2"` {
		t.Errorf("the last line is %q", lastLine(r.stdout))
	}
}

// TestShowOneClass: a job that kept one class has no second one.
func TestShowOneClass(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	must(t, 0, "run", "--images", pictures(t, 3), "--out", out, "--model", tiny(t, graphtest.Options{}), "--top-k", "1")
	r := must(t, 0, "show", out, "--where", "margin<2 label_2~c")
	says(t, processResult{stdout: r.stdout}, "0 of 3 images", "No row has the margin: the job kept one class of each image (--top-k 1)", "has the label_2")
	if r := must(t, 0, "show", out, "--where", "certainty>0"); lastLine(r.stdout)[:8] != "3 images" {
		t.Errorf("got %v, want all images: the certainty is the score", r)
	}
}

func TestShowHistogram(t *testing.T) {
	t.Parallel()
	out := animals(t, crafted{activation: models.Sigmoid})
	const want = `score of 39 images: mean 0.6918, lowest 0.4140, highest 0.9600
0.0 to 0.1  0
0.1 to 0.2  0
0.2 to 0.3  0
0.3 to 0.4  0
0.4 to 0.5  6  ##################################
0.5 to 0.6  7  ########################################
0.6 to 0.7  7  ########################################
0.7 to 0.8  7  ########################################
0.8 to 0.9  7  ########################################
0.9 to 1.0  5  #############################

LABEL    IMAGES    MEAN  .0  .1  .2  .3  .4  .5  .6  .7  .8  .9
cat          24  0.6923   .   .   .   .  17  17  17  17  21  13
dog          12  0.6730   .   .   .   .  17  17  25  17  17   8
hot dog       3  0.7640   .   .   .   .   .  33   .  33   .  33
(percent of the label's images, by score)

`
	r := must(t, 0, "show", out, "--histogram", "--columns", "score")
	if got := strings.TrimSuffix(r.stdout, "40 images: 24 cat, 12 dog, 3 hot dog, 1 truncated\n"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if r := must(t, 0, "show", out, "--histogram"); !strings.Contains(r.stdout, "\ncertainty of 39 images: mean") {
		t.Errorf("got %v, want the certainty too", r)
	}
	const sizes = `size of 12 images: mean 19.5 kB, lowest 3.0 kB, highest 36.0 kB
  2 kB to 5 kB  1  #######
 5 kB to 10 kB  2  #############
10 kB to 20 kB  3  ####################
20 kB to 50 kB  6  ########################################

12 of 40 images: 12 dog
`
	if r := must(t, 0, "show", out, "--histogram", "--columns", "size", "--where", "label=dog"); r.stdout != sizes {
		t.Errorf("got\n%swant\n%s", r.stdout, sizes)
	}
	var got struct {
		Rows, Chosen int
		Columns      []struct {
			Column  string
			Images  int
			Mean    float64
			Buckets []struct {
				From, To *float64
				Images   int
			}
			Labels []struct {
				Label  string
				Images int
			}
		}
	}
	r = must(t, 0, "show", out, "--histogram", "--json", "--where", "label=dog")
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
		t.Fatal(err)
	}
	if c := got.Columns; got.Rows != 40 || got.Chosen != 12 || len(c) != 2 || c[0].Column != "score" || c[0].Images != 12 || len(c[0].Buckets) != 10 ||
		*c[0].Buckets[4].From != 0.4 || c[0].Buckets[4].Images != 2 || len(c[0].Labels) != 1 || c[0].Labels[0].Label != "dog" {
		t.Errorf("got %+v", got)
	}
}
