package bench

import (
	"context"
	"io"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// outputs is a folder of outputs. It counts what is done to them, and how long listing takes.
type outputs struct {
	open func(name string) store.Store // the place of one output

	mu     sync.Mutex
	stores map[string]store.Store
	cost   cost
	// listing is true while images are listed, and sorting while nothing was stored since.
	listing, sorting bool
	since            cost
}

// cost is what a job costs.
type cost struct {
	calls         int      // of the storage of outputs
	read, written int64    // bytes
	parts         transfer // bytes, of those of parts
	wall, cpu     time.Duration
	// listed is the part of the time that lists, sorts and stores the collection.
	listed    time.Duration
	listedCPU time.Duration
	images    int // that were opened
}

// transfer is bytes that are read and written.
type transfer struct{ read, written int64 }

const outputsPlace = "memory/runs"

// inMemory returns a folder of outputs that are in memory, each in a store of its own.
func inMemory() *outputs { return newOutputs(func(string) store.Store { return new(mem.Store) }) }

// inFolder returns a folder of outputs in the file system.
func inFolder(t testing.TB, root string) *outputs {
	return newOutputs(func(name string) store.Store { return folder(t, path.Join(root, name)) })
}

func newOutputs(open func(string) store.Store) *outputs {
	return &outputs{open: open, stores: map[string]store.Store{}}
}

// at returns an output, and the folder itself if the name is empty.
func (o *outputs) at(name string) store.Store {
	o.mu.Lock()
	defer o.mu.Unlock()
	if name == "" {
		return &folderOfOutputs{counted{outputs: o, inner: new(mem.Store)}}
	}
	if o.stores[name] == nil {
		o.stores[name] = o.open(name)
	}
	return &counted{outputs: o, name: name, inner: o.stores[name]}
}

// call counts a call. The first after a listing ends the time of that.
func (o *outputs) call() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cost.calls++
	if o.sorting {
		o.endListing()
	}
}

func (o *outputs) beginListing() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.listing, o.sorting = true, false
	o.since = now()
}

// listedAll says that all images were listed. They are sorted until something is stored.
func (o *outputs) listedAll() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sorting = true
}

// endListing adds the time since beginListing. The caller holds mu.
func (o *outputs) endListing() {
	if !o.listing {
		return
	}
	n := now()
	o.cost.listed += n.wall - o.since.wall
	o.cost.listedCPU += n.cpu - o.since.cpu
	o.listing, o.sorting = false, false
}

var began = time.Now()

func now() cost { return cost{wall: time.Since(began), cpu: measure.CPUTime()} }

// spend returns what fn costs.
func (o *outputs) spend(fn func()) cost {
	o.mu.Lock()
	o.cost, o.listing, o.sorting = cost{}, false, false
	o.mu.Unlock()
	start := now()
	fn()
	end := now()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.endListing()
	o.cost.wall, o.cost.cpu = end.wall-start.wall, end.cpu-start.cpu
	return o.cost
}

// counted is the place of one output.
type counted struct {
	*outputs
	name  string
	inner store.Store
}

func (c *counted) String() string { return strings.TrimSuffix(outputsPlace+"/"+c.name, "/") }

func (c *counted) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	c.call()
	return c.inner.List(ctx, prefix, fn)
}

func (c *counted) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	c.call()
	r, o, err := c.inner.Open(ctx, name, etag)
	if err != nil {
		return nil, o, err
	}
	return &countedBody{r, c.outputs, isPart(name)}, o, nil
}

func (c *counted) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	c.call()
	c.wrote(len(body))
	if isPart(name) {
		c.mu.Lock()
		c.cost.parts.written += int64(len(body))
		c.mu.Unlock()
	}
	return c.inner.Create(ctx, name, body)
}

// CreateFrom implements store.Streamer. The collection is part of the listing.
func (c *counted) CreateFrom(ctx context.Context, name string, _ store.Retry, write func(io.Writer) error) (store.Object, error) {
	c.call()
	if name == "_batchscore/collection.jsonl" || name == "_batchscore/manifest.jsonl" && !c.has("_batchscore/collection.jsonl") {
		c.beginListing()
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.endListing()
		}()
	}
	return store.CreateFrom(ctx, c.inner, name, func(w io.Writer) error { return write(io.MultiWriter(w, c)) })
}

func (c *counted) has(name string) bool {
	r, _, err := c.inner.Open(context.Background(), name, "")
	if err == nil {
		r.Close()
	}
	return err == nil
}

// Write counts what is written.
func (c *counted) Write(p []byte) (int, error) {
	c.wrote(len(p))
	return len(p), nil
}

func (c *counted) wrote(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cost.written += int64(n)
}

// Replace implements store.Replacer.
func (c *counted) Replace(ctx context.Context, name string, body []byte, etag string) (store.Object, error) {
	c.call()
	c.wrote(len(body))
	return store.Replace(ctx, c.inner, name, body, etag)
}

// Delete implements store.Replacer.
func (c *counted) Delete(ctx context.Context, name, etag string) error {
	c.call()
	return store.Delete(ctx, c.inner, name, etag)
}

// Neighbor implements store.Neighborly.
func (c *counted) Neighbor(place string) (store.Store, error) {
	if name, ok := strings.CutPrefix(place, "../"); ok {
		return c.at(name), nil
	}
	name, ok := strings.CutPrefix(place+"/", outputsPlace+"/")
	if !ok {
		return nil, store.OtherStorage(c, place)
	}
	return c.at(strings.TrimSuffix(name, "/")), nil
}

// folderOfOutputs is the folder that all outputs are in.
type folderOfOutputs struct{ counted }

// Folders implements store.FolderLister.
func (f *folderOfOutputs) Folders(_ context.Context, _ string, _ store.Retry, fn func(string) error) error {
	f.call()
	f.mu.Lock()
	var names []string
	for name := range f.stores {
		names = append(names, name)
	}
	f.mu.Unlock()
	for _, name := range names {
		if err := fn(name); err != nil {
			return err
		}
	}
	return nil
}

func isPart(name string) bool { return strings.HasPrefix(name, "part-") }

// countedBody counts what is read.
type countedBody struct {
	io.ReadCloser
	o    *outputs
	part bool
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.o.mu.Lock()
	b.o.cost.read += int64(n)
	if b.part {
		b.o.cost.parts.read += int64(n)
	}
	b.o.mu.Unlock()
	return n, err
}
