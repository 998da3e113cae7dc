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
		{"the device is always busy", busy(9, 12, 20, 1), Infer, 1},
		{"all are: the device is what the rest works for", busy(90, 40, 20, 1), Infer, 1},
		{"the decoders are", busy(30, 38, 10, 1), Decode, 0.95},
		{"nobody is: they wait for images", busy(80, 8, 4, 1), Fetch, 8},
		{"all wait for commits", busy(1, 39, 19, 9), Commit, 0.9},
	} {
		stage, share := Binding(busy(0, 0, 0, 0), c.after, 10*time.Second, Pools{Decoders: 4, Lanes: 2})
		if stage != c.want || share != c.share {
			t.Errorf("%s: %v, %v", c.name, stage, share)
		}
	}
	short := busy(0.1, 12, 4, 0.1)
	for images, want := range map[int64]Stage{40: NoStage, 0: Fetch} {
		short.Images = images
		if stage, share := Binding(Snapshot{}, short, 10*time.Second, Pools{Decoders: 4, Lanes: 2}); stage != want || share != 0.01 {
			t.Errorf("of %d images: %v, %v", images, stage, share)
		}
	}
	if stage, _ := Binding(busy(0, 0, 20, 0), busy(50, 1, 21, 0), 10*time.Second, Pools{Decoders: 4, Lanes: 2}); stage != Fetch {
		t.Errorf("what was before counts: %v", stage)
	}
}

func TestJudge(t *testing.T) {
	before := Snapshot{Images: 100, BusySeconds: map[string]float64{"infer": 1}}
	after := Snapshot{Images: 460, BusySeconds: map[string]float64{"infer": 20.8}}
	for limit, want := range map[float64]string{40: "90% of the limit, infer binds", 0: "infer binds"} {
		c := Judge(before, after, 10*time.Second, Pools{Decoders: 2, Lanes: 2}, limit)
		if c.Rate != 36 || c.String() != want {
			t.Errorf("%+v is %q, want %q", c, c, want)
		}
	}
}
