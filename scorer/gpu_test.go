package scorer

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	hardware "github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// fakeGPU is a GPU that is always half busy.
type fakeGPU struct{ facts hardware.GPUFacts }

func (g fakeGPU) Facts() hardware.GPUFacts { return g.facts }

func (g fakeGPU) Read() hardware.Reading {
	r := hardware.NoReading()
	r.Busy, r.Watts = 0.5, 100
	return r
}

func onGPU(name string) func() GPU {
	return func() GPU {
		return fakeGPU{hardware.GPUFacts{Name: name, UUID: "GPU-" + name, CUDNN: "9.10.2", Driver: "550.54"}}
	}
}

// TestGPURecorded: two ranks on different GPUs, one after the other. The second warns;
// the records name both.
func TestGPURecorded(t *testing.T) {
	const warning = "another kind of device than the one that began the job"
	for _, test := range []struct {
		name   string
		second func() GPU
		device string
		kinds  []string
	}{
		{name: "the same", second: onGPU("P100"), kinds: []string{"P100, cuDNN 9.10.2, driver 550"}},
		{name: "another", second: onGPU("A100"), kinds: []string{"A100, cuDNN 9.10.2, driver 550", "P100, cuDNN 9.10.2, driver 550"}},
		{name: "none", second: func() GPU { return nil }, device: "cpu", kinds: []string{"CPU", "P100, cuDNN 9.10.2, driver 550"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			images, out := collection(t, 40), new(mem.Store)
			o := options(t, images, out)
			o.GPU, o.Budget = onGPU("P100"), 10
			if _, err := Run(context.Background(), o); err == nil {
				t.Fatal("the first rank scored everything")
			}
			var log bytes.Buffer
			o = options(t, images, out)
			o.GPU, o.Log = test.second, zerolog.New(&log)
			o.OpenEngine = func() (Engine, error) { return named{newFakeEngine(), test.device}, nil }
			done := mustRun(t, o)
			if !slices.Equal(done.GPUKinds, test.kinds) {
				t.Errorf("kinds %q, want %q", done.GPUKinds, test.kinds)
			}
			if warned := strings.Contains(log.String(), warning); warned != (len(test.kinds) > 1) {
				t.Errorf("warned: %v:\n%s", warned, &log)
			}
			if g := done.GPU; g == nil || g.Busy == nil || *g.Busy != 0.5 || g.ImagesPerJoule <= 0 {
				t.Errorf("%+v", g)
			}
			job, err := output.ReadJob(context.Background(), out)
			if err != nil || job.GPU == nil || job.GPU.Name != "P100" {
				t.Errorf("%+v, %v", job.GPU, err)
			}
		})
	}
}

// TestGPUOfRetry: a retry on another GPU than that of its job is noticed, too.
func TestGPUOfRetry(t *testing.T) {
	images, mend := troubled(t, 60)
	out := new(mem.Store)
	o := options(t, images, out)
	o.GPU = onGPU("P100")
	mustRun(t, o)
	mend()
	var log bytes.Buffer
	again := retrying(t, images, out, o.Job.Format)
	again.GPU, again.Log = onGPU("A100"), zerolog.New(&log)
	if s := mustRun(t, again); len(s.GPUKinds) != 2 || !strings.Contains(log.String(), `"job_has":"P100, cuDNN 9.10.2, driver 550"`) {
		t.Errorf("kinds %q; the log:\n%s", s.GPUKinds, &log)
	}
}

// TestRuntimeRecorded: a rank with another release of ONNX Runtime than the one that began
// the job warns when it joins, with both.
func TestRuntimeRecorded(t *testing.T) {
	const began = "1.31.1"
	for _, test := range []struct {
		name, mine string
		warned     bool
	}{
		{name: "the same", mine: began},
		{name: "another", mine: "1.26.0", warned: true},
		{name: "none, as nothing is computed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			images, out := collection(t, 40), new(mem.Store)
			o := options(t, images, out)
			o.Versions, o.Budget = map[string]string{output.Runtime: began}, 10
			if _, err := Run(context.Background(), o); err == nil {
				t.Fatal("the first rank scored everything")
			}
			var log bytes.Buffer
			o = options(t, images, out)
			o.Versions, o.Log = map[string]string{output.Runtime: test.mine}, zerolog.New(&log)
			mustRun(t, o)
			line := ""
			for l := range strings.Lines(log.String()) {
				if strings.Contains(l, "another release of ONNX Runtime") {
					line += l
				}
			}
			if test.warned != (strings.Contains(line, `"job_has":"`+began+`"`) && strings.Contains(line, `"this_rank":"`+test.mine+`"`)) ||
				strings.Count(line, "\n") > 1 {
				t.Errorf("warned: %q, want %v", line, test.warned)
			}
		})
	}
}

// named is an engine with the name of a device, unless that is empty.
type named struct {
	Engine
	device string
}

func (n named) Device() string {
	if n.device == "" {
		return n.Engine.Device()
	}
	return n.device
}
