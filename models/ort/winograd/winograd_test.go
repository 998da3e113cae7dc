package winograd

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/cpu"
	"pgregory.net/rapid"
)

// kernels are the supported sizes, height and width.
var kernels = [][2]int{{3, 3}, {5, 5}, {1, 7}, {7, 1}, {1, 3}, {3, 1}}

// layer is a convolution with its weights and images.
type layer struct {
	Convolution
	n, h, w       int // of the images
	weights, bias []float32
	x             []float32
}

// outputs returns the number of outputs per image.
func (l layer) outputs() int { return l.Filters * l.Height * l.Width }

// fill sets weights, bias and images.
func (l *layer) fill(bias bool) {
	l.Height = l.h + l.Pads[0] + l.Pads[2] - l.Kernel[0] + 1
	l.Width = l.w + l.Pads[1] + l.Pads[3] - l.Kernel[1] + 1
	r := rand.New(rand.NewPCG(1, 2))
	numbers := func(n int) []float32 {
		s := make([]float32, n)
		for i := range s {
			s[i] = float32(r.NormFloat64())
		}
		return s
	}
	l.weights = numbers(l.Filters * l.Channels * l.Kernel[0] * l.Kernel[1])
	if bias {
		l.bias = numbers(l.Filters)
	}
	l.x = numbers(l.n * l.Channels * l.h * l.w)
}

// direct returns the result in double precision.
func (l layer) direct() []float64 {
	var want []float64
	oh, ow := l.Height, l.Width
	for image := range l.n {
		for k := range l.Filters {
			sums := make([]float64, oh*ow)
			for c := range l.Channels {
				x := l.x[(image*l.Channels+c)*l.h*l.w:]
				for i := range l.Kernel[0] {
					for j := range l.Kernel[1] {
						weight := float64(l.weights[((k*l.Channels+c)*l.Kernel[0]+i)*l.Kernel[1]+j])
						for oy := max(0, l.Pads[0]-i); oy < min(oh, l.h+l.Pads[0]-i); oy++ {
							for ox := max(0, l.Pads[1]-j); ox < min(ow, l.w+l.Pads[1]-j); ox++ {
								sums[oy*ow+ox] += weight * float64(x[(oy+i-l.Pads[0])*l.w+ox+j-l.Pads[1]])
							}
						}
					}
				}
			}
			for i := range sums {
				if l.bias != nil {
					sums[i] += float64(l.bias[k])
				}
				if l.Relu {
					sums[i] = max(0, sums[i])
				}
			}
			want = append(want, sums...)
		}
	}
	return want
}

