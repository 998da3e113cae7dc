package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// edited returns a model after a change to its protocol buffer.
func edited(t testing.TB, model []byte, change func(*onnxpb.ModelProto)) []byte {
	t.Helper()
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(model, &m); err != nil {
		t.Fatal(err)
	}
	change(&m)
	model, err := proto.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// symbolic makes all axes of a value open, with these names.
func symbolic(v *onnxpb.ValueInfoProto, axes ...string) {
	shape := &onnxpb.TensorShapeProto{}
	for _, a := range axes {
		shape.Dim = append(shape.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: a}})
	}
	v.GetType().GetTensorType().Shape = shape
}

func castTo(v graph.DType) *onnxpb.AttributeProto {
	name, to := "to", int64(v)
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INT.Enum(), I: &to}
}

// twoOutputs returns a model with two outputs: the raw scores of Colours, and the means
// behind them.
func twoOutputs(first bool) []byte {
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(graphtest.Colours(4, nil), &m); err != nil {
		panic(err)
	}
	means := proto.Clone(m.Graph.Output[0]).(*onnxpb.ValueInfoProto)
	means.Name = proto.String("means")
	means.GetType().GetTensorType().Shape.Dim[1] = &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: 3}}
	m.Graph.Output = append(m.Graph.Output, means)
	if first {
		slices.Reverse(m.Graph.Output)
	}
	model, err := proto.Marshal(&m)
	if err != nil {
		panic(err)
	}
	return model
}

