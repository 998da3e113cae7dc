package ort

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/fetched"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/ort/rowcheck"
	"github.com/batchscore/batchscore/models/preprocess"
)

// needLibrary returns the path of ONNX Runtime. Without it, it skips the test, or fails it
// in CI.
func needLibrary(t testing.TB) string {
	t.Helper()
	path, err := FindLibrary("", Auto)
	fetched.Need(t, err)
	return path
}

// tiny writes a model of graphtest to a file.
func tiny(t testing.TB, o graphtest.Options) *models.Model {
	t.Helper()
	return &models.Model{Path: graphtest.Write(t, o), Contract: graphtest.Contract(o)}
}

func open(t testing.TB, m *models.Model, opt Options) *Engine {
	t.Helper()
	needLibrary(t)
	if opt.Provider == "" {
		opt.Provider = CPU
	}
	e, err := Open(m, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		freeRetired() // an engine that a test has taken for one on a GPU
	})
	return e
}

func newBatch(t testing.TB, e *Engine, capacity int) *models.Batch {
	t.Helper()
	b, err := e.NewBatch(capacity)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// picture fills one row of pixels, differently for every seed.
func picture(row []byte, seed int) {
	state := uint32(seed)*2654435761 + 1
	for i := range row {
		state = state*1664525 + 1013904223
		row[i] = byte(state >> 24)
	}
}

// scoresOf scores the pictures of these seeds in one batch.
func scoresOf(t testing.TB, e *Engine, seeds ...int) [][]float32 {
	t.Helper()
	b := newBatch(t, e, len(seeds))
	row := e.model.Contract.Preprocess.RowBytes()
	for i, seed := range seeds {
		picture(b.Pixels[i*row:(i+1)*row], seed)
	}
	if err := e.Score(t.Context(), b, 0, len(seeds)); err != nil {
		t.Fatal(err)
	}
	return rows(b, e.model.Contract.Classes)
}

func rows(b *models.Batch, classes int) [][]float32 {
	var out [][]float32
	for row := range slices.Chunk(b.Scores, classes) {
		out = append(out, slices.Clone(row))
	}
	return out
}

func equalBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func TestScoresDependOnPixels(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{}), Options{})
	got := scoresOf(t, e, 1, 2)
	if equalBits(got[0], got[1]) {
		t.Errorf("two pictures have the same scores, %v", got[0])
	}
	for _, row := range got {
		if err := rowcheck.Scores(&e.model.Contract, row); err != nil {
			t.Error(err)
		}
	}
}