// run computes the layer between guards. What is read outside of x is not a number,
// and a write outside of y or of the scratch memory fails the test.
func (l layer) run(t fataler, isa int) []float32 {
	k := newKernel(l.Convolution, l.weights, l.bias, isa)
	if k == nil {
		t.Fatalf("no kernel for %+v with instructions %d", l.Convolution, isa)
	}
	defer k.free()
	return k.guarded(t, l)
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func (k *kernel) guarded(t fataler, l layer) []float32 {
	t.Helper()
	const guard = 64
	nan := float32(math.NaN())
	x := slices.Concat(slices.Repeat([]float32{nan}, guard), l.x, slices.Repeat([]float32{nan}, guard))
	y := slices.Repeat([]float32{nan}, l.n*l.outputs()+2*guard)
	edge := bytes.Repeat([]byte{0xa5}, guard+1) // so that nothing is aligned
	// Before the first run, scratch memory may hold anything.
	scratch := slices.Concat(edge, bytes.Repeat([]byte{0xff}, k.scratch()), edge)
	k.run(x[guard:][:len(l.x)], l.n, l.h, l.w, y[guard:len(y)-guard], scratch[len(edge):])
	if !bytes.Equal(scratch[:len(edge)], edge) || !bytes.Equal(scratch[len(scratch)-len(edge):], edge) {
		t.Fatalf("%+v: wrote outside of the %d bytes of scratch memory", l.Convolution, k.scratch())
	}
	for i := range guard {
		if y[i] == y[i] || y[len(y)-1-i] == y[len(y)-1-i] {
			t.Fatalf("%+v: wrote outside of the output", l.Convolution)
		}
	}
	return y[guard : len(y)-guard]
}

// compare returns the largest error and the largest magnitude of a value.
func (l layer) compare(got []float32) (worst, largest float64) {
	for i, want := range l.direct() {
		worst = max(worst, math.Abs(want-float64(got[i]))) // NaN if one of them is
		largest = max(largest, math.Abs(want))
	}
	return worst, largest
}

// magnitude returns an upper bound of the result's values.
func (l layer) magnitude() float64 {
	x, weights := 0.0, 0.0
	for _, v := range l.x {
		x = max(x, math.Abs(float64(v)))
	}
	for filter := range slices.Chunk(l.weights, len(l.weights)/l.Filters) {
		sum := 0.0
		for _, v := range filter {
			sum += math.Abs(float64(v))
		}
		weights = max(weights, sum)
	}
	return x * weights
}

// sets returns the sets of vector instructions of this processor. If there are none,
// TestUsable checks that nothing is computed, and the other tests return.
func sets(t *testing.T) []int {
	all := usable()
	if len(all) == 0 {
		t.Log("this processor has no AVX2")
	}
	return all
}

// C and Go must detect the same instructions.
func TestUsable(t *testing.T) {
	if has := cpu.X86.HasAVX2 && cpu.X86.HasFMA; Usable() != has || (len(usable()) > 0) != has {
		t.Errorf("usable: %v, sets %v; the processor has AVX2 and FMA: %v", Usable(), usable(), has)
	}
	if Usable() {
		return
	}
	weights := make([]float32, 9)
	for isa := range 3 {
		if k := newKernel(Convolution{Channels: 1, Filters: 1, Kernel: kernels[0]}, weights, nil, isa); k != nil {
			k.free()
			t.Errorf("there is a kernel for instructions %d", isa)
		}
	}
}

// Random shapes are compared with the definition, and the sets of vector
// instructions with each other, bit by bit.
func TestAgainstDirect(t *testing.T) {
	isas := sets(t)
	if isas == nil {
		return
	}
	const tolerance = 3e-6 // of the magnitude
	rapid.Check(t, func(t *rapid.T) {
		var l layer
		l.Channels = rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(1, 70)).Draw(t, "channels")
		l.Filters = rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(1, 70)).Draw(t, "filters")
		l.Kernel = rapid.SampledFrom(kernels).Draw(t, "kernel")
		l.Relu = rapid.Bool().Draw(t, "relu")
		l.n = rapid.IntRange(1, 2).Draw(t, "n")
		for i := range l.Pads {
			l.Pads[i] = rapid.IntRange(0, 2).Draw(t, "pad")
		}
		l.h = rapid.IntRange(max(1, l.Kernel[0]-l.Pads[0]-l.Pads[2]), 40).Draw(t, "h")
		l.w = rapid.IntRange(max(1, l.Kernel[1]-l.Pads[1]-l.Pads[3]), 40).Draw(t, "w")
		l.fill(rapid.Bool().Draw(t, "bias"))
		first := l.run(t, isas[0])
		if worst, _ := l.compare(first); !(worst <= tolerance*l.magnitude()) {
			t.Fatalf("%+v, %d images of %dx%d: an error of %g; values may be up to %g", l.Convolution, l.n, l.h, l.w, worst, l.magnitude())
		}
		for _, isa := range isas[1:] {
			if !slices.Equal(first, l.run(t, isa)) {
				t.Fatalf("instructions %d and %d give different bits", isas[0], isa)
			}
		}
	})
}

// With many channels, the error is a small part of the largest output.
func TestError(t *testing.T) {
	isas := sets(t)
	if isas == nil {
		return
	}
	for _, kernel := range kernels {
		limit := 3e-6
		if max(kernel[0], kernel[1]) > 3 {
			limit = 1e-5
		}
		l := layer{Convolution: Convolution{Channels: 96, Filters: 48, Kernel: kernel}, n: 1, h: 25, w: 25}
		l.fill(true)
		worst, largest := l.compare(l.run(t, isas[0]))
		t.Logf("kernel %v: %.2g", kernel, worst/largest)
		if !(worst <= limit*largest) {
			t.Errorf("kernel %v: the error is %.2g of the largest output, want %g", kernel, worst/largest, limit)
		}
	}
}

// The bits of an image do not depend on the batch or on its place. The sizes make
// tiles of several images share blocks.
func TestBatch(t *testing.T) {
	for _, isa := range sets(t) {
		for _, kernel := range kernels {
			for _, side := range []int{7, 14, 35} {
				l := layer{Convolution: Convolution{Channels: 40, Filters: 50, Kernel: kernel, Pads: [4]int{1, 1, 1, 1}}, n: 9, h: side, w: side}
				l.fill(true)
				whole := l.run(t, isa)
				one := l
				one.n = 1
				for i := range l.n {
					one.x = l.x[i*len(l.x)/l.n:][:len(l.x)/l.n]
					if !slices.Equal(one.run(t, isa), whole[i*l.outputs():][:l.outputs()]) {
						t.Errorf("instructions %d, kernel %v, %dx%d: image %d of a batch has other bits than on its own", isa, kernel, side, side, i)
					}
				}
			}
		}
	}
}

// Several threads share a kernel.
func TestConcurrent(t *testing.T) {
	if sets(t) == nil {
		return
	}
	l := layer{Convolution: Convolution{Channels: 33, Filters: 48, Kernel: kernels[0], Relu: true}, n: 2, h: 30, w: 20}
	l.fill(true)
	k := newKernel(l.Convolution, l.weights, l.bias, 0)
	defer k.free()
	want := k.guarded(t, l)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			y, scratch := make([]float32, len(want)), make([]byte, k.scratch())
			for range 5 {
				k.run(l.x, l.n, l.h, l.w, y, scratch)
				if !slices.Equal(y, want) {
					t.Error("concurrent runs have other bits than a single one")
				}
			}
		})
	}
	all.Wait()
}