// TestForeignShapes checks that models as other tools export them are scored, with the right
// rows, or refused with a message that says what to do.
func TestForeignShapes(t *testing.T) {
	needRuntime(t)
	const half, double = graph.DType(onnxpb.TensorProto_FLOAT16), graph.DType(onnxpb.TensorProto_DOUBLE)
	plain := graphtest.Colours(4, nil)
	images, n := colourImages(t), graph.Dynamic
	fixed := func(op string, shape ...int64) []byte { // a Reshape that holds the batch of 1
		return graphtest.Colours(4, func(g *graph.Graph, x graph.Value) graph.Value {
			to := make([]byte, 0, 16)
			for _, d := range shape {
				to = append(to, byte(d), 0, 0, 0, 0, 0, 0, 0)
			}
			name, kind := "value", onnxpb.AttributeProto_TENSOR.Enum()
			c := g.Node("Constant", "shape", nil, graph.DType(onnxpb.TensorProto_INT64), []int64{int64(len(shape))},
				&onnxpb.AttributeProto{
					Name: &name,
					Type: kind,
					T:    &onnxpb.TensorProto{Dims: []int64{int64(len(shape))}, DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)), RawData: to},
				})
			return g.Node(op, "fixed", []graph.Value{x, c}, graph.Float32, []int64{n, 4})
		})
	}
	openAxes := func(m *onnxpb.ModelProto) { symbolic(m.Graph.Input[0], "batch", "channels", "height", "width") }
	size := []string{"--width", "8", "--height", "8"}
	for _, c := range []struct {
		name  string
		model []byte
		args  []string
		code  int
		says  []string
	}{
		{name: "all axes open", model: edited(t, plain, openAxes),
			code: 78, says: []string{"--width PIXELS --height PIXELS"}},
		{name: "all axes open, answered", model: edited(t, plain, openAxes),
			args: size},
		{name: "all axes open, with the layout", model: edited(t, plain, openAxes),
			args: append([]string{"--layout", "nchw"}, size...)},
		{name: "all axes open, with a wrong layout", model: edited(t, plain, openAxes),
			args: append([]string{"--layout", "NHWC"}, size...), code: 78, says: []string{"is not NHWC", "NCHW"}},
		{
			name:  "no shape of the input",
			model: edited(t, plain, func(m *onnxpb.ModelProto) { m.Graph.Input[0].GetType().GetTensorType().Shape = nil }),
			args:  size,
		},
		{name: "no shape of the output", model: edited(t, plain, func(m *onnxpb.ModelProto) { m.Graph.Output[0].GetType().GetTensorType().Shape = nil })},
		{name: "a layout that is none", model: plain, args: []string{"--layout", "CHWN"}, code: 64, says: []string{"NCHW or NHWC"}},

		{name: "one image at a time", model: fixed("Reshape", 1, 4), code: 78, says: []string{"one image at a time", "--batch 1"}},
		{name: "one image at a time, answered", model: fixed("Reshape", 1, 4), args: []string{"--batch", "1"}},

		{name: "planes of one pixel", model: graphtest.Colours(4, appendOperator("Unsqueeze", graph.Float32, []int64{n, 4, 1, 1}, axesAttribute(2, 3)))},
		{name: "a sequence of one", model: graphtest.Colours(4, appendOperator("Unsqueeze", graph.Float32, []int64{n, 1, 4}, axesAttribute(1)))},
		{
			name:  "a detector",
			model: graphtest.Colours(4, appendOperator("Identity", graph.Float32, []int64{n, 4, 100})),
			code:  78,
			says:  []string{"not a row of scores", "a detector's"},
		},
		{name: "float16 scores", model: graphtest.Colours(4, appendOperator("Cast", half, []int64{n, 4}, castTo(half)))},
		{name: "float64 scores", model: graphtest.Colours(4, appendOperator("Cast", double, []int64{n, 4}, castTo(double)))},
		{name: "float16 pixels", model: edited(t, plain, func(m *onnxpb.ModelProto) {
			m.Graph.Input[0].GetType().GetTensorType().ElemType = proto.Int32(int32(half))
			m.Graph.Node = slices.Insert(m.Graph.Node, 0, &onnxpb.NodeProto{OpType: proto.String("Cast"), Input: []string{"images"}, Output: []string{"wide"},
				Attribute: []*onnxpb.AttributeProto{castTo(graph.Float32)}})
			m.Graph.Node[1].Input[0] = "wide"
		})},
		{name: "bytes with the channels first", model: edited(t, plain, func(m *onnxpb.ModelProto) {
			m.Graph.Input[0].GetType().GetTensorType().ElemType = proto.Int32(int32(graph.Uint8))
		}), code: 78, says: []string{"channels first", "uint8 [N,H,W,3]"}},

		{name: "two outputs", model: twoOutputs(false), code: 78, says: []string{"2 outputs", "--output-name scores or --output-name means"}},
		{name: "two outputs, answered", model: twoOutputs(false), args: []string{"--output-name", "scores"}},
		{name: "two outputs the other way round", model: twoOutputs(true), args: []string{"--output-name", "scores"}},
		{
			name:  "no such output",
			model: twoOutputs(true),
			args:  []string{"--output-name", "logits"},
			code:  78,
			says:  []string{`no output "logits"`, `"means"`},
		},

		{
			name:  "IR of the future",
			model: edited(t, plain, func(m *onnxpb.ModelProto) { m.IrVersion = proto.Int64(99) }),
			code:  78,
			says:  []string{"IR version 99", "update ONNX Runtime"},
		},
		{
			name:  "opset of the future",
			model: edited(t, plain, func(m *onnxpb.ModelProto) { m.OpsetImport[0].Version = proto.Int64(99) }),
			code:  78,
			says:  []string{"opset 99", "update ONNX Runtime, or export the model with opset"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			model, out := filepath.Join(dir, "model.onnx"), filepath.Join(dir, "out")
			writeFile(t, model, edited(t, c.model, func(m *onnxpb.ModelProto) {
				if v := m.OpsetImport[0]; v.GetVersion() < 99 {
					v.Version = proto.Int64(12) // Unsqueeze with its axes as an attribute
				}
			}))
			args := slices.Concat([]string{
				"run", "--provider", "cpu", "--images", images, "--out", out, "--model", model, "--activation", "logits",
			}, graphtest.Pixels, c.args)
			r := must(t, c.code, args...)
			says(t, r, c.says...)
			if strings.Contains(r.stderr, ".cc:") || strings.Contains(r.stderr, ".h:") {
				t.Errorf("names places in ONNX Runtime's source: %v", r)
			}
			if c.code != 0 {
				wantEmpty(t, out)
				return
			}
			for i, row := range rowsOf(t, out) {
				if row.ClassID != i || math.Abs(float64(row.Score)-softmaxOf(4)) > 1e-3 {
					t.Errorf("image %d is class %d with %v, want class %d with %v", i, row.ClassID, row.Score, i, softmaxOf(4))
				}
			}
		})
	}
}

