package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestTheLastLineTellsOfFailures checks that the last line of run and launch says how
// many images failed, why, and how to see them.
func TestTheLastLineTellsOfFailures(t *testing.T) {
	in, _ := brokenLinks(t, 10)
	model := tiny(t, graphtest.Options{})
	for _, tt := range []struct {
		name  string
		start []string
	}{
		{name: "run", start: []string{"run"}},
		{name: "launch", start: []string{"launch", "-n", "2", "--"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "launch" {
				needMpirun(t)
			}
			out := filepath.Join(t.TempDir(), "an out")
			args := append(tt.start, "--images", in, "--out", out, "--model", model, "--chunk", "4")
			// Half of 20 images is more than the default of --max-errors.
			r := must(t, 3, args...)
			if !strings.Contains(r.stderr, "10 of 20 (not_found 10)") {
				t.Errorf("got %v, want %q in stderr", r, "10 of 20 (not_found 10)")
			}
			must(t, 3, args...) // although there is nothing left to do
			r = must(t, 0, append(args, "--max-errors", "50%")...)
			command := "batchscore show '" + out + "' --status not_found"
			if want := "20 images: 10 ok, 10 failed (not_found 10); see: " + command; lastLine(r.stdout) != want {
				t.Errorf("the last line is not %q, but %v", want, r)
			}
			if !strings.Contains(r.stdout+r.stderr, `"failed":10,"statuses":{"not_found":10,"ok":10}`) {
				t.Errorf("the log does not tell: %v", r)
			}
			var success struct {
				Failed int    `json:"failed"`
				See    string `json:"see"`
			}
			body, err := os.ReadFile(filepath.Join(out, "_SUCCESS"))
			if err == nil {
				err = json.Unmarshal(body, &success)
			}
			if err != nil || success.Failed != 10 || success.See != command {
				t.Errorf("_SUCCESS says %+v, %v", success, err)
			}
			shown := must(t, 0, "show", out, "--status", "not_found", "--limit", "3")
			if !strings.Contains(shown.stdout, "... and 7 more, see --limit") || !strings.Contains(shown.stdout, "leads nowhere") ||
				strings.Contains(shown.stdout, "good.jpg") || lastLine(shown.stdout) != "10 of 20 images: 10 not_found" {
				t.Errorf("got %v, want 3 of 10 failures and their count", shown)
			}
			args = append(args, "--max-errors", "1")
			if r := must(t, 3, args...); !strings.Contains(r.stderr, "10 of 20 (not_found 10)") || !strings.Contains(r.stderr, command) {
				t.Errorf("got %v, want %q in stderr and %q in stderr", r, "10 of 20 (not_found 10)", command)
			}
		})
	}
}

func TestShowRefusesAnUnknownStatus(t *testing.T) {
	r := must(t, 64, "show", t.TempDir(), "--status", "missing")
	if !strings.Contains(r.stderr, `"missing"`) || !strings.Contains(r.stderr, "not_found") {
		t.Errorf("got %v, want %q in stderr and %q in stderr", r, `"missing"`, "not_found")
	}
}

