package simulator

import (
	"context"
	"errors"
	"math"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/bench/ranks"
	"github.com/batchscore/batchscore/shard"
)

// at is a device of a rate, whatever the batch.
func at(rate float64) Device {
	return Device{Batch: func(n int) time.Duration { return time.Duration(float64(n) / rate * 1e9) }}
}

func fleet(n int, rate float64) []Device { return slices.Repeat([]Device{at(rate)}, n) }

func run(t testing.TB, c Config) Result {
	t.Helper()
	r, err := Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, k := range r.Ranks {
		total += k.Images
	}
	if total != c.Images {
		t.Fatalf("%d images are committed, want %d", total, c.Images)
	}
	return r
}

// recipe is the recipe's 32 ranks, each at the rate that it showed.
func recipe(t *testing.T) Config {
	t.Helper()
	f, err := os.Open("../ranks/testdata/recipe-32xP100.log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	log, err := ranks.ReadLog(f)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Chunk: 3124, Batch: 1, PerNode: 4, Static: true}
	for _, r := range log.Ranks {
		c.Images += r.Images
		c.Devices = append(c.Devices, at(float64(r.Images)/r.Seconds))
	}
	return c
}

// TestRecipe holds the model to the recipe's run: with static shares and the
// rates that its ranks showed it ends when that ended.
func TestRecipe(t *testing.T) {
	c := recipe(t)
	r := run(t, c)
	if math.Abs(r.Makespan-670.4) > 0.1 || math.Abs(r.Ideal-497.1) > 0.1 {
		t.Errorf("static: makespan %.2f s, ideal %.2f s; want 670.4 and 497.1", r.Makespan, r.Ideal)
	}
	if math.Abs(r.Ranks[0].End-643.98) > 0.1 || math.Abs(r.Ranks[25].End-449.9) > 0.1 {
		t.Errorf("rank 0 ends at %v, rank 25 at %v; want 643.98, 449.9", r.Ranks[0].End, r.Ranks[25].End)
	}
	c.Static, c.Chunk, c.Batch = false, 64, 8
	if r := run(t, c); r.Efficiency < 0.98 {
		t.Errorf("with stealing the makespan is %.1f s, want about the ideal, %.1f", r.Makespan, r.Ideal)
	}
}

func TestSameSeedSameResult(t *testing.T) {
	c := Config{Images: 20_000, Devices: fleet(16, 40), PerNode: 4, Batch: 8, Chunk: 32, Seed: 5,
		Store:      Store{Latency: 20 * time.Millisecond, ListPage: 50 * time.Millisecond, Requests: 500},
		Preemption: Preemption{PerHour: 60, Away: 10 * time.Second}}
	for i := range c.Devices {
		c.Devices[i].Jitter = 0.1
	}
	a, b := run(t, c), run(t, c)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("two runs differ:\n%+v\n%+v", a, b)
	}
	c.Seed++
	if other := run(t, c); other.Makespan == a.Makespan {
		t.Error("another seed gives the same makespan")
	}
	if a.Departed == 0 || a.Wasted == 0 {
		t.Errorf("Result = %+v, want nodes that left", a)
	}
}

// TestWhatBinds gives each stage in turn less than the others ask for; the
// makespan is then that of the stage.
func TestWhatBinds(t *testing.T) {
	const images, n = 51_200, 16
	base := Config{Images: images, Devices: fleet(n, 100), Batch: 8, Chunk: 32, ImageBytes: 100_000}
	for _, c := range []struct {
		binds  Stage
		change func(*Config)
		want   float64
	}{
		{binds: Compute, change: func(*Config) {}, want: images / (n * 100.)},
		{binds: Decode, change: func(c *Config) { c.Decode = 50 }, want: images / (n * 50.)},
		{binds: Fetch, change: func(c *Config) { c.Fetchers, c.Store.Latency = 4, 80*time.Millisecond }, want: images / (n * 50.)},
		{binds: Account, change: func(c *Config) { c.Store.Requests = 850 }, want: images * (1 + 2./32) / 850},
		{binds: Account, change: func(c *Config) { c.Store.Bytes = 80e6 }, want: images * 100_000 / 80e6},
		{binds: Listing, change: func(c *Config) { c.Store.ListPage, c.Static = 10*time.Second, true }, want: 110 + images/(n*100.)},
	} {
		conf := base
		c.change(&conf)
		r := run(t, conf)
		if r.Binds != c.binds || r.Makespan < c.want*0.999 || r.Makespan > c.want*1.06 {
			t.Errorf("want %s to bind and a makespan of %.1f s, have %s and %.1f s", c.binds, c.want, r.Binds, r.Makespan)
		}
	}
}

