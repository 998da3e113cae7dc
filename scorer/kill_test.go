package scorer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// Variables that make the test binary a worker which kills itself.
const (
	victimPoint  = "SCORER_TEST_KILL_AT" // point:visit
	victimImage  = "SCORER_TEST_KILL_ON" // or the name of an image that kills
	victimImages = "SCORER_TEST_IMAGES"
	victimOut    = "SCORER_TEST_OUT"
	victimTrace  = "SCORER_TEST_TRACE"
	victimRetry  = "SCORER_TEST_RETRY" // scores images of that status again
	victimAfter  = "SCORER_TEST_AFTER" // continues the last output of that folder
	victimLeaves = "SCORER_TEST_LEAVE" // ends in an orderly way on the image: at once, or with an error
	victimAsked  = "SCORER_TEST_ASKED" // is asked to end first, and killed once it had time to write
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(victimPoint) != "":
		victim()
	case os.Getenv(victimImage) != "":
		victimOfAnImage()
	}
	os.Exit(m.Run())
}

func open(folder string) *dir.Store {
	st, err := dir.New(folder, dir.Options{})
	if err != nil {
		panic(err)
	}
	return st
}

// victim scores until it reaches the point for the n-th time, and kills itself there
// with SIGKILL. It records every batch that the engine has scored.
func victim() {
	point, visit, _ := strings.Cut(os.Getenv(victimPoint), ":")
	var n int
	if _, err := fmt.Sscan(visit, &n); err != nil {
		panic(err)
	}
	trace, err := os.OpenFile(os.Getenv(victimTrace), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	visits := make(chan int, 1)
	visits <- 0
	o := options(nil, open(os.Getenv(victimImages)), open(os.Getenv(victimOut)))
	o.Log = zerolog.New(os.Stderr)
	stop := make(chan struct{})
	o.Stop = stop
	o.hook = func(at string, chunk int) {
		seen := <-visits
		if at == "after-infer" {
			fmt.Fprintf(trace, "%d\n", chunk)
		}
		if at == point {
			if seen++; seen == n {
				if os.Getenv(victimAsked) != "" {
					visits <- seen // what happens in the process is marked, too
					close(stop)
					awaitMarks(os.Getenv(victimOut))
				}
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
		visits <- seen
	}
	if status := os.Getenv(victimRetry); status != "" {
		o.Retry = row.Selection{status}
	}
	if place := os.Getenv(victimAfter); place != "" {
		o.After = &After{Place: place}
	}
	_, err = Run(context.Background(), o)
	fmt.Fprintln(os.Stderr, "the victim lived:", err)
	os.Exit(1)
}

// victimOfAnImage scores until it opens the image that kills.
func victimOfAnImage() {
	leave, stop := new(Leave), make(chan struct{})
	deadly := &storetest.Faulty{Store: open(os.Getenv(victimImages)),
		BeforeOpen: func(ctx context.Context, _ int, name string) error {
			if name == os.Getenv(victimImage) {
				switch os.Getenv(victimLeaves) {
				case "at once":
					leave.Now(ctx)
					os.Exit(78)
				case "with an error":
					return &budget.TooSmall{Need: 2 << 30, Free: 1 << 30}
				case "asked":
					close(stop)
					awaitMarks(os.Getenv(victimOut))
				}
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
			return nil
		}}
	o := options(nil, deadly, open(os.Getenv(victimOut)))
	o.Leave, o.Stop, o.Log = leave, stop, zerolog.New(os.Stderr)
	if _, err := Run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// awaitMarks waits until all that this process has in hand says that it was asked to end. It
// gives up after a minute, as a kill would.
func awaitMarks(out string) {
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(time.Millisecond) {
		if marked(out+"/_batchscore", fmt.Sprintf(`"pid":%d,`, os.Getpid())) {
			return
		}
	}
}

// marked reports whether the claims and trials of a process say that it was asked to end.
func marked(records, pid string) bool {
	trials, _ := filepath.Glob(records + "/trials/*")
	for _, name := range trials {
		body, _ := os.ReadFile(name)
		if _, err := os.Stat(name + ".withdrawn"); err != nil && strings.Contains(string(body), pid) {
			return false
		}
	}
	links, _ := filepath.Glob(records + "/claims/*") // a chunk's last one comes last
	last := map[string]string{}
	for _, name := range links {
		body, _ := os.ReadFile(name)
		chunk, _, _ := strings.Cut(filepath.Base(name), ".")
		last[chunk] = string(body)
	}
	mine := 0
	for chunk, link := range last {
		if _, err := os.Stat(filepath.Dir(records) + "/part-" + strings.TrimPrefix(chunk, "chunk-") + ".jsonl"); err == nil {
			continue // committed
		}
		if strings.Contains(link, pid) {
			mine++
			if !strings.Contains(link, `"leaving":true`) {
				return false
			}
		}
	}
	return mine > 0
}

// TestFault21_AKillerImageIsQuarantined starts workers again and again on a
// collection with an image that kills every process that opens it.
func TestFault21_AKillerImageIsQuarantined(t *testing.T) {
	const images = 60
	in, out := t.TempDir(), t.TempDir()
	for i := range images {
		put(t, open(in), pictureName(i), picture(t, i))
	}
	alone := t.TempDir()
	mustRun(t, options(t, open(in), open(alone)))
	killer := pictureName(27)

	// Two deaths make the chunk suspect. Then one death each halves its ten images, at
	// most four times, and two deaths convict the image. The neighbouring chunk, which
	// was in hand at the first deaths, costs none.
	const most = 2 + 4 + 2
	deaths := 0
	for {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victimImage+"="+killer, victimImages+"="+in, victimOut+"="+out)
		text, err := cmd.CombinedOutput()
		if err == nil {
			break
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the worker ended with %v\n%s", err, text)
		}
		if deaths++; deaths > most {
			t.Fatalf("%d workers died, want at most %d before the image is quarantined", deaths, most)
		}
	}
	if deaths < 4 {
		t.Errorf("%d workers died, want at least 4 before the image is quarantined", deaths)
	}
	verified(t, open(out))
	want, got := rows(t, open(alone)), rows(t, open(out))
	for path, w := range want {
		g := got[path]
		switch {
		case path == killer:
			if g.Status != row.StatusQuarantined || g.Error == "" {
				t.Errorf("the killer's row is %+v, want status %s with an error", g, row.StatusQuarantined)
			}
		case g.Status != w.Status || classified(g).Label != classified(w).Label || classified(g).Score != classified(w).Score:
			t.Errorf("%s: %+v, want %+v", path, g, w)
		}
	}
}

// TestDarkImagesAreCountedInIsolation tests that the images of a chunk that a worker died on count as
// looking black as any others do.
func TestDarkImagesAreCountedInIsolation(t *testing.T) {
	in, out := t.TempDir(), t.TempDir()
	for i := range 10 {
		put(t, open(in), pictureName(i), darkPicture(t))
	}
	for range deathsToSuspect {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), victimImage+"="+pictureName(7), victimImages+"="+in, victimOut+"="+out)
		if text, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != -1 {
			t.Fatalf("the worker did not die\n%s", text)
		}
	}
	o := options(t, open(in), open(out))
	var log strings.Builder
	o.Log = o.Log.Output(&log)
	mustRun(t, o)
	if !strings.Contains(log.String(), "bisecting") {
		t.Fatalf("the chunk was not bisected\n%s", log.String())
	}
	all, err := output.ReadSummaries(t.Context(), o.Out)
	dark := 0
	for _, s := range all {
		dark += s.Dark
	}
	if err != nil || dark != 10 {
		t.Errorf("%d dark images, %v, want 10\n%s", dark, err, log.String())
	}
}

// TestLeavingIsNoDeath starts a worker that has to end on an image, for want of memory or because it is
// asked to and killed then, ten times: with its chunk in hand, and while it looks for an image that kills.
func TestLeavingIsNoDeath(t *testing.T) {
	const images = 30
	in := t.TempDir()
	for i := range images {
		put(t, open(in), pictureName(i), picture(t, i))
	}
	for _, how := range []string{"at once", "with an error", "asked"} {
		for _, deaths := range []int{0, deathsToSuspect} {
			t.Run(fmt.Sprintf("%s, %d deaths", how, deaths), func(t *testing.T) {
				t.Parallel()
				out := t.TempDir()
				start := func(leaves string) (int, string) {
					cmd := exec.Command(os.Args[0])
					cmd.Env = append(os.Environ(), victimImage+"="+pictureName(27), victimImages+"="+in, victimOut+"="+out, victimLeaves+"="+leaves)
					text, _ := cmd.CombinedOutput()
					return cmd.ProcessState.ExitCode(), string(text)
				}
				for range deaths {
					if code, text := start(""); code != -1 {
						t.Fatalf("code %d, want a death\n%s", code, text)
					}
				}
				for range 10 {
					code, text := start(how)
					if want := map[string]int{"at once": 78, "with an error": 1, "asked": -1}[how]; code != want || strings.Contains(text, "panic") {
						t.Fatalf("code %d\n%s", code, text)
					}
					if strings.Contains(text, "bisecting") != (deaths > 0) || strings.Contains(text, "quarantined") {
						t.Fatalf("want the chunk to be bisected for real deaths only\n%s", text)
					}
				}
				if s := mustRun(t, options(t, open(in), open(out))); s.Statuses[row.StatusOK] != images {
					t.Errorf("got %v, want all images scored", s.Statuses)
				}
			})
		}
	}
}

// TestFault01_KilledAtEveryPoint kills a worker with SIGKILL at each named point,
// several times, in both forms of claims. A rerun must complete the job.
func TestFault01_KilledAtEveryPoint(t *testing.T) {
	const images = 60 // 6 chunks of 10, batches of 4, 4 and 2
	in := t.TempDir()
	for i := range images {
		put(t, open(in), pictureName(i), picture(t, i))
	}
	alone := t.TempDir()
	mustRun(t, options(t, open(in), open(alone)))
	want := mergedText(t, open(alone))

	for _, form := range claimForms {
		for _, point := range []string{"claim", "read", "infer", "commit"} {
			for _, when := range []string{"before-", "after-"} {
				t.Run(form.name+"/"+when+point, func(t *testing.T) {
					t.Parallel()
					out, trace := t.TempDir(), t.TempDir()+"/trace"
					if form.begin != nil {
						form.begin(t, options(t, open(in), open(out)))
					}
					chunk := 10
					for _, visit := range []int{3, 2, 1} { // two reruns are killed, too
						n := visit
						if point == "read" {
							n = visit * 7
						}
						kill(t, when+point, n, in, out, trace)
						if redo := scoredInVain(t, trace, out, chunk); redo > 1 {
							t.Errorf("%d chunks were scored and not committed: at most 1 may have to be scored again", redo)
						}
						if _, err := output.ReadSuccess(t.Context(), open(out)); err == nil {
							t.Fatal("_SUCCESS exists, but the worker was killed before its end")
						}
					}
					mustRun(t, options(t, open(in), open(out)))
					report, err := output.Verify(t.Context(), open(out))
					if err != nil || report.Err() != nil || !report.Complete {
						t.Fatalf("%v\n%s", err, report.String())
					}
					if got := mergedText(t, open(out)); got != want {
						t.Error("the merged rows differ from those of an undisturbed run")
					}
				})
			}
		}
	}
}

// kill starts a worker that is killed at a point, and returns what it logged.
func kill(t *testing.T, point string, visit int, in, out, trace string, env ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), env...), fmt.Sprintf("%s=%s:%d", victimPoint, point, visit),
		victimImages+"="+in, victimOut+"="+out, victimTrace+"="+trace)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the victim was not killed at %s: %v\n%s", point, err, text)
	}
	return string(text)
}

