package cudatest

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// facts and use are the fields of the records that these tests look at.
type facts struct {
	Name, UUID, Driver, CUDA, CUDNN string
	Capability                      string `json:"compute_capability"`
	MemoryMB                        int    `json:"memory_mb"`
	MIG                             bool
}

type use struct {
	Seconds, Joules, Watts, Celsius float64
	Busy                            *float64
	Throttled                       float64            `json:"throttled_seconds"`
	Throttle                        map[string]float64 `json:"throttle_seconds"`
}

type records struct {
	job struct{ GPU *facts }
	// summaries are those of the workers, by name.
	summaries []struct {
		GPU *facts
		Use *use `json:"gpu_use"`
	}
	success struct {
		Kinds []string `json:"gpu_kinds"`
		GPU   *struct {
			Busy      *float64
			PerJoule  float64 `json:"images_per_joule"`
			Throttled float64 `json:"throttled_seconds"`
		}
		Versions map[string]string
	}
}

// readRecords reads the records of a complete output.
func readRecords(t *testing.T, out string) (r records) {
	t.Helper()
	read := func(file string, to any) {
		t.Helper()
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read(filepath.Join(out, "_batchscore/job.json"), &r.job)
	read(filepath.Join(out, "_SUCCESS"), &r.success)
	files, err := filepath.Glob(filepath.Join(out, "_batchscore/workers/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no summaries: %v", err)
	}
	r.summaries = slices.Grow(r.summaries, len(files))[:len(files)]
	for i, file := range files {
		read(file, &r.summaries[i])
	}
	return r
}

var p100 = Device{Name: "Tesla P100-PCIE-16GB", UUID: "GPU-5a1c0000-0000-4000-8000-000000000001", Capability: "6.0", MemoryMB: 16280}

// TestCUDATelemetry: the records, the log and the last lines of a run name the GPU and
// its software, and say how busy it was. CUDA's only GPU is not NVML's first.
func TestCUDATelemetry(t *testing.T) {
	t.Parallel()
	lines(t, func(t *testing.T, line Line) {
		gpu := p100
		if line == CUDA13 { // which does not serve a P100
			gpu.Name, gpu.Capability = "Tesla T4", "7.5"
		}
		m := New(t, Config{Line: line, Devices: []Device{{}, gpu},
			Vars: []string{"CUDA_VISIBLE_DEVICES=" + gpu.UUID, "CUDATEST_UTILIZATION=41", "CUDATEST_POWER_MW=182000", "CUDATEST_THROTTLE=4"}})
		out := filepath.Join(t.TempDir(), "out")
		ran := m.run(t, pictures(t, 12), out).must(t)
		want := facts{Name: gpu.Name, UUID: gpu.UUID, Capability: gpu.Capability, MemoryMB: 16280, Driver: "570.124.06", CUDA: "12.8", CUDNN: "9.10.2"}
		if line == CUDA13 {
			want.Driver, want.CUDA = "580.65.06", "13.0"
		}
		r := readRecords(t, out)
		for what, got := range map[string]*facts{"job record": r.job.GPU, "summary": r.summaries[0].GPU} {
			if got == nil || *got != want {
				t.Errorf("the %s has %+v, want %+v", what, got, want)
			}
		}
		for name, version := range map[string]string{"cuda": want.CUDA, "cudnn": want.CUDNN, "nvidia_driver": want.Driver} {
			if got := r.success.Versions[name]; got != version {
				t.Errorf("_SUCCESS has version %q of %s, want %q", got, name, version)
			}
		}
		if len(r.success.Kinds) != 1 || !strings.HasPrefix(r.success.Kinds[0], gpu.Name+" (compute capability "+gpu.Capability+"), cuDNN 9.10.2, driver 5") {
			t.Errorf("kinds %q", r.success.Kinds)
		}
		u := r.summaries[0].Use
		// A P100 does not count its energy: it is the sum of its power over the time.
		if line == CUDA12 && u != nil && (u.Watts != 182 || u.Joules < 181*u.Seconds || u.Joules > 183*u.Seconds+1) {
			t.Errorf("%v W, %v J in %v s", u.Watts, u.Joules, u.Seconds)
		}
		if u == nil || u.Seconds <= 0 || u.Busy == nil || *u.Busy != 0.41 || u.Celsius != 45 || u.Joules <= 0 ||
			math.Abs(u.Throttled-u.Seconds) > 0.001 || u.Throttle["power"] != u.Throttled {
			t.Errorf("the summary has %+v", u)
		}
		if g := r.success.GPU; g == nil || g.Busy == nil || *g.Busy != 0.41 || g.PerJoule <= 0 || g.Throttled <= 0 {
			t.Errorf("_SUCCESS has %+v", g)
		}
		for _, text := range []string{`"gpu_name":"` + gpu.Name + `"`, `"compute_capability":"` + gpu.Capability + `"`, `"images_per_joule":`} {
			if !strings.Contains(ran.stderr, text) {
				t.Errorf("the log lacks %s:\n%s", text, ran.stderr)
			}
		}
		if want := gpu.Name + ", busy for 41% of the time, "; !strings.Contains(ran.stdout, want) || !strings.Contains(ran.stdout, "images per joule") {
			t.Errorf("the last lines lack %q or images per joule:\n%s", want, ran.stdout)
		}
		if status := m.batchscore(t, "jobs", "status", out).must(t); !strings.Contains(status.stdout, gpu.Name) {
			t.Errorf("jobs status does not name the GPU:\n%s", status.stdout)
		}
	})
}

// TestCUDAEnergy: a GPU that counts its energy is asked for that.
func TestCUDAEnergy(t *testing.T) {
	t.Parallel()
	m := New(t, Config{Vars: []string{"CUDATEST_POWER_MW=9000000"}})
	out := filepath.Join(t.TempDir(), "out")
	m.run(t, pictures(t, 12), out).must(t)
	if u := readRecords(t, out).summaries[0].Use; u == nil || u.Watts < 40 || u.Watts > 260 || u.Joules < 40*u.Seconds {
		t.Errorf("%+v, want 50 W to 250 W", u)
	}
}

// TestCUDAMixed continues a job on another kind of GPU, and on one with another cuDNN.
func TestCUDAMixed(t *testing.T) {
	t.Parallel()
	images := pictures(t, 16)
	for name, other := range map[string]Config{
		"GPU":    {},
		"cuDNN":  {Devices: []Device{p100}, Vars: []string{"CUDATEST_CUDNN=90800"}},
		"driver": {Devices: []Device{p100}, Vars: []string{"CUDATEST_DRIVER_NAME=535.10"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, out := New(t, Config{Devices: []Device{p100}}), filepath.Join(t.TempDir(), "out")
			if r := m.run(t, images, out, "--batch", "4", "--chunk", "4", "--budget-images", "4"); r.code != 75 {
				t.Fatalf("exit status %d: %s", r.code, r.stderr)
			}
			ran := New(t, other).run(t, images, out).must(t)
			if !strings.Contains(ran.stderr, "another kind of device than the one that began the job") {
				t.Errorf("the rank does not warn:\n%s", ran.stderr)
			}
			if kinds := readRecords(t, out).success.Kinds; len(kinds) != 2 {
				t.Errorf("kinds %q, want two", kinds)
			}
			const note = "equal bytes are not promised"
			for _, args := range [][]string{{"verify", out}, {"jobs", "status", out}, {"show", out}} {
				if r := m.batchscore(t, args...).must(t); !strings.Contains(strings.Join(strings.Fields(r.stdout), " "), note) {
					t.Errorf("%q does not say it:\n%s", args, r.stdout)
				}
			}
			if !strings.Contains(strings.Join(strings.Fields(ran.stdout), " "), note) {
				t.Errorf("the end of the job does not say it:\n%s", ran.stdout)
			}
		})
	}
	// Of one kind, nothing is said.
	m, out := New(t, Config{}), filepath.Join(t.TempDir(), "out")
	m.run(t, images, out, "--batch", "4", "--chunk", "4", "--budget-images", "4")
	ran := m.run(t, images, out).must(t)
	if strings.Contains(ran.stderr+ran.stdout+m.batchscore(t, "verify", out).must(t).stdout, "another kind") || len(readRecords(t, out).success.Kinds) != 1 {
		t.Errorf("a job of one kind of GPU: %s%s", ran.stderr, ran.stdout)
	}
}

// TestCUDATelemetryOfMIG: of a part of a GPU only what is its own is recorded.
func TestCUDATelemetryOfMIG(t *testing.T) {
	t.Parallel()
	part := MIG{UUID: "MIG-11111111-2222-4333-8444-555555555555", MemoryMB: 9856}
	m := New(t, Config{Devices: []Device{{MIG: []MIG{part}}}})
	out := filepath.Join(t.TempDir(), "out")
	m.run(t, pictures(t, 12), out).must(t)
	r := readRecords(t, out)
	if g := r.job.GPU; g == nil || !g.MIG || g.UUID != part.UUID || g.MemoryMB != part.MemoryMB || !strings.HasPrefix(g.Name, "NVIDIA A100") {
		t.Errorf("%+v", g)
	}
	if u := r.summaries[0].Use; u == nil || u.Busy != nil || u.Joules != 0 {
		t.Errorf("figures of the whole GPU: %+v", u)
	}
}

// TestCUDAWithoutNVML: a run needs nothing of the management library.
func TestCUDAWithoutNVML(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"missing": {Without: []string{"libnvidia-ml.so.1"}},
		"broken":  {Vars: []string{"CUDATEST_FAIL=nvmlInit=9"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, out := New(t, c), filepath.Join(t.TempDir(), "out")
			ran := m.run(t, pictures(t, 12), out).must(t)
			if !strings.Contains(ran.stderr, "not everything is known of the GPU") {
				t.Errorf("the log does not say so:\n%s", ran.stderr)
			}
			r := readRecords(t, out)
			if g := r.job.GPU; g == nil || g.Name != "NVIDIA A100-SXM4-40GB" || g.Capability != "8.0" || g.CUDNN != "9.10.2" || g.Driver != "" {
				t.Errorf("%+v, want what CUDA itself says", g)
			}
			if u := r.summaries[0].Use; u == nil || u.Busy != nil || u.Joules != 0 {
				t.Errorf("%+v", u)
			}
		})
	}
}

