package telemetry

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/device"
)

// readings is a meter that reports them one after another, and then the last one again.
type readings []device.Reading

func (r *readings) Read() device.Reading {
	first := (*r)[0]
	if len(*r) > 1 {
		*r = (*r)[1:]
	}
	return first
}

// sampled returns a sampler that has read the meter every so many seconds.
func sampled(seconds float64, all ...device.Reading) *Sampler {
	at := time.Unix(0, 0)
	r := readings(all)
	s := &Sampler{meter: &r, now: func() time.Time { return at }}
	for range all {
		s.sample()
		at = at.Add(time.Duration(seconds * float64(time.Second)))
	}
	return s
}

func TestSampler(t *testing.T) {
	reading := func(busy, watts, joules float64, why device.Throttle) device.Reading {
		return device.Reading{Busy: busy, MemoryMB: 1000 * busy, ClockMHz: 1300, Watts: watts, Celsius: 50 + 10*busy, Joules: joules, Throttle: why}
	}
	s := sampled(2,
		reading(0.1, 30, 1000, device.ThrottleHeat), // before the start: its memory and heat count only
		reading(1, 200, 1400, device.ThrottlePower),
		reading(0.5, 100, 1600, device.ThrottlePower|device.ThrottleHeat),
		reading(0.9, 150, 1900, 0))
	u := s.Use()
	if u.Seconds != 6 || *u.Busy != 0.8 || u.Joules != 900 || u.Watts != 150 || u.ClockMHz != 1300 || u.MemoryMB != 1000 || u.Celsius != 60 ||
		u.ThrottledSeconds != 4 || u.Throttle["power"] != 4 || u.Throttle["heat"] != 2 || len(u.Throttle) != 2 {
		t.Errorf("%+v, busy %v", u, *u.Busy)
	}
	// Of a shorter time, the memory and the temperature are the last ones.
	before := s.Samples()
	s.now = func() time.Time { return time.Unix(8, 0) }
	s.sample()
	if u := s.Samples().Since(before); u.Seconds != 2 || *u.Busy != 0.9 || u.Joules != 0 || u.MemoryMB != 900 || u.Celsius != 59 || u.Throttle != nil {
		t.Errorf("%+v", u)
	}
	if u := s.Samples().Since(s.Samples()); u != nil {
		t.Errorf("in no time: %+v", u)
	}
}

// TestSamplerWithout: what a GPU does not report is not made up.
func TestSamplerWithout(t *testing.T) {
	none := device.NoReading()
	u := sampled(1, none, none).Use()
	if u == nil || u.Busy != nil || u.Joules != 0 || u.Watts != 0 || u.MemoryMB != 0 || gpuText(u) != "" {
		t.Errorf("%+v", u)
	}
	power := none
	power.Watts = 100 // of a GPU that does not count its energy
	if u := sampled(1, power, power, power).Use(); u.Joules != 200 || u.Watts != 100 {
		t.Errorf("%+v", u)
	}
	reset := device.Reading{Watts: 50, Joules: 10, Busy: math.NaN()} // the driver was loaded again
	if u := sampled(1, device.Reading{Watts: 50, Joules: 9e6}, reset).Use(); u.Joules != 50 {
		t.Errorf("%+v", u)
	}
	var nobody *Sampler
	nobody.Stop()
	if u := nobody.Use(); u != nil || StartSampler(nil) != nil {
		t.Errorf("%+v", u)
	}
}

// TestSamplerStop: the last reading is at the end, and a driver that hangs is left alone.
func TestSamplerStop(t *testing.T) {
	s := StartSampler(&readings{{Joules: 1}, {Joules: 5}})
	for begun := false; !begun; {
		s.mu.Lock()
		begun = s.begun
		s.mu.Unlock()
	}
	s.Stop()
	if u := s.Use(); u == nil || u.Joules != 4 {
		t.Errorf("%+v", u)
	}
	hung := hanging(make(chan struct{}))
	defer close(hung)
	StartSampler(hung).Stop() // returns
}

type hanging chan struct{}

func (h hanging) Read() device.Reading { <-h; return device.NoReading() }

func TestConditionOfGPU(t *testing.T) {
	busy := func(share float64) *device.GPUUse { return &device.GPUUse{Seconds: 1, Busy: &share, Watts: 182} }
	for _, test := range []struct {
		c               Condition
		short, explains string
	}{
		{c: Condition{Binds: Infer, GPU: busy(0.97)}, short: "bottleneck: infer, GPU 97% 182 W"},
		{c: Condition{Binds: Infer, GPU: busy(0.41)}, short: "bottleneck: infer, GPU 41% 182 W",
			explains: "bottleneck: infer (GPU 41% busy: its calls wait for copies or for each other), GPU 41% 182 W"},
		{c: Condition{Binds: Decode, GPU: busy(0.41)}, short: "bottleneck: decode, GPU 41% 182 W"},
		{c: Condition{Binds: Infer, GPU: &device.GPUUse{Seconds: 1}}, short: "bottleneck: infer"},
		{c: Condition{Binds: Infer}, short: "bottleneck: infer"},
	} {
		explains := test.explains
		if explains == "" {
			explains = test.short
		}
		if got := test.c.String(); got != test.short {
			t.Errorf("%q, want %q", got, test.short)
		}
		if got := test.c.Explained(); got != explains {
			t.Errorf("%q, want %q", got, explains)
		}
	}
	if strings.Contains(gpuText(&device.GPUUse{Watts: 50}), "%") {
		t.Error("a share that is not known")
	}
}

