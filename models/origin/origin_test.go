package origin

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// edited returns a model of four classes, whose graph takes images of any size, after
// edit.
func edited(t testing.TB, edit func(*onnxpb.ModelProto)) string {
	t.Helper()
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(graphtest.Colours(4, nil), &m); err != nil {
		t.Fatal(err)
	}
	for i, d := range m.Graph.Input[0].Type.GetTensorType().Shape.Dim {
		if i != 1 {
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "any"}
		}
	}
	if edit != nil {
		edit(&m)
	}
	b, err := proto.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// with returns an edit that puts metadata into a model: keys and values in turn.
func with(metadata ...string) func(*onnxpb.ModelProto) {
	return func(m *onnxpb.ModelProto) {
		for i := 0; i+1 < len(metadata); i += 2 {
			m.MetadataProps = append(m.MetadataProps, &onnxpb.StringStringEntryProto{Key: &metadata[i], Value: &metadata[i+1]})
		}
	}
}

// folder writes files and returns their folder.
func folder(t testing.TB, files map[string]string) string {
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

// shown returns answers as words, in the order of their fields: "Width=8 BGR=false".
func shown(a models.Answers) string {
	var words []string
	v := reflect.ValueOf(a)
	for i := range v.NumField() {
		f, name := v.Field(i), v.Type().Field(i).Name
		switch {
		case f.IsZero():
		case f.Kind() == reflect.Pointer:
			words = append(words, name+"="+text(f.Elem()))
		default:
			words = append(words, name+"="+text(f))
		}
	}
	return strings.Join(words, " ")
}

func text(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Slice:
		var list []string
		for i := range v.Len() {
			list = append(list, text(v.Index(i)))
		}
		return strings.Join(list, ",")
	default:
		return strings.TrimSpace(strings.ReplaceAll(sprint(v), " ", "_"))
	}
}

const hub = `{"architectures": ["ViTForImageClassification"], "model_type": "vit", "id2label": {"0": "a", "1": "b", "2": "c", "3": "d"}`

func TestRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, what string
		kind       models.Kind
		graph      func(*onnxpb.ModelProto)
		files      map[string]string
		answers    string
		notes      []string
	}{
		{
			name: "Hugging Face", what: "Hugging Face's ViTForImageClassification", kind: models.KindClassifier,
			files: map[string]string{
				"config.json": hub + "}", "preprocessor_config.json": `{"image_processor_type": "ViTImageProcessor", "size": 8, "resample": 3}`,
			},
			answers: "Width=8 Height=8 Resize=pillow-bicubic Fit=stretch BGR=false Scale=0.003921569 Mean=0.5,0.5,0.5 Std=0.5,0.5,0.5" +
				" Output=logits Labels=a,b,c,d",
		},
		{
			name: "several labels", what: "Hugging Face's ViTForImageClassification", kind: models.KindMultiLabel,
			files:   map[string]string{"config.json": hub + `, "problem_type": "multi_label_classification", "image_size": 8}`},
			answers: "Width=8 Height=8 Task=multi_label Output=sigmoid Labels=a,b,c,d",
		},
		{
			name: "measurements", what: "Hugging Face's ViTForImageClassification", kind: models.KindNumbers,
			files:   map[string]string{"config.json": hub + `, "problem_type": "regression"}`},
			answers: "Task=raw Columns=a,b,c,d",
		},
		{
			name: "vectors", what: "Hugging Face's Dinov2Model", kind: models.KindEmbedding,
			files:   map[string]string{"config.json": `{"architectures": ["Dinov2Model"], "model_type": "dinov2"}`},
			answers: "Task=embed",
		},
		{
			name: "a language model", what: "Hugging Face's LlamaForCausalLM", kind: models.KindLanguage,
			files: map[string]string{"config.json": `{"architectures": ["LlamaForCausalLM"], "model_type": "llama"}`},
		},
		{
			name: "other labels", what: "Hugging Face's ViTForImageClassification", kind: models.KindClassifier,
			files:   map[string]string{"config.json": `{"architectures": ["ViTForImageClassification"], "id2label": {"0": "a", "1": "b"}}`},
			answers: "Output=logits", notes: []string{"2 labels for an output of 4 classes"},
		},
		{
			name: "settings without a counterpart", what: "Hugging Face's ViTForImageClassification", kind: models.KindClassifier,
			files: map[string]string{
				"config.json": hub + "}",
				"preprocessor_config.json": `{"image_processor_type": "CLIPImageProcessor",
					"size": {"shortest_edge": 800, "longest_edge": 1333}, "resample": 5}`,
			},
			answers: "Output=logits Labels=a,b,c,d", notes: []string{"longest_edge 1333"},
		},
		{
			name: "an unknown processor", what: "Hugging Face's ViTForImageClassification", kind: models.KindClassifier,
			files: map[string]string{
				"config.json": hub + "}",
				"preprocessor_config.json": `{"image_processor_type": "MyImageProcessor", "size": {"height": 8, "width": 8},
					"image_mean": 0.5, "image_std": [1, 1, 1]}`,
			},
			answers: "Width=8 Height=8 BGR=false Scale=0.003921569 Mean=0.5,0.5,0.5 Std=1,1,1 Output=logits Labels=a,b,c,d",
			notes:   []string{"MyImageProcessor is not known here"},
		},
		{
			name: "timm", what: "timm's resnet18", kind: models.KindClassifier,
			files: map[string]string{"config.json": `{"architecture": "resnet18", "num_classes": 4, "label_names": ["a", "b", "c", "d"],
				"pretrained_cfg": {"input_size": [3, 8, 8], "crop_pct": 0.5, "crop_mode": "center", "interpolation": "bicubic",
				"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}`},
			answers: "Width=8 Height=8 Resize=pillow-bicubic Fit=center-crop ResizeTo=16 BGR=false Scale=0.003921569 Mean=0.5,0.5,0.5 Std=0.25,0.25,0.25" +
				" Output=logits Labels=a,b,c,d",
		},
		{
			name: "timm for vectors", what: "timm's resnet18", kind: models.KindEmbedding,
			files: map[string]string{"config.json": `{"architecture": "resnet18", "num_classes": 0,
				"pretrained_cfg": {"interpolation": "area", "crop_mode": "border", "input_size": [3, 8, 8]}}`},
			answers: "Width=8 Height=8 BGR=false Scale=0.003921569 Mean=0.485,0.456,0.406 Std=0.229,0.224,0.225 Task=embed",
			notes:   []string{"interpolation area", "crop_mode border"},
		},
		{
			name: "timm's defaults", what: "timm's resnet18", kind: models.KindClassifier,
			files: map[string]string{"config.json": `{"architecture": "resnet18", "num_classes": 4, "pretrained_cfg": {}}`},
			answers: "Width=224 Height=224 Resize=pillow-bicubic Fit=center-crop ResizeTo=256 BGR=false Scale=0.003921569" +
				" Mean=0.485,0.456,0.406 Std=0.229,0.224,0.225 Output=logits",
		},
		{
			name: "timm with a border", what: "timm's volo_d4_448", kind: models.KindClassifier,
			files: map[string]string{"config.json": `{"architecture": "volo_d4_448", "num_classes": 4,
				"pretrained_cfg": {"input_size": [3, 448, 448], "crop_pct": 1.15}}`},
			answers: "Width=448 Height=448 Resize=pillow-bicubic BGR=false Scale=0.003921569 Mean=0.485,0.456,0.406 Std=0.229,0.224,0.225 Output=logits",
			notes:   []string{"resized to 389 pixels and then padded to 448x448"},
		},
		{
			name: "an encoder of text", what: "Hugging Face's CLIPTextModelWithProjection", kind: models.KindText,
			files: map[string]string{"config.json": `{"architectures": ["CLIPTextModelWithProjection"], "model_type": "clip_text_model"}`},
		},
		{
			name: "sound, in classes", what: "Hugging Face's Wav2Vec2ForSequenceClassification", kind: models.KindSpeech,
			files: map[string]string{"config.json": `{"architectures": ["Wav2Vec2ForSequenceClassification"], "model_type": "wav2vec2"}`},
		},
		{
			name: "sound, in words", what: "Hugging Face's WhisperForConditionalGeneration", kind: models.KindSpeech,
			files: map[string]string{"config.json": `{"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper"}`},
		},
		{
			name: "poses", what: "Hugging Face's VitPoseForPoseEstimation", kind: models.KindPose,
			files: map[string]string{"config.json": `{"architectures": ["VitPoseForPoseEstimation"], "model_type": "vitpose"}`},
		},
		{
			name: "poses of YOLO", what: "Ultralytics YOLO11n-pose model", kind: models.KindPose,
			graph: with("description", "Ultralytics YOLO11n-pose model", "author", "Ultralytics", "task", "pose", "imgsz", "[8, 8]",
				"names", `{0: 'person'}`),
			answers: "Width=8 Height=8 BGR=false Scale=0.003921569",
		},
		{
			name: "Custom Vision", what: "an export of Custom Vision", kind: models.KindClassifier,
			graph: with("Image.BitmapPixelFormat", "Bgr8", "Image.NominalPixelRange", "NominalRange_0_255"),
			files: map[string]string{
				"cvexport.manifest": `{"DomainType": "Classification", "LabelFileName": "labels.txt"}`, "labels.txt": "a\nb\nc\nd\n",
			},
			answers: "Resize=pillow-bicubic Fit=stretch BGR=true Scale=1 Labels=a,b,c,d",
		},
		{
			name: "Custom Vision for several labels", what: "an export of Custom Vision", kind: models.KindMultiLabel,
			files: map[string]string{"metadata_properties.json": `{"CustomVision.Postprocess.Method": "ClassificationMultiLabel",
				"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "Normalized_0_1"}`},
			answers: "Resize=pillow-bicubic Fit=stretch BGR=false Scale=0.003921569 Task=multi_label",
		},
		{
			name: "YOLO", what: "Ultralytics YOLO11n-cls model", kind: models.KindClassifier,
			graph: with("description", "Ultralytics YOLO11n-cls model", "author", "Ultralytics", "task", "classify", "imgsz", "[8, 8]",
				"names", `{0: 'a', 1: 'b', 2: "c's", 3: 'd'}`),
			answers: "Width=8 Height=8 Resize=pillow-bilinear Fit=center-crop ResizeTo=8 BGR=false Scale=0.003921569 Labels=a,b,c's,d",
		},
		{
			name: "Keras", what: "Keras's vgg16", kind: models.KindClassifier,
			files: map[string]string{
				"config.json":        `{"class_name": "Functional", "config": {"name": "vgg16", "layers": []}}`,
				"class_indices.json": `{"b": 1, "a": 0, "d": 3, "c": 2}`,
			},
			answers: "BGR=true Scale=1 Mean=123.68,116.779,103.939 Labels=a,b,c,d",
			notes:   []string{"class_indices.json, which has one for each of the 4 classes"},
		},
		{
			name: "Keras that scales itself", what: "Keras's vgg16", kind: "",
			files: map[string]string{"config.json": `{"class_name": "Functional", "config": {"name": "vgg16",
				"layers": [{"class_name": "Rescaling"}]}}`},
			answers: "BGR=false Scale=1",
		},
		{
			name: "Keras that scales in a model within", what: "Keras's vgg16", kind: "",
			files: map[string]string{"config.json": `{"class_name": "Functional", "config": {"name": "vgg16",
				"layers": [{"class_name": "Sequential", "config": {"layers": [{"class_name": "RandomFlip"}, {"class_name": "Rescaling"}]}}]}}`},
			answers: "BGR=false Scale=1",
		},
		{
			name: "Keras that normalises itself", what: "Keras's vgg16", kind: "",
			files: map[string]string{"config.json": `{"class_name": "Functional", "config": {"name": "vgg16",
				"layers": [{"class_name": "Normalization"}]}}`},
			notes: []string{"its layer Normalization"},
		},
		{
			name: "labels in the metadata", kind: models.KindClassifier, graph: with("character", "0\n90\n180\n270"),
			answers: "Labels=0,90,180,270",
		},
		{name: "labels of another model", kind: "", files: map[string]string{"labels.txt": "a\nb\n", "classes.json": `["a", "b", "c"]`}},
		{name: "damaged", kind: "", files: map[string]string{"config.json": "{"}, notes: []string{"config.json was not read"}},
		{name: "nothing", kind: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{"model.onnx": edited(t, c.graph)}
			for name, text := range c.files {
				files[name] = text
			}
			found, err := Read(folder(t, files))
			if err != nil {
				t.Fatal(err)
			}
			if found.What != c.what || found.Kind != c.kind {
				t.Errorf("it is %q %q, want %q %q", found.What, found.Kind, c.what, c.kind)
			}
			if got := shown(models.Combine(found.Given)); got != c.answers {
				t.Errorf("answers\n%s\nwant\n%s", got, c.answers)
			}
			notes := strings.Join(found.Notes, "\n")
			for _, want := range c.notes {
				if !strings.Contains(notes, want) {
					t.Errorf("notes are %q, want %q in them", notes, want)
				}
			}
			if len(c.notes) == 0 && notes != "" {
				t.Errorf("notes are %q", notes)
			}
		})
	}
}

