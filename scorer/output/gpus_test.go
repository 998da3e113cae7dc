package output

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	hardware "github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
)

// gpuWorker returns the summary of a worker that was at work from one second to another.
func gpuWorker(id, uuid string, from, to, images int, joules float64) WorkerSummary {
	busy := 0.5
	return WorkerSummary{
		Worker: claim.Worker{ID: id}, Device: "cuda:0", Images: images, Started: time.Unix(int64(from), 0), Seconds: float64(to - from),
		GPU:    &hardware.GPUFacts{Name: "Tesla P100", UUID: uuid, Capability: "6.0", CUDNN: "9.10.2", Driver: "550.54"},
		GPUUse: &hardware.GPUUse{Seconds: float64(to - from), Busy: &busy, Joules: joules, ThrottledSeconds: 1, Throttle: map[string]float64{"heat": 1}},
	}
}

func TestGPUTotal(t *testing.T) {
	if got := gpuTotal([]WorkerSummary{{Device: "cpu", Images: 5}}); got != nil {
		t.Errorf("without a GPU: %+v", got)
	}
	for _, test := range []struct {
		name      string
		workers   []WorkerSummary
		joules    float64
		throttled float64
	}{
		{name: "two GPUs",
			workers: []WorkerSummary{gpuWorker("a", "GPU-1", 0, 10, 100, 1000), gpuWorker("b", "GPU-2", 0, 10, 100, 600)},
			joules:  1600, throttled: 2},
		{name: "one after the other",
			workers: []WorkerSummary{gpuWorker("a", "GPU-1", 10, 20, 100, 1000), gpuWorker("b", "GPU-1", 0, 10, 100, 600)},
			joules:  1600, throttled: 2},
		// Both saw 100 W of the same GPU, which was watched for 15 s.
		{name: "at the same time",
			workers: []WorkerSummary{gpuWorker("a", "GPU-1", 0, 10, 100, 1000), gpuWorker("b", "GPU-1", 5, 15, 100, 1000)},
			joules:  1500, throttled: 1.5},
		{name: "unknown GPUs", workers: []WorkerSummary{gpuWorker("a", "", 0, 10, 100, 1000), gpuWorker("b", "", 0, 10, 100, 1000)}, joules: 2000, throttled: 2},
	} {
		got := gpuTotal(test.workers)
		if got.Workers != 2 || got.Joules != test.joules || math.Abs(got.ImagesPerJoule*test.joules-200) > 0.01 || *got.Busy != 0.5 ||
			got.Images != 200 || got.ThrottledSeconds != test.throttled ||
			got.Throttle["heat"] != test.throttled || len(got.Throttle) != 1 {
			t.Errorf("%s: %+v, want %v J", test.name, got, test.joules)
		}
	}
	longer := gpuWorker("b", "GPU-2", 0, 30, 0, 0)
	*longer.GPUUse.Busy = 0.9
	if got := gpuTotal([]WorkerSummary{gpuWorker("a", "GPU-1", 0, 10, 100, 1000), longer}); *got.Busy != 0.8 || got.ImagesPerJoule != 0.1 {
		t.Errorf("%+v: want the share of all the time, and the images of the worker with energy", got)
	}
}

