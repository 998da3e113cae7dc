package gpucheck

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestArchive packs an archive of small files, and runs it where it was unpacked.
func TestArchive(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	binary := write("bin/batchscore", "#!/bin/sh\necho \"$ONNXRUNTIME_LIB $LIBTURBOJPEG $@\"\nls \"${ONNXRUNTIME_LIB%/*}\"\n", 0o755)
	for _, name := range []string{"libonnxruntime.so.1", "libonnxruntime_providers_cuda.so", "libcudart.so.12", "libcudnn.so.9"} {
		write("gpu/"+name, name, 0o644)
	}
	turbo, model := write("libturbojpeg.so.0", "", 0o644), write("m.onnx", "", 0o644)
	write("photos/a.jpg", "", 0o644)
	write("nvidia/cuda_runtime/lib/libcudart.so.12", "theirs", 0o644)
	write("nvidia/cudnn/lib/libcudnn_ops.so.9", "theirs", 0o644)
	sh := func(env []string, argv ...string) string {
		t.Helper()
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
		return string(out)
	}
	script, err := filepath.Abs("travel/archive.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, slim := range []bool{false, true} {
		args := []string{script, "out/check.tar.gz", binary, filepath.Join(dir, "gpu"), model, filepath.Join(dir, "photos")}
		if slim {
			args = append(args, "slim")
		}
		if said := sh([]string{"LIBTURBOJPEG=" + turbo}, args...); !strings.Contains(said, "out/check.tar.gz: ") {
			t.Errorf("archive.sh said %s", said)
		}
		sh(nil, "tar", "-xzf", "out/check.tar.gz")
		root := filepath.Join(dir, "batchscore-gpu-check")
		libraries := strings.Join([]string{filepath.Join(dir, "nvidia/cuda_runtime/lib"), filepath.Join(dir, "nvidia/cudnn/lib")}, ":")
		got := sh([]string{"LIBTURBOJPEG=", "CUDA_LIBRARIES=" + libraries}, "batchscore-gpu-check/run.sh", "--time", "3m")
		want := filepath.Join(root, "lib/libonnxruntime.so.1") + " " + filepath.Join(root, "libturbojpeg.so.0") +
			" gpu-check --model " + filepath.Join(root, "model.onnx") + " --images " + filepath.Join(root, "images") + " --time 3m\n" +
			map[bool]string{false: "libcudart.so.12\nlibcudnn.so.9\n", true: "libcudart.so.12\nlibcudnn_ops.so.9\n"}[slim] +
			"libonnxruntime.so.1\nlibonnxruntime_providers_cuda.so\n"
		if got != want {
			t.Errorf("slim %v: it ran with\n%s\nwant\n%s", slim, got, want)
		}
		body, err := os.ReadFile(filepath.Join(root, "lib/libcudart.so.12"))
		if err != nil || (string(body) == "theirs") != slim {
			t.Errorf("slim %v: libcudart is %q, %v", slim, body, err)
		}
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
	}
}