// TestCUDABenchmarks: the figures of benchmarks name the GPU, and have its use.
func TestCUDABenchmarks(t *testing.T) {
	t.Parallel()
	_, model := program(t)
	m := New(t, Config{Devices: []Device{p100}, Vars: []string{"CUDATEST_UTILIZATION=41"}})
	images := pictures(t, 12)
	for _, args := range [][]string{
		{"bench", "run", "--images", images, "--model", model, "--rounds", "1"},
	} {
		r := m.batchscore(t, append(args, "--provider", "cuda", "--least", "50ms", "--format", "json")...).must(t)
		var run struct {
			Provenance struct {
				GPU      string
				Versions map[string]string
			}
			Samples []struct {
				Keys   []struct{ Name, Value string }
				Values []struct {
					Value float64
					Unit  string
				}
			}
		}
		if err := json.Unmarshal([]byte(r.stdout), &run); err != nil {
			t.Fatalf("%v: %s", err, r.stdout)
		}
		if p := run.Provenance; p.GPU != p100.Name || p.Versions["cudnn"] != "9.10.2" {
			t.Errorf("%q: %+v", args[:2], p)
		}
		values, last := map[string]float64{}, run.Samples[len(run.Samples)-1]
		if !slices.ContainsFunc(last.Keys, func(k struct{ Name, Value string }) bool {
			return k.Name == "device" && k.Value == "cuda:0_(Tesla_P100-PCIE-16GB)"
		}) {
			t.Errorf("%q: the keys are %v", args[:2], last.Keys)
		}
		for _, v := range last.Values {
			values[v.Unit] = v.Value
		}
		if values["gpu-busy"] != 0.41 || values["images/J"] <= 0 || values["gpu-watts"] != 100 {
			t.Errorf("%q: %v", args[:2], values)
		}
	}
}