// TestGPUFields: the log has what the GPU reports, and nothing in place of what it does
// not.
func TestGPUFields(t *testing.T) {
	busy := 0.0
	for want, u := range map[string]*device.GPUUse{
		`{}`: nil,
		`{"gpu_busy":0,"gpu_watts":182,"gpu_clock_mhz":1328,"gpu_memory_mb":900,"gpu_celsius":71,"gpu_throttled_s":3,"gpu_throttled_by":["heat","power"]}`: {
			Seconds: 60, Busy: &busy, Watts: 182, ClockMHz: 1328, MemoryMB: 900, Celsius: 71, ThrottledSeconds: 3,
			Throttle: map[string]float64{"power": 3, "heat": 1},
		},
		`{"gpu_memory_mb":900}`: {Seconds: 60, MemoryMB: 900},
	} {
		var b strings.Builder
		log := zerolog.New(&b)
		gpuFields(log.Log(), u).Send()
		if got := strings.TrimSpace(b.String()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestReporterOfGPU: the bar and the log have what the GPU reported since they were last
// written.
func TestReporterOfGPU(t *testing.T) {
	s := sampled(1, device.Reading{Busy: 0.93, Watts: 182, Joules: math.NaN()})
	ticks := 0
	s.now = func() time.Time { ticks++; return time.Unix(int64(ticks), 0) }
	logged := make(chan string)
	ctx, end := context.WithCancel(context.Background())
	defer end()
	go func() {
		for ctx.Err() == nil {
			s.sample()
		}
	}()
	bar := &Bar{}
	go Reporter{Counters: new(Counters), Progress: &Progress{Bar: bar}, Log: zerolog.New(lineWriter(logged)),
		Pools: Pools{Decoders: 1, Lanes: 1}, Sampler: s, every: time.Millisecond}.Run(ctx)
	line := <-logged
	for !strings.Contains(line, `"gpu_busy"`) { // the GPU was not read in that time
		line = <-logged
	}
	if !strings.Contains(line, `"gpu_busy":0.93`) || !strings.Contains(line, `"gpu_watts":182`) || !strings.Contains(line, "GPU 93% 182 W") {
		t.Errorf("the log has %s", line)
	}
	note := ""
	for !strings.Contains(note, "GPU") {
		bar.mu.Lock()
		note = bar.note
		bar.mu.Unlock()
		<-logged
	}
	if !strings.Contains(note, "GPU 93% 182 W") {
		t.Errorf("the bar has %q", note)
	}
}

// TestSlowedByFault: heat that lowers the clock for half of the time is a warning, the
// limit of the power is none.
func TestSlowedByFault(t *testing.T) {
	for _, test := range []struct {
		use  *device.GPUUse
		want string
	}{
		{},
		{use: &device.GPUUse{Seconds: 60, Throttle: map[string]float64{"power": 60, "heat": 20}}},
		{use: &device.GPUUse{Seconds: 60, Celsius: 91, Throttle: map[string]float64{"heat": 59}},
			want: "; heat lowered the GPU's clock for 59 of 60 s (91 °C): look after its cooling"},
		{use: &device.GPUUse{Seconds: 60, Celsius: 50, Throttle: map[string]float64{"hardware": 30}},
			want: "; the hardware lowered the GPU's clock for 30 of 60 s (50 °C): look after its power supply and its cooling"},
	} {
		if got := slowedByFault(test.use); got != test.want {
			t.Errorf("%+v: %q, want %q", test.use, got, test.want)
		}
	}
	hot := device.Reading{Busy: 1, Celsius: 91, Throttle: device.ThrottleHeat}
	s := sampled(1, hot)
	ticks := 0
	s.now = func() time.Time { ticks++; return time.Unix(int64(ticks), 0) }
	logged := make(chan string)
	ctx, end := context.WithCancel(context.Background())
	defer end()
	go func() {
		for ctx.Err() == nil {
			s.sample()
		}
	}()
	go Reporter{Counters: new(Counters), Progress: &Progress{Bar: &Bar{}}, Log: zerolog.New(lineWriter(logged)),
		Pools: Pools{Decoders: 1, Lanes: 1}, Sampler: s, every: time.Millisecond}.Run(ctx)
	line := <-logged
	for !strings.Contains(line, `"gpu_throttled_s"`) { // the GPU was not read in that time
		line = <-logged
	}
	if !strings.Contains(line, `"level":"warn"`) || !strings.Contains(line, "heat lowered the GPU's clock") {
		t.Errorf("the log has %s", line)
	}
}

type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	select {
	case w <- string(p):
	default: // nobody waits any more
	}
	return len(p), nil
}
