package measure

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/ort/orttest"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/store/dir"
)

func folder(t *testing.T, n int) *dir.Store {
	t.Helper()
	path := t.TempDir()
	for i := range n {
		p, err := Encode(Scenes(1, 3000, uint64(i))[0], "jpeg")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, fmt.Sprintf("%03d.jpg", i)), p.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	st, err := dir.New(path, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func measureRun(t *testing.T, e scorer.Engine, o RunOptions) (map[string]float64, result.Sample) {
	t.Helper()
	o.Images, o.Model, o.Engine = folder(t, 40), tiny(t), e
	o.Batch, o.Decoders, o.Rounds, o.Least, o.Log = 4, 2, 2, time.Millisecond, zerolog.Nop()
	samples, _, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != 2 || samples[1].Iterations != 40 {
		t.Fatalf("samples %+v, want two of 40 images", samples)
	}
	values := map[string]float64{}
	for _, v := range samples[1].Values {
		if !(v.Value > 0) {
			t.Errorf("%v, want a value above zero", v)
		}
		values[v.Unit] = v.Value
	}
	return values, samples[1]
}

func TestRunAgainstItsLimits(t *testing.T) {
	e, err := ort.Open(tiny(t), orttest.Options(t))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	v, s := measureRun(t, e, RunOptions{Shared: true})
	if s.Simulated || v["of-limit-cpu"] == 0 {
		t.Errorf("sample %+v, want a measured one with of-limit-cpu", s)
	}
	if have, want := v["of-limit"], v["images/s"]*(1/v["session-images/s"]+1/v["decode-images/s"]); have < want*0.999 || have > want*1.001 {
		t.Errorf("of-limit is %v, and the times add up to %v", have, want)
	}
}

func TestRunOnASimulatedDevice(t *testing.T) {
	m := tiny(t)
	e, err := simulate.Open(t.Context(), simulate.Spec{Rate: 400, Batch: 4}, m.Contract, 0)
	if err != nil {
		t.Fatal(err)
	}
	v, s := measureRun(t, e, RunOptions{Simulated: true})
	if !s.Simulated {
		t.Error("the sample does not say that it is simulated")
	}
	// The device computed 40 images at 400 a second, and the run took all of
	// that time.
	if have, want := v["device-busy"], v["images/s"]/400; have > 1 || have < want*0.999 || have > want*1.001 {
		t.Errorf("busy for %v of the time, want %v", have, want)
	}
	if v["of-limit"] != v["images/s"]/min(v["session-images/s"], v["decode-images/s"], v["cores-images/s"]) {
		t.Errorf("of-limit is %v, want the share of the slowest part", v["of-limit"])
	}
	if _, ok := v["of-limit-cpu"]; ok {
		t.Error("the device takes no processor time, but the sample has of-limit-cpu")
	}
}

func TestWhatAllPartsAllow(t *testing.T) {
	cores := float64(runtime.GOMAXPROCS(0))
	l := limits{session: part{rate: 60}, decode: part{rate: 30, cpu: cores / 40}, fetch: part{rate: 15, cpu: cores / 120}}
	for name, test := range map[string]struct {
		of   func(l *limits, o *RunOptions)
		want float64
	}{
		"decoders":                          {of: func(*limits, *RunOptions) {}, want: 30},
		"device":                            {of: func(l *limits, _ *RunOptions) { l.session.rate = 20 }, want: 20},
		"cores, which read as well":         {of: func(l *limits, _ *RunOptions) { l.fetch.cpu = cores / 40 }, want: 20},
		"device on the cores":               {of: func(_ *limits, o *RunOptions) { o.Shared = true }, want: 20},
		"blob storage":                      {of: func(_ *limits, o *RunOptions) { o.Remote = true }, want: 15},
		"blob storage, device on the cores": {of: func(_ *limits, o *RunOptions) { o.Remote, o.Shared = true, true }, want: 15},
	} {
		l, o := l, RunOptions{Images: folder(t, 0)}
		test.of(&l, &o)
		if have := l.together(o); math.Abs(have-test.want) > 1e-9 {
			t.Errorf("%s: %v images/s, want %v", name, have, test.want)
		}
	}
}
