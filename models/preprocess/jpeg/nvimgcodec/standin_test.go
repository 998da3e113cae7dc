package nvimgcodec

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/jpeg/nvimgcodec/standin"
)

// TestStandIn drives the GPU's part of the wrapper over a stand-in that decodes nothing.
func TestStandIn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the stand-in is for Linux")
	}
	env, log := standin.Build(t)
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	p, err := open(3)
	if err != nil {
		t.Fatal(err)
	}
	if want := "nvimgcodec 0.9.0 gpu, nvjpeg 12.4.0"; p.Kind() != want {
		t.Errorf("Kind() = %q, want %q", p.Kind(), want)
	}
	lines := standin.Lines(t, log)
	for _, line := range lines {
		want := fmt.Sprintf("device 3, 1 back ends, kind 3, options :fancy_upsampling=1, %d threads, context flags 0", max(runtime.GOMAXPROCS(0)/2, 1))
		if line != want {
			t.Errorf("a decoder is made as %q, want %q", line, want)
		}
	}
	if len(lines) != inFlight {
		t.Errorf("%d decoders, want %d", len(lines), inFlight)
	}
	var g sync.WaitGroup
	for k := range 3 * Batch {
		g.Go(func() {
			d := p.NewDecoder()
			for i := range 10 {
				width := 112 + (k+i)%4
				src, _ := picture(t, width, 20, k)
				px := pixels(width, 20)
				ok, err := d.Decode(px, src)
				if want := width != standin.Unsupported && width != standin.FailsAlways; ok != want {
					t.Errorf("width %d: decoded %t, want %t (%v)", width, ok, want, err)
				}
				switch {
				case width != standin.FailsAlways && err != nil:
					t.Errorf("width %d: %v", width, err)
				case width != standin.FailsAlways:
				case err == nil:
					t.Errorf("width %d: no error", width)
				case !strings.Contains(err.Error(), "of 114x20 pixels, twice: nvimgcodecDecoderDecode: status 3") ||
					!strings.Contains(err.Error(), "--decode-device cpu") || strings.Contains(err.Error(), "\n"):
					t.Errorf("the error is %q", err)
				}
				if ok && (px.Row(19)[4*7] != 28 || px.Row(19)[4*7+1] != 152) {
					t.Errorf("width %d: not the stand-in's pixels", width)
				}
			}
		})
	}
	g.Wait()
	_, err = decodeOne(t, p, standin.FailsAlways)
	if err == nil || !strings.Contains(err.Error(), ": CUDA error: out of memory: see") {
		t.Errorf("the error is %v, want the first line of what the library said", err)
	}
}

func decodeOne(t *testing.T, p *Pool, width int) (bool, error) {
	t.Helper()
	src, _ := picture(t, width, 20, 1)
	return p.NewDecoder().Decode(pixels(width, 20), src)
}

// TestBatchInUse: once the library cannot say when it is done with a batch, the batch keeps
// its memory, every image of the pool fails, and none waits.
func TestBatchInUse(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the stand-in is for Linux")
	}
	env, _ := standin.Build(t)
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	p, err := open(0)
	if err != nil {
		t.Fatal(err)
	}
	src, _ := picture(t, standin.Lost, 20, 1)
	px := pixels(standin.Lost, 20)
	var freed atomic.Bool
	runtime.AddCleanup(&px.Bytes[0], func(*atomic.Bool) { freed.Store(true) }, &freed)
	_, err = p.NewDecoder().Decode(px, src)
	if !errors.Is(err, codec.ErrInUse) || !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "nvimgcodecFutureWaitForAll: status 8") {
		t.Fatalf("the error is %v", err)
	}
	px.Bytes = nil
	for range 3 {
		runtime.GC()
		time.Sleep(50 * time.Millisecond) // the library writes in this time
	}
	if freed.Load() {
		t.Error("the pixels were freed while the library may write to them")
	}
	if len(inUse.pins) == 0 {
		t.Error("the pixels are not pinned")
	}
	var g sync.WaitGroup
	for range 3 * Batch {
		g.Go(func() {
			if _, err := decodeOne(t, p, 112); !errors.Is(err, codec.ErrInUse) {
				t.Errorf("the error of another image is %v", err)
			}
		})
	}
	g.Wait()
}
