// Package standin is a stand-in for nvImageCodec and its GPU back end, for tests: libraries
// that do what the program asks of them and decode nothing. It proves control flow, and
// neither pixels nor speed.
//
// Every picture becomes the same gradient. The width of a picture decides its fate: see
// the constants.
package standin

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Widths of pictures, in pixels, that are not decoded at once.
const (
	FailsOnce   = 113 // fails once in the process
	FailsAlways = 114
	Unsupported = 115
	// Lost makes waiting for its batch fail. A thread of the library writes to its pixels
	// later, in some milliseconds.
	Lost = 116
)

// Source is the stand-in in C.
//
//go:embed lib/standin.c
var source string

// Build builds the libraries in a folder, as deploy/deps/fetch.sh arranges them, and a
// driver. It returns variables of the environment that select them, and the file in which
// they write a line for each decoder that is made.
func Build(tb testing.TB) (env []string, log string) {
	tb.Helper()
	_, here, _, _ := runtime.Caller(0)
	folder := tb.TempDir()
	file := filepath.Join(folder, "standin.c")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "extensions"), 0o700); err != nil {
		tb.Fatal(err)
	}
	for name, part := range map[string]string{
		"libnvimgcodec.so.0": "LIBRARY", "extensions/libnvjpeg_ext.so.0.9.0": "EXTENSION",
		"libnvjpeg.so.12": "NVJPEG", "libcuda.so.1": "DRIVER",
	} {
		args := append(strings.Fields(os.Getenv("SANITIZE_C")), "-std=c11", "-Wall", "-Werror", "-shared", "-fPIC", "-D"+part,
			"-I", filepath.Dir(filepath.Dir(here)), "-Wl,-soname,"+filepath.Base(name), "-o", filepath.Join(folder, name), file)
		out, err := exec.Command("gcc", args...).CombinedOutput()
		if err != nil {
			tb.Fatalf("%v\n%s", err, out)
		}
	}
	log = filepath.Join(folder, "log")
	return []string{"NVIMGCODEC_LIB=" + filepath.Join(folder, "libnvimgcodec.so.0"), "NVIMGCODEC_STANDIN_LOG=" + log}, log
}

// Root returns the variable that shows n GPUs in the file system.
func Root(tb testing.TB, n int) string {
	tb.Helper()
	root := tb.TempDir()
	for _, folder := range []string{"dev", "proc/driver/nvidia/gpus"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o700); err != nil {
			tb.Fatal(err)
		}
	}
	for i := range n {
		digit := string(rune('0' + i))
		bus := filepath.Join(root, "proc/driver/nvidia/gpus", "0000:0"+digit+":00.0")
		text := "Model: \t\t Stand-in\nGPU UUID: \t GPU-00000000-0000-4000-8000-00000000000" + digit + "\nDevice Minor: \t " + digit + "\n"
		if err := os.Mkdir(bus, 0o700); err != nil {
			tb.Fatal(err)
		}
		for file, text := range map[string]string{filepath.Join(bus, "information"): text, filepath.Join(root, "dev/nvidia"+digit): ""} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return "BATCHSCORE_GPU_ROOT=" + root
}

// Lines returns the lines of the log.
func Lines(tb testing.TB, log string) []string {
	tb.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}
