package ranks

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// raced is the log of a job of 600 images on four equal devices, in which ranks raced
// one another for the last chunks.
const raced = `batchscore: launched job score-261129-195612-2agi on local
rank 1 | {"level":"warn","rank":1,"device":"simulated:20/s","message":"simulated: nothing is computed, and the labels mean nothing"}
rank 2 | {"level":"info","rank":2,"chunk":1,"message":"racing a slow worker for a chunk: the first to commit wins"}
rank 2 | {"level":"info","rank":2,"chunk":0,"message":"racing a slow worker for a chunk: the first to commit wins"}
rank 0 | Worker 0 needs to process 128 images
rank 1 | Worker 1 needs to process 192 images
rank 2 | Worker 2 needs to process 128 images
rank 3 | Worker 3 needs to process 152 images
rank 0 | Worker 0 Processed 100/192 images
rank 0 | Worker 0 Processed 192 images, took 0:00:10.456347
rank 2 | Worker 2 Processed 160 images, took 0:00:10.514649
rank 1 | Worker 1 Processed 160 images, took 0:00:10.531687
rank 3 | Worker 3 Processed 152 images, took 0:00:10.352439
`

const (
	ended  = "rank 0 | 600 images: 598 ok, 2 failed (empty 1, truncated 1); see: batchscore show out --status failed\n"
	closed = "Processed 600 images, took 0:00:10.456418 (simulated)\n"
)

// TestImagesOfOurLogs counts the images of logs in which the ranks' numbers do not add
// up to those of the job.
func TestImagesOfOurLogs(t *testing.T) {
	older := strings.ReplaceAll(raced, "racing a slow worker for a chunk:", "doubling a chunk that another worker is slow with:")
	resumed := `rank 0 | Worker 0 needs to process 64 images
rank 1 | Worker 1 needs to process 32 images
rank 0 | Worker 0 Processed 64 images, took 0:00:04
rank 1 | Worker 1 Processed 32 images, took 0:00:02
`
	const verify = `the log is no proof; "batchscore verify OUT" compares every image with its row`
	for _, c := range []struct {
		what, log string
		want      []string
	}{
		{what: "raced chunks", log: raced + ended + closed, want: []string{
			"600 images labelled of 600 asked for: 0 lost", "of these, 2 failed and have a row that says why",
			"the ranks processed 664: 64 of them twice, because ranks raced slow ones for the last chunks; each image has one row", verify,
		}},
		{what: "without the launcher's line", log: raced + ended, want: []string{
			"600 images labelled of 600 asked for: 0 lost", "of these, 2 failed and have a row that says why",
			"the ranks processed 664: 64 of them twice, because ranks raced slow ones for the last chunks; each image has one row", verify,
		}},
		{what: "raced chunks and no end, of an older release", log: older, want: []string{
			"600 images labelled of 600 asked for: 0 lost",
			"the ranks processed 664: 64 of them twice, because ranks raced slow ones for the last chunks; each image has one row", verify,
		}},
		{what: "resumed", log: resumed + closed, want: []string{
			"600 images labelled of 600 asked for: 0 lost",
			"the ranks processed 96; the other 504 were labelled before this log begins", verify,
		}},
		{what: "the end is missing", log: `{"level":"info","rank":0,"message":"new job"}` + "\n" + resumed, want: []string{
			"96 images labelled of 600 asked for; the log lacks the end of the job, so it does not say whether the other 504 have a row", verify,
		}},
		{what: "complete before", log: closed, want: []string{
			"600 images labelled of 600 asked for: 0 lost",
			"the ranks processed 0; the other 600 were labelled before this log begins", verify,
			"no rank worked in this log: the job was complete before it",
		}},
		{what: "two jobs", log: raced + closed + resumed + "Processed 96 images, took 0:00:04\n", want: []string{
			"600 images labelled of 600 asked for: 0 lost", "the log has the ends of 2 jobs: images are not counted from it",
		}},
		{what: "a retry", log: resumed + "scored again: 4 images: 4 ok, 0 failed\n" + closed, want: []string{
			"600 images labelled of 600 asked for: 0 lost",
			"the ranks processed 96; the other 504 were labelled before this log begins", verify,
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			l, err := ReadLog(strings.NewReader(c.log))
			if err != nil {
				t.Fatal(err)
			}
			r := Analyse(l.Ranks, Options{Asked: 600, Job: l.Job})
			got := r.Sentences()
			if len(got) < len(c.want) || !slices.Equal(got[:len(c.want)], c.want) {
				t.Errorf("have\n%s\nwant first\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if len(r.Stragglers) > 0 {
				t.Errorf("ranks %v straggle, want none: the devices are equal", r.Stragglers)
			}
		})
	}
}

// TestAChunkMoreIsNoStraggler checks that a rank that did one chunk less than the others
// in the same time does not straggle, and that one that did half as much does.
func TestAChunkMoreIsNoStraggler(t *testing.T) {
	rank := func(rank, share, images int) Rank {
		return Rank{Rank: rank, Share: share, Images: images, Seconds: 23, Ended: true, Starts: 1}
	}
	even := []Rank{rank(0, 384, 448), rank(1, 384, 448), rank(2, 384, 384), rank(3, 348, 448)}
	if r := Analyse(even, Options{}); len(r.Stragglers) > 0 {
		t.Errorf("ranks %v straggle, want none", r.Stragglers)
	}
	slow := append(slices.Clone(even[:3]), rank(3, 348, 192))
	if r := Analyse(slow, Options{}); !slices.Equal(r.Stragglers, []int{3}) {
		t.Errorf("ranks %v straggle, want rank 3", r.Stragglers)
	}
}

// TestReadsNotebooks reads what the cells of notebooks printed, in both formats.
func TestReadsNotebooks(t *testing.T) {
	split := strings.SplitAfter(raced+closed, "\n")
	type text = map[string]any
	stream := []text{{"output_type": "stream", "name": "stdout", "text": split}}
	shown := []text{{"output_type": "execute_result", "data": text{"text/plain": raced + closed, "text/html": []string{"<p>"}}}}
	code := func(outputs []text) []text {
		return []text{{"cell_type": "markdown", "source": []string{"# Worker 9 needs to process 1 images"}}, {"cell_type": "code", "outputs": outputs}}
	}
	for what, notebook := range map[string]text{
		"a stream":     {"cells": code(stream), "nbformat": 4},
		"a result":     {"cells": code(shown), "nbformat": 4},
		"an older one": {"nbformat": 3, "worksheets": []text{{"cells": code(stream)}}},
	} {
		body, err := json.MarshalIndent(notebook, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		l, err := ReadLog(strings.NewReader(string(body)))
		if err != nil || len(l.Ranks) != 4 || l.Job.Images != 600 || l.Job.Races != 2 || !l.Simulated {
			t.Errorf("%s: read %+v, %v; want four ranks and 600 images", what, l, err)
		}
	}
	if _, err := ReadLog(strings.NewReader(`{"cells": [{"outputs": `)); err == nil || !strings.Contains(err.Error(), "notebook") {
		t.Errorf("a notebook that is cut short: %v, want an error that names it", err)
	}
}
