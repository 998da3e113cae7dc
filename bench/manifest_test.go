package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// BenchmarkManifest freezes the manifest of a generated collection that is listed out
// of order, as the first rank does; reads it, as every other rank does; and compares it
// with a second listing, as the last rank does. It reports the time of each, the size
// of the manifest, and the peak of the resident memory.
func BenchmarkManifest(b *testing.B) {
	for _, images := range []int{1_000_000, 10_000_000} {
		b.Run(fmt.Sprintf("images=%d", images), func(b *testing.B) {
			for b.Loop() {
				manifest(b, images)
			}
		})
	}
}

func manifest(b *testing.B, images int) {
	resetPeak(b)
	made := listed{images}
	out := folder(b, b.TempDir())
	lap := time.Now()
	took := func(what string) {
		b.ReportMetric(time.Since(lap).Seconds(), what)
		lap = time.Now()
	}
	m, err := output.Freeze(b.Context(), out, func(ctx context.Context) (*shard.Manifest, error) {
		m, _, err := listing.Manifest(ctx, made, listing.Pictures, 0, zerolog.Nop())
		return m, err
	})
	if err != nil || m.Len() != images {
		b.Fatal(err)
	}
	defer m.Close()
	took("s-freeze")
	read, err := output.ReadManifest(b.Context(), out)
	if err != nil || read.Digest() != m.Digest() {
		b.Fatal(err)
	}
	read.Close()
	took("s-read")
	drift, err := output.MeasureDrift(m, false, func(fn func(store.Object) error) error { return made.List(b.Context(), "", fn) })
	if err != nil || drift != (output.Drift{}) {
		b.Fatal(drift, err)
	}
	took("s-compare")
	var text counter
	if err := m.Encode(&text); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(text)/1e6, "MB-text")
	b.ReportMetric(status(b, "VmHWM"), "MB-peak")
	b.ReportMetric(0, "ns/op")
}

// counter counts what is written to it.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// listed is a collection of that many images that can only be listed, not in order.
type listed struct{ images int }

func (l listed) String() string { return "made up" }

func (l listed) List(ctx context.Context, _ string, fn func(store.Object) error) error {
	var name []byte
	for i := range l.images {
		n := i * 15485863 % l.images
		name = fmt.Appendf(name[:0], "images/%03d/photo-%08x-%08d.jpg", n%1000, uint32(n*2654435761), n)
		if err := fn(store.Object{Name: string(name), Size: int64(n), ETag: "0x8D0123456789ABC"}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (l listed) Open(context.Context, string, string) (io.ReadCloser, store.Object, error) {
	return nil, store.Object{}, errors.ErrUnsupported
}

func (l listed) Create(context.Context, string, []byte) (store.Object, error) {
	return store.Object{}, errors.ErrUnsupported
}
