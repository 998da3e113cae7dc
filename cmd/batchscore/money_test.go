package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// successOf returns what _SUCCESS of an output says, and the summaries of its workers.
func successOf(t *testing.T, out string) (output.Success, []output.WorkerSummary) {
	t.Helper()
	st, err := (&placeFlags{}).open("OUT", out)
	if err != nil {
		t.Fatal(err)
	}
	return successIn(t, st)
}

func successIn(t *testing.T, st store.Store) (output.Success, []output.WorkerSummary) {
	t.Helper()
	s, err := output.ReadSuccess(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	workers, err := output.ReadSummaries(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	return s, workers
}

// TestCostOfTwoRanks: _SUCCESS of two ranks has the hours that their summaries have, and their
// price, on the screen, in the status and in the log, too. A retry adds its own.
func TestCostOfTwoRanks(t *testing.T) {
	t.Parallel()
	in, out := pictures(t, 60), filepath.Join(t.TempDir(), "out")
	writeFile(t, filepath.Join(in, "bad.jpg"), []byte("no picture"))
	args := []string{"run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--chunk", "4", "--price", "3600EUR", "--log-format", "json"}
	r := finish(t, mpirun(t, 2, args...))
	if r.code != 0 {
		t.Fatal(r)
	}
	s, workers := successOf(t, out)
	if s.Hours == nil || s.Cost == nil || s.Hours.AtLeast || s.Cost.AtLeast || s.Cost.Currency != "EUR" || len(workers) != 2 {
		t.Fatalf("%d workers, hours %+v, cost %+v", len(workers), s.Hours, s.Cost)
	}
	seconds := workers[0].Seconds + workers[1].Seconds
	if math.Abs(s.Hours.Device*3600-seconds) > 0.01 || math.Abs(s.Cost.Amount-seconds) > 0.01 || s.Hours.Node > s.Hours.Device ||
		math.Abs(s.Cost.PerThousand-s.Cost.Amount/61*1000) > 0.01 {
		t.Errorf("workers worked %v s at 1 EUR a second; hours %+v, cost %+v", seconds, s.Hours, s.Cost)
	}
	says(t, r, "Cost", "EUR per 1,000 images", `"currency":"EUR"`)
	says(t, must(t, 0, "jobs", "status", out), "EUR per 1,000 images")
	var status struct {
		Progress struct {
			Cost struct {
				Amount float64 `json:"amount"`
			} `json:"cost"`
		} `json:"progress"`
	}
	if err := json.Unmarshal([]byte(must(t, 0, "jobs", "status", "--json", out).stdout), &status); err != nil || status.Progress.Cost.Amount != s.Cost.Amount {
		t.Errorf("the status has %+v, %v, want %v", status, err, s.Cost.Amount)
	}

	file := filepath.Join(t.TempDir(), "jobs.prom")
	export := command(t, nil, "jobs", "export", "--metrics-file", file, out)
	if err := export.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cost among the metrics", func() bool {
		body, err := os.ReadFile(file)
		return err == nil && regexp.MustCompile(`(?m)^batchscore_job_cost\{.*currency="EUR".*\} [0-9]`).Match(body) &&
			strings.Contains(string(body), `of="machines"`)
	})
	_ = export.Process.Kill()
	_ = export.Wait()

	must(t, 0, append(args, "--retry", "failed")...)
	again, _ := successOf(t, out)
	if again.Cost == nil || again.Cost.Amount <= s.Cost.Amount || again.Hours.Device <= s.Hours.Device {
		t.Errorf("after a retry the cost is %+v of %+v, before %+v of %+v", again.Cost, again.Hours, s.Cost, s.Hours)
	}
	must(t, 0, args...)
	if same, _ := successOf(t, out); same.Cost.Amount != again.Cost.Amount {
		t.Error("a run that had nothing to do changed the cost")
	}
}

// TestCostOfAKilledRank: the hours of a rank that was killed are those that its claims show,
// and the cost is said to be at least that.
func TestCostOfAKilledRank(t *testing.T) {
	t.Parallel()
	in, out := pictures(t, 400), filepath.Join(t.TempDir(), "out")
	args := []string{"run", "--images", in, "--out", out, "--model", slow(t), "--chunk", "4", "--price", "3600EUR/node"}
	cmd := command(t, nil, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "some parts", func() bool { return countParts(t, out) > 5 })
	_ = cmd.Process.Signal(syscall.SIGKILL)
	wait(t, cmd, &stdout, &stderr)
	r := must(t, 0, append(args, "--provider", "cpu")...)
	s, workers := successOf(t, out)
	if s.Cost == nil || !s.Hours.AtLeast || !s.Cost.AtLeast || len(workers) != 1 || s.Hours.Device*3600 <= workers[0].Seconds {
		t.Errorf("hours %+v, cost %+v; the rank that ended worked %v s", s.Hours, s.Cost, workers[0].Seconds)
	}
	says(t, r, "at least")
}

