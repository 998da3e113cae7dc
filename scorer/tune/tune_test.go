package tune

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

var contract = models.Contract{Name: "fake", Classes: 2, Output: models.Probabilities, Preprocess: preprocess.Spec{
	Width: 4, Height: 4, Layout: preprocess.HWC, DType: preprocess.Uint8, Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch}}

// engine counts the images and batches that it gets.
type engine struct {
	images, batches atomic.Int64
	fail            error
}

func (e *engine) NewBatch(capacity int) (*models.Batch, error) {
	e.batches.Add(1)
	return &models.Batch{Pixels: make([]byte, capacity*contract.Preprocess.RowBytes()), Scores: make([]float32, 2*capacity)}, nil
}

func (e *engine) Score(_ context.Context, b *models.Batch, lo, hi int) error {
	if hi*contract.Preprocess.RowBytes() > len(b.Pixels) {
		return errors.New("more images than the batch holds")
	}
	e.images.Add(int64(hi - lo))
	return e.fail
}

func TestRateCountsEveryImage(t *testing.T) {
	e := new(engine)
	d := NewDevice(e, contract, 8)
	total := 0
	for _, batch := range []int{8, 3} {
		rate, n, err := d.Rate(t.Context(), 2, batch, time.Millisecond)
		if err != nil || rate <= 0 || n < 2*batch || n%batch != 0 {
			t.Errorf("Rate(2 sessions, batch %d) = %v images/s, %d images, %v, want whole batches", batch, rate, n, err)
		}
		total += n
	}
	if int64(total) != e.images.Load() || e.batches.Load() != 2 {
		t.Errorf("%d images returned, %d scored, in %d batches of memory, want the same number in 2", total, e.images.Load(), e.batches.Load())
	}
	e.fail = errors.New("broken")
	if _, _, err := d.Rate(t.Context(), 2, 1, 0); !errors.Is(err, e.fail) {
		t.Errorf("Rate() = %v, want the engine's error", err)
	}
}

func TestSweep(t *testing.T) {
	batches, sessions := []int{1, 2, 4, 8}, []int{1, 2}
	for _, c := range []struct {
		name  string
		rate  func(sessions, batch int) (float64, error)
		want  Choice
		tells string
	}{
		{name: "the best is the largest", rate: func(s, b int) (float64, error) { return float64(s * b), nil },
			want: Choice{Batch: 8, Sessions: 2, Rate: 16}, tells: "batch 1: 2, 2: 4, 4: 8, 8: 16 images/s; sessions 1: 8, 2: 16 images/s"},
		{name: "the least that is as good as the best", rate: func(s, b int) (float64, error) { return 100 + float64(b)/8, nil },
			want: Choice{Batch: 1, Sessions: 1, Rate: 100.125}, tells: "batch 1: 100.1"},
		{name: "what does not fit is left out", rate: func(s, b int) (float64, error) {
			if b > 2 {
				return 0, fmt.Errorf("8 GB: %w", models.ErrOutOfMemory)
			}
			return float64(10 * b * s), nil
		}, want: Choice{Batch: 2, Sessions: 2, Rate: 40}, tells: "batch 1: 20, 2: 40 images/s, 4 and more left out: out of memory;"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rate := func(_ context.Context, s, b int, _ time.Duration) (float64, int, error) {
				r, err := c.rate(s, b)
				return r, 1, err
			}
			s := &sweeper{rate: rate, now: time.Now, from: Candidates{Batches: batches, Sessions: sessions}, budget: time.Hour}
			have, err := s.sweep(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(have.Why, c.tells) {
				t.Errorf("Why = %q, want %q in it", have.Why, c.tells)
			}
			have.Why = ""
			if have != c.want {
				t.Errorf("got %+v, want %+v", have, c.want)
			}
		})
	}
}

// simulated is a device with a clock of its own, on which calls take time.
type simulated struct {
	time time.Time
	// plan is what the first call of each batch size takes.
	plan time.Duration
	// batch is what a batch of that many images takes.
	batch func(images int) time.Duration
	// fits is the largest batch size; 0 means any.
	fits    int
	planned map[int]bool
	asked   []int // batch sizes
}

func (d *simulated) rate(_ context.Context, sessions, batch int, least time.Duration) (float64, int, error) {
	d.asked = append(d.asked, batch)
	if d.fits > 0 && batch > d.fits {
		return 0, 0, fmt.Errorf("%d: %w", batch, models.ErrOutOfMemory)
	}
	start := d.time
	if !d.planned[batch] {
		d.planned[batch] = true
		d.time = d.time.Add(d.plan)
	}
	images := 0
	for images == 0 || d.time.Sub(start) < least {
		d.time = d.time.Add(time.Duration(sessions) * d.batch(batch))
		images += sessions * batch
	}
	return float64(images) / d.time.Sub(start).Seconds(), images, nil
}

