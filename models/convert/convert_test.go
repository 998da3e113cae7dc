package convert_test

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/preprocess"
)

const side = 32

// trunk writes a small network with the elements of large ones: padded convolutions with
// batch normalisation of very different channels, pools, a concatenation, a sum, dense
// layers. With large, one layer computes numbers that float16 cannot hold.
func trunk(t testing.TB, batch int64, large bool) string {
	t.Helper()
	g := graph.New("trunk")
	state := uint32(11)
	weights := func(name string, bound float64, shape ...int64) graph.Value {
		n := int64(1)
		for _, d := range shape {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			state = state*1664525 + 1013904223
			v[i] = float32((float64(state>>8)/(1<<23) - 1) * bound)
		}
		return g.Weights(name, func() ([]float32, error) { return v, nil }, shape...)
	}
	each := func(name string, n int64, f func(i int) float32) graph.Value {
		v := make([]float32, n)
		for i := range v {
			v[i] = f(i)
		}
		return g.Weights(name, func() ([]float32, error) { return v, nil }, n)
	}
	conv := func(name string, x graph.Value, out, kernel int64, gain float32) graph.Value {
		in := x.Shape[1]
		w := weights(name+"/kernel", math.Sqrt(6/float64(in*kernel*kernel)), out, in, kernel, kernel)
		x = g.Conv(name, x, w, graph.Value{}, graph.Window{Pad: [4]int64{kernel / 2, kernel / 2, kernel / 2, kernel / 2}})
		// Variances down to numbers that are 0 in float16.
		x = g.BatchNorm(name+"/bn", x,
			each(name+"/gamma", out, func(i int) float32 { return gain * float32(1+i%5) * 1e-4 }),
			each(name+"/beta", out, func(i int) float32 { return 0.1 * float32(i%3) }),
			each(name+"/mean", out, func(i int) float32 { return 0.05 * float32(i%2) }),
			each(name+"/variance", out, func(int) float32 { return 1e-8 }), 1e-9)
		return g.Relu(name+"/relu", x)
	}
	x := g.Input("images", graph.Float32, batch, 3, side, side)
	x = conv("stem", x, 16, 3, 1)
	x = g.MaxPool("pool", x, graph.Window{Kernel: [2]int64{2, 2}, Stride: [2]int64{2, 2}})
	a := conv("left", x, 16, 1, 1)
	b := conv("right", g.AveragePool("average", x, graph.Window{Kernel: [2]int64{3, 3}, Pad: [4]int64{1, 1, 1, 1}}), 16, 3, 0.2)
	x = g.Concat("joined", 1, a, b)
	gain := float32(1)
	if large {
		gain = 1e5
	}
	y := conv("middle", x, 32, 3, gain)
	if large {
		y = g.Mul("back", y, g.Scalar("down", 1e-5))
	}
	x = g.Relu("summed/relu", g.Add("summed", x, y))
	x = conv("last", x, 32, 3, 1)
	x = g.Flatten("flat", g.GlobalAveragePool("mean", x))
	x = g.Relu("hidden/relu", g.Gemm("hidden", x, weights("hidden/w", 0.4, 32, 24), weights("hidden/b", 0.2, 24)))
	x = g.Gemm("dense", x, weights("dense/w", 0.02, 24, 6), weights("dense/b", 0.2, 6))
	g.Output("scores", g.Softmax("probabilities", x))
	return write(t, g, models.Contract{
		Name: "trunk", Output: models.Probabilities, Classes: 6, Labels: []string{"a", "b", "c", "d", "e", "f"},
		Preprocess: preprocess.Spec{Width: side, Height: side, Layout: preprocess.CHW, DType: preprocess.Float32, Scale: 1.0 / 255,
			Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch},
	})
}

// photographs writes n images, and one file that is not an image.
func photographs(t testing.TB, n int) []string {
	t.Helper()
	folder := t.TempDir()
	pixels := picture(n, side, side)
	for i := range n {
		img := image.NewNRGBA(image.Rect(0, 0, side, side))
		for k := range side * side {
			p := pixels[(i*side*side+k)*3:]
			img.Set(k%side, k/side, color.NRGBA{p[0], p[1], p[2] / byte(1+i%3), 255})
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "image-"+strconv.Itoa(i)+".png"), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("none"), 0o644); err != nil {
		t.Fatal(err)
	}
	paths, err := convert.Images(folder, 0)
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// operators counts a model's nodes and returns the element types of its constants.
func operators(t testing.TB, path string) (map[string]int, map[string]int32) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	nodes, types := map[string]int{}, map[string]int32{}
	for _, n := range m.GetGraph().GetNode() {
		nodes[n.GetOpType()]++
	}
	for _, c := range m.GetGraph().GetInitializer() {
		types[c.GetName()] = c.GetDataType()
	}
	return nodes, types
}

