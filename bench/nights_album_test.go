package bench

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

// album is a made-up collection that changes every night. All images have the same pixel.
type album struct {
	body     []byte
	versions []int // of each image; 0 if it is gone
	outputs  *outputs
	random   *rand.Rand
}

func newAlbum(t testing.TB, images int, o *outputs) *album {
	var pixel bytes.Buffer
	if err := jpeg.Encode(&pixel, image.NewGray(image.Rect(0, 0, 1, 1)), nil); err != nil {
		t.Fatal(err)
	}
	a := &album{body: pixel.Bytes(), outputs: o, random: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // the same every time
	a.add(images)
	return a
}

// add adds n images.
func (a *album) add(n int) {
	for range n {
		a.versions = append(a.versions, 1)
	}
}

// change replaces and removes images at random.
func (a *album) change(replace, remove int) {
	for _, n := range []*int{&replace, &remove} {
		for *n > 0 {
			i := a.random.IntN(len(a.versions))
			switch {
			case a.versions[i] == 0:
				continue
			case n == &replace:
				a.versions[i]++
			default:
				a.versions[i] = 0
			}
			*n--
		}
	}
}

func (a *album) String() string { return "made up" }

// List implements store.Store, out of order.
func (a *album) List(ctx context.Context, _ string, fn func(store.Object) error) error {
	a.outputs.beginListing()
	defer a.outputs.listedAll()
	var name []byte
	images := len(a.versions)
	step := 15485863 // a prime number
	for i := range images {
		n := i * step % images
		if a.versions[n] == 0 {
			continue
		}
		name = fmt.Appendf(name[:0], "images/%03d/photo-%08x-%08d.jpg", n%1000, uint32(n*2654435761), n) //nolint:gosec // wraps around
		if err := fn(a.object(string(name), n)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (a *album) object(name string, n int) store.Object {
	return store.Object{Name: name, Size: int64(len(a.body)), ETag: fmt.Sprintf("0x8D%013X", a.versions[n])}
}

// Open implements store.Store.
func (a *album) Open(_ context.Context, name, _ string) (io.ReadCloser, store.Object, error) {
	n, err := strconv.Atoi(name[len(name)-len("00000000.jpg") : len(name)-len(".jpg")])
	if err != nil {
		return nil, store.Object{}, err
	}
	a.outputs.mu.Lock()
	a.outputs.cost.images++
	a.outputs.mu.Unlock()
	r := new(pixel)
	r.Reset(a.body)
	return r, a.object(name, n), nil
}

// Create implements store.Store.
func (*album) Create(context.Context, string, []byte) (store.Object, error) {
	return store.Object{}, store.ErrDenied
}