func (d *simulated) sweep(t *testing.T, from Candidates) Choice {
	t.Helper()
	d.planned = map[int]bool{}
	s := &sweeper{rate: d.rate, now: func() time.Time { return d.time }, from: from, budget: 4 * time.Second}
	c, err := s.sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fast takes 0.19 ms an image, and as long as two of them for each batch.
func fast(images int) time.Duration { return time.Duration(images+2) * 190 * time.Microsecond }

// TestSweepOfAGPU: how long a GPU's libraries take to make plans does not decide which
// batch size is chosen.
func TestSweepOfAGPU(t *testing.T) {
	from := Candidates{Batches: []int{8, 16, 32, 64, 128}, Sessions: []int{2, 3}, Serial: true, Usual: 32}
	second := func(images int) time.Duration { return time.Duration(images) * time.Second }
	for _, c := range []struct {
		name   string
		device simulated
		batch  int
		tells  string
	}{
		{name: "no plans", device: simulated{batch: fast}, batch: 64, tells: "batch 8: 4211, 16: 4678,"},
		{name: "plans", device: simulated{batch: fast, plan: 94 * 6 * time.Millisecond}, batch: 64, tells: "batch 8: 4211, 16: 4678,"},
		{name: "slow plans", device: simulated{batch: fast, plan: 94 * 70 * time.Millisecond}, batch: 64, tells: "batch 8: 4211, 16: 4678,"},
		{name: "plans that take minutes", device: simulated{batch: fast, plan: 94 * time.Second}, batch: 32,
			tells: "16 and more left out: measuring takes too long, so it is 32, as usual"},
		{name: "a slow device", device: simulated{batch: second}, batch: 32,
			tells: "batch 8: 1 images/s, 16 and more left out: measuring takes too long, so it is 32, as usual"},
		{name: "memory for 64", device: simulated{batch: fast, fits: 64}, batch: 64, tells: "128 left out: out of memory; sessions"},
		{name: "memory for 16", device: simulated{batch: fast, fits: 16}, batch: 16, tells: "32 and more left out: out of memory; sessions"},
		{name: "memory for 3", device: simulated{batch: fast, fits: 3}, batch: 2, tells: "batch 2: "},
		{name: "memory for 3, slowly", device: simulated{batch: second, fits: 3}, batch: 2, tells: "batch 2: "},
	} {
		if have := c.device.sweep(t, from); have.Batch != c.batch || !strings.Contains(have.Why, c.tells) || have.Rate <= 0 {
			t.Errorf("%s: batch %d at %v/s, %s; want %d, and %q", c.name, have.Batch, have.Rate, have.Why, c.batch, c.tells)
		}
		// After one that does not fit there is no larger one.
		for i, n := range c.device.asked[1:] {
			if before := c.device.asked[i]; c.device.fits > 0 && before > c.device.fits && n > before {
				t.Errorf("%s: %d was tried after %d had not fitted", c.name, n, before)
			}
		}
	}
}

// TestSweepOfAGivenBatch: a batch that a job has is not changed, also if it does not fit.
func TestSweepOfAGivenBatch(t *testing.T) {
	d := simulated{batch: fast, fits: 10}
	if c := d.sweep(t, Candidates{Batches: []int{32}, Sessions: []int{1, 2}, Serial: true}); c.Batch != 32 || c.Rate <= 0 {
		t.Errorf("got %+v, want batch 32", c)
	}
}

// TestSweepKeepsToItsBudget has a device that computes on the cores of the worker.
func TestSweepKeepsToItsBudget(t *testing.T) {
	d := simulated{batch: func(images int) time.Duration { return time.Duration(images) * 300 * time.Millisecond }}
	c := d.sweep(t, Candidates{Batches: []int{4, 8, 16}, Sessions: []int{2}})
	if c.Batch != 4 || c.Sessions != 2 || slices.Contains(d.asked, 8) {
		t.Errorf("got %+v after %v, want batch 4 and no batch of 8", c, d.asked)
	}
}

func TestSweepFailsWithTheEngine(t *testing.T) {
	broken := errors.New("broken")
	if _, err := Sweep(t.Context(), &engine{fail: broken}, contract, Candidates{Batches: []int{1}, Sessions: []int{1}}, 0); !errors.Is(err, broken) {
		t.Errorf("Sweep() = %v, want %v", err, broken)
	}
}

func TestFeed(t *testing.T) {
	for _, c := range []struct {
		name string
		rate float64
		host Host
		want Feeding
	}{
		{name: "a CPU that decodes besides", rate: 40, host: Host{Cores: 2, Shared: true, Decode: 400, Latency: time.Millisecond, Size: 100_000},
			want: Feeding{Decoders: 2, Fetchers: 16, ReadAheadBytes: 64 << 20, Limit: 1 / (1/40. + 1/800.)}},
		{name: "a GPU that many cores feed", rate: 430, host: Host{Cores: 16, Decode: 400, Latency: 50 * time.Millisecond, Size: 100_000},
			want: Feeding{Decoders: 3, Fetchers: 86, ReadAheadBytes: 64 << 20, Limit: 430}},
		{name: "a GPU that starves", rate: 6000, host: Host{Cores: 4, Decode: 400, Latency: 100 * time.Millisecond, Size: 1_000_000},
			want: Feeding{Decoders: 4, Fetchers: 512, ReadAheadBytes: 1_024_000_000, Limit: 1600}},
	} {
		if have := Feed(c.rate, c.host); have != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, have, c.want)
		}
	}
}