// A name of an output may have a comma, or end as if it said a task.
func TestOutputNameIsTakenWhole(t *testing.T) {
	needRuntime(t)
	for _, name := range []string{"scores,means", "scores:raw"} {
		dir := t.TempDir()
		model, registry := filepath.Join(dir, "model.onnx"), filepath.Join(dir, "models")
		writeFile(t, model, edited(t, twoOutputs(false), func(m *onnxpb.ModelProto) {
			was := m.Graph.Output[1].GetName()
			m.Graph.Output[1].Name = proto.String(name)
			for _, n := range m.Graph.Node {
				for i := range n.Output {
					if n.Output[i] == was {
						n.Output[i] = name
					}
				}
				for i := range n.Input {
					if n.Input[i] == was {
						n.Input[i] = name
					}
				}
			}
		}))
		flags := slices.Concat([]string{"--activation", "logits", "--output-name", name}, graphtest.Pixels)
		for _, word := range []string{model, "whole"} {
			out := filepath.Join(dir, filepath.Base(word)+"-out")
			args := []string{"run", "--provider", "cpu", "--images", colourImages(t), "--out", out, "--model", word, "--models", registry, "--top-k", "3"}
			if word == model {
				args = append(args, flags...)
			}
			must(t, 0, args...)
			_, rows := answersIn(t, out)
			for path, r := range rows {
				if _, ok := r["class_id"]; !ok {
					t.Errorf("%s, %s: %v", name, path, r)
				}
			}
			if record := readFile(t, filepath.Join(out, "_batchscore", "job.json")); !strings.Contains(record, `"output_name":"`+name+`"`) &&
				!strings.Contains(record, `"output_name": "`+name+`"`) {
				t.Errorf("%s: the record has another output: %s", name, record)
			}
			if word == model {
				must(t, 0, slices.Concat([]string{"models", "add", "whole", model, "--models", registry}, flags)...)
				says(t, must(t, 0, slices.Concat([]string{"models", "inspect", model}, flags)...), name)
			}
		}
	}
}

// Taking another output of the model makes it another job.
func TestOutputNameIsOfTheJob(t *testing.T) {
	needRuntime(t)
	dir := t.TempDir()
	model := filepath.Join(dir, "model.onnx")
	writeFile(t, model, twoOutputs(false))
	args := slices.Concat([]string{
		"run", "--provider", "cpu", "--images", colourImages(t), "--out", filepath.Join(dir, "out"), "--model", model,
		"--activation", "logits", "--top-k", "3",
	}, graphtest.Pixels)
	must(t, 0, append(args, "--output-name", "scores")...)
	must(t, 0, append(args, "--output-name", "scores")...)
	says(t, must(t, 10, append(args, "--output-name", "means")...),
		"--output-name: the job has scores, this command has means; to continue the job, give --output-name scores")
	must(t, 0, slices.Concat([]string{
		"models", "golden", model, "--images", colourImages(t), "-o", filepath.Join(dir, "golden.onnx"), "--provider", "cpu",
		"--activation", "logits", "--output-name", "scores",
	}, graphtest.Pixels)...)
	must(t, 0, "models", "check", filepath.Join(dir, "golden.onnx"), "--provider", "cpu")
}