// TestCUDATuneCache: what was measured of one kind of GPU is not taken for another, nor
// for the same with another driver or cuDNN.
func TestCUDATuneCache(t *testing.T) {
	t.Parallel()
	images, cache := pictures(t, 4), t.TempDir()
	cached := func(c Config) bool {
		t.Helper()
		r := New(t, c).run(t, images, filepath.Join(t.TempDir(), "out"), "--sessions", "auto", "--tune-cache", cache).must(t)
		yes, no := strings.Contains(r.stderr, `"from_cache":true`), strings.Contains(r.stderr, `"from_cache":false`)
		if yes == no {
			t.Fatalf("no line that says where the settings are from:\n%s", r.stderr)
		}
		return yes
	}
	first := Config{Devices: []Device{p100}}
	if cached(first) || !cached(first) {
		t.Error("the first run measures, and the second takes that")
	}
	for name, c := range map[string]Config{
		"GPU":    {Devices: []Device{{Name: "Tesla V100", Capability: "7.0"}}},
		"driver": {Devices: []Device{p100}, Vars: []string{"CUDATEST_DRIVER_NAME=535.10"}},
		"cuDNN":  {Devices: []Device{p100}, Vars: []string{"CUDATEST_CUDNN=90800"}},
	} {
		if cached(c) {
			t.Errorf("another %s takes what was measured of the first", name)
		}
	}
}

// TestCUDAScale: a job of the user's own is measured on GPUs by their names.
func TestCUDAScale(t *testing.T) {
	t.Parallel()
	_, model := program(t)
	m := New(t, Config{Devices: []Device{p100}, Vars: []string{"CUDATEST_UTILIZATION=41"}})
	r := m.batchscore(t, "bench", "scale", "--ranks", "1", "--rounds", "1", "--format", "json", "--",
		"--images", pictures(t, 12), "--model", model, "--provider", "cuda").must(t)
	for _, text := range []string{`"gpu": "Tesla P100-PCIE-16GB"`, `"Tesla_P100-PCIE-16GB"`, `"gpu-busy"`, `"images/J"`, `"cudnn": "9.10.2"`} {
		if !strings.Contains(r.stdout, text) {
			t.Errorf("%s is missing:\n%s", text, r.stdout)
		}
	}
}
