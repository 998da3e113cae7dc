package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/scorer/store/fault"
)

var (
	shortChaos = chaosScale{images: 24, chunk: 3, ranks: 2, rounds: 2, burst: 3}
	longChaos  = chaosScale{images: 300, chunk: 4, ranks: 5, rounds: 6, burst: 15}
)

// TestChaos scores collections from the emulator to the emulator on ranks under mpirun,
// through a proxy that behaves like a bad network and a busy service, and sends signals
// to the ranks, round after round on a schedule that depends on a seed. Whenever all
// ranks have ended, the output is verified. When the collection is complete, the merged
// file equals that of an undisturbed run.
//
// BATCHSCORE_CHAOS is how long to continue, by default for one small collection;
// BATCHSCORE_CHAOS_SEED repeats a schedule, BATCHSCORE_CHAOS_FIRST starts with that
// collection, and BATCHSCORE_CHAOS_RANKS is the usual number of ranks, which grows by up
// to two.
func TestChaos(t *testing.T) {
	c := newChaos(t)
	first := chaosNumber(t, "BATCHSCORE_CHAOS_FIRST", 0)
	for n := first; n == first || time.Since(c.start) < c.lasts; n++ {
		c.collection(n)
	}
	t.Log(c.String())
	if c.lasts >= 10*time.Minute && (len(c.injected) < 8 || c.faults() < 100) {
		t.Errorf("too little happened to prove anything: %d faults of %d kinds", c.faults(), len(c.injected))
	}
}

// chaos is a chaos run.
type chaos struct {
	*testing.T
	chaosScale
	seed   uint64
	start  time.Time
	lasts  time.Duration
	server *azuritetest.Server
	// credentials is a file, container holds images and outputs, model is a
	// small one.
	credentials, container, model string
	undisturbed                   map[chaosCollection][]byte

	rounds, complete int
	injected         map[string]int
	lost, doubled    int
}

