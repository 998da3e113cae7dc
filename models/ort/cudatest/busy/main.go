// Busy measures how much of a run the simulated device of the stand-in for CUDA computes,
// with the whole program and nothing but defaults:
//
//	go run ./models/ort/cudatest/busy -batchscore bin/batchscore
//
// It says whether the host keeps a device of that speed at work. How fast a GPU is, it does
// not say.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/batchscore/batchscore/models/ort/cudatest"
)

type options struct {
	program, model string
	pixels         int
	seconds        float64
	batches        string
	each           bool
	host           float64
	gbs            float64
	rounds         int
	vars, more     string
	gaps           bool
}

func main() {
	var o options
	flag.StringVar(&o.program, "batchscore", "bin/batchscore", "`program` to measure")
	flag.StringVar(&o.model, "model", "", "`model` to score, in ONNX (default Inception V3 with random weights and pixels of 8 bits)")
	flag.IntVar(&o.pixels, "pixels", 128, "width and height of the images")
	flag.Float64Var(&o.seconds, "seconds", 12, "how long a device that never waits would need")
	flag.StringVar(&o.batches, "batch-us", "21000,6000", "times to compute 32 images, in microseconds")
	flag.BoolVar(&o.each, "each", false, "divide that time among the convolutions of Inception V3, in place of the first one having it all")
	flag.Float64Var(&o.host, "host-us", 0, "processor time of a launch in the host, in microseconds")
	flag.Float64Var(&o.gbs, "gbs", 12, "speed of copies, in GB/s")
	flag.IntVar(&o.rounds, "rounds", 3, "times that each is measured")
	flag.StringVar(&o.vars, "vars", "", "more variables of the stand-in, separated by spaces")
	flag.StringVar(&o.more, "flags", "", "more flags of batchscore run, separated by spaces")
	flag.BoolVar(&o.gaps, "gaps", false, "print when the device waits")
	flag.Parse()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "busy:", err)
		os.Exit(1)
	}
}

func (o *options) run() error {
	folder, err := os.MkdirTemp("", "busy-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	program, err := filepath.Abs(o.program)
	if err != nil {
		return err
	}
	o.program = program
	if o.model == "" {
		if o.model, err = o.network(folder); err != nil {
			return err
		}
	}
	var times []float64
	most := 0
	for _, s := range strings.Split(o.batches, ",") {
		t, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return err
		}
		times = append(times, t)
		most = max(most, o.images(t))
	}
	size, err := pictures(filepath.Join(folder, "pictures"), most, o.pixels)
	if err != nil {
		return err
	}
	fmt.Printf("images of %dx%d pixels, %d bytes; %d processors\n", o.pixels, o.pixels, size, runtime.NumCPU())
	fmt.Println("the device is simulated: no speed here is that of a GPU")
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "ms/batch\tround\timages\tbatches\tseconds\timages/s\tprocessors\tms CPU/batch\tload\tbusy\t")
	for _, t := range times {
		for round := range o.rounds {
			m, gaps, err := o.measure(filepath.Join(folder, fmt.Sprintf("%v-%d", t, round)), filepath.Join(folder, "pictures"), o.images(t), t)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%.1f\t%d\t%d\t%d\t%.2f\t%.0f\t%.2f\t%.2f\t%s\t%.3f\t\n", t/1e3, round+1, m.Images, m.Batches, m.Seconds,
				float64(m.Images)/m.Seconds, m.Processor/m.Seconds, 1e3*m.Processor/float64(m.Batches), load(), m.Busy)
			if err := w.Flush(); err != nil {
				return err
			}
			if o.gaps {
				fmt.Print(gaps)
			}
		}
	}
	return nil
}