func TestDecode(t *testing.T) {
	var good bytes.Buffer
	if err := jpeg.Encode(&good, image.NewRGBA(image.Rect(0, 0, 8, 8)), nil); err != nil {
		t.Fatal(err)
	}
	rate, n, err := Decode(t.Context(), [][]byte{good.Bytes(), []byte("no image")}, contract.Preprocess, preprocess.Options{}, 2, time.Millisecond)
	if err != nil || rate <= 0 || n < 2 {
		t.Errorf("Decode() = %v images/s, %d, %v, want at least 2 images", rate, n, err)
	}
}

func TestCached(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "made")
	want := Choice{Batch: 4, Sessions: 2, Rate: 18.5, Why: "because"}
	calls := 0
	measure := func() (Choice, error) { calls++; return want, nil }
	for i, c := range []struct {
		key  []string
		kept bool
	}{{key: []string{"m", "v1"}, kept: false}, {key: []string{"m", "v1"}, kept: true}, {key: []string{"m", "v2"}, kept: false}} {
		have, kept, unkept, err := Cached(folder, c.key, measure)
		if err != nil || unkept != nil || have != want || kept != c.kept {
			t.Errorf("call %d: Cached() = %+v, %v, %v, %v, want %+v, %v", i, have, kept, unkept, err, want, c.kept)
		}
	}
	if calls != 2 {
		t.Errorf("measured %d times, want 2", calls)
	}
	// A damaged entry is measured again and replaced.
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("the cache has %v, %v, want 2 files", files, err)
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte(`{"batch": 4`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, kept, _, err := Cached(folder, []string{"m", "v1"}, measure); err != nil || kept || calls != 3 {
		t.Errorf("after damage: kept %v, %v, measured %d times, want false and 3", kept, err, calls)
	}
	if _, kept, _, _ := Cached(folder, []string{"m", "v1"}, measure); !kept {
		t.Error("the damaged entry was not replaced")
	}
}

// TestCacheThatCannotBeWritten has a file in place of the folder.
func TestCacheThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c, kept, unkept, err := Cached(file, []string{"m"}, func() (Choice, error) { return Choice{Batch: 1}, nil })
	if err != nil || kept || unkept == nil || c.Batch != 1 {
		t.Errorf("Cached() = %+v, %v, %v, %v, want batch 1 and an error in unkept", c, kept, unkept, err)
	}
}

// serial runs one batch at a time and measures how long it was busy.
type serial struct {
	engine
	mu   sync.Mutex
	busy time.Duration
}

func (s *serial) Score(context.Context, *models.Batch, int, int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	start := time.Now()
	time.Sleep(time.Millisecond) // the work
	s.busy += time.Since(start)
	return nil
}

// TestSerialRateIsThatOfTheDevice: sessions that only wait for one another, and
// end one after another, must not add up to more than the device does.
func TestSerialRateIsThatOfTheDevice(t *testing.T) {
	e := new(serial)
	d := NewDevice(e, contract, 1)
	d.Serial = true
	rate, n, err := d.Rate(t.Context(), 4, 1, 0)
	if most := float64(n) / e.busy.Seconds(); err != nil || n < 4 || rate <= 0 || rate > most {
		t.Errorf("Rate() = %v images/s, %v, want at most %v", rate, err, most)
	}
}
