package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Spec{
		"rate=430":           {Rate: 430, Batch: 32},
		"rate=inf":           {Rate: math.Inf(1), Batch: 32},
		"p100":               {Device: "p100", Batch: 32},
		"k80,rate=9,slow=40": {Device: "k80", Rate: 9, Slow: 40, Batch: 32},
		"rate=10,jitter=0.05,load=2s,batch=64,seed=7": {Rate: 10, Jitter: 0.05, Load: 2 * time.Second, Batch: 64, Seed: 7},
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "rate=0", "rate=-1", "rate=x", "rate=nan", "jitter=0.1", "rate=1,jitter=1", "rate=1,load=-1s", "rate=1,batch=0",
		"rate=1,speed=2", "p200", "p100=2", "jitter=0.1,p100", "p100,slow=0", "rate=1,rate=2",
	} {
		if _, err := Parse(text); !errors.Is(err, models.ErrProvider) {
			t.Errorf("Parse(%q): got %v, want ErrProvider", text, err)
		}
	}
}

var contract = models.Contract{Classes: 9, Preprocess: preprocess.Spec{Width: 16, Height: 16, DType: preprocess.Uint8}}

func open(t *testing.T, s Spec) *Engine {
	t.Helper()
	e, err := Open(t.Context(), s, contract, 0)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The device is booked for one batch after the other. The test checks the schedule, not
// the clock.
func TestDeviceIsBookedInTurn(t *testing.T) {
	e := open(t, Spec{Rate: 1e-3}) // a thousand seconds per image
	_, first := e.reserve(2)
	begin, second := e.reserve(3)
	if !begin.Equal(first) {
		t.Errorf("the second batch begins at %v, the first ends at %v", begin, first)
	}
	if d := second.Sub(first); d != 3000*time.Second {
		t.Errorf("the second batch ends %v after the first, want 3000s", d)
	}
}

// Times that a time.Duration cannot hold are limited.
func TestSlowestDevice(t *testing.T) {
	for _, s := range []Spec{{Rate: 1e-300}, {Rate: 1, Slow: math.Inf(1)}} {
		begin, end := open(t, s).reserve(32)
		if took := end.Sub(begin).Seconds(); took != longest {
			t.Errorf("%+v takes %v s for a batch", s, took)
		}
	}
}

func TestJitterKeepsTheMean(t *testing.T) {
	e := open(t, Spec{Rate: 1, Jitter: 0.3, Seed: 3})
	const n = 20000
	_, begin := e.reserve(0)
	var squares float64
	last := begin
	for range n {
		_, next := e.reserve(1)
		d := next.Sub(last).Seconds() - 1
		squares, last = squares+d*d, next
	}
	if mean := last.Sub(begin).Seconds() / n; math.Abs(mean-1) > 0.02 {
		t.Errorf("an image takes %v s on average, want 1", mean)
	}
	if dev := math.Sqrt(squares / n); math.Abs(dev-0.3) > 0.02 {
		t.Errorf("the deviation is %v, want 0.3", dev)
	}
}

func TestScoresFollowFromPixels(t *testing.T) {
	e := open(t, Spec{Rate: math.Inf(1)})
	b, err := e.NewBatch(3)
	if err != nil {
		t.Fatal(err)
	}
	row := contract.Preprocess.RowBytes()
	for i := range b.Pixels {
		b.Pixels[i] = byte(i*31 + i/row)
	}
	copy(b.Pixels[2*row:], b.Pixels[:row]) // the third is the first
	if err := e.Score(t.Context(), b, 0, 3); err != nil {
		t.Fatal(err)
	}
	sum, differs := float32(0), false
	for i := range 9 {
		sum += b.Scores[i]
		if b.Scores[i] != b.Scores[18+i] {
			t.Error("equal pixels got different scores")
		}
		differs = differs || b.Scores[i] != b.Scores[9+i]
	}
	if math.Abs(float64(sum)-1) > 1e-5 || !differs {
		t.Errorf("the scores sum to %v; differ between images: %v", sum, differs)
	}
}

func TestCancelled(t *testing.T) {
	e := open(t, Spec{Rate: 1e-6})
	b, err := e.NewBatch(1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Score(ctx, b, 0, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Canceled", err)
	}
	if _, end := e.reserve(0); time.Until(end) > time.Hour || e.Busy() > time.Hour {
		t.Errorf("after a cancelled batch, the device is booked until %v and busy for %v", end, e.Busy())
	}
}

// The devices have the published rates for the batches of the publications.
func TestNamedDevices(t *testing.T) {
	for _, c := range []struct {
		device  string
		network models.Architecture
		batch   int
		rate    float64
	}{
		{device: "p100", network: models.VGG16, batch: 32, rate: 430},
		{device: "p100", network: models.VGG16, batch: 128, rate: 430},
		{device: "p100", network: models.InceptionV3, batch: 32, rate: 494},
		{device: "k80", network: models.VGG16, batch: 32, rate: 115},
		{device: "k80", network: models.VGG16, batch: 64, rate: 124},
		{device: "k80", network: models.InceptionV3, batch: 32, rate: 117},
		{device: "k80", network: models.InceptionV3, batch: 256, rate: 128},
	} {
		t.Run(fmt.Sprintf("%s/%s/%d", c.device, c.network, c.batch), func(t *testing.T) {
			s, err := Parse(c.device)
			if err != nil {
				t.Fatal(err)
			}
			if s, err = s.For(c.network, ""); err != nil {
				t.Fatal(err)
			}
			if got := s.At(c.batch); math.Abs(got-c.rate) > 1e-9*c.rate {
				t.Errorf("At(%d) = %v images/s, want %v", c.batch, got, c.rate)
			}
			s.Slow = 40
			if got := s.At(c.batch); math.Abs(got-c.rate/40) > 1e-9*c.rate {
				t.Errorf("slowed 40 times: At(%d) = %v images/s, want %v", c.batch, got, c.rate/40)
			}
			if estimated := c.device == "p100" && c.network == models.VGG16; s.Estimated() != estimated {
				t.Errorf("Estimated() = %v, want %v", s.Estimated(), estimated)
			}
		})
	}
}

func TestDeviceKnowsNoOtherModel(t *testing.T) {
	for _, c := range []struct {
		network   models.Architecture
		precision string
	}{{network: "", precision: ""}, {network: models.VGG16, precision: "int8"}} {
		_, err := Spec{Device: "k80"}.For(c.network, c.precision)
		if !errors.Is(err, models.ErrProvider) || !strings.Contains(err.Error(), "simulate:k80,rate=") {
			t.Errorf("%q in %q: got %v, want an error that says how to give the rate", c.network, c.precision, err)
		}
		given := Spec{Device: "k80", Rate: 7}
		if s, err := given.For(c.network, c.precision); err != nil || s != given {
			t.Errorf("with its rate given: %+v, %v", s, err)
		}
	}
}

// The batch that MXNet's benchmark could not run does not fit.
func TestK80RunsOutOfMemory(t *testing.T) {
	s, err := Spec{Device: "k80", Slow: 1e-6}.For(models.VGG16, "")
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, s)
	b, err := e.NewBatch(128)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Score(t.Context(), b, 0, 128); !errors.Is(err, models.ErrOutOfMemory) {
		t.Errorf("got %v, want ErrOutOfMemory", err)
	}
	if err := e.Score(t.Context(), b, 0, 64); err != nil {
		t.Error(err)
	}
}

// TestRatesHaveASource checks that each rate but the estimate says where it was
// published, and that time grows with the batch.
func TestRatesHaveASource(t *testing.T) {
	estimates := 0
	for device, profiles := range devices {
		for _, p := range profiles {
			s, err := Spec{Device: device, Batch: 32}.For(p.network, p.precision)
			if err != nil {
				t.Fatal(err)
			}
			if s.Estimated() {
				estimates++
			} else if !strings.Contains(s.Source(), device+": ") || !strings.Contains(s.Source(), p.source) {
				t.Errorf("%s on %s: source %q", p.network, device, s.Source())
			}
			if one, many := s.Seconds(1), s.Seconds(256); !(one > 0 && many > one) {
				t.Errorf("%s on %s: %v s for an image, %v for 256", p.network, device, one, many)
			}
		}
	}
	if estimates != 1 {
		t.Errorf("%d estimates, want that of VGG-16 on a P100 alone", estimates)
	}
	_, err := Spec{Device: "l4"}.For(models.VGG16, "")
	if err == nil || !strings.Contains(err.Error(), "VGG-16 in float32 was not published, only for ResNet-50 in int8;") {
		t.Errorf("VGG-16 on an L4: %v", err)
	}
	_, err = Spec{Device: "v100"}.For("", "int8")
	if err == nil || !strings.Contains(err.Error(), "only for Inception V3 and ResNet-50 and VGG-16 in float32 and float16;") {
		t.Errorf("an unknown model on a V100: %v", err)
	}
}