func TestGPUKinds(t *testing.T) {
	one, two := gpuWorker("a", "GPU-1", 0, 1, 1, 1), gpuWorker("b", "GPU-2", 0, 1, 1, 1)
	cpu := WorkerSummary{Device: "cpu/winograd", Images: 3}
	const kind = "Tesla P100 (compute capability 6.0), cuDNN 9.10.2, driver 550"
	other := gpuWorker("c", "GPU-3", 0, 1, 1, 1)
	other.GPU.CUDNN = "9.8.0"
	idle := other
	idle.Images = 0
	two.GPU.Driver = "550.99"
	const newer = "1.31.1"
	releases := []WorkerSummary{one, two}
	releases[0].Versions = map[string]string{"onnxruntime": "1.26.0"}
	releases[1].Versions = map[string]string{"onnxruntime": newer}
	for _, test := range []struct {
		name    string
		workers []WorkerSummary
		kinds   []string
	}{
		{name: "no GPU", workers: []WorkerSummary{cpu}},
		{name: "one kind", workers: []WorkerSummary{one, two, idle}, kinds: []string{kind}},
		{name: "another cuDNN", workers: []WorkerSummary{one, other}, kinds: []string{kind, strings.Replace(kind, "9.10.2", "9.8.0", 1)}},
		{name: "two releases of ONNX Runtime", workers: releases, kinds: []string{kind + ", ONNX Runtime 1.26.0", kind + ", ONNX Runtime " + newer}},
		{name: "one release of ONNX Runtime", workers: releases[1:], kinds: []string{kind}},
		{name: "a processor", workers: []WorkerSummary{one, cpu}, kinds: []string{"CPU", kind}},
		{name: "a GPU of an older release", workers: []WorkerSummary{one, {Device: "cuda:0", Images: 1}}, kinds: []string{kind}},
	} {
		if got := gpuKinds(test.workers); !slices.Equal(got, test.kinds) {
			t.Errorf("%s: %q, want %q", test.name, got, test.kinds)
		}
		if mixed := MixedGPUsNote(gpuKinds(test.workers)) != ""; mixed != (len(test.kinds) > 1) {
			t.Errorf("%s: mixed is %v", test.name, mixed)
		}
	}
}

// TestGPUKindsOfLateWorkers: a worker that ended after _SUCCESS was written counts, too.
func TestGPUKindsOfLateWorkers(t *testing.T) {
	st := newClock().store()
	r := begin(t, st, testJob(row.JSONL), numbered(20))
	for chunk := range r.c.Count() {
		r.commit(t, chunk)
	}
	early, late := gpuWorker("early", "GPU-1", 0, 10, 12, 100), gpuWorker("late", "GPU-2", 0, 12, 8, 100)
	late.GPU.Name = "Tesla V100"
	late.Batch, late.BatchHalved = 32, 3
	early.Worker, late.Worker = elsewhere(1), elsewhere(2)
	writeSummary(t, st, early)
	s := r.finish(t)
	if len(s.GPUKinds) != 1 || s.GPU.ImagesPerJoule != 0.12 || s.GPU.Images != 12 {
		t.Errorf("before: %q, %+v", s.GPUKinds, s.GPU)
	}
	writeSummary(t, st, late)
	if v, err := Verify(t.Context(), st); err != nil || len(v.GPUKinds) != 2 || !strings.Contains(v.String(), MixedGPUsNote(v.GPUKinds)) {
		t.Errorf("Verify: %v, %v", v, err)
	}
	if p, err := Observe(st).Look(t.Context()); err != nil || len(p.GPUKinds) != 2 || p.GPU.Workers != 2 || p.GPU.Images != 20 {
		t.Errorf("Look: %q, %v", p.GPUKinds, err)
	}
	if err := s.CountWorkers(t.Context(), st); err != nil || len(s.GPUKinds) != 2 || s.GPU.ImagesPerJoule != 0.1 || s.LeastBatch != 4 {
		t.Errorf("CountWorkers: %q, %+v, %v", s.GPUKinds, s.GPU, err)
	}
}

func TestLeastBatch(t *testing.T) {
	for want, workers := range map[int][]WorkerSummary{
		0: {{Batch: 32}},
		8: {{Batch: 32, BatchHalved: 1}, {Batch: 32, BatchHalved: 2}, {Batch: 4}},
		1: {{Batch: 2, BatchHalved: 1}, {Batch: 32, BatchHalved: 1}},
	} {
		if got := leastBatch(workers); got != want || (HalvedNote(got) == "") != (want == 0) {
			t.Errorf("%+v: %d, want %d", workers, got, want)
		}
	}
}

func TestThrottledText(t *testing.T) {
	for want, total := range map[string]GPUTotal{
		"": {},
		"clocks lowered for 16.4 GPU-seconds (heat, power)": {ThrottledSeconds: 16.42, Throttle: map[string]float64{"power": 3, "heat": 16}},
	} {
		if got := total.ThrottledText(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