func TestLanesDoNotChangeBits(t *testing.T) {
	m := tiny(t, graphtest.Options{Work: 2})
	seeds := make([]int, 8)
	for i := range seeds {
		seeds[i] = i
	}
	want := scoresOf(t, open(t, m, Options{Lanes: 1}), seeds...)

	e := open(t, m, Options{Lanes: 4})
	var wg sync.WaitGroup
	for range 4 {
		b := newBatch(t, e, len(seeds))
		row := m.Contract.Preprocess.RowBytes()
		for i, seed := range seeds {
			picture(b.Pixels[i*row:(i+1)*row], seed)
		}
		wg.Go(func() {
			for range 20 {
				clear(b.Scores)
				if err := e.Score(t.Context(), b, 0, len(seeds)); err != nil {
					t.Error(err)
					return
				}
				for i, got := range rows(b, m.Contract.Classes) {
					if !equalBits(got, want[i]) {
						t.Errorf("image %d: %v in one of four lanes, %v in a single one", i, got, want[i])
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestPlaceInBatchDoesNotChangeBits(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{Work: 1}), Options{})
	for n := 1; n <= 9; n++ {
		var want []float32
		for place := range n {
			seeds := make([]int, n)
			for i := range seeds {
				seeds[i] = 100 + i
			}
			seeds[place] = 7
			got := scoresOf(t, e, seeds...)[place]
			if place == 0 {
				want = got
			}
			if !equalBits(got, want) {
				t.Errorf("batch of %d: %v at place %d, %v at place 0", n, got, place, want)
			}
		}
	}
}

// Scores agree for all batch sizes, though perhaps not to the last bit.
func TestBatchSize(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{Work: 1}), Options{})
	want := scoresOf(t, e, 7)[0]
	differ := 0
	for n := 2; n <= 9; n++ {
		seeds := make([]int, n)
		seeds[0] = 7
		got := scoresOf(t, e, seeds...)[0]
		if !equalBits(got, want) {
			differ++
		}
		for class := range got {
			if d := math.Abs(float64(got[class] - want[class])); d > 1e-5 {
				t.Errorf("batch of %d, class %d: %v, alone %v", n, class, got[class], want[class])
			}
		}
	}
	t.Logf("in %d of 8 batch sizes the bits differ from those of a batch of 1", differ)
}

// TestBatchTooLarge: memory of batches is the machine's, also where a GPU computes.
func TestBatchTooLarge(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{}), Options{Lanes: 1})
	for _, n := range []int{1 << 46, math.MaxInt / 2} {
		_, err := e.NewBatch(n)
		if !errors.Is(err, models.ErrHostMemory) || !errors.Is(err, models.ErrOutOfMemory) || !strings.Contains(err.Error(), "choose a smaller batch") {
			t.Errorf("a batch of %d images: %v, want ErrHostMemory", n, err)
		}
	}
	// A job is not begun with such a batch.
	if e, err := Open(tiny(t, graphtest.Options{}), Options{Provider: CPU, Batch: 1 << 46}); !errors.Is(err, models.ErrHostMemory) {
		t.Errorf("Open: %v, want ErrHostMemory", err)
		if err == nil {
			_ = e.Close()
		}
	}
}

func TestPartialBatchLeavesOtherRowsAlone(t *testing.T) {
	for _, o := range []graphtest.Options{{}, {Batch: 4}, {Input: graphtest.FloatImage}, {Input: graphtest.FloatImage, Batch: 3}} {
		e := open(t, tiny(t, o), Options{})
		c := &e.model.Contract
		const n = 7
		b := newBatch(t, e, n)
		for i := range n {
			fill(b, c, i, i)
		}
		for _, r := range []span{{0, n}, {0, 1}, {2, 5}, {3, 7}, {6, 7}, {2, 5}} {
			const untouched = -5
			for i := range b.Scores {
				b.Scores[i] = untouched
			}
			if err := e.Score(t.Context(), b, r.lo, r.hi); err != nil {
				t.Fatal(err)
			}
			for i, row := range rows(b, c.Classes) {
				inside := r.lo <= i && i < r.hi
				if inside && rowcheck.Scores(c, row) != nil || !inside && !equalBits(row, slices.Repeat([]float32{untouched}, c.Classes)) {
					t.Errorf("%+v: after images %d to %d, row %d is %v", o, r.lo, r.hi, i, row)
				}
			}
		}
	}
}

// fill writes the picture of a seed to one place of a batch.
func fill(b *models.Batch, c *models.Contract, place, seed int) {
	row := c.Preprocess.RowBytes()
	pixels := b.Pixels[place*row : (place+1)*row]
	if c.Preprocess.DType == preprocess.Uint8 {
		picture(pixels, seed)
		return
	}
	raw := make([]byte, row/4)
	picture(raw, seed)
	for i, f := 0, floats(pixels); i < len(f); i++ {
		f[i] = float32(raw[i]) / 255
	}
}

func TestFixedBatchIsFilledUp(t *testing.T) {
	one := open(t, tiny(t, graphtest.Options{Batch: 1}), Options{})
	four := open(t, tiny(t, graphtest.Options{Batch: 4}), Options{})
	for n := 1; n <= 9; n++ {
		seeds := make([]int, n)
		for i := range seeds {
			seeds[i] = i + 1
		}
		want, got := scoresOf(t, one, seeds...), scoresOf(t, four, seeds...)
		for i := range want {
			for class := range want[i] {
				if d := math.Abs(float64(got[i][class] - want[i][class])); d > 1e-5 {
					t.Fatalf("%d images, image %d: %v in fours, %v alone", n, i, got[i], want[i])
				}
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	needLibrary(t)
	missing := tiny(t, graphtest.Options{})
	missing.Path += ".gone"
	garbage := tiny(t, graphtest.Options{})
	if err := os.WriteFile(garbage.Path, []byte("not a model"), 0o644); err != nil {
		t.Fatal(err)
	}
	otherSize := tiny(t, graphtest.Options{})
	otherSize.Contract.Preprocess.Width = 64
	fewer := tiny(t, graphtest.Options{})
	fewer.Contract.Classes = 9
	lies := tiny(t, graphtest.Options{Logits: true})
	lies.Contract.Output = models.Probabilities
	renamed := tiny(t, graphtest.Options{})
	renamed.InputName = "pictures"
	noOutput := tiny(t, graphtest.Options{})
	noOutput.OutputName = "label"
	float := tiny(t, graphtest.Options{})
	float.Contract.Preprocess.DType = preprocess.Float32
	planes := tiny(t, graphtest.Options{})
	planes.Contract.Preprocess.Layout = preprocess.CHW
	for _, test := range []struct {
		name  string
		model *models.Model
		want  []string
	}{
		{name: "no file", model: missing, want: []string{"no such file", missing.Path}},
		{name: "garbage", model: garbage, want: []string{garbage.Path}},
		{name: "NaN (row 22)", model: tiny(t, graphtest.Options{NaN: true}), want: []string{"NaN", "damaged"}},
		{name: "rank 4 output (row 22)", model: tiny(t, graphtest.Options{Output: graphtest.Map}), want: []string{`"scores"`, "[N,10,16,16]", "[N,10]"}},
		{name: "wide output (row 22)", model: tiny(t, graphtest.Options{Output: graphtest.Wide}), want: []string{"[N,11]", "[N,10]", "10 classes"}},
		{name: "narrow contract", model: fewer, want: []string{"[N,10]", "[N,9]"}},
		{name: "no image input", model: tiny(t, graphtest.Options{Input: graphtest.Vector}), want: []string{`"features"`, "float32", "uint8"}},
		{name: "text input", model: tiny(t, graphtest.Options{Input: graphtest.Text}), want: []string{`"text"`, "string"}},
		{name: "another size", model: otherSize, want: []string{"[N,32,32,3]", "[N,32,64,3]", "64 x 32"}},
		{name: "float contract", model: float, want: []string{"uint8", "float32"}},
		{name: "CHW contract", model: planes, want: []string{"[N,32,32,3]", "[N,3,32,32]", "CHW"}},
		{name: "logits called probabilities", model: lies, want: []string{"sums to", "logits", "softmax"}},
		{name: "unknown input name", model: renamed, want: []string{`"pictures"`, `"images"`}},
		{name: "unknown output name", model: noOutput, want: []string{`"label"`, `"scores"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, err := Open(test.model, Options{Provider: CPU})
			if err == nil {
				_ = e.Close()
				t.Fatal("Open succeeded")
			}
			if !errors.Is(err, models.ErrModel) {
				t.Errorf("%v does not wrap ErrModel", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not contain %q", err, want)
				}
			}
		})
	}
}

func TestLogitsMayBeAnything(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{Logits: true}), Options{})
	row := scoresOf(t, e, 3)[0]
	var sum float64
	for _, v := range row {
		sum += float64(v)
	}
	if math.Abs(sum-1) < 0.05 {
		t.Errorf("%v sums to 1, so this test's model has no logits", row)
	}
}

func TestScoreRefusesRanges(t *testing.T) {
	m := tiny(t, graphtest.Options{})
	e, other := open(t, m, Options{}), open(t, m, Options{})
	b := newBatch(t, e, 4)
	for _, r := range []span{{-1, 2}, {0, 5}, {2, 2}, {3, 1}} {
		if err := e.Score(t.Context(), b, r.lo, r.hi); err == nil {
			t.Errorf("images %d to %d of 4 were scored", r.lo, r.hi)
		}
	}
	if err := other.Score(t.Context(), b, 0, 4); err == nil {
		t.Error("a batch of another engine was scored")
	}
	for _, capacity := range []int{0, -1, math.MaxInt / 3} {
		if _, err := e.NewBatch(capacity); err == nil {
			t.Errorf("a batch of %d images was made", capacity)
		}
	}
}

func TestScoreAllocatesNothing(t *testing.T) {
	for _, o := range []graphtest.Options{{}, {Batch: 4}} {
		for _, rebind := range []bool{false, true} {
			e := open(t, tiny(t, o), Options{Lanes: 1})
			if rebind {
				copyFirst(t, e)
			}
			b := newBatch(t, e, 6)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			score := func() {
				if err := e.Score(ctx, b, 0, 6); err != nil {
					t.Error(err)
				}
			}
			if n := testing.AllocsPerRun(50, score); n != 0 {
				t.Errorf("%+v, rebind %v: %v allocations per Score, want 0", o, rebind, n)
			}
		}
	}
}

// Cancellation relies on this: a run whose flag is set returns without a result, and a run
// whose flag was cleared again returns one.
func TestTerminate(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{}), Options{})
	b := newBatch(t, e, 2)
	own := b.Engine.(*batch)
	if err := e.Score(t.Context(), b, 0, 2); err != nil {
		t.Fatal(err)
	}
	w, err := own.window(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := own.options.Terminate(); err != nil {
		t.Fatal(err)
	}
	if err := e.api.run(&w.run); err == nil || !strings.Contains(err.Error(), "terminate") {
		t.Errorf("a run whose flag is set: %v", err)
	}
	if err := own.options.UnsetTerminate(); err != nil {
		t.Fatal(err)
	}
	if err := e.api.run(&w.run); err != nil {
		t.Error(err)
	}
}

// endsInRun is a context that ends when it is watched for the second time: the first time
// is while Score waits for a lane, the second during the run.
type endsInRun struct {
	context.Context //nolint:containedctx // it is a context itself
	cancel          context.CancelFunc
	watched         atomic.Int32
}

func (c *endsInRun) Done() <-chan struct{} {
	if c.watched.Add(1) == 2 {
		c.cancel()
	}
	return c.Context.Done()
}

func TestCancellation(t *testing.T) {
	for _, o := range []graphtest.Options{{Size: 64, Work: 8}, {Size: 64, Work: 8, Batch: 4}} {
		e := open(t, tiny(t, o), Options{Lanes: 1})
		const n = 14
		b := newBatch(t, e, n)
		for i := range n {
			fill(b, &e.model.Contract, i, i)
		}
		if err := e.Score(t.Context(), b, 0, n); err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(b.Scores)

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := e.Score(ended, b, 0, n); !errors.Is(err, context.Canceled) {
			t.Errorf("a context that has ended: %v", err)
		}
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			err := e.Score(&endsInRun{Context: ctx, cancel: cancel}, b, 0, n)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a context that ends in the run: %v", err)
			}
		}
		late, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		if err := e.Score(late, b, 0, n); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("past the deadline: %v", err)
		}

		// Neither the flag nor the lane is left behind.
		clear(b.Scores)
		if err := e.Score(t.Context(), b, 0, n); err != nil {
			t.Fatal(err)
		}
		if !equalBits(b.Scores, want) {
			t.Error("the scores after cancelled runs differ from those before")
		}
	}
}

// occupant is a call that holds its lane until it is told to release it.
type occupant struct{ held, release chan struct{} }

func (o *occupant) Score(context.Context) error {
	close(o.held)
	<-o.release
	return nil
}

func (*occupant) Reclaim() error { return nil }

func TestWaitingForALaneEndsWithTheContext(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{}), Options{Lanes: 1})
	b := newBatch(t, e, 1)
	release, held := make(chan struct{}), make(chan struct{})
	go func() { // another Score holds the lane
		_ = e.lanes.Run(t.Context(), 1, &occupant{held, release})
	}()
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- e.Score(ctx, b, 0, 1) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("waiting: %v", err)
	}
	close(release)
	if err := e.Score(t.Context(), b, 0, 1); err != nil {
		t.Error(err)
	}
}

// The batch is unmapped as soon as Score has returned. A run that still used it would
// crash.
func TestCloseAfterCancellation(t *testing.T) {
	needLibrary(t)
	m := tiny(t, graphtest.Options{Size: 64, Work: 8})
	for range 10 {
		e, err := Open(m, Options{Provider: CPU, Lanes: 2})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 2 {
			b := newBatch(t, e, 16)
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				if err := e.Score(&endsInRun{Context: ctx, cancel: cancel}, b, 0, 16); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := e.NewBatch(1); err == nil {
			t.Error("a closed engine made a batch")
		}
	}
}

func TestGoroutinesEndWithTheEngine(t *testing.T) {
	needLibrary(t)
	m := tiny(t, graphtest.Options{Batch: 2})
	before := runtime.NumGoroutine()
	e, err := Open(m, Options{Provider: CPU})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		newBatch(t, e, 3)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	// A goroutine counts until its last function has returned.
	for range 1_000_000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

func TestEnginesShareTheEnvironment(t *testing.T) {
	needLibrary(t)
	m := tiny(t, graphtest.Options{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				e, err := Open(m, Options{Provider: CPU})
				if err != nil {
					t.Error(err)
					return
				}
				if err := errors.Join(e.Close(), e.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if environment.users != 0 {
		t.Errorf("%d users of the environment are left", environment.users)
	}
}

func TestOpenSaysNothingOnItsOwn(t *testing.T) {
	var log bytes.Buffer
	e := open(t, tiny(t, graphtest.Options{}), Options{Logger: zerolog.New(&log)})
	if e.Device() != "cpu" || e.Lanes() < 1 || log.Len() > 0 {
		t.Errorf("device %q, %d lanes, log %q", e.Device(), e.Lanes(), &log)
	}
}
