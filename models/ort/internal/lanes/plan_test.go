package lanes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/batchscore/batchscore/models"
)

// convolution is what ONNX Runtime keeps for one on a GPU: the number of images that it
// saw last, and the plan that it has made. If there is no memory for its result, it keeps
// the number and makes no plan.
type convolution struct {
	mu         sync.Mutex
	last, plan int
}

// graph is convolutions that share the memory of a device, which they take one after
// another and give back at the end of the run.
type graph struct {
	nodes []convolution
	mu    sync.Mutex
	free  int
	wrong int // runs that used a plan for another number of images
}

func (g *graph) take(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n > g.free {
		return false
	}
	g.free -= n
	return true
}

func (g *graph) score(n int) func(context.Context) error {
	return func(context.Context) error {
		taken := 0
		defer func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.free += taken
		}()
		for i := range g.nodes {
			runtime.Gosched()
			if err := g.nodes[i].run(g, n); err != nil {
				return err
			}
			taken += n
		}
		return nil
	}
}

func (c *convolution) run(g *graph, n int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := c.last != n
	c.last = n
	if !g.take(n) {
		return fmt.Errorf("%w: %d images", models.ErrOutOfMemory, n)
	}
	if changed {
		c.plan = n
	}
	if c.plan != n {
		g.mu.Lock()
		g.wrong++
		g.mu.Unlock()
	}
	return nil
}

// TestPlansFit has lanes that score batches of any size, most of which do not fit into
// the memory that is left, or into any.
func TestPlansFit(t *testing.T) {
	const most, lanes = 12, 3
	for seed := range uint64(20) {
		g := &graph{nodes: make([]convolution, 5), free: 40}
		l := quietLanes(lanes)
		l.Planned = true
		var wait sync.WaitGroup
		for lane := range uint64(lanes) {
			wait.Go(func() {
				random := rand.New(rand.NewPCG(seed, lane))
				for range 100 {
					n := 1 + random.IntN(most)
					err := l.Run(t.Context(), n, funcs{g.score(n), func() error { return nil }})
					if fits := 5*n <= 40; err != nil && (fits || !errors.Is(err, models.ErrOutOfMemory)) {
						t.Errorf("%d images: %v", n, err)
					}
				}
			})
		}
		wait.Wait()
		if g.wrong > 0 {
			t.Fatalf("%d runs used plans for another number of images", g.wrong)
		}
	}
}

// TestBrokenPlans: a number of images whose first run failed is not run again until
// another number has succeeded.
func TestBrokenPlans(t *testing.T) {
	r, l := &room{size: 10}, quietLanes(2)
	l.Planned = true
	runs := 0
	run := func(n int) error {
		return l.Run(t.Context(), n, funcs{func(ctx context.Context) error {
			runs++
			return r.score(n, nil)(ctx)
		}, r.reclaim})
	}
	for range 2 { // both lanes begin with whole batches
		if err := run(16); !errors.Is(err, models.ErrOutOfMemory) {
			t.Errorf("16 images in memory for 10: %v", err)
		}
	}
	if runs != 1 {
		t.Errorf("it was run %d times, want once", runs)
	}
	if err := run(8); err != nil {
		t.Error(err)
	}
	r.size = 20
	if err := run(16); err != nil || runs != 3 {
		t.Errorf("16 images after 8, in memory for 20: %v, %d runs", err, runs)
	}
}

// TestFirstRunIsAlone starts a run of another size while one is under way, and one that
// is cancelled.
func TestFirstRunIsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, l := &room{size: 100}, quietLanes(2)
		l.Planned = true
		run := func(ctx context.Context, n int, end <-chan struct{}) <-chan error {
			done := make(chan error, 1)
			go func() { done <- l.Run(ctx, n, funcs{r.score(n, end), r.reclaim}) }()
			synctest.Wait()
			return done
		}
		if err := <-run(t.Context(), 8, nil); err != nil {
			t.Fatal(err)
		}
		first, second := make(chan struct{}), make(chan struct{})
		a := run(t.Context(), 8, first)
		ctx, cancel := context.WithCancel(t.Context())
		b := run(ctx, 4, second)
		close(first)
		synctest.Wait()
		cancel() // while it makes its plans
		c := run(t.Context(), 4, nil)
		select {
		case err := <-b:
			t.Errorf("the first run of its size was ended early: %v", err)
		case err := <-c:
			t.Errorf("a run did not wait for the plans: %v", err)
		default:
		}
		close(second)
		if err := <-b; !errors.Is(err, context.Canceled) {
			t.Errorf("the cancelled run: %v", err)
		}
		if err := errors.Join(<-a, <-c); err != nil {
			t.Error(err)
		}
		if r.most != 1 {
			t.Errorf("%d runs at a time, want 1", r.most)
		}
	})
}