// TestAdviceCanBePasted checks that what is printed about a missing contract can be
// pasted into the command line, and into the file next to the model.
func TestAdviceCanBePasted(t *testing.T) {
	needRuntime(t)
	dir, images := t.TempDir(), colourImages(t)
	model := filepath.Join(dir, "model.onnx")
	writeFile(t, model, edited(t, graphtest.Colours(4, nil), func(m *onnxpb.ModelProto) { symbolic(m.Graph.Input[0], "n", "c", "h", "w") }))
	labels := filepath.Join(dir, "labels.txt")
	writeFile(t, labels, []byte("red\ngreen\nblue\ngrey\n"))
	run := func(code int, args ...string) processResult {
		t.Helper()
		out := filepath.Join(t.TempDir(), "out")
		r := must(t, code, append([]string{"run", "--provider", "cpu", "--images", images, "--out", out, "--model", model}, args...)...)
		if code == 0 && rowsOf(t, out)[0].ClassID != 0 {
			t.Errorf("the red image is %+v", rowsOf(t, out)[0])
		}
		return r
	}
	r := run(78, "--labels", labels)
	file := regexp.MustCompile(`in a file (\S+\.yaml)`).FindStringSubmatch(r.stderr)
	if file == nil {
		t.Fatalf("no file is named: %v", r)
	}
	// The first choice of every line of flags.
	var flags, sidecar []string
	for _, m := range regexp.MustCompile(`(?m)^ {8}(--.*)$`).FindAllStringSubmatch(r.stderr, -1) {
		line := m[1]
		switch {
		case strings.HasPrefix(line, "--scale"):
			line = "--scale 1/255 --mean 0,0,0 --std 1,1,1"
		case strings.HasPrefix(line, "--width"):
			line = "--width 8 --height 8"
		case strings.HasPrefix(line, "--bgr"):
			line = "--bgr=false"
		case strings.HasPrefix(line, "--activation") && slices.Contains(flags, "--activation"):
			continue
		default:
			line = strings.Join(strings.Fields(strings.SplitN(line, "|", 2)[0])[:2], " ")
		}
		words := strings.Fields(strings.ReplaceAll(line, "=", " "))
		flags = append(flags, strings.Fields(line)...)
		for i := 0; i+1 < len(words); i += 2 {
			sidecar = append(sidecar, strings.ReplaceAll(strings.TrimPrefix(words[i], "--"), "-", "_")+": "+words[i+1])
		}
	}
	run(0, append(flags, "--labels", labels)...)
	writeFile(t, file[1], []byte(strings.Join(append(sidecar, "labels: labels.txt"), "\n")+"\n"))
	run(0)
}

// The error about a file of another kind names that kind, and the command to use next.
func TestOtherKinds(t *testing.T) {
	zipped := func(names ...string) []byte { return zipOf(t, names) }
	for _, c := range []struct {
		file string
		body []byte
		says []string
	}{
		{file: "net.pth", body: zipped("net/data.pkl", "net/data/0"), says: []string{"PyTorch checkpoint", "torch.onnx.export", "models build"}},
		{file: "old.pth", body: []byte("\x80\x02}q\x00."), says: []string{"PyTorch checkpoint"}},
		{file: "script.pt", body: zipped("m/data.pkl", "m/constants.pkl", "m/code/m.py"), says: []string{"TorchScript", "torch.onnx.export"}},
		{file: "net.keras", body: zipped("config.json", "model.weights.h5"), says: []string{"Keras", "tf2onnx.convert --keras"}},
		{file: "net.npz", body: zipped("a.npy"), says: []string{"npz", "models build"}},
		{file: "net.tflite", body: []byte("\x1c\x00\x00\x00TFL3\x00\x00"), says: []string{"TensorFlow Lite", "tf2onnx.convert --tflite"}},
		{file: "net.h5", body: []byte("\x89HDF\r\n\x1a\n\x00"), says: []string{"HDF5", "tf2onnx.convert --keras"}},
		{file: "net.safetensors", body: []byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"), says: []string{"safetensors", "models build"}},
		{file: "frozen.pb", body: []byte("\x0a\x05\x0a\x03abc"), says: []string{"TensorFlow graph", "tf2onnx.convert --graphdef"}},
		{file: "saved/saved_model.pb", body: []byte("\x08\x01\x12\x03abc"), says: []string{"SavedModel", "tf2onnx.convert --saved-model"}},
		{file: "net.mlmodel", body: []byte("\x08\x01\x12\x03abc"), says: []string{"Core ML"}},
		{file: "net.engine", body: []byte("ptrt\x00\x00"), says: []string{"TensorRT"}},
		{file: "net.xml", body: []byte("<?xml version=\"1.0\"?>\n<net name=\"x\" version=\"11\">"), says: []string{"OpenVINO"}},
		{file: "net.gguf", body: []byte("GGUF\x03\x00\x00\x00"), says: []string{"GGUF"}},
		{file: "tfjs/model.json", body: []byte(`{"modelTopology":{}}`), says: []string{"TensorFlow.js", "models import"}},
		{file: "page.onnx", body: []byte("<!DOCTYPE html><html>"), says: []string{"HTML"}},
		{file: "pointer.onnx", body: []byte("version https://git-lfs.github.com/spec/v1\n"), says: []string{"Git LFS"}},
		{file: "empty.onnx", body: nil, says: []string{"empty"}},
		{file: "net.tgz", body: []byte("\x1f\x8b\x08\x00"), says: []string{"gzip", "models import"}},
	} {
		t.Run(c.file, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, c.file), c.body)
			cmd := command(t, nil, "run", "--images", dir, "--out", filepath.Join(dir, "out"), "--model", c.file) // without a separator, too
			cmd.Dir = dir
			r := finish(t, cmd)
			if r.code != 78 {
				t.Errorf("got %v, want exit code 78", r)
			}
			says(t, r, append(c.says, "not an ONNX file")...)
			says(t, must(t, 78, "models", "inspect", filepath.Join(dir, c.file)), c.says...)
		})
	}
}

