package models

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// OtherKind says what a file is that is no ONNX model, and how to make one of
// it; empty where it is not recognised.
func OtherKind(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 4096)
	n, err := io.ReadFull(f, head)
	if n == 0 && err != nil {
		return "it is empty"
	}
	head = head[:n]
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		if info, err := f.Stat(); err == nil {
			return zipKind(file, f, info.Size())
		}
	}
	text := strings.TrimSpace(strings.TrimPrefix(string(head), "\ufeff"))
	begins := func(s string) bool { return bytes.HasPrefix(head, []byte(s)) }
	at4 := ""
	if n >= 8 {
		at4 = string(head[4:8])
	}
	switch out, ending := onnxFor(file), strings.ToLower(filepath.Ext(file)); {
	case at4 == "TFL3":
		return "it is a TensorFlow Lite model; convert it: python3 -m tf2onnx.convert --tflite " + quoted(file) + " --output " + out
	case at4 == "ORTM":
		return "it is in ONNX Runtime's own format; take the .onnx file that it was made of"
	case begins("\x80\x02"), begins("\x80\x03"), begins("\x80\x04"), begins("\x80\x05"):
		return checkpoint(file)
	case begins("\x89HDF\r\n\x1a\n"):
		return "it is an HDF5 file, as Keras writes; convert it: python3 -m tf2onnx.convert --keras " + quoted(file) + " --output " + out
	case safetensors(head, f):
		return "it is safetensors: weights without a network." + built(file)
	case begins("\x93NUMPY"):
		return "it is a NumPy array: weights without a network." + built(file)
	case begins("GGUF"):
		return "it is GGUF, weights for llama.cpp; batchscore scores images with ONNX models"
	case begins("ptrt"), ending == ".engine", ending == ".plan", ending == ".trt":
		return "it is an engine of TensorRT; take the .onnx file that it was made of, with --provider tensorrt"
	case begins("\x1f\x8b"):
		return "it is compressed (gzip); unpack it, or if it is a TensorFlow.js package: batchscore models import " + quoted(file) + " -o " + out
	case begins("version https://git-lfs"):
		return "it is a Git LFS pointer, not the model itself; fetch that with git lfs pull"
	case strings.HasPrefix(text, "<") && strings.Contains(text, "<net"):
		return "it is an OpenVINO model; take the .onnx file that it was made of, or export the network to ONNX again"
	case strings.HasPrefix(strings.ToLower(text), "<!doctype html"), strings.HasPrefix(strings.ToLower(text), "<html"):
		return "it is an HTML page: what was downloaded is not the model"
	case strings.HasPrefix(text, "{") && strings.Contains(text, "modelTopology"), strings.HasPrefix(text, "{") && path.Base(file) == "model.json":
		return "it is a TensorFlow.js model; import it: batchscore models import " + quoted(filepath.Dir(file)) + " -o " + quoted(filepath.Join(filepath.Dir(file), "model.onnx"))
	case strings.HasPrefix(text, "{"):
		return "it is JSON"
	case begins("\xff\xd8\xff"), begins("\x89PNG"):
		return "it is a picture"
	case ending == ".pb" && path.Base(file) == "saved_model.pb":
		return savedModel(filepath.Dir(file))
	case ending == ".pb" || ending == ".pbtxt":
		return "it is a TensorFlow graph; convert it: python3 -m tf2onnx.convert --graphdef " + quoted(file) + " --inputs INPUT:0 --outputs OUTPUT:0 --output " + out
	case ending == ".mlmodel":
		return "it is a Core ML model; export the network that it was made of to ONNX"
	case ending == ".caffemodel", ending == ".prototxt", ending == ".params", ending == ".pdmodel", ending == ".pdiparams", ending == ".mnn", ending == ".rknn", ending == ".hef":
		return "it is a " + ending + " file of another framework; export its network to ONNX"
	}
	return ""
}

// onnxFor is the name of the ONNX file that is made of another one.
func onnxFor(file string) string {
	return quoted(strings.TrimSuffix(file, filepath.Ext(file)) + ".onnx")
}

// checkpoint is what to do with weights that PyTorch pickled.
func checkpoint(file string) string {
	weights := strings.TrimSuffix(file, filepath.Ext(file)) + ".safetensors"
	return "it is a PyTorch checkpoint (a pickle). Export its network with torch.onnx.export(model, torch.zeros(1, 3, 224, 224), " +
		pythonText(strings.TrimSuffix(file, filepath.Ext(file))+".onnx") + ", dynamic_axes={\"input\": {0: \"N\"}}, input_names=[\"input\"])," +
		" or save the weights as safetensors: python3 -c " + quoted("import torch, safetensors.torch as s; w = torch.load("+pythonText(file)+", map_location=\"cpu\");"+
		" s.save_file({k: v.contiguous() for k, v in w.items()}, "+pythonText(weights)+")") + "." + built(weights)
}

func pythonText(s string) string { return fmt.Sprintf("%q", s) }

// built is how weights become a model.
func built(weights string) string {
	return " For VGG-16 and Inception V3: batchscore models build vgg16|inception_v3 --variant torchvision|keras --weights " + quoted(weights) + " -o " + onnxFor(weights) +
		"; any other network is exported to ONNX by the program that it was trained with"
}

func savedModel(dir string) string {
	return "it is a TensorFlow SavedModel; convert it: python3 -m tf2onnx.convert --saved-model " + quoted(dir) + " --output " + quoted(filepath.Join(dir, "model.onnx"))
}

// safetensors tells a header of JSON behind its length.
func safetensors(head []byte, f *os.File) bool {
	info, err := f.Stat()
	if err != nil || len(head) < 10 {
		return false
	}
	n := binary.LittleEndian.Uint64(head)
	return n >= 2 && n <= uint64(info.Size()-8) && head[8] == '{' && (head[9] == '"' || head[9] == '}' || head[9] == ' ')
}

// zipKind tells the formats that are ZIP archives.
func zipKind(file string, r io.ReaderAt, size int64) string {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return "it is a ZIP archive, which is damaged"
	}
	var pickle, script, arrays, keras, onnx bool
	for _, f := range z.File {
		base := path.Base(f.Name)
		pickle = pickle || base == "data.pkl"
		script = script || base == "constants.pkl" || strings.Contains(f.Name, "/code/")
		arrays = arrays || strings.HasSuffix(base, ".npy")
		keras = keras || base == "model.weights.h5"
		onnx = onnx || strings.HasSuffix(base, ".onnx")
	}
	switch {
	case script:
		return "it is a TorchScript module of PyTorch; export the network with torch.onnx.export(model, torch.zeros(1, 3, 224, 224), " + pythonText(strings.TrimSuffix(file, filepath.Ext(file))+".onnx") + ")"
	case pickle:
		return checkpoint(file)
	case keras:
		return "it is a Keras model; convert it: python3 -m tf2onnx.convert --keras " + quoted(file) + " --output " + onnxFor(file)
	case arrays:
		return "it is NumPy's .npz: weights without a network." + built(file)
	case onnx:
		return "it is a ZIP archive with a model in it; unpack it"
	}
	return "it is a ZIP archive"
}
