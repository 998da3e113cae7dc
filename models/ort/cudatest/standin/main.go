// Standin writes a folder with ONNX Runtime's GPU library over the stand-in for CUDA's
// libraries, and prints the variables that make batchscore use it:
//
//	eval "$(go run ./models/ort/cudatest/standin -o FOLDER [-cuda 13] [-devices 2])"
//	batchscore doctor
//
// It shows what a GPU is asked to do. It computes nothing: no score and no speed is that
// of a GPU.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/batchscore/batchscore/models/ort/cudatest"
)

func main() {
	folder := flag.String("o", "", "`folder` to write, which does not exist yet")
	line := flag.Int("cuda", 12, "version of CUDA: 12 or 13")
	count := flag.Int("devices", 1, "number of GPUs")
	name := flag.String("name", "", "name of the GPUs")
	capability := flag.String("capability", "", "compute capability of the GPUs, such as 8.0")
	memory := flag.Int("memory", 0, "memory of each GPU in MiB")
	without := flag.String("without", "", "libraries to leave out, separated by commas")
	flag.Parse()
	if err := write(*folder, cudatest.Config{
		Line:    cudatest.Line(*line),
		Devices: devices(*count, cudatest.Device{Name: *name, Capability: *capability, MemoryMB: *memory}),
		Without: strings.Split(*without, ","),
		Vars:    flag.Args(),
	}); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func devices(n int, d cudatest.Device) []cudatest.Device {
	all := make([]cudatest.Device, n)
	for i := range all {
		all[i] = d
	}
	return all
}

func write(folder string, c cudatest.Config) error {
	if folder == "" {
		return fmt.Errorf("-o FOLDER is missing")
	}
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	m, err := cudatest.Make(folder, c)
	if err != nil {
		return err
	}
	for _, v := range m.Vars() {
		name, value, _ := strings.Cut(v, "=")
		fmt.Printf("export %s='%s'\n", name, value)
	}
	return nil
}
