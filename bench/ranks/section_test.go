package ranks

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// begun is the log of a job on one rank that writes to out and took some seconds. With
// rows it ends as run does.
func begun(out string, rank, share, rows int, seconds float64) string {
	text := fmt.Sprintf(`{"level":"info","rank":0,"out":%q,"images":"in","message":"new job"}
Worker %d needs to process %d images
Worker %d Processed %d images, took 0:00:%09.6f
`, out, rank, share, rank, share, seconds)
	if rows > 0 {
		text += fmt.Sprintf("%d images: %d ok, 0 failed\nSpeed      %.1f images/s in 4.0 s\n", rows, rows, float64(rows)/seconds)
	}
	return text
}

// TestSeveralJobs reads logs of jobs with different outputs: each has a report of its
// own, without images that were processed twice.
func TestSeveralJobs(t *testing.T) {
	one, two := begun("/a/o1", 0, 400, 400, 4), begun("/a/o2", 0, 400, 400, 2)
	cells := func(texts ...string) string {
		var n notebook
		for _, text := range texts {
			var c cell
			c.Outputs = append(c.Outputs, struct {
				Text lines `json:"text"`
				Data struct {
					Plain lines `json:"text/plain"`
				} `json:"data"`
			}{Text: lines(text)})
			n.Cells = append(n.Cells, c)
		}
		body, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	killed := `{"out":"/a/o3","message":"new job"}` + "\nWorker 0 needs to process 300 images\nWorker 0 Processed 200/300 images\n"
	rest := "Worker 0 needs to process 50 images\nWorker 0 Processed 50 images, took 0:00:01\n300 images: 300 ok, 0 failed\n"
	for _, c := range []struct {
		what string
		logs []string
		want string // of each job: output, processed, labelled, twice, unlogged
	}{
		{what: "two logs", logs: []string{one, two}, want: "/a/o1 400 400 0 0; /a/o2 400 400 0 0"},
		{what: "one log", logs: []string{one + two}, want: "/a/o1 400 400 0 0; /a/o2 400 400 0 0"},
		{what: "a notebook", logs: []string{cells("hello\n", one, "world\n", two)}, want: "/a/o1 400 400 0 0; /a/o2 400 400 0 0"},
		{what: "logs of one job's ranks", logs: []string{begun("o", 0, 200, 400, 4), strings.ReplaceAll(begun("o", 1, 200, 0, 4), "new job", "")},
			want: "o 400 400 0 0"},
		{what: "the second rank has a log of its own",
			logs: []string{one, two, "Worker 1 needs to process 9 images\nWorker 1 Processed 9 images, took 0:00:01\n"},
			want: "/a/o1 400 400 0 0; /a/o2 409 400 9 0"},
		{what: "resumed, and another", logs: []string{cells(killed, rest, one)}, want: "/a/o3 250 300 0 50; /a/o1 400 400 0 0"},
		{what: "resumed in the same log", logs: []string{killed + rest}, want: "/a/o3 250 300 0 50"},
	} {
		var in []io.Reader
		for _, log := range c.logs {
			in = append(in, strings.NewReader(log))
		}
		logs, err := ReadLogs(in...)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		var got []string
		for _, l := range logs {
			r := Analyse(l.Ranks, Options{Job: l.Job})
			got = append(got, fmt.Sprintf("%s %d %d %d %d", r.Job.Out, r.Processed, r.Labelled, r.Twice, r.Unlogged))
		}
		if s := strings.Join(got, "; "); s != c.want {
			t.Errorf("%s: have %s, want %s", c.what, s, c.want)
		}
	}
}

// TestMakespanOfTheJob checks which makespan is quoted, and that figures are left out
// which the log does not show.
func TestMakespanOfTheJob(t *testing.T) {
	const verify = `the log is no proof; "batchscore verify OUT" compares every image with its row`
	killed := `{"out":"o","message":"new job"}` + "\nWorker 0 needs to process 400 images\nWorker 0 Processed 200/400 images\n"
	rest := "Worker 0 needs to process 144 images\nWorker 0 Processed 144 images, took 0:00:01.909410\n"
	two := "Worker 0 needs to process 192 images\nWorker 1 needs to process 208 images\n" + `{"message":"racing a slow worker for a chunk"}` +
		"\nWorker 0 Processed 400 images, took 0:00:04\nWorker 1 Processed 32 images, took 0:00:04\n"
	for _, c := range []struct {
		what, log string
		want      []string
	}{
		{what: "resumed", log: killed + rest + "400 images: 400 ok, 0 failed\nSpeed      80.0 images/s in 5.0 s (simulated)\n", want: []string{
			"400 images labelled",
			"the ranks logged 344; the other 56 have a row as well: a rank that is killed does not log its last images", verify,
			"rank 0 had a start whose end is not in the log: its images count, its time is not known",
			"makespan 5 s, as the job reports it, with the time between starts; the log does not say how long all starts took",
		}},
		{what: "with pauses", log: rest + "400 images: 400 ok, 0 failed\n" +
			"Speed      100 images/s in 4.0 s of work; 40.0 images/s in 10 s with the pauses\n", want: []string{
			"400 images labelled", "the ranks processed 144; the other 256 were labelled before this log begins", verify,
			"makespan 10 s, as the job reports it, from its first start; the ranks in this log took 1.91 s",
			"0 GPU-seconds idle while the last rank was at work",
		}},
		{what: "two ranks, one slow", log: two + "Processed 400 images, took 0:00:04.000000\n", want: []string{
			"400 images labelled",
			"the ranks processed 432: 32 of them twice, because ranks raced slow ones for the last chunks; each image has one row", verify,
			"makespan 4 s; 3.7 s if the same ranks had divided the work perfectly (92.6% of it)",
			"one rank takes 12.5 times as long per image as the other; the rule for stragglers needs three ranks",
			"0 GPU-seconds idle while the last rank was at work",
		}},
		{what: "a rank that ended after the job", log: "Worker 0 Processed 300 images, took 0:00:05\nWorker 1 Processed 300 images, took 0:00:08\n" +
			"Processed 600 images, took 0:00:05\n", want: []string{
			"600 images labelled", verify, "makespan 5 s",
			"quote that makespan: it ends with the last part; the last rank ended 3 s later, with work that another had done",
			"one rank takes 1.6 times as long per image as the other; the rule for stragglers needs three ranks",
			"3 GPU-seconds idle while the last rank was at work",
		}},
		{what: "two jobs that name no output", log: "Worker 0 Processed 600 images, took 0:00:05\nProcessed 600 images, took 0:00:05\n" +
			"Worker 0 needs to process 600 images\nWorker 0 Processed 600 images, took 0:00:08\nProcessed 600 images, took 0:00:08\n", want: []string{
			"1,200 images labelled", "the log has the ends of 2 jobs: images are not counted from it",
			"what belongs to which job is not known, so there is no makespan: read the log of each job by itself",
		}},
	} {
		l, err := ReadLog(strings.NewReader(c.log))
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		r := Analyse(l.Ranks, Options{Job: l.Job})
		if got := r.Sentences(); !slices.Equal(got, c.want) {
			t.Errorf("%s: have\n%s\nwant\n%s", c.what, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}