// TestOneRankSaysWhatCameOfTheJob: of ranks that no launcher of ours follows, one ends with
// the summary, and the others say that the job is finished. Run again, rank 0 says it.
func TestOneRankSaysWhatCameOfTheJob(t *testing.T) {
	in, out, model := pictures(t, 30), t.TempDir(), tiny(t, graphtest.Options{})
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "2", "--batch", "1", "--world", "2", "--rank"}
	for _, again := range []bool{false, true} {
		results := make([]processResult, 2)
		var ranks sync.WaitGroup
		for rank := range results {
			ranks.Go(func() { results[rank] = batchscore(t, append(slices.Clone(args), strconv.Itoa(rank))...) })
		}
		ranks.Wait()
		told := 0
		for rank, r := range results {
			if r.code != 0 {
				t.Fatal(r)
			}
			said := lastLine(r.stdout) == "30 images: 30 ok, 0 failed"
			if said {
				told++
			}
			for _, want := range []string{"\nCertainty  ", "\nSpeed      ", "\nImages     " + in, "\nResult     " + out, "\nNext       batchscore show "} {
				if strings.Contains("\n"+r.stdout, want) != said {
					t.Errorf("rank %d, which says the result: %v, %q in %v", rank, said, want, r)
				}
			}
			if other := fmt.Sprintf("Worker %d is done; another worker has finished the job", rank); !said && lastLine(r.stdout) != other {
				t.Errorf("rank %d ends with %q, want %q", rank, lastLine(r.stdout), other)
			}
			if again && said != (rank == 0) {
				t.Errorf("rank %d of the job that was complete says the result: %v", rank, said)
			}
		}
		if told != 1 {
			t.Errorf("%d ranks say what came of the job, want 1: %v", told, results)
		}
	}
}

// TestEachStartSaysWhatCameOfTheJob starts a job of one rank twice at the same time: each
// has somebody who reads its result.
func TestEachStartSaysWhatCameOfTheJob(t *testing.T) {
	args := []string{"run", "--images", pictures(t, 30), "--out", t.TempDir(), "--model", tiny(t, graphtest.Options{}), "--chunk", "2", "--batch", "1",
		"--provider", "simulate:rate=20"}
	results := make([]processResult, 2)
	var starts sync.WaitGroup
	for i := range results {
		starts.Go(func() { results[i] = batchscore(t, args...) })
	}
	starts.Wait()
	for _, r := range results {
		if r.code != 0 || !strings.Contains(r.stdout, "\nNext       batchscore show ") || lastLine(r.stdout) != "30 images: 30 ok, 0 failed" {
			t.Errorf("got %v, want 0 and the result", r)
		}
	}
}

// TestCountsOfWorkersAddUp: the images that the workers say they processed are those of
// the job and those that launch says were scored twice.
func TestCountsOfWorkersAddUp(t *testing.T) {
	needMpirun(t)
	out := t.TempDir()
	r := must(t, 0, "launch", "-n", "4", "--", "--images", pictures(t, 60), "--out", out, "--model", tiny(t, graphtest.Options{}),
		"--chunk", "4", "--batch", "2", "--provider", "simulate:rate=60,slow=8")
	processed := 0
	for _, m := range regexp.MustCompile(`Worker \d Processed (\d+) images, took`).FindAllStringSubmatch(r.stdout, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		processed += n
	}
	twice := 0
	if m := regexp.MustCompile(`\nTwice +(\d+) images? w(?:as|ere) scored twice`).FindStringSubmatch(r.stdout); m != nil {
		twice, _ = strconv.Atoi(m[1])
	}
	if processed != 60+twice {
		t.Errorf("the workers processed %d images, of 60 and %d that were scored twice: %v", processed, twice, r)
	}
}

// TestVerifySaysTheSpeed: verify and jobs status tell the whole time from that in which
// workers were at work.
func TestVerifySaysTheSpeed(t *testing.T) {
	in, out := pictures(t, 12), t.TempDir()
	args := []string{"run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--chunk", "2", "--batch", "1"}
	must(t, 75, append(args, "--budget-images", "4")...)
	time.Sleep(1100 * time.Millisecond) // a pause worth mentioning
	must(t, 0, args...)
	r := must(t, 0, "verify", out)
	if !regexp.MustCompile(`\n[\d.]+ images/s in .*; [\d.]+ images/s in .* of work, without the pauses\nOK: rows equal manifest\n$`).MatchString(r.stdout) {
		t.Errorf("verify does not tell the speed: %v", r)
	}
	r = must(t, 0, "jobs", "status", out)
	if !regexp.MustCompile(`(?m)^Rate +[\d.]+ images/s in .*, [\d.]+ images/s in .* of work, without the pauses$`).MatchString(r.stdout) {
		t.Errorf("jobs status does not tell the speed: %v", r)
	}
}
