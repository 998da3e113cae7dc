// Package formats recognises files and folders that are not ONNX models, and
// says how to make a model of them.
package formats

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// DescribeFile says what a file is that is not an ONNX model, and how to make one
// of it: "it is a Keras model; convert it: ...". It returns "" for a file that it
// does not recognise.
func DescribeFile(file string) string {
	f, err := atomicfile.OpenRegular(file)
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
			return describeZip(file, f, info.Size())
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
		return "it is a TensorFlow Lite model; convert it: " + tf2onnx("--tflite", file, out)
	case at4 == "ORTM":
		return "it is in ONNX Runtime's own format; use the .onnx file it was made from"
	case begins("\x80\x02"), begins("\x80\x03"), begins("\x80\x04"), begins("\x80\x05"):
		return checkpoint(file)
	case begins("\x89HDF\r\n\x1a\n"):
		return "it is an HDF5 file, as Keras writes; convert it: " + tf2onnx("--keras", file, out)
	case isSafetensors(head, f):
		return "it is safetensors: weights without a network." + buildHint(file)
	case begins("\x93NUMPY"):
		return "it is a NumPy array: weights without a network." + buildHint(file)
	case begins("GGUF"):
		return "it is GGUF, weights for llama.cpp; batchscore scores images with ONNX models"
	case begins("ptrt"), ending == ".engine", ending == ".plan", ending == ".trt":
		return "it is an engine of TensorRT; use the .onnx file it was made from, with --provider cuda"
	case begins("\x1f\x8b"):
		return "it is compressed (gzip); unpack it, or if it is a TensorFlow.js package: batchscore models import " + shellquote.Path(file) + " -o " + out
	case begins("version https://git-lfs"):
		return "it is a Git LFS pointer, not the model itself; fetch that with git lfs pull"
	case strings.HasPrefix(text, "<") && strings.Contains(text, "<net"):
		return "it is an OpenVINO model; use the .onnx file it was made from, or export the network to ONNX again"
	case strings.HasPrefix(strings.ToLower(text), "<!doctype html"), strings.HasPrefix(strings.ToLower(text), "<html"):
		return "it is an HTML page: the download did not return the model"
	case strings.HasPrefix(text, "{") && strings.Contains(text, "modelTopology"), strings.HasPrefix(text, "{") && path.Base(file) == "model.json":
		return "it is a TensorFlow.js model; " + importHint(filepath.Dir(file))
	case strings.HasPrefix(text, "{"):
		return "it is JSON"
	case begins("\xff\xd8\xff"), begins("\x89PNG"):
		return "it is a picture"
	case ending == ".pb" && path.Base(file) == "saved_model.pb":
		return savedModel(filepath.Dir(file))
	case ending == ".pb" || ending == ".pbtxt":
		return "it is a TensorFlow graph; convert it: " + tf2onnx("--graphdef", file, out, "--inputs INPUT:0 --outputs OUTPUT:0")
	case ending == ".mlmodel":
		return "it is a Core ML model; export the network it was made from to ONNX"
	case slices.Contains(otherFrameworks, ending):
		return "it is a " + ending + " file of another framework; export its network to ONNX"
	}
	return ""
}

// onnxFor returns the name of the ONNX file to make from a file, as a shell
// takes it.
func onnxFor(file string) string {
	return shellquote.Quote(strings.TrimSuffix(file, filepath.Ext(file)) + ".onnx")
}

// otherFrameworks are the endings of frameworks without a converter to name.
var otherFrameworks = []string{".caffemodel", ".prototxt", ".params", ".pdmodel", ".pdiparams", ".mnn", ".rknn", ".hef"}

// tf2onnx returns the command that converts a TensorFlow model. out is quoted
// already.
func tf2onnx(flag, file, out string, more ...string) string {
	words := append([]string{"python3 -m tf2onnx.convert", flag, shellquote.Quote(file)}, more...)
	return strings.Join(append(words, "--output", out), " ")
}

// importHint says how to import the TensorFlow.js model in a folder.
func importHint(dir string) string {
	return "import it: batchscore models import " + shellquote.Path(dir) + " -o " + shellquote.Path(filepath.Join(dir, "model.onnx"))
}

func savedModel(dir string) string {
	return "it is a TensorFlow SavedModel; convert it: " + tf2onnx("--saved-model", dir, shellquote.Quote(filepath.Join(dir, "model.onnx")))
}

// checkpoint says what to do with weights that PyTorch pickled.
func checkpoint(file string) string {
	return fmt.Sprintf("it is a PyTorch checkpoint (a pickle): weights without a network.%s:"+
		" torch.onnx.export(model, torch.zeros(1, 3, 224, 224), %q, dynamic_axes={\"input\": {0: \"N\"}}, input_names=[\"input\"])",
		buildHint(file), strings.TrimSuffix(file, filepath.Ext(file))+".onnx")
}

// buildHint says how weights become a model.
func buildHint(weights string) string {
	return " For VGG-16, Inception V3, ResNet, MobileNetV3, EfficientNet-B0, ConvNeXt-Tiny and ViT-B/16: batchscore models build NETWORK" +
		" --variant torchvision|keras|timm|transformers --weights " + shellquote.Quote(weights) + " -o " + onnxFor(weights) +
		"; export any other network to ONNX with the program that trained it"
}

// isSafetensors reports whether a file begins with the length of a JSON header
// and that header.
func isSafetensors(head []byte, f *os.File) bool {
	info, err := f.Stat()
	if err != nil || len(head) < 10 {
		return false
	}
	n := binary.LittleEndian.Uint64(head)
	return n >= 2 && n <= uint64(info.Size()-8) && head[8] == '{' && (head[9] == '"' || head[9] == '}' || head[9] == ' ')
}

// describeZip is DescribeFile for a ZIP archive of size bytes.
func describeZip(file string, r io.ReaderAt, size int64) string {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return "it is a damaged ZIP archive"
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
		return fmt.Sprintf("it is a TorchScript module of PyTorch; export the network with torch.onnx.export(model, torch.zeros(1, 3, 224, 224), %q)",
			strings.TrimSuffix(file, filepath.Ext(file))+".onnx")
	case pickle:
		return checkpoint(file)
	case keras:
		return "it is a Keras model; convert it: " + tf2onnx("--keras", file, onnxFor(file))
	case arrays:
		return "it is NumPy's .npz: weights without a network." + buildHint(file)
	case onnx:
		return "it is a ZIP archive with a model in it; unpack it"
	}
	return "it is a ZIP archive"
}
