package ranks

import (
	"bytes"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/telemetry"
)

func recipe(t *testing.T) Log {
	t.Helper()
	f, err := os.Open("testdata/recipe-32xP100.log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l, err := ReadLog(f)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestRecipe reads the log of the recipe's run on 32 P100, which its table quotes as 10
// minutes.
func TestRecipe(t *testing.T) {
	l := recipe(t)
	r := Analyse(l.Ranks, Options{Asked: 100_000, OneGPU: 255 * 60, PerNode: 4, Price: 2})
	if l.Simulated || len(r.Ranks) != 32 || r.Ranks[0].Seconds != 643.983157 || r.Ranks[30].Share != 3124 {
		t.Fatalf("ReadLog = %+v, want the 32 ranks of the recipe", l)
	}
	if r.Labelled != 99_968 || r.Lost != 32 || math.Abs(r.Balanced-497) > 0.5 {
		t.Errorf("%d labelled, %d lost, balanced %v; want 99968, 32, 497", r.Labelled, r.Lost, r.Balanced)
	}
	var b bytes.Buffer
	if err := WriteText(&b, r, l.Simulated, 0); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"99,968 images labelled of 100,000 asked for: 32 lost\n",
		"makespan 11:10; 8:17 if the same ranks had divided the work perfectly (74.2% of it)\n",
		"22.8 times one GPU on 32: efficiency 71.3% on the makespan\n",
		"ranks 0 to 3 straggle, on node 0: ",
		// 32 x 670.4 s less the sum of the seconds, 16,067.98.
		"5,385 GPU-seconds idle while the last rank was at work: 2.99 of the 11.92 paid\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &b)
		}
	}
	if strings.Count(b.String(), "<- straggles") != 4 {
		t.Errorf("want four marked rows in\n%s", &b)
	}
}