// A folder written by Optimum runs as it is: its files answer all questions.
func TestOptimumFolder(t *testing.T) {
	needRuntime(t)
	dir, images := filepath.Join(t.TempDir(), "my model"), colourImages(t)
	writeFile(t, filepath.Join(dir, "onnx", "model.onnx"), edited(t, graphtest.Colours(4, nil), func(m *onnxpb.ModelProto) {
		symbolic(m.Graph.Input[0], "batch_size", "num_channels", "height", "width")
	}))
	writeFile(t, filepath.Join(dir, "config.json"), []byte(`{"architectures": ["ViTForImageClassification"], "model_type": "vit",
		"id2label": {"0": "red", "1": "green", "2": "blue", "3": "grey"}}`))
	writeFile(t, filepath.Join(dir, "preprocessor_config.json"), []byte(`{"image_processor_type": "ViTImageProcessor", "image_mean": [0, 0, 0],
		"image_std": [1, 1, 1], "size": {"height": 8, "width": 8}}`))
	run := func(model string) string {
		out := filepath.Join(t.TempDir(), "out")
		must(t, 0, "run", "--provider", "cpu", "--images", images, "--out", out, "--model", model)
		if rows := rowsOf(t, out); rows[0].Label != "red" || rows[2].Label != "blue" {
			t.Errorf("%s: rows are %+v", model, rows)
		}
		return out
	}
	run(dir)
	run(filepath.Join(dir, "onnx", "model.onnx"))
	library := t.TempDir()
	says(t, must(t, 0, "models", "add", "mine", dir, "--models", library), "Hugging Face's ViTForImageClassification", "8x8 pixels, 4 classes")
	t.Setenv("BATCHSCORE_MODELS", library)
	run("mine")
	says(t, must(t, 0, "models", "inspect", dir), "It is a classifier (Hugging Face's ViTForImageClassification).",
		"A run gives each image the best of 4 classes and its score, from 8x8 pixels.",
		"batchscore run --images IMAGES --out RESULT --model "+shellquote.Quote(dir),
		"red, green, blue, grey", "scale 0.003921569")
	says(t, must(t, 78, "models", "add", "mine", dir, "--models", library), "--replace replaces it")
	says(t, must(t, 0, "models", "add", "other", dir, "--models", library, "--resize", "area"), "note: resize is area (flags), not pillow-bilinear")
}

// inspect names the axes, shows what it found about the scores, and prints the error
// that run would.
func TestInspectForeign(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "model.onnx")
	writeFile(t, model, edited(t, graphtest.Colours(4, nil), func(m *onnxpb.ModelProto) {
		symbolic(m.Graph.Input[0], "batch_size", "num_channels", "height", "width")
	}))
	r := must(t, 78, "models", "inspect", model)
	says(t, r, "[batch_size,num_channels,height,width]",
		"the graph ends in a matrix product (Gemm)", "A run would refuse this model:\n"+model+": carries no contract")
	if strings.Contains(r.stdout, "it carries") {
		t.Errorf("%v", r)
	}
	r = must(t, 0, append([]string{"models", "inspect", model, "--json", "--activation", "sigmoid", "--width", "8", "--height", "8"}, graphtest.Pixels...)...)
	var in struct {
		Ending   string
		Contract struct{ Output string }
	}
	if err := json.Unmarshal([]byte(r.stdout), &in); err != nil || in.Contract.Output != "sigmoid" || !strings.Contains(in.Ending, "Gemm") {
		t.Errorf("got %v, %v", in, err)
	}
}

func zipOf(t testing.TB, names []string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		if _, err := z.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