func newChaos(t *testing.T) *chaos {
	needMpirun(t)
	c := &chaos{T: t, chaosScale: shortChaos, seed: 30, start: time.Now(),
		injected: map[string]int{}, undisturbed: map[chaosCollection][]byte{}}
	if text := os.Getenv("BATCHSCORE_CHAOS"); text != "" {
		var err error
		if c.lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		c.chaosScale, c.seed = longChaos, uint64(c.start.UnixNano())
		c.ranks = chaosNumber(t, "BATCHSCORE_CHAOS_RANKS", 3) + 2
	}
	c.seed = chaosNumber(t, "BATCHSCORE_CHAOS_SEED", c.seed)
	t.Logf("BATCHSCORE_CHAOS_SEED=%d", c.seed)

	c.model = tiny(t, graphtest.Options{})
	c.server = azuritetest.Start(t)
	c.container = c.server.Container(t)
	c.credentials = filepath.Join(t.TempDir(), "credentials")
	writeFile(t, c.credentials, []byte(strings.Join(c.server.Env(), "\n")+"\n"))
	images := azuritetest.Open(t, c.server.Options(t, c.container, "images/"))
	for i := range c.images {
		body := picture(t, i)
		if i%29 == 7 {
			body = body[:len(body)/2] // some are damaged in every collection
		}
		if _, err := images.Create(t.Context(), chaosImage(i), body); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func chaosImage(i int) string { return fmt.Sprintf("year %d/%05d.jpg", i%3, i) }

// chaosNumber returns the number in an environment variable.
func chaosNumber[T int | uint64](t *testing.T, name string, otherwise T) T {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return T(n)
}

// collection scores one collection, until it is complete.
func (c *chaos) collection(n int) {
	kind := c.chaosScale.collection(c.seed, n)
	want := c.alone(kind)
	out := fmt.Sprintf("out-%d", n)
	rows, ranks := 0, 0
	for r := 0; ; r++ {
		calm := r >= kind.rounds || c.lasts > 0 && time.Since(c.start) > c.lasts
		round := c.round(c.seed, n, r, calm)
		if ranks != 0 && ranks != round.ranks {
			c.injected["resize"]++
		}
		ranks = round.ranks
		began := time.Now()
		c.endure(kind, round, out)
		c.rounds++
		report := c.verify(out)
		c.Logf("collection %d, round %d: %v: %d of %d rows after %v", n, r, round, report.Rows, c.images, time.Since(began).Round(time.Millisecond))
		if report.Rows < rows {
			c.Fatalf("rows that stood are gone: %d, and there were %d", report.Rows, rows)
		}
		rows = report.Rows
		if report.Complete {
			break
		}
		if calm {
			c.Fatalf("the job ended well, and is not complete: %v", report)
		}
	}
	c.complete++
	if got := c.merged(out, kind.format); !bytes.Equal(got, want) {
		c.Fatalf("the merged file of %s differs from that of a run that nobody disturbed: %d bytes and %d", out, len(got), len(want))
	}
}

// args returns a command line of run.
func (c *chaos) args(kind chaosCollection, out, endpoint string) []string {
	provider := "cpu"
	if kind.simulated {
		provider = "simulate:rate=100,jitter=0.3,batch=2"
	}
	return []string{"run", "--images", c.place("images"), "--out", out, "--model", c.model,
		"--provider", provider, "--format", kind.format, "--batch", "2", "--chunk", strconv.Itoa(c.chunk),
		"--endpoint", endpoint, "--credentials", c.credentials}
}

func (c *chaos) place(prefix string) string { return c.server.Place(c, c.container, prefix).String() }

// alone returns the merged file of one undisturbed rank.
func (c *chaos) alone(kind chaosCollection) []byte {
	kind.rounds = 0
	if body, ok := c.undisturbed[kind]; ok {
		return body
	}
	out := fmt.Sprintf("alone-%d", len(c.undisturbed))
	must(c, 0, c.args(kind, c.place(out), c.server.Endpoint)...)
	if kind.format == "jsonl" {
		c.checkPaths(c.merged(out, kind.format))
	}
	c.undisturbed[kind] = c.merged(out, kind.format)
	return c.undisturbed[kind]
}

// checkPaths compares the rows with the uploaded images.
func (c *chaos) checkPaths(rows []byte) {
	count := map[string]int{}
	for line := range bytes.Lines(rows) {
		var row struct{ Path string }
		if err := json.Unmarshal(line, &row); err != nil {
			c.Fatalf("%v in %q", err, line)
		}
		count[row.Path]++
	}
	for i := range c.images {
		if n := count[chaosImage(i)]; n != 1 {
			c.Fatalf("image %q has %d rows", chaosImage(i), n)
		}
	}
	if len(count) != c.images {
		c.Fatalf("rows of %d images, want %d", len(count), c.images)
	}
}

func (c *chaos) merged(out, format string) []byte {
	file := filepath.Join(c.TempDir(), "merged."+format)
	must(c, 0, "merge", c.place(out), "-o", file, "--endpoint", c.server.Endpoint, "--credentials", c.credentials)
	body, err := os.ReadFile(file)
	if err != nil {
		c.Fatal(err)
	}
	return body
}

// verify verifies an output. As long as it is not complete, parts and images may be
// missing, but nothing else may be wrong.
func (c *chaos) verify(out string) output.Report {
	r := batchscore(c, "verify", "--json", c.place(out), "--endpoint", c.server.Endpoint, "--credentials", c.credentials)
	var report output.Report
	if r.code == 78 && r.stdout == "" {
		return report // struck before there was a job
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != 0 && r.code != 10 {
		c.Fatalf("verify: %v, %v", err, r)
	}
	c.doubled += report.Found[output.Doubled] + report.Found[output.Surplus]
	if report.Complete {
		c.lost += report.MissingImages
	}
	wrong := maps.Clone(report.Found)
	if !report.Complete {
		delete(wrong, output.Missing)
	}
	if len(wrong) > 0 || report.Complete != (r.code == 0) {
		c.Fatalf("verify: %v", r)
	}
	return report
}

// endure runs a round: the job, and a second one if there is one, until they end.
func (c *chaos) endure(kind chaosCollection, round chaosRound, out string) {
	strikes := make(chan chaosStrike, len(round.strikes))
	proxy, err := fault.NewProxy(strings.TrimPrefix(c.server.Endpoint, "http://"), fault.ProxyOptions{
		Schedule: round.schedule(strikes), Latency: round.latency, StallFor: round.stall, Life: processTimeout,
	})
	if err != nil {
		c.Fatal(err)
	}
	defer proxy.Close()
	args := append(c.args(kind, c.place(out), "http://"+proxy.Addr()), "--lease", round.lease.String())
	if round.budget > 0 {
		args = append(args, "--budget-images", strconv.Itoa(round.budget))
		c.injected["budget"]++
	}
	jobs := []*chaosJob{c.launch(round.ranks, args)}
	if round.second > 0 {
		c.injected["second-job"]++
		jobs = append(jobs, c.launch(round.second, args))
	}
	struck := false
	for _, job := range jobs {
		for running := true; running; {
			select {
			case s := <-strikes:
				struck = c.strike(s, jobs) || struck
			case err := <-job.ended:
				running = false
				c.judge(job, err, struck, round)
			}
		}
	}
	for kind, n := range proxy.Counts() {
		c.injected[kind.String()] += n
	}
}

// chaosJob is one process of mpirun.
type chaosJob struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
	ended          chan error
}

func (c *chaos) launch(ranks int, args []string) *chaosJob {
	job := &chaosJob{Cmd: mpirun(c, ranks, args...), ended: make(chan error, 1)}
	job.Stdout, job.Stderr = &job.stdout, &job.stderr
	if err := job.Start(); err != nil {
		c.Fatal(err)
	}
	go func() { job.ended <- job.Wait() }()
	return job
}

// strike sends a signal to one or all of the running ranks, and reports whether there
// was any.
func (c *chaos) strike(s chaosStrike, jobs []*chaosJob) bool {
	var ranks []int
	for _, job := range jobs {
		ranks = append(ranks, children(c.T, job.Process.Pid)...)
	}
	if len(ranks) == 0 {
		return false
	}
	slices.Sort(ranks)
	if !s.all {
		ranks = ranks[s.whom%len(ranks):][:1]
	}
	for _, pid := range ranks {
		_ = syscall.Kill(pid, s.signal) // it may end at the same moment
	}
	c.injected[s.kind()]++
	return true
}

// judge fails the test if a job ended in a way that no disturbance excuses.
func (c *chaos) judge(job *chaosJob, err error, struck bool, round chaosRound) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.Fatalf("%s: %v", job, err)
	}
	code := job.ProcessState.ExitCode()
	ok := code == 0 || code == 75 && round.budget > 0
	if struck {
		ok = !slices.Contains([]int{3, 6, 10, 11, 64, 78}, code)
	}
	if !ok || strings.Contains(job.stderr.String(), "panic:") || strings.Contains(job.stderr.String(), "DATA RACE") {
		c.Fatalf("round of %v:\n%v", round, processResult{code, job.stdout.String(), job.stderr.String()})
	}
}

func (c *chaos) faults() (n int) {
	for _, count := range c.injected {
		n += count
	}
	return n
}

// String returns the report on the run.
func (c *chaos) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %v: %d rounds, %d collections of %d images complete\n",
		c.seed, time.Since(c.start).Round(time.Second), c.rounds, c.complete, c.images)
	fmt.Fprintf(&b, "%d faults injected, of %d kinds:\n", c.faults(), len(c.injected))
	for _, kind := range slices.Sorted(maps.Keys(c.injected)) {
		fmt.Fprintf(&b, "  %-14s %6d\n", kind, c.injected[kind])
	}
	fmt.Fprintf(&b, "images lost: %d\nimages doubled: %d", c.lost, c.doubled)
	return b.String()
}