// TestFault47_AskedToEndAndKilled asks workers to end at each point and kills them before
// they commit, as mpirun does after a second when another rank has died. That is not a
// reason to suspect the images that they had in hand.
func TestFault47_AskedToEndAndKilled(t *testing.T) {
	const images = 20
	in := t.TempDir()
	for i := range images {
		put(t, open(in), pictureName(i), picture(t, i))
	}
	for _, form := range claimForms {
		for _, point := range []string{"before-read", "after-read", "before-infer", "after-infer", "before-commit"} {
			t.Run(form.name+"/"+point, func(t *testing.T) {
				t.Parallel()
				out := t.TempDir()
				if form.begin != nil {
					form.begin(t, options(t, open(in), open(out)))
				}
				for range deathsToSuspect + 1 {
					if log := kill(t, point, 1, in, out, out+".trace", victimAsked+"=yes"); strings.Contains(log, "bisecting") {
						t.Fatalf("a chunk is suspected:\n%s", log)
					}
				}
				if s := mustRun(t, options(t, open(in), open(out))); s.Statuses[row.StatusOK] != images {
					t.Errorf("got %v, want all images scored", s.Statuses)
				}
			})
		}
	}
}

// TestFault21_LossesOfOneChunk loses every worker that has one chunk in hand, always at its
// first image, as if their hosts were lost. Nobody can tell that from an image that kills,
// so the test states how many it takes until a good image is quarantined.
func TestFault21_LossesOfOneChunk(t *testing.T) {
	const images = 10 // one chunk
	in, out := t.TempDir(), t.TempDir()
	for i := range images {
		put(t, open(in), pictureName(i), picture(t, i))
	}
	// Two make the chunk suspect. Ranges of 10, 5 and 2 images take one each, and two
	// convict the image.
	const most = deathsToSuspect + 3 + deathsToConvict
	for range most {
		if log := kill(t, "before-read", 1, in, out, out+".trace"); strings.Contains(log, "quarantined") {
			t.Fatalf("quarantined before %d losses:\n%s", most, log)
		}
	}
	s := mustRun(t, options(t, open(in), open(out)))
	if s.Statuses[row.StatusQuarantined] != 1 || s.Statuses[row.StatusOK] != images-1 {
		t.Errorf("got %v, want one image quarantined", s.Statuses)
	}
	again := options(t, open(in), open(out))
	again.Retry = row.Selection{row.StatusQuarantined}
	if s := mustRun(t, again); s.Statuses[row.StatusOK] != images {
		t.Errorf("got %v, want the image scored by --retry", s.Statuses)
	}
}

// scoredInVain counts the chunks of which every batch was scored in the run that
// wrote trace, and whose part does not exist. It removes trace.
func scoredInVain(t *testing.T, trace, out string, chunk int) int {
	t.Helper()
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(trace)
	defer f.Close()
	batches := map[int]int{}
	for s := bufio.NewScanner(f); s.Scan(); {
		var c int
		if _, err := fmt.Sscan(s.Text(), &c); err != nil {
			t.Fatal(err)
		}
		batches[c]++
	}
	vain := 0
	for c, n := range batches {
		_, err := os.Stat(out + "/" + fmt.Sprintf("part-%05d.jsonl", c))
		if n == (chunk+3)/4 && errors.Is(err, os.ErrNotExist) {
			vain++
		}
	}
	return vain
}