// Other sizes and instructions have no kernel.
func TestUnsupported(t *testing.T) {
	weights := make([]float32, 64)
	for _, c := range []struct {
		kernel [2]int
		isa    int
	}{
		{kernel: [2]int{1, 1}, isa: 0},
		{kernel: [2]int{2, 3}, isa: 0},
		{kernel: [2]int{4, 4}, isa: 0},
		{kernel: kernels[0], isa: 99},
		{kernel: kernels[0], isa: -1},
	} {
		t.Run(fmt.Sprintf("%dx%d/%d", c.kernel[0], c.kernel[1], c.isa), func(t *testing.T) {
			if k := newKernel(Convolution{Channels: 1, Filters: 1, Kernel: c.kernel}, weights, nil, c.isa); k != nil {
				k.free()
				t.Errorf("there is a kernel for %+v", c)
			}
		})
	}
}

// There is a gain only if channels, maps and weights have suitable sizes.
func TestGains(t *testing.T) {
	for _, c := range []struct {
		channels, filters     int
		kernel, height, width int
		want                  bool
	}{
		{channels: 64, filters: 96, kernel: 3, height: 35, width: 35, want: true},
		{channels: 48, filters: 64, kernel: 5, height: 35, width: 35, want: true},
		{channels: 3, filters: 64, kernel: 3, height: 224, width: 224, want: false},      // too few channels
		{channels: 512, filters: 16, kernel: 3, height: 28, width: 28, want: false},      // too few filters
		{channels: 256, filters: 256, kernel: 3, height: 4, width: 4, want: false},       // one tile
		{channels: 256, filters: 256, kernel: 3, height: 1, width: 64, want: false},      // most of each tile is discarded
		{channels: 1024, filters: 1024, kernel: 3, height: 64, width: 64, want: false},   // too many weights
		{channels: 50000, filters: 50000, kernel: 3, height: 64, width: 64, want: false}, // beyond 32 bits
		{channels: 64, filters: 96, kernel: 1, height: 35, width: 35, want: false},
		{channels: 64, filters: 96, kernel: 4, height: 35, width: 35, want: false},
	} {
		t.Run(fmt.Sprintf("%d-%d/%d@%dx%d", c.channels, c.filters, c.kernel, c.height, c.width), func(t *testing.T) {
			is := Convolution{Channels: c.channels, Filters: c.filters, Kernel: [2]int{c.kernel, c.kernel}, Height: c.height, Width: c.width}
			if got := is.Gains(); got != (c.want && Usable()) {
				t.Errorf("%+v.Gains() = %v, want %v", is, got, c.want && Usable())
			}
		})
	}
}

// BenchmarkRun times layers of well-known networks. Multiply-adds are those of a
// direct convolution.
func BenchmarkRun(b *testing.B) {
	for _, c := range []struct {
		channels, filters int
		kernel            [2]int
		side, n           int
	}{
		// Inception V3
		{channels: 32, filters: 64, kernel: [2]int{3, 3}, side: 147, n: 1},
		{channels: 80, filters: 192, kernel: [2]int{3, 3}, side: 73, n: 1},
		{channels: 96, filters: 96, kernel: [2]int{3, 3}, side: 35, n: 1},
		{channels: 48, filters: 64, kernel: [2]int{5, 5}, side: 35, n: 1},
		{channels: 160, filters: 160, kernel: [2]int{1, 7}, side: 17, n: 1},
		{channels: 160, filters: 160, kernel: [2]int{7, 1}, side: 17, n: 1},
		{channels: 384, filters: 384, kernel: [2]int{1, 3}, side: 8, n: 4},
		// VGG-16
		{channels: 64, filters: 64, kernel: [2]int{3, 3}, side: 224, n: 1},
		{channels: 256, filters: 256, kernel: [2]int{3, 3}, side: 56, n: 1},
		{channels: 512, filters: 512, kernel: [2]int{3, 3}, side: 14, n: 4},
	} {
		y, x := c.kernel[0]/2, c.kernel[1]/2
		l := layer{
			Convolution: Convolution{Channels: c.channels, Filters: c.filters, Kernel: c.kernel, Pads: [4]int{y, x, y, x}, Relu: true},
			n:           c.n, h: c.side, w: c.side,
		}
		b.Run(fmt.Sprintf("%d-%d,%dx%d@%d,n=%d", c.channels, c.filters, c.kernel[0], c.kernel[1], c.side, c.n), func(b *testing.B) {
			l.fill(true)
			k := newKernel(l.Convolution, l.weights, l.bias, 0)
			if k == nil {
				b.Skip("this processor has no AVX2")
			}
			defer k.free()
			out, scratch := make([]float32, l.n*l.outputs()), make([]byte, k.scratch())
			for b.Loop() {
				k.run(l.x, l.n, l.h, l.w, out, scratch)
			}
			multiplyAdds := float64(len(out)) * float64(l.Channels*c.kernel[0]*c.kernel[1])
			b.ReportMetric(multiplyAdds*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gmadd/s")
		})
	}
}