// TestArrangementsOfUltralytics: an output of 6 numbers for each box is that of a graph that
// suppresses boxes itself, or of the older arrangement for one class. Nothing is guessed.
func TestArrangementsOfUltralytics(t *testing.T) {
	t.Parallel()
	one, three := "{0: 'a'}", "{0: 'a', 1: 'b', 2: 'c'}"
	const any = -1
	for _, c := range []struct {
		name, names   string
		rows, columns int64
		metadata      []string
		want          models.Detector // empty for none
	}{
		{name: "plain", names: three, rows: 7, columns: 84, want: models.YOLOv8},
		{name: "plain of one class", names: one, rows: 5, columns: 84, want: models.YOLOv8},
		{name: "older", names: three, rows: 252, columns: 8, want: models.YOLOv5},
		{name: "older of one class", names: one, rows: 252, columns: 6, want: models.YOLOv5},
		{name: "suppressed", names: three, rows: 300, columns: 6, want: models.Boxes},
		{name: "suppressed of one class", names: one, rows: 300, columns: 6, want: models.Boxes},
		{name: "suppressed, as many boxes as cells", names: one, rows: 252, columns: 6,
			metadata: []string{"args", "{'batch': 1, 'nms': True}"}, want: models.Boxes},
		{name: "suppressed, few boxes", names: one, rows: 5, columns: 6, metadata: []string{"end2end", "True"}, want: models.Boxes},
		{name: "suppressed, any number", names: one, rows: any, columns: 6, metadata: []string{"args", "{'nms': True}"}, want: models.Boxes},
		{name: "one class, any number", names: one, rows: any, columns: 6, metadata: []string{"args", "{'nms': False}"}},
		{name: "none", names: three, rows: 9, columns: 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			graph := edited(t, func(m *onnxpb.ModelProto) {
				with(slices.Concat([]string{"description", "Ultralytics YOLO11n model", "author", "Ultralytics", "task", "detect", "imgsz", "[64, 64]",
					"names", c.names}, c.metadata)...)(m)
				shape := &onnxpb.TensorShapeProto{}
				for _, d := range []int64{1, c.rows, c.columns} {
					one := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}}
					if d == any {
						one.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: "boxes"}
					}
					shape.Dim = append(shape.Dim, one)
				}
				m.Graph.Output[0].Type.GetTensorType().Shape = shape
			})
			found, err := Read(folder(t, map[string]string{"model.onnx": graph}))
			if err != nil {
				t.Fatal(err)
			}
			a := models.Combine(found.Given)
			switch {
			case a.Detector == nil:
				if c.want != "" || !strings.Contains(strings.Join(found.Notes, " "), "do not show how") {
					t.Errorf("no detector, want %q; notes %q", c.want, found.Notes)
				}
			case *a.Detector != c.want || (a.Overlap != nil) != c.want.Suppresses():
				t.Errorf("detector %s with overlap %v, want %q", *a.Detector, a.Overlap, c.want)
			}
			// The arrangement can be said by hand, whatever overlap the metadata's has.
			by := models.Combine(append([]models.Given{{From: "flags", Answers: models.Answers{Detector: to(models.Boxes)}}}, found.Given...))
			if *by.Detector != models.Boxes || by.Overlap != nil {
				t.Errorf("by hand it is %s with overlap %v", *by.Detector, by.Overlap)
			}
		})
	}
}

