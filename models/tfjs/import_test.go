package tfjs_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/tfjs"
)

// These tests check the file. Package ort, which has ONNX Runtime, compares what the
// imported models compute with TensorFlow.js.

const small = "testdata/small/"

func importDir(t testing.TB, dir string, o tfjs.Options) ([]byte, *models.Contract) {
	t.Helper()
	var b bytes.Buffer
	c, err := tfjs.Import(context.Background(), dir, &b, o)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), c
}

// opened writes the model to a file and opens it.
func opened(t *testing.T, model []byte) *models.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, model, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := models.Open(path, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func decode(t testing.TB, model []byte) *onnxpb.ModelProto {
	t.Helper()
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(model, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestImport(t *testing.T) {
	labels := []string{"ant", "bee", "cat"}
	model, c := importDir(t, small+"sequential", tfjs.Options{Labels: labels, Name: "insects"})
	want := models.Contract{
		Name: "insects",
		Preprocess: preprocess.Spec{
			Width: 12, Height: 12, Layout: preprocess.CHW, DType: preprocess.Float32, Scale: 1.0 / 255,
			Resize: preprocess.TFBilinearAlignCorners, Fit: preprocess.Stretch,
		},
		Output: models.Logits, Classes: 3, Labels: labels,
		Source:       "TensorFlow.js layers model",
		SourceDigest: "sha256:c234f27a4cc64949a64ef81eff435bf6b6db6f5b7755a59c3a2b97d6ce2ecceb",
	}
	if c.Digest() != want.Digest() {
		t.Errorf("contract is %+v, want %+v", *c, want)
	}
	again, _ := importDir(t, small+"sequential", tfjs.Options{Labels: labels, Name: "insects"})
	if !bytes.Equal(model, again) {
		t.Error("a second import differs")
	}

	m := opened(t, model)
	if m.Contract.Digest() != want.Digest() || !slices.Equal(m.InputShape, []int64{-1, 3, 12, 12}) || m.Batch != 0 {
		t.Errorf("the file opens as %+v", m)
	}
}

func TestImportOf8BitPixels(t *testing.T) {
	model, c := importDir(t, small+"sequential", tfjs.Options{Pixels: preprocess.Uint8})
	if p := c.Preprocess; p.DType != preprocess.Uint8 || p.Layout != preprocess.HWC || p.Scale != 0 {
		t.Errorf("preprocessing is %+v", p)
	}
	m := opened(t, model)
	if !slices.Equal(m.InputShape, []int64{-1, 12, 12, 3}) {
		t.Errorf("input is %v", m.InputShape)
	}
	_, err := tfjs.Import(context.Background(), small+"sequential", io.Discard, tfjs.Options{Pixels: "int4"})
	if !errors.Is(err, models.ErrModel) {
		t.Errorf("pixels int4: got %v, want ErrModel", err)
	}
}

func TestImportKnowsProbabilities(t *testing.T) {
	_, c := importDir(t, small+"functional", tfjs.Options{})
	if c.Output != models.Probabilities || c.Classes != 4 || c.Labels != nil || c.Name != "functional" {
		t.Errorf("contract is %+v", c)
	}
}

// A quantised tensor is decoded with its scale and minimum, and a kernel is transposed from
// [kh,kw,in,out] to [out,in,kh,kw], even if it spans several shards.
func TestImportedWeights(t *testing.T) {
	model, _ := importDir(t, small+"sequential", tfjs.Options{})
	var doc struct {
		Manifest []struct {
			Paths   []string
			Weights []struct {
				Name         string
				Shape        []int
				Quantization struct {
					DType      string
					Min, Scale float64
				}
			}
		} `json:"weightsManifest"`
	}
	text, err := os.ReadFile(small + "sequential/model.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var shards []byte
	for _, p := range doc.Manifest[0].Paths {
		s, err := os.ReadFile(small + "sequential/" + p)
		if err != nil {
			t.Fatal(err)
		}
		shards = append(shards, s...)
	}
	got := map[string]*onnxpb.TensorProto{}
	for _, w := range decode(t, model).GetGraph().GetInitializer() {
		got[w.GetName()] = w
	}
	for _, w := range doc.Manifest[0].Weights {
		n := 1
		for _, d := range w.Shape {
			n *= d
		}
		values := make([]float32, n)
		for i := range values {
			q := float64(shards[0])
			if shards = shards[1:]; w.Quantization.DType == "uint16" {
				q += 256 * float64(shards[0])
				shards = shards[1:]
			}
			values[i] = float32(float64(q*w.Quantization.Scale) + w.Quantization.Min)
		}
		tensor := got[w.Name]
		if tensor == nil {
			t.Errorf("%s is not in the model", w.Name)
			continue
		}
		at := func(i int) float32 {
			return math.Float32frombits(binary.LittleEndian.Uint32(tensor.GetRawData()[4*i:]))
		}
		for i, v := range values {
			j := i
			if len(w.Shape) == 4 {
				kh, kw, in, out := w.Shape[0], w.Shape[1], w.Shape[2], w.Shape[3]
				y, x, c, o := i/(kw*in*out), i/(in*out)%kw, i/out%in, i%out
				j = ((o*in+c)*kh+y)*kw + x
			}
			if at(j) != v {
				t.Errorf("%s: element %d is %v, want %v", w.Name, i, at(j), v)
				break
			}
		}
	}
}

func TestImportFileIsAtomic(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "sub", "model.onnx")
	if _, err := tfjs.ImportFile(context.Background(), small+"functional", out, tfjs.Options{}); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tfjs.ImportFile(ctx, small+"sequential", out, tfjs.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := tfjs.ImportFile(context.Background(), dir, out, tfjs.Options{}); !errors.Is(err, models.ErrModel) {
		t.Errorf("got %v, want ErrModel", err)
	}
	after, err := os.ReadFile(out)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("a failed import changed the file: %v", err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "sub", "*")); len(files) != 1 {
		t.Errorf("left behind: %q", files)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "sub", ".*")); len(files) != 0 {
		t.Errorf("left behind: %q", files)
	}
}

// npmPackage packs the functional model as the npm package nsfwjs packs its model:
// topology and shards in minified JavaScript modules.
func npmPackage(t testing.TB) map[string]string {
	t.Helper()
	const prelude = `!function(f){if("object"==typeof exports)module.exports=f();else{this.model=f()}}(function(){return ({1:[function(a,n,i){n.exports=`
	const end = `},{}]},{},[1])(1)});`
	read := func(name string) string {
		text, err := os.ReadFile(small + "functional/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	unquoted := strings.NewReplacer(
		`"class_name":`, `class_name:`, `"name":`, `name:`, `true`, `!0`, `false`, `!1`, `: 0.`, `:.`,
	).Replace(read("model.json"))
	unquoted = strings.ReplaceAll(unquoted, "group1-shard1of1.bin", "group1-shard1of1")
	shard := base64.StdEncoding.EncodeToString([]byte(read("group1-shard1of1.bin")))
	return map[string]string{
		"package.json":                               `{"name":"nsfwjs","version":"9.9.9"}`,
		"dist/models/package.json":                   `{"type":"commonjs"}`,
		"dist/esm/nsfw_classes.js":                   "export var NSFW_CLASSES = {\n    0: 'Drawing',\n    2: 'Neutral', 1: \"It's\", 3: 'Sexy'\n};\n//# x",
		"dist/models/a/model.min.js":                 prelude + unquoted + end,
		"dist/models/a/group1-shard1of1.min.js":      prelude + `"` + shard + `"` + end,
		"dist/models/b/model.min.js":                 prelude + `{format:"graph-model"}` + end,
		"dist/models/a/README.md":                    "not read",
		"dist/models/a/deeper/group1-shard1of1.json": "not read",
	}
}

func writePackage(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func writeArchive(t testing.TB, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "nsfwjs.tgz")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImportNpmPackage(t *testing.T) {
	files := npmPackage(t)
	dir, tgz := writePackage(t, files), writeArchive(t, files)
	model, c := importDir(t, filepath.Join(dir, "dist/models/a"), tfjs.Options{})
	if want := []string{"Drawing", "It's", "Neutral", "Sexy"}; !slices.Equal(c.Labels, want) {
		t.Errorf("labels are %q, want those of the package, %q", c.Labels, want)
	}
	if c.Name != "nsfwjs-a" || c.Source != "npm nsfwjs 9.9.9 dist/models/a" {
		t.Errorf("name %q, source %q", c.Name, c.Source)
	}
	for name, importAs := range map[string]func() ([]byte, *models.Contract){
		"the package and a path": func() ([]byte, *models.Contract) { return importDir(t, dir, tfjs.Options{Path: "dist/models/a"}) },
		"the archive and a path": func() ([]byte, *models.Contract) { return importDir(t, tgz, tfjs.Options{Path: "dist/models/a/"}) },
		"the archive and a full one": func() ([]byte, *models.Contract) {
			return importDir(t, tgz, tfjs.Options{Path: "package/dist/models/a"})
		},
	} {
		if other, _ := importAs(); !bytes.Equal(model, other) {
			t.Errorf("importing %s writes other bytes than importing the folder", name)
		}
	}
	// The weights are those of the plain folder.
	plain, _ := importDir(t, small+"functional", tfjs.Options{})
	a, b := decode(t, model).GetGraph(), decode(t, plain).GetGraph()
	if !proto.Equal(a, b) {
		t.Error("the graph differs from that of the same model in plain files")
	}
}

func TestImportRefusesSources(t *testing.T) {
	files := npmPackage(t)
	change := func(name, text string) map[string]string {
		m := npmPackage(t)
		m[name] = text
		return m
	}
	truncated, err := os.ReadFile(writeArchive(t, files))
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.tgz")
	if err := os.WriteFile(cut, truncated[:len(truncated)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		source string
		path   string
		says   []string
	}{
		"empty folder":   {source: t.TempDir(), says: []string{"no model.json"}},
		"not an archive": {source: "import_test.go", says: []string{"not a .tgz"}},
		"cut archive":    {source: cut, says: []string{"damaged .tgz"}},
		"which model":    {source: writeArchive(t, files), says: []string{"2 models", "package/dist/models/a", "package/dist/models/b"}},
		"no such model":  {source: writeArchive(t, files), path: "dist/c", says: []string{"no model in dist/c", "package/dist/models/a"}},
		"way out":        {source: writeArchive(t, files), path: "../../etc", says: []string{"leads out"}},
		"graph model":    {source: writePackage(t, files), path: "dist/models/b", says: []string{"no weightsManifest"}},
		"no literal":     {source: writePackage(t, change("dist/models/a/model.min.js", "x")), path: "dist/models/a", says: []string{"exports neither"}},
		"literal cut off": {
			source: writePackage(t, change("dist/models/a/model.min.js", `n.exports={a:[1,{b:"`)),
			path:   "dist/models/a",
			says:   []string{"byte 10", "no end"},
		},
		"shard not base64": {
			source: writePackage(t, change("dist/models/a/group1-shard1of1.min.js", `n.exports="%%"`)),
			path:   "dist/models/a",
			says:   []string{"group1-shard1of1", "base64"},
		},
		"shard cut off": {
			source: writePackage(t, change("dist/models/a/group1-shard1of1.min.js", `n.exports="AAAA`)),
			path:   "dist/models/a",
			says:   []string{"no end"},
		},
		"shard too short": {
			source: writePackage(t, change("dist/models/a/group1-shard1of1.min.js", `n.exports="AAAA"`)),
			path:   "dist/models/a",
			says:   []string{"end at byte 3"},
		},
		"class without label": {
			source: writePackage(t, change("dist/esm/nsfw_classes.js", `NSFW_CLASSES = {0:"a",2:"b"}`)),
			path:   "dist/models/a",
			says:   []string{"not class 1"},
		},
		"labels too few": {
			source: writePackage(t, change("dist/esm/nsfw_classes.js", `NSFW_CLASSES = {0:"a",1:"b"}`)),
			path:   "dist/models/a",
			says:   []string{"2 labels", "4 classes"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tfjs.Import(context.Background(), c.source, io.Discard, tfjs.Options{Path: c.path})
			if !errors.Is(err, models.ErrModel) {
				t.Fatalf("got %v, want ErrModel", err)
			}
			for _, s := range append(c.says, c.source) {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not contain %q", err, s)
				}
			}
		})
	}
	if _, err := tfjs.Import(context.Background(), "testdata/none", io.Discard, tfjs.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such source: got %v, want ErrNotExist", err)
	}
}

// edited imports the functional model after a change of its model file.
func edited(t testing.TB, edit func(text string) string) error {
	t.Helper()
	_, err := editedContract(t, edit, tfjs.Options{})
	return err
}

func editedContract(t testing.TB, edit func(text string) string, o tfjs.Options) (*models.Contract, error) {
	t.Helper()
	text, err := os.ReadFile(small + "functional/model.json")
	if err != nil {
		t.Fatal(err)
	}
	weights, err := os.ReadFile(small + "functional/group1-shard1of1.bin")
	if err != nil {
		t.Fatal(err)
	}
	changed := edit(string(text))
	dir := writePackage(t, map[string]string{"model.json": changed, "group1-shard1of1.bin": string(weights)})
	return tfjs.Import(context.Background(), dir, io.Discard, o)
}

// The contract says what the last layer does to the scores.
func TestFault37_ImportedActivations(t *testing.T) {
	for _, c := range []struct {
		name, last string
		given      models.Activation
		want       models.Activation
		says       string
	}{
		{name: "softmax", last: "softmax", want: models.Probabilities},
		{name: "sigmoid", last: "sigmoid", want: models.Independent},
		{name: "linear", last: "linear", want: models.Logits},
		{name: "linear as sigmoid", last: "linear", given: models.Sigmoid, want: models.Sigmoid},
		{name: "linear as probabilities", last: "linear", given: models.Probabilities, says: "logits or sigmoid"},
		{name: "softmax as logits", last: "softmax", given: models.Logits, says: "makes them probabilities"},
		{name: "sigmoid as logits", last: "sigmoid", given: models.Logits, says: "makes them independent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := editedContract(t, func(s string) string {
				return strings.ReplaceAll(s, `"activation": "softmax"`, `"activation": "`+c.last+`"`)
			}, tfjs.Options{Activation: c.given})
			if c.says != "" {
				if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want %q", err, c.says)
				}
				return
			}
			if err != nil || got.Output != c.want {
				t.Errorf("got %+v, %v; want %s", got, err, c.want)
			}
		})
	}
}

