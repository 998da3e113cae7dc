package metrics_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/metrics"
)

// gpu is a GPU that reports everything.
type gpu struct{}

func (gpu) Read() device.Reading {
	return device.Reading{Busy: 0.5, MemoryMB: 2, ClockMHz: 1, Watts: 100, Celsius: 40, Joules: 7}
}

// counted is a store that keeps statistics.
type counted struct{ store.Store }

func (counted) Stats() store.Stats { return store.Stats{Calls: 3, Retries: 2, Throttled: 1} }

// full returns a rank of which everything is known.
func full(t *testing.T) *metrics.Rank {
	t.Helper()
	r := &metrics.Rank{
		Rank: 3, Ranks: 4, Out: "az://acme/la\xffbels\x1b[2J", Version: "v1", Started: time.Unix(100, 0), Deadline: time.Unix(200, 0),
		Counters: new(telemetry.Counters), State: new(telemetry.State), Stores: map[string]store.Store{"images": counted{new(mem.Store)}},
	}
	s := telemetry.StartSampler(gpu{})
	s.Stop() // reads twice
	r.State.Update(func(f *telemetry.Facts) {
		*f = telemetry.Facts{Job: "job1", Model: "m.onnx", ModelDigest: "sha256:0123456789abcdef", Device: "cpu", Images: 10, Share: 5, Sampler: s}
	})
	r.Counters.Add(telemetry.Images, 7)
	r.Counters.Committed(map[string]int{"ok": 4, "empty": 1})
	r.Counters.Busy(telemetry.Fetch, time.Now().Add(-3*time.Second))
	r.Counters.Batch(8)
	return r
}

// gather returns the families of a set by name.
func gather(t *testing.T, s *metrics.Set) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := s.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*dto.MetricFamily{}
	for _, f := range families {
		all[f.GetName()] = f
	}
	return all
}

// TestRank: a rank of which everything is known has every metric of a rank.
func TestRank(t *testing.T) {
	t.Parallel()
	s := full(t).Set(func(v string) string { return strings.ReplaceAll(v, "acme", "[hidden]") }, metrics.End(time.Unix(300, 0), 75))
	have := gather(t, s)
	for _, m := range metrics.All() {
		if m.Scope == metrics.OfRank && have[m.Name] == nil {
			t.Errorf("%s has no value", m.Name)
		}
	}
	for name, want := range map[string]float64{
		"batchscore_images_processed_total": 7, "batchscore_run_exit_status": 75, "batchscore_run_deadline_timestamp_seconds": 200,
		"batchscore_storage_throttled_total": 1, "batchscore_gpu_memory_used_bytes": 2 << 20, "batchscore_gpu_utilization_ratio": 0.5,
	} {
		m := have[name].GetMetric()[0]
		if got := m.GetCounter().GetValue() + m.GetGauge().GetValue(); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	for _, m := range have["batchscore_stage_duration_seconds"].GetMetric() {
		h, want := m.GetHistogram(), uint64(0)
		if strings.Contains(m.String(), "fetch") {
			want = 1
		}
		if h.GetSampleCount() != want {
			t.Errorf("%v: want %d values", m, want)
		}
	}
	info := have["batchscore_run_info"].GetMetric()[0].String()
	for _, want := range []string{`"job1"`, `"0123456789ab"`, `az://[hidden]/la`, `"3"`} {
		if !strings.Contains(info, want) {
			t.Errorf("run_info %s has no %s", info, want)
		}
	}
	if strings.Contains(info, "\x1b") || !utf8.ValidString(info) {
		t.Errorf("run_info %q has what is not printed", info)
	}
}

// TestUnknown: at its start a rank has no figures of a job.
func TestUnknown(t *testing.T) {
	t.Parallel()
	r := &metrics.Rank{Counters: new(telemetry.Counters), State: new(telemetry.State)}
	have := gather(t, r.Set(nil))
	for _, name := range []string{"batchscore_expected_images", "batchscore_last_commit_timestamp_seconds", "batchscore_gpu_utilization_ratio"} {
		if have[name] != nil {
			t.Errorf("%s has a value: %v", name, have[name])
		}
	}
	if have["batchscore_images_total"] == nil {
		t.Error("batchscore_images_total is not there from the start, so that its rate does not begin at 0")
	}
}

// TestNames checks names by the conventions, and that each is defined once.
func TestNames(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^batchscore_[a-z][a-z_]*[a-z0-9]$`)
	seen := map[string]bool{}
	for _, m := range metrics.All() {
		if seen[m.Name] || !form.MatchString(m.Name) {
			t.Errorf("%s: defined twice, or of another form than %s", m.Name, form)
		}
		seen[m.Name] = true
		if counts := strings.HasSuffix(m.Name, "_total"); counts != (m.Kind == metrics.Counter) {
			t.Errorf("%s is a %s: counters, and only those, end in _total", m.Name, m.Kind)
		}
		if !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s: its meaning is not a sentence: %q", m.Name, m.Help)
		}
	}
}

// TestServe asks a server for everything that it has.
func TestServe(t *testing.T) {
	t.Parallel()
	s, err := metrics.Serve("127.0.0.1:0", full(t).Set(nil).Gatherer())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for path, want := range map[string]string{"/metrics": `batchscore_images_total{job_id="job1",rank="3",status="ok"} 4`, "/healthz": "ok", "/": "404"} {
		resp, err := http.Get("http://" + s.Address.String() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(resp.Status+string(body), want) {
			t.Errorf("%s: %s: %s, %v; want %s", path, resp.Status, body, err, want)
		}
	}
	if _, err := metrics.Serve(s.Address.String(), full(t).Set(nil).Gatherer()); err == nil {
		t.Error("a port was taken twice")
	}
}

// TestFile writes a file twice, and finds the last values and nothing else.
func TestFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "a.prom")
	r := full(t)
	for range 2 {
		r.Counters.Add(telemetry.Images, 1)
		if err := metrics.WriteFile(name, r.Set(nil).Gatherer()); err != nil {
			t.Fatal(err)
		}
	}
	body, err := os.ReadFile(name)
	if want := `batchscore_images_processed_total{job_id="job1",rank="3"} 9`; err != nil || !strings.Contains(string(body), want) {
		t.Errorf("%v: the file has no %s:\n%s", err, want, body)
	}
	if all, _ := filepath.Glob(filepath.Join(filepath.Dir(name), "*")); len(all) != 1 {
		t.Errorf("files %v, want one", all)
	}
}

// TestNothingForAnImage: counting an image allocates nothing.
func TestNothingForAnImage(t *testing.T) {
	var c telemetry.Counters
	start := time.Now()
	if n := testing.AllocsPerRun(100, func() {
		c.Busy(telemetry.Decode, start)
		c.Add(telemetry.Images, 1)
		c.Batch(1)
	}); n > 0 {
		t.Errorf("%v allocations for an image", n)
	}
}
