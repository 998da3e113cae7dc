package telemetry

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/batchscore/batchscore/models/device"
)

// Meter reports how a device is. Read may be called from any number of goroutines.
type Meter interface{ Read() device.Reading }

// sampleEvery is how often a Sampler reads its meter.
const sampleEvery = time.Second

// Sampler reads a meter once a second. A nil Sampler knows nothing.
type Sampler struct {
	meter Meter
	now   func() time.Time
	end   context.CancelFunc
	ended chan struct{}

	mu    sync.Mutex
	sums  Samples
	last  device.Reading
	at    time.Time
	begun bool
}

// Samples are sums over what a Sampler has read so far. Those of two times are
// subtracted; see [Samples.Since].
type Samples struct {
	seconds float64
	busy    integral
	watts   integral
	clock   integral
	joules  float64
	counted bool // joules are the device's own, and not the integral of watts
	by      [3]float64
	slowed  float64
	// latest and the highest values do not add up.
	memory, celsius         float64
	mostMemory, mostCelsius float64
}

// integral is that of a value over the time in which it was known.
type integral struct{ sum, seconds float64 }

func (i *integral) add(v, seconds float64) {
	if !math.IsNaN(v) {
		i.sum += v * seconds
		i.seconds += seconds
	}
}

func (i integral) minus(o integral) integral { return integral{i.sum - o.sum, i.seconds - o.seconds} }

// mean returns NaN if the value was never known.
func (i integral) mean() float64 {
	if i.seconds <= 0 {
		return math.NaN()
	}
	return i.sum / i.seconds
}

// StartSampler begins to read a meter, once a second and once at the end. It returns
// nil for a nil meter.
func StartSampler(m Meter) *Sampler {
	if m == nil {
		return nil
	}
	ctx, end := context.WithCancel(context.Background())
	s := &Sampler{meter: m, now: time.Now, end: end, ended: make(chan struct{})}
	go s.run(ctx)
	return s
}

func (s *Sampler) run(ctx context.Context) {
	defer close(s.ended)
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		s.sample()
		select {
		case <-ctx.Done():
			s.sample()
			return
		case <-tick.C:
		}
	}
}

// hangs is how long a driver may take to answer the last question.
const hangs = 2 * time.Second

// Stop ends reading. It does not wait for a driver that hangs.
func (s *Sampler) Stop() {
	if s == nil {
		return
	}
	s.end()
	select {
	case <-s.ended:
	case <-time.After(hangs):
	}
}

// sample reads the meter. A value counts for the time since the reading before.
func (s *Sampler) sample() {
	r, now := s.meter.Read(), s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	last, seconds := s.last, now.Sub(s.at).Seconds()
	first := !s.begun
	s.last, s.at, s.begun = r, now, true
	t := &s.sums
	t.memory, t.celsius = known(r.MemoryMB), known(r.Celsius)
	t.mostMemory, t.mostCelsius = max(t.mostMemory, t.memory), max(t.mostCelsius, t.celsius)
	if first {
		return
	}
	t.seconds += seconds
	t.busy.add(r.Busy, seconds)
	t.watts.add(r.Watts, seconds)
	t.clock.add(r.ClockMHz, seconds)
	switch used := r.Joules - last.Joules; {
	case used >= 0: // not NaN, and the driver was not loaded again
		t.joules, t.counted = t.joules+used, true
	case !math.IsNaN(r.Watts):
		t.joules += r.Watts * seconds
	}
	if r.Throttle != 0 {
		t.slowed += seconds
	}
	for i := range t.by {
		if r.Throttle&(1<<i) != 0 {
			t.by[i] += seconds
		}
	}
}

// known returns 0 for NaN.
func known(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// Samples returns the sums so far.
func (s *Sampler) Samples() Samples {
	if s == nil {
		return Samples{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sums
}

// Since returns what the device reported between two times; nil if it was not read in
// between. Memory and temperature are the last ones.
func (t Samples) Since(before Samples) *device.GPUUse {
	u := t.minus(before).use()
	if u != nil {
		u.MemoryMB, u.Celsius = rounded(t.memory), rounded(t.celsius)
	}
	return u
}

// Use returns what the device reported from the start on; nil if it was not read.
// Memory and temperature are the highest ones.
func (s *Sampler) Use() *device.GPUUse { return s.Samples().use() }

func (t Samples) minus(b Samples) Samples {
	t.seconds -= b.seconds
	t.busy, t.watts, t.clock = t.busy.minus(b.busy), t.watts.minus(b.watts), t.clock.minus(b.clock)
	t.joules -= b.joules
	t.slowed -= b.slowed
	for i := range t.by {
		t.by[i] -= b.by[i]
	}
	return t
}

func (t Samples) use() *device.GPUUse {
	if t.seconds <= 0 {
		return nil
	}
	u := &device.GPUUse{
		Seconds: t.seconds, Joules: rounded(t.joules), ClockMHz: rounded(known(t.clock.mean())),
		MemoryMB: rounded(t.mostMemory), Celsius: rounded(t.mostCelsius), ThrottledSeconds: rounded(t.slowed),
	}
	if busy := t.busy.mean(); !math.IsNaN(busy) {
		busy = rounded(busy)
		u.Busy = &busy
	}
	// The device's own count of energy is better than samples of its power.
	if u.Watts = rounded(known(t.watts.mean())); t.counted {
		u.Watts = rounded(t.joules / t.seconds)
	}
	for i, n := range t.by {
		if n > 0 {
			if u.Throttle == nil {
				u.Throttle = map[string]float64{}
			}
			u.Throttle[device.Throttle(1 << i).Names()[0]] = rounded(n)
		}
	}
	return u
}

// rounded returns a value to thousandths, for records and logs.
func rounded(v float64) float64 { return math.Round(1000*v) / 1000 }

// gpuText returns a text such as "GPU 93% 182 W"; empty if neither is known.
func gpuText(u *device.GPUUse) string {
	if u == nil {
		return ""
	}
	text := ""
	if u.Busy != nil {
		text += fmt.Sprintf(" %.0f%%", 100**u.Busy)
	}
	if u.Watts > 0 {
		text += fmt.Sprintf(" %.0f W", u.Watts)
	}
	if text == "" {
		return ""
	}
	return "GPU" + text
}

// Gauges is what a sampler has read so far, for metrics. What the device did not report
// is NaN or, of sums over time, 0.
type Gauges struct {
	Seconds, BusySeconds, Joules, ThrottledSeconds float64 // since the start
	Busy, MemoryMB, Celsius                        float64 // at the last reading
}

// Gauges returns what was read so far; ok is false before there are two readings.
func (s *Sampler) Gauges() (g Gauges, ok bool) {
	if s == nil {
		return g, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.sums
	return Gauges{
		Seconds: t.busy.seconds, BusySeconds: t.busy.sum, Joules: t.joules, ThrottledSeconds: t.slowed,
		Busy: s.last.Busy, MemoryMB: s.last.MemoryMB, Celsius: s.last.Celsius,
	}, t.seconds > 0
}
