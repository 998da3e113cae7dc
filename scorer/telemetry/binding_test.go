package telemetry

import (
	"testing"
	"time"
)

func TestBinding(t *testing.T) {
	busy := func(fetch, decode, infer, commit float64) Snapshot {
		return Snapshot{BusySeconds: map[string]float64{"fetch": fetch, "decode": decode, "infer": infer, "commit": commit}}
	}
	for _, c := range []struct {
		name  string
		after Snapshot
		want  Stage
		share float64
	}{
		{name: "the device is always busy", after: busy(9, 12, 20, 1), want: Infer, share: 1},
		{name: "all are: the device is what the rest works for", after: busy(90, 40, 20, 1), want: Infer, share: 1},
		{name: "the decoders are", after: busy(30, 38, 10, 1), want: Decode, share: 0.95},
		{name: "nobody is: they wait for images", after: busy(80, 8, 4, 1), want: Fetch, share: 8},
		{name: "all wait for commits", after: busy(1, 39, 19, 9), want: Commit, share: 0.9},
	} {
		stage, share := Binding(busy(0, 0, 0, 0), c.after, 10*time.Second, Pools{Decoders: 4, Lanes: 2})
		if stage != c.want || share != c.share {
			t.Errorf("%s: %v, %v", c.name, stage, share)
		}
	}
	short := busy(0.1, 12, 4, 0.1)
	for images, want := range map[int64]Stage{40: NoStage, 0: Fetch} {
		short.Counts[Images] = images
		if stage, share := Binding(Snapshot{}, short, 10*time.Second, Pools{Decoders: 4, Lanes: 2}); stage != want || share != 0.01 {
			t.Errorf("of %d images: %v, %v", images, stage, share)
		}
	}
	if stage, _ := Binding(busy(0, 0, 20, 0), busy(50, 1, 21, 0), 10*time.Second, Pools{Decoders: 4, Lanes: 2}); stage != Fetch {
		t.Errorf("what was before counts: %v", stage)
	}
}

func TestJudge(t *testing.T) {
	before := Snapshot{Counts: [counters]int64{Images: 100}, BusySeconds: map[string]float64{"infer": 1}}
	after := Snapshot{Counts: [counters]int64{Images: 460}, BusySeconds: map[string]float64{"infer": 20.8}}
	for limit, want := range map[float64]string{40: "90% of the limit, bottleneck: infer", 0: "bottleneck: infer"} {
		c := Judge(before, after, 10*time.Second, Pools{Decoders: 2, Lanes: 2}, limit)
		if c.Rate != 36 || c.String() != want {
			t.Errorf("%+v is %q, want %q", c, c, want)
		}
	}
	if c := (Condition{Rate: 36, Binds: NoStage}); c.String() != "" {
		t.Errorf("%+v is %q, want nothing", c, c)
	}
}