// A folder's files count for the graph in onnx/ of it, too.
func TestReadFindsTheGraph(t *testing.T) {
	t.Parallel()
	graph := edited(t, nil)
	for _, c := range []struct {
		name, file string
		files      map[string]string
		says       []string
	}{
		{name: "model.onnx", file: "model.onnx", files: map[string]string{"model.onnx": graph, "model_int8.onnx": graph}},
		{name: "a folder of the hub", file: "onnx/model.onnx", files: map[string]string{"onnx/model.onnx": graph, "onnx/model_fp16.onnx": graph}},
		{name: "the only one", file: "resnet.onnx", files: map[string]string{"resnet.onnx": graph}},
		{name: "for images", file: "onnx/vision_model.onnx", files: map[string]string{"onnx/vision_model.onnx": graph, "onnx/text_model.onnx": graph}},
		{name: "two", files: map[string]string{"a.onnx": graph, "b.onnx": graph}, says: []string{"has 2 ONNX files", "a.onnx", " or ", "b.onnx"}},
		{name: "none", files: map[string]string{"readme": ""}, says: []string{"without an .onnx file"}},
		{name: "weights only", files: map[string]string{"config.json": "{}", "model.safetensors": ""}, says: []string{"optimum-cli export onnx"}},
		{name: "another file", files: map[string]string{"model.onnx": "PK\x03\x04"}, says: []string{"damaged ZIP archive"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.files["config.json"] = hub + "}"
			dir := filepath.Join(folder(t, map[string]string{"x": ""}), "odd [name]*")
			if err := os.Rename(folder(t, c.files), dir); err != nil {
				t.Fatal(err)
			}
			found, err := Read(dir)
			if c.says != nil {
				if err == nil || !errors.Is(err, models.ErrModel) {
					t.Fatalf("got %v, %v, want an error about the model", found, err)
				}
				for _, want := range c.says {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("got %q, want %q in it", err, want)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if found.File != filepath.Join(dir, c.file) || found.What == "" {
				t.Errorf("got %+v", found)
			}
			if direct, err := Read(found.File); err != nil || direct.What != found.What {
				t.Errorf("the file alone: %+v, %v", direct, err)
			}
		})
	}
}

// FuzzFiles reads any bytes as each of the files. Answers are always ones that a model
// could have.
func FuzzFiles(f *testing.F) {
	for _, text := range []string{
		hub + "}",
		`{"size":{"shortest_edge":256},"crop_size":{"height":224,"width":224},"resample":3,"image_mean":[1,2,3],"image_std":[1,1,1]}`,
		`{"size":9e99,"rescale_factor":0,"image_processor_type":"ConvNextImageProcessor","crop_pct":1e-9}`,
		`{"pretrained_cfg":{"input_size":[3,-1,1],"crop_pct":0}}`,
		`{"image_processor_type":"EfficientNetImageProcessor","image_std":1e-30}`,
		`{"DomainType":"Classification","LabelFileName":"../x"}`, "a\nb\nc\nd",
	} {
		f.Add([]byte(text))
	}
	dir := folder(f, map[string]string{"model.onnx": edited(f, nil)}) // for all inputs of a process, one after another
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, name := range []string{"config.json", "preprocessor_config.json", "metadata_properties.json", "cvexport.manifest", "labels.txt"} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		found, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		a := models.Combine(found.Given)
		if err := a.Check(); err != nil {
			t.Errorf("%v: %v", shown(a), err)
		}
		if a.Labels != nil && len(a.Labels) != 4 {
			t.Errorf("%d labels", len(a.Labels))
		}
		if _, err := models.Open(found.File, models.OpenOptions{Given: found.Given}); err != nil && !errors.Is(err, models.ErrModel) {
			t.Error(err)
		}
	})
}

// Each model of known.yaml has a digest of its own, and answers that a model could have.
func TestKnown(t *testing.T) {
	t.Parallel()
	list, err := known()
	if err != nil || len(list) < 7 {
		t.Fatalf("%d models, %v", len(list), err)
	}
	seen := map[string]bool{}
	for _, k := range list {
		if err := k.Answers.Check(); err != nil {
			t.Errorf("%s: %v", k.From, err)
		}
		if len(k.Digest) != len("sha256:")+64 || seen[k.Digest] || k.From == "" {
			t.Errorf("%s: its digest is %q", k.From, k.Digest)
		}
		if a := k.Answers; a.Resize == nil || a.Fit == nil || a.BGR == nil || a.Scale == nil {
			t.Errorf("%s: it is not said how images are prepared", k.From)
		}
		seen[k.Digest] = true
	}
}