// TestBudgetOfMoney: ranks pause once each has cost its share, say so, and continue when
// they are run again.
func TestBudgetOfMoney(t *testing.T) {
	t.Parallel()
	in, out := pictures(t, 600), filepath.Join(t.TempDir(), "out")
	args := []string{"run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--chunk", "4", "--price", "3600EUR"}
	r := finish(t, mpirun(t, 2, append(args, "--provider", "simulate:rate=10,batch=1", "--budget-money", "4 EUR")...))
	says(t, r, "this rank's share of the budget, 2.00 of 4.00 EUR, is spent, in 2s at 3600EUR an hour")
	if r.code != 75 || exists(filepath.Join(out, output.SuccessName)) {
		t.Fatal(r)
	}
	says(t, must(t, 0, "jobs", "status", out), "Cost", "EUR", "(simulated)")
	says(t, must(t, 0, append(args, "--provider", "simulate:rate=100000")...), "EUR per 1,000 images", "machines (simulated)")
	if s, workers := successOf(t, out); len(workers) != 3 || s.Cost == nil || s.Cost.AtLeast || s.Cost.Amount < 4 {
		t.Errorf("%d workers, cost %+v", len(workers), s.Cost)
	}
}

// TestCostWithoutAPrice: hours are known, a cost is not, and nothing of it is said.
func TestCostWithoutAPrice(t *testing.T) {
	t.Parallel()
	in, out := pictures(t, 4), filepath.Join(t.TempDir(), "out")
	r := must(t, 0, "run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}))
	if s, _ := successOf(t, out); s.Hours == nil || s.Hours.Device == 0 || s.Cost != nil || strings.Contains(r.stdout, "Cost ") {
		t.Errorf("hours %+v, cost %+v: %v", s.Hours, s.Cost, r)
	}
}

// TestPricesThatAreRefused checks what is said of prices and budgets that mean nothing.
func TestPricesThatAreRefused(t *testing.T) {
	t.Parallel()
	in, out := pictures(t, 1), filepath.Join(t.TempDir(), "out")
	model := tiny(t, graphtest.Options{})
	for _, test := range []struct {
		code int
		args []string
		want string
	}{
		{code: 64, args: []string{"--price", "free"}, want: "want a price above zero"},
		{code: 64, args: []string{"--price", "a=1EUR,b=1USD"}, want: "different currencies"},
		{code: 64, args: []string{"--budget-money", "3"}, want: "needs --price"},
		{code: 64, args: []string{"--price", "1", "--budget-money", "0"}, want: "an amount above zero"},
		{code: 64, args: []string{"--price", "1EUR", "--budget-money", "1USD"}, want: "different currencies"},
		{code: 78, args: []string{"--price", "h200=1", "--budget-money", "1"}, want: "--price has none for it"},
	} {
		r := batchscore(t, append([]string{"run", "--images", in, "--out", out, "--model", model}, test.args...)...)
		if r.code != test.code || !strings.Contains(r.stderr, test.want) {
			t.Errorf("%v: got %v, want exit code %d and %q", test.args, r, test.code, test.want)
		}
	}
	if exists(out) {
		t.Error("something was written")
	}
}

// TestPriceOfService: the price of a machine in service.yaml becomes that of each job, unless
// the job has its own, and every engine takes it.
func TestPriceOfService(t *testing.T) {
	t.Parallel()
	service := filepath.Join(t.TempDir(), "service.yaml")
	writeFile(t, service, []byte("local:\n  price: 3.06 EUR\nslurm:\n  price: 12\n"))
	launch := []string{"launch", "--service", service, "--dry-run", "--images", pictures(t, 1), "--out", filepath.Join(t.TempDir(), "out"), "--model", "x.onnx"}
	says(t, must(t, 0, launch...), "--price=3.06EUR/node")
	says(t, must(t, 0, append(launch, "--to", "slurm")...), "--price=12/node")
	own := must(t, 0, append(launch, "--", "--price", "1USD")...)
	if says(t, own, "--price=1USD"); strings.Contains(own.stdout, "3.06") {
		t.Errorf("the job's own price does not count: %v", own)
	}
	writeFile(t, service, []byte("local:\n  price: 3.06/node\n"))
	if r := batchscore(t, launch...); r.code != 78 || !strings.Contains(r.stderr, "price: want that of one machine") {
		t.Errorf("a wrong price: %v", r)
	}
}