// network makes a model that takes pixels of 8 bits.
func (o *options) network(folder string) (string, error) {
	floats, fused := filepath.Join(folder, "floats.onnx"), filepath.Join(folder, "fused.onnx")
	for _, args := range [][]string{
		{"models", "build", "inception_v3", "--variant", "keras", "--weights", "random", "-o", floats},
		{"models", "fuse", floats, "-o", fused},
	} {
		if out, err := exec.Command(o.program, args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return fused, nil
}

// images returns how many images take the device that long, in whole chunks.
func (o *options) images(batch float64) int {
	const chunk = 512
	n := int(o.seconds * 1e6 / batch * 32)
	return (n + chunk - 1) / chunk * chunk
}

func (o *options) measure(folder, pictures string, n int, batch float64) (cudatest.Busy, string, error) {
	var none cudatest.Busy
	if err := os.Mkdir(folder, 0o755); err != nil {
		return none, "", err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	images := filepath.Join(folder, "images")
	if err := link(pictures, images, n); err != nil {
		return none, "", err
	}
	vars := []string{"CUDATEST_LOG_ONLY=batch", "CUDATEST_SAMPLE=4096",
		fmt.Sprintf("CUDATEST_HOST_US=%g", o.host), fmt.Sprintf("CUDATEST_H2D_GBS=%g", o.gbs)}
	if o.each {
		vars = append(vars, fmt.Sprintf("CUDATEST_CONV_US=%g", batch/94))
	} else {
		vars = append(vars, fmt.Sprintf("CUDATEST_BATCH_US=%g", batch))
	}
	m, err := cudatest.Make(folder, cudatest.Config{Vars: append(vars, strings.Fields(o.vars)...)})
	if err != nil {
		return none, "", err
	}
	args := []string{"run", "--provider", "cuda", "--model", o.model, "--images", images, "--out", filepath.Join(folder, "out")}
	cmd := exec.Command(o.program, append(args, strings.Fields(o.more)...)...)
	cmd.Env = m.Env()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return none, "", fmt.Errorf("%w: %s", err, out.Bytes())
	}
	l, err := m.Read()
	if err != nil {
		return none, "", err
	}
	b, err := l.Busy(n)
	return b, describe(l, b), err
}

// describe counts the times in which the device waits by their length.
func describe(l cudatest.Log, b cudatest.Busy) string {
	limits := []int64{100, 500, 1000, 2000, 5000, 20000, 100000, 1 << 60}
	counts, sums := make([]int, len(limits)), make([]int64, len(limits))
	for _, g := range b.Gaps {
		for i, limit := range limits {
			if g <= limit {
				counts[i]++
				sums[i] += g
				break
			}
		}
	}
	s := "  waits up to:"
	for i, limit := range limits {
		if counts[i] > 0 {
			s += fmt.Sprintf(" %.1f ms %d (%.1f %%)", float64(limit)/1e3, counts[i], 1e-4*float64(sums[i])/b.Seconds)
		}
	}
	return s + "\n"
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	return strings.Fields(string(text))[0]
}

const distinct = 256

// pictures writes that many JPEG images, of which some are links to the same file, and
// returns the mean size of one.
func pictures(folder string, n, pixels int) (int, error) {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return 0, err
	}
	size := 0
	for i := range min(distinct, n) {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, picture(uint64(i), pixels), &jpeg.Options{Quality: 85}); err != nil {
			return 0, err
		}
		size += b.Len()
		if err := os.WriteFile(filepath.Join(folder, strconv.Itoa(i)+".jpg"), b.Bytes(), 0o600); err != nil {
			return 0, err
		}
	}
	return size / min(distinct, n), nil
}

// picture returns an image with the smooth areas and the noise of a photograph.
func picture(seed uint64, pixels int) image.Image {
	const grid = 12
	rnd := rand.New(rand.NewPCG(seed, 1))
	var at [3][grid + 1][grid + 1]float64
	for c := range at {
		for y := range at[c] {
			for x := range at[c][y] {
				at[c][y][x] = 255 * rnd.Float64()
			}
		}
	}
	p := image.NewRGBA(image.Rect(0, 0, pixels, pixels))
	for y := range pixels {
		for x := range pixels {
			u, v := float64(x)*grid/float64(pixels), float64(y)*grid/float64(pixels)
			i, j := int(u), int(v)
			u, v = u-float64(i), v-float64(j)
			noise := 16 * (rnd.Float64() - 0.5)
			var rgb [3]uint8
			for c := range rgb {
				g := &at[c]
				value := (1-v)*((1-u)*g[j][i]+u*g[j][i+1]) + v*((1-u)*g[j+1][i]+u*g[j+1][i+1]) + noise
				rgb[c] = uint8(min(max(value, 0), 255))
			}
			p.SetRGBA(x, y, color.RGBA{rgb[0], rgb[1], rgb[2], 255})
		}
	}
	return p
}

// link makes a folder with n names of pictures.
func link(pictures, folder string, n int) error {
	const each = 4096
	for i := range n {
		under := filepath.Join(folder, fmt.Sprintf("%04d", i/each))
		if i%each == 0 {
			if err := os.MkdirAll(under, 0o755); err != nil {
				return err
			}
		}
		from := filepath.Join(pictures, strconv.Itoa(i%distinct)+".jpg")
		if err := os.Link(from, filepath.Join(under, fmt.Sprintf("%04d.jpg", i%each))); err != nil {
			return errors.Join(errors.New("cannot link pictures"), err)
		}
	}
	return nil
}