// TestStragglers compares static shares, where all wait for the slow node, with
// ranks that take over.
func TestStragglers(t *testing.T) {
	c := Config{Images: 64_000, Devices: fleet(32, 40), Batch: 8, Chunk: 32}
	for i := range 4 {
		c.Devices[i].Slow = 2
	}
	if r := run(t, c); r.Efficiency < 0.97 || r.Ranks[0].Images*3 > r.Ranks[9].Images*2 {
		t.Errorf("taking over: efficiency %.3f, rank 0 did %d images and rank 9 %d", r.Efficiency, r.Ranks[0].Images, r.Ranks[9].Images)
	}
	c.Static = true
	if r := run(t, c); math.Abs(r.Makespan-100) > 2 {
		t.Errorf("static: the makespan is %.1f s, want 2000 images at 20 a second", r.Makespan)
	}
}

// TestDoubling gives one rank a chunk that it will never end in time:
// another does it a second time.
func TestDoubling(t *testing.T) {
	c := Config{Images: 6400, Devices: fleet(8, 40), Batch: 8, Chunk: 32}
	c.Devices[3].Slow = 1000
	r := run(t, c)
	if r.Doubled == 0 || r.LastCommit > 40 {
		t.Errorf("%d chunks were doubled, the last part came after %.1f s; want some, at most 40 s", r.Doubled, r.LastCommit)
	}
}

func TestPreemptedRanksLoseNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := Config{
			Images: rapid.IntRange(1, 5000).Draw(rt, "images"),
			Chunk:  rapid.IntRange(1, 100).Draw(rt, "chunk"), Batch: rapid.IntRange(1, 40).Draw(rt, "batch"),
			Devices: fleet(rapid.IntRange(1, 40).Draw(rt, "ranks"), 20),
			PerNode: rapid.IntRange(1, 5).Draw(rt, "ranks per node"),
			Static:  rapid.Bool().Draw(rt, "static"), Decode: 500, Seed: rapid.Uint64().Draw(rt, "seed"),
			Store: Store{Latency: time.Duration(rapid.IntRange(0, 300).Draw(rt, "ms")) * time.Millisecond, Requests: 400},
		}
		c.Devices[0].Slow = 7
		if !c.Static { // a static rank that is gone has nobody to do its share
			c.Preemption = Preemption{
				PerHour: float64(rapid.IntRange(0, 60).Draw(rt, "leave")), Away: time.Minute,
				Notice: time.Duration(rapid.IntRange(0, 30).Draw(rt, "notice")) * time.Second,
			}
		}
		r, err := Run(context.Background(), c)
		if err != nil {
			rt.Fatal(err)
		}
		images := 0
		for _, k := range r.Ranks {
			images += k.Images
		}
		if images != c.Images {
			rt.Fatalf("%d of %d images are committed", images, c.Images)
		}
		if r.Efficiency > 1.0001 || r.Busy > 1.0001 {
			rt.Fatalf("better than can be: %+v", r)
		}
	})
}

// TestStealOrder checks that the table's shortcut gives the order that the worker uses.
func TestStealOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := shard.Chunks{Entries: rapid.IntRange(1, 300).Draw(rt, "chunks"), Size: 1}
		world := rapid.IntRange(1, 70).Draw(rt, "world")
		tab := newTable(c, world)
		gone := map[int]bool{}
		for range c.Count() {
			rank := rapid.IntRange(0, world-1).Draw(rt, "rank")
			if rapid.Bool().Draw(rt, "own") {
				if i := tab.ownNext(rank); i >= 0 {
					gone[i] = true
				}
				continue
			}
			lo, hi := c.Share(rank, world)
			want := -1
			for i := range c.StealOrder(rank, world) {
				if !gone[i] && (i < lo || i >= hi) {
					want = i
					break
				}
			}
			if got := tab.steal(rank); got != want {
				rt.Fatalf("rank %d of %d steals %d, want %d", rank, world, got, want)
			}
			if want >= 0 {
				gone[want] = true
			}
		}
	})
}

func TestLargest(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds")
	}
	c := Config{Images: 1_000_000_000, Devices: fleet(4096, 430), PerNode: 4, ImageBytes: 123_000, Decode: 2000,
		Store: Store{Latency: 10 * time.Millisecond, ListPage: time.Millisecond}}
	for i := range c.Devices {
		c.Devices[i].Jitter = 0.05
	}
	if r := run(t, c); r.Efficiency < 0.5 {
		t.Errorf("efficiency %v, want 0.5 or more", r.Efficiency)
	}
}

func TestRefuses(t *testing.T) {
	for _, c := range []Config{{}, {Images: 1}, {Devices: fleet(1, 1)}, {Images: 1, Devices: fleet(2, 1), Start: make([]time.Duration, 1)}} {
		if _, err := Run(context.Background(), c); err == nil {
			t.Errorf("Run(%+v) returned no error", c)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ended, Config{Images: 1, Devices: fleet(1, 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("want Canceled, have %v", err)
	}
}