func TestReadLog(t *testing.T) {
	text := strings.Join([]string{
		"2018-06-01 12:00:00 node-3: Worker 1 needs to process 250 images\r",
		"[1,0]<stdout>:Worker 0 needs to process 300 images",
		"srun: Worker 1 Processed 100/250 imagesWorker 0 Processed 100/300 images",
		"Worker 2 needs to process 10 images",
		"Worker 2 Processed 10 images, took 1 day, 0:00:05",
		"\x1b[2K\x1b[1;32mWorker\x1b[0m 2 Processed 10 images, took \x1b[1m1 day, 0:00:05\x1b[0m", // the same line, teed
		"Traceback: Worker 9 is a word",
		"Worker 0 Processed 200/300 images",
		"Worker 0 needs to process 100 images",
		"Worker 0 Processed 100 images, took 0:00:07.500000",
		"Worker 1 Processed 250 images, took 0:01:00\r",
	}, "\n")
	l, err := ReadLog(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Rank{
		{Rank: 0, Share: 300, Images: 300, Seconds: 7.5, Untimed: 200, Ended: true, Starts: 2},
		{Rank: 1, Share: 250, Images: 250, Seconds: 60, Ended: true, Starts: 1},
		{Rank: 2, Share: 10, Images: 10, Seconds: 86405, Ended: true, Starts: 1},
	}
	if !reflect.DeepEqual(l.Ranks, want) {
		t.Errorf("have %+v\nwant %+v", l.Ranks, want)
	}
	killed, err := ReadLog(strings.NewReader("Worker 4 needs to process 90 images"),
		strings.NewReader("Worker 4 Processed 50/90 images\nProcessed 90 images, took 0:00:04 (simulated)\n"))
	if err != nil || !killed.Simulated || !reflect.DeepEqual(killed.Ranks, []Rank{{Rank: 4, Share: 90, Images: 50, Untimed: 50, Starts: 1}}) {
		t.Errorf("ReadLog = %+v, %v; want one rank that was killed", killed, err)
	}
	if r := Analyse(killed.Ranks, Options{Asked: 90}); !slices.Equal(r.Unfinished, []int{4}) || r.Lost != 40 || len(r.Stragglers) != 0 {
		t.Errorf("Analyse = %+v, want rank 4 unfinished and 40 images lost", r)
	}
	good := strings.NewReader("Worker 0 Processed 3 images, took 0:00:01")
	for bad, says := range map[string]string{
		"":                  "log 1, log 2: there is no line",
		"nothing of a rank": "log 1, log 2: there is no line",
		"\nWorker 0 Processed 3 images, took forever":           `log 2, line 2: "forever" is not a duration`,
		"Worker 99999999999999999999 needs to process 1 images": "log 2, line 1",
		"Worker 200000 needs to process 1 images":               "not a plausible number",
		strings.Repeat("x", longestLine+1):                      "log 2: a line is longer",
	} {
		if l, err := ReadLog(strings.NewReader(""), strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60q is read as %+v, %v; want %q", bad, l, err, says)
		}
	}
	_, err = ReadLog(named{good, "a.log"}, named{strings.NewReader("Worker 0 Processed 3 images, took ages"), "b.log"})
	if err == nil || !strings.HasPrefix(err.Error(), "b.log, line 1: ") {
		t.Errorf("ReadLog with a bad line: %v, want an error that names b.log, line 1", err)
	}
}

// named is a log in a file.
type named struct {
	*strings.Reader
	name string
}

func (n named) Name() string { return n.name }

// TestSentences checks what the report says about an unusual log.
func TestSentences(t *testing.T) {
	ended := func(rank int) Rank { return Rank{Rank: rank, Images: 100, Seconds: 10, Ended: true, Starts: 1} }
	restarted := Rank{Rank: 1, Images: 100, Untimed: 50, Seconds: 5, Ended: true, Starts: 2}
	killed := Rank{Rank: 1, Images: 50, Untimed: 50, Starts: 1}
	for _, c := range []struct {
		what  string
		ranks []Rank
		o     Options
		want  []string
	}{
		{
			what:  "ranks that told nothing are paid for",
			ranks: []Rank{ended(0), ended(2)},
			o:     Options{Asked: 400, World: 4, OneGPU: 20, Price: 3600},
			want: []string{
				"200 images labelled of 400 asked for: 200 lost",
				"ranks 1 and 3 of 4 logged nothing",
				"makespan 10 s; 10 s if the same ranks had divided the work perfectly (100.0% of it)",
				"2.0 times one GPU on 4: efficiency 50.0% on the makespan",
				"both ranks are about as fast",
				"0 GPU-seconds idle while the last rank was at work: 0.00 of the 40.00 paid",
				"20.00 paid beyond what one GPU costs for the same work",
			},
		},
		{what: "two runs in one log", ranks: []Rank{ended(0), ended(1)}, o: Options{Asked: 100}, want: []string{
			"200 images labelled of 100 asked for: 100 too many; some were labelled twice, or the logs are of several runs",
			"makespan 10 s; 10 s if the same ranks had divided the work perfectly (100.0% of it)",
			"both ranks are about as fast",
			"0 GPU-seconds idle while the last rank was at work",
		}},
		{what: "a start without an end gives no speed", ranks: []Rank{ended(0), restarted, ended(2)}, o: Options{}, want: []string{
			"300 images labelled",
			"rank 1 had a start whose end is not in the log: its images count, its time is not known",
			"the makespan is not known, because the log does not say how long all starts took",
			"no rank straggles",
		}},
		{what: "the dead are not idle", ranks: []Rank{ended(0), killed}, o: Options{}, want: []string{
			"150 images labelled",
			"rank 1 never logged the end: the images that they logged count, all times are of the other ranks",
			"makespan 10 s; 10 s if the same ranks had divided the work perfectly (100.0% of it)",
			"0 GPU-seconds idle while the last rank was at work",
		}},
		{what: "all were killed", ranks: []Rank{killed}, o: Options{World: 2, Price: 1, OneGPU: 1}, want: []string{
			"50 images labelled",
			"rank 0 of 2 logged nothing",
			"no rank logged its end: the images that they logged count, the makespan is not known",
		}},
	} {
		r := Analyse(c.ranks, c.o)
		if got := r.Sentences(); !slices.Equal(got, c.want) {
			t.Errorf("%s: have\n%s\nwant\n%s", c.what, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestReadsOurOwnLines reads what telemetry writes.
func TestReadsOurOwnLines(t *testing.T) {
	var b bytes.Buffer
	for rank := range 3 {
		lines := telemetry.Lines{W: &b, Rank: rank}
		lines.Start(250)
		lines.Add(250 + rank)
		lines.Finish(time.Duration(rank)*13*time.Hour + 61*time.Second + time.Duration(rank)*time.Microsecond)
	}
	l, err := ReadLog(&b)
	if err != nil || len(l.Ranks) != 3 {
		t.Fatalf("ReadLog = %+v, %v; want three ranks", l, err)
	}
	for rank, r := range l.Ranks {
		if want := float64(rank)*13*3600 + 61 + float64(rank)*1e-6; r.Images != 250+rank || r.Share != 250 || math.Abs(r.Seconds-want) > 1e-7 {
			t.Errorf("rank %d: %+v", rank, r)
		}
	}
}

// TestStragglers analyses ranks that divided the work by stealing: they end together,
// and the slow one has processed few images.
func TestStragglers(t *testing.T) {
	even := []Rank{{
		Rank:    0,
		Images:  101,
		Seconds: 10,
	}, {Rank: 1, Images: 99, Seconds: 10}, {Rank: 2, Images: 100, Seconds: 10.1}, {Rank: 3, Images: 100, Seconds: 10}}
	if r := Analyse(even, Options{}); len(r.Stragglers) != 0 {
		t.Errorf("ranks %v straggle, want none", r.Stragglers)
	}
	slow := slices.Clone(even)
	slow[2].Images = 60
	if r := Analyse(slow, Options{}); !slices.Equal(r.Stragglers, []int{2}) || r.Balance < 0.98 {
		t.Errorf("ranks %v straggle, balance %v; want rank 2, 0.98 or more", r.Stragglers, r.Balance)
	}
	// For a slower device the same is normal.
	if r := Analyse(slow, Options{Rates: []float64{10, 10, 6, 10}}); len(r.Stragglers) != 0 {
		t.Errorf("ranks %v straggle on slower devices, want none", r.Stragglers)
	}
}

func TestRuns(t *testing.T) {
	for want, in := range map[string][]int{
		"rank 7": {7}, "ranks 0 to 3": {0, 1, 2, 3}, "ranks 1 and 2": {1, 2}, "ranks 0 to 2, 5 and 9 to 11": {0, 1, 2, 5, 9, 10, 11},
	} {
		if got := Runs(in); got != want {
			t.Errorf("%v is %q, want %q", in, got, want)
		}
	}
	for n, want := range map[int]string{7: "7", 999: "999", 1000: "1,000", 99968: "99,968", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := Thousands(n); got != want {
			t.Errorf("%d is %q", n, got)
		}
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add("Worker 0 needs to process 3 images\nWorker 0 Processed 3 images, took 1 day, 0:00:05.000001\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ReadLog(strings.NewReader(text))
		if err != nil {
			return
		}
		r := Analyse(l.Ranks, Options{Asked: 5, OneGPU: 9, PerNode: 2, Price: 1})
		if r.Balance < 0 || r.Balance > 1 || math.IsNaN(r.Makespan) {
			t.Errorf("Analyse = %+v, want a balance between 0 and 1 and a makespan", r)
		}
	})
}