func TestImportRefusesModels(t *testing.T) {
	replace := func(old, new string) func(string) string {
		return func(s string) string { return strings.ReplaceAll(s, old, new) }
	}
	first := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	for name, c := range map[string]struct {
		edit func(string) string
		says []string
	}{
		"unknown layer": {
			edit: replace(`"class_name": "Dropout"`, `"class_name": "LSTM"`),
			says: []string{"layer 15 of 18", "dropout_Dropout1", "LSTM", "Dropout"},
		},
		"missing and surplus": {edit: replace(`"name": "dense_Dense1/kernel"`, `"name": "dense_Dense9/kernel"`), says: []string{
			"2 tensors", "dense_Dense1/kernel [98 6] is missing", "dense_Dense9/kernel [98 6] is unused"}},
		"another shape": {
			edit: replace(`"units": 6`, `"units": 7`),
			says: []string{"dense_Dense1/kernel has the shape [98 6], and should have [98 7]", "moving_mean"},
		},
		"channels first": {edit: replace("channels_last", "channels_first"), says: []string{"layer 2 of 18", "channels_first"}},
		"padding":        {edit: first(`"padding": "same"`, `"padding": "causal"`), says: []string{"causal"}},
		"activation":     {edit: replace(`"activation": "softmax"`, `"activation": "selu"`), says: []string{"selu", "dense_Dense2"}},
		"hostile kernel": {
			edit: first("\"kernel_size\": [\n       3,", "\"kernel_size\": [\n       9223372036854775807,"),
			says: []string{"kernel or pool size", "9223372036854775807"},
		},
		"hostile filters":    {edit: replace(`"filters": 5`, `"filters": 4611686018427387904`), says: []string{"filters"}},
		"hostile shape":      {edit: first("\"shape\": [\n      3,", "\"shape\": [\n      4611686018427387904,"), says: []string{"too large"}},
		"shape beyond shard": {edit: first("\"shape\": [\n      3,", "\"shape\": [\n      300000,"), says: []string{"shards end at byte"}},
		"empty shape":        {edit: first("\"shape\": [\n      3,", "\"shape\": [\n      0,"), says: []string{"empty"}},
		"integer weights":    {edit: replace(`"dtype": "float32"`, `"dtype": "int32"`), says: []string{"conv2d_Conv2D1/kernel holds integers"}},
		"shard elsewhere":    {edit: replace("group1-shard1of1.bin", "../model.json"), says: []string{`"../model.json"`}},
		"shard missing":      {edit: replace("group1-shard1of1.bin", "group9.bin"), says: []string{"group9.bin", "missing"}},
		"shard a folder":     {edit: replace("group1-shard1of1.bin", "."), says: []string{"not a regular file"}},
		"five channels":      {edit: first("       11,\n       3\n", "       11,\n       5\n"), says: []string{"not an image", "[null,14,11,5]"}},
		"recurrence":         {edit: first("\"input1\",\n        0,", "\"dense_Dense2\",\n        0,"), says: []string{"does not come before"}},
		"shared layer":       {edit: first("\"input1\",\n        0,", "\"input1\",\n        1,"), says: []string{"node 1"}},
		"no topology":        {edit: replace("modelTopology", "topology"), says: []string{"modelTopology"}},
		"model class":        {edit: first(`"class_name": "Model"`, `"class_name": "Custom"`), says: []string{`"Custom"`}},
		"not JSON":           {edit: first("{", "<"), says: []string{"model.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := edited(t, c.edit)
			if !errors.Is(err, models.ErrModel) {
				t.Fatalf("got %v, want ErrModel", err)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not contain %q", err, s)
				}
			}
		})
	}
}
