package scorer

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// distant is a store that takes a while for every request.
type distant struct {
	store.Store
	latency time.Duration
	// opening is how many objects are being opened, most the largest such number.
	opening, most atomic.Int64
}

func (d *distant) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	time.Sleep(d.latency)
	return d.Store.List(ctx, prefix, fn)
}

func (d *distant) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	n := d.opening.Add(1)
	for most := d.most.Load(); n > most && !d.most.CompareAndSwap(most, n); most = d.most.Load() {
	}
	time.Sleep(d.latency)
	d.opening.Add(-1)
	return d.Store.Open(ctx, name, etag)
}

func (d *distant) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	time.Sleep(d.latency)
	return d.Store.Create(ctx, name, body)
}

// fastEngine is a device that computes one batch after another.
type fastEngine struct {
	*fakeEngine
	takes  time.Duration // for a batch
	device chan struct{}
}

func (e *fastEngine) DefaultBatch() int { return shard.LargeBatch }

func (e *fastEngine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	e.device <- struct{}{}
	time.Sleep(e.takes)
	<-e.device
	return e.fakeEngine.Score(ctx, b, lo, hi)
}

// TestFastDevice feeds a device of 8,000 images per second from a store that takes 30 ms
// for every request. Nothing but the defaults says that the device is fast. The clock is
// that of the bubble, in which computing takes no time.
func TestFastDevice(t *testing.T) {
	const images, latency, least = 40_000, 30 * time.Millisecond, 5000
	body := picture(t, 1)
	in := new(mem.Store)
	for i := range images {
		in.Put(pictureName(i), body)
	}
	synctest.Test(t, func(t *testing.T) {
		from := &distant{Store: in, latency: latency}
		o := options(t, from, &distant{Store: new(mem.Store), latency: latency})
		e := &fastEngine{fakeEngine: newFakeEngine(), takes: 4 * time.Millisecond, device: make(chan struct{}, 1)}
		o.OpenEngine = func() (Engine, error) { return e, nil }
		// As for a job that is large enough for its end not to matter.
		o.Job.Chunk = shard.DefaultChunk(1_000_000, e.DefaultBatch())
		began := time.Now()
		s := mustRun(t, o)
		rate := images / time.Since(began).Seconds()
		if s.Images != images || rate < least {
			t.Errorf("%d images, %.0f per second; want %d, and %d per second at least", s.Images, rate, images, least)
		}
		// Little's law.
		if most := from.most.Load(); most < least*int64(latency)/int64(time.Second) {
			t.Errorf("%d images were requested at a time: too few for %d per second", most, least)
		}
	})
}

// TestMostAhead checks that read-ahead is enough for fast devices, also with large tensors: a
// store that takes 30 ms requires 150 images for 5,000 per second.
func TestMostAhead(t *testing.T) {
	float := preprocess.Spec{Width: 299, Height: 299, Layout: preprocess.CHW, DType: preprocess.Float32}
	for _, test := range []struct {
		name   string
		batch  int
		dtype  preprocess.DType
		lo, hi int
	}{
		{name: "processor", batch: 4, dtype: preprocess.Float32, lo: 40, hi: 2 * shard.DefaultFetchers(4)},
		{name: "GPU, float32", batch: 32, dtype: preprocess.Float32, lo: 150, hi: 300},
		{name: "GPU, uint8", batch: 32, dtype: preprocess.Uint8, lo: 300, hi: 2 * shard.DefaultFetchers(32)},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := float
			spec.DType = test.dtype
			var o Options
			o.Decode.Budget = budget.New(budget.LimitsOf(8<<30, 1), nil)
			o.feedDefaults(test.batch)
			if n := o.mostAhead(spec.RowBytes()); n < test.lo || n > test.hi {
				t.Errorf("%d images ahead, want %d to %d", n, test.lo, test.hi)
			}
		})
	}
}