func TestConvertAgrees(t *testing.T) {
	lend, images := opener(t), photographs(t, 12)
	for _, precision := range []string{convert.FP16, convert.INT8} {
		for _, batch := range []int64{graph.Dynamic, 3} {
			t.Run(precision+"/"+strconv.Itoa(int(batch)), func(t *testing.T) {
				in, out := trunk(t, batch, false), inFolder(t, "out.onnx")
				o := convert.Options{Precision: precision, Open: lend, Calibrate: images, Check: images, Least: convert.GoodAgreement}
				c, agreement, err := convert.Convert(t.Context(), in, out, o)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%s: %v", precision, agreement)
				tolerance := map[string]float64{convert.FP16: 2e-3, convert.INT8: 2e-2}[precision]
				if agreement.Images != 12 || agreement.Skipped != 1 || agreement.Difference > tolerance || agreement.Difference == 0 {
					t.Errorf("%v, %d skipped", agreement, agreement.Skipped)
				}
				before, err := models.Open(in, models.OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				after, err := models.Open(out, models.OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if c.Precision != precision || c.SourceDigest != before.Digest || after.Contract.Digest() != c.Digest() ||
					after.Contract.LabelsDigest() != before.Contract.LabelsDigest() ||
					after.Contract.PreprocessDigest() != before.Contract.PreprocessDigest() ||
					after.InputName != before.InputName || after.DType != before.DType || after.OutputName != before.OutputName {
					t.Errorf("the contract is %+v after the conversion", after.Contract)
				}

				again := inFolder(t, "out.onnx")
				if _, _, err := convert.Convert(t.Context(), in, again, o); err != nil {
					t.Fatal(err)
				}
				if twice, err := models.Open(again, models.OpenOptions{}); err != nil || twice.Digest != after.Digest {
					t.Errorf("the same conversion wrote different bytes (%v)", err)
				}
				if left, err := os.ReadDir(filepath.Dir(out)); err != nil || len(left) != 1 {
					t.Errorf("left behind: %v, %v", left, err)
				}
			})
		}
	}
}

func TestQuantizeKeepsTheTrunkIn8Bits(t *testing.T) {
	in, out := trunk(t, graph.Dynamic, false), inFolder(t, "int8.onnx")
	by := convert.Calibration{Open: opener(t), Images: photographs(t, 4)}
	if _, err := convert.Quantize(t.Context(), in, out, models.OpenOptions{}, by); err != nil {
		t.Fatal(err)
	}
	nodes, types := operators(t, out)
	if nodes["BatchNormalization"] != 0 {
		t.Error("a batch normalisation was not folded")
	}
	// The image, stem, pool, left, average, right, joined, middle, summed, last,
	// mean, flat, hidden.
	if nodes["QuantizeLinear"] != 13 {
		t.Errorf("%d values are quantised, want 13", nodes["QuantizeLinear"])
	}
	int8s := 0
	for name, elem := range types {
		if elem == int32(onnxpb.TensorProto_INT8) && strings.HasSuffix(name, "/quantized") {
			int8s++
		}
	}
	if int8s != 6 || types["dense/w"] != int32(onnxpb.TensorProto_FLOAT) {
		t.Errorf("%d layers have int8 weights, want 6; the last dense layer's are %d", int8s, types["dense/w"])
	}
}

func TestHalfKeepsWhatOverflows(t *testing.T) {
	in, out := trunk(t, graph.Dynamic, true), inFolder(t, "fp16.onnx")
	images := photographs(t, 4)
	if _, err := convert.Half(t.Context(), in, out, models.OpenOptions{}, convert.Calibration{Open: opener(t), Images: images}); err != nil {
		t.Fatal(err)
	}
	_, types := operators(t, out)
	for name, elem := range types {
		inMiddle := strings.HasPrefix(name, "middle/kernel")
		switch {
		case inMiddle && elem != int32(onnxpb.TensorProto_FLOAT):
			t.Errorf("%s computes numbers up to a million, but was converted to float16", name)
		case !inMiddle && strings.Contains(name, "/kernel") && elem != int32(onnxpb.TensorProto_FLOAT16):
			t.Errorf("%s stayed %d", name, elem)
		}
	}
	agreement, err := convert.Compare(t.Context(), opener(t), in, out, images, models.OpenOptions{})
	if err != nil || agreement.Same != agreement.Images || agreement.Difference > 5e-3 {
		t.Errorf("%v, %v", agreement, err)
	}
}

func TestConvertRefuses(t *testing.T) {
	lend, images := opener(t), photographs(t, 6)
	in := trunk(t, graph.Dynamic, false)
	small := inFolder(t, "int8.onnx")
	good := convert.Options{Precision: convert.INT8, Open: lend, Calibrate: images, Check: images}
	if _, _, err := convert.Convert(t.Context(), in, small, good); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*convert.Options)) convert.Options {
		o := good
		change(&o)
		return o
	}
	none := slices.DeleteFunc(slices.Clone(images), func(path string) bool { return filepath.Ext(path) == ".png" })
	for name, c := range map[string]struct {
		in   string
		o    convert.Options
		says string
	}{
		"disagreement":           {in: in, o: with(func(o *convert.Options) { o.Least = 100.5 }), says: "want 100.5%"},
		"int8 again":             {in: small, o: good, says: "8 bits wide"},
		"no image":               {in: in, o: with(func(o *convert.Options) { o.Calibrate = none }), says: "none of the 1 files"},
		"no image to compare on": {in: in, o: with(func(o *convert.Options) { o.Check = none }), says: "none of the 1 files"},
	} {
		t.Run(name, func(t *testing.T) {
			out := inFolder(t, "out.onnx")
			_, _, err := convert.Convert(t.Context(), c.in, out, c.o)
			if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want ErrModel about %q", err, c.says)
			}
			if left, err := os.ReadDir(filepath.Dir(out)); err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
