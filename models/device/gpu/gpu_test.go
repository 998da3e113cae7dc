package gpu

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/device"
)

// folder compiles libraries into a new folder and loads those that CUDA would have
// loaded. The process keeps them: a test that wants none of them must come first.
func folder(t *testing.T, cuda bool, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	names := []string{managementName}
	if cuda {
		names = append(names, "libcudart.so.12", "libcuda.so.1", "libcudnn.so.9")
	}
	for _, name := range names {
		args := append([]string{"-shared", "-fPIC", "-w", "-o", filepath.Join(dir, name), "-Wl,-soname," + name, "testdata/fake.c"}, flags...)
		args = append(args, strings.Fields(os.Getenv("SANITIZE_C"))...)
		if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
	}
	for _, name := range names[1:] {
		if _, err := load(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// alone runs a test in a process of its own, in which no library is loaded yet.
func alone(t *testing.T) bool {
	t.Helper()
	const variable = "GPU_TEST_ALONE"
	if os.Getenv(variable) != "" {
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

var p100 = device.GPUFacts{Name: "Tesla P100-PCIE-16GB", UUID: "GPU-5a1c", Capability: "6.0", MemoryMB: 16280,
	Driver: "550.54.15", CUDADriver: "12.4", CUDA: "12.9", CUDNN: "9.10.2"}

// TestOpen: the GPU is found by its PCI address, not by its number.
func TestOpen(t *testing.T) {
	if !alone(t) {
		return
	}
	g, err := Open([]string{folder(t, true)}, 0)
	if err != nil || g.Facts() != p100 {
		t.Errorf("%+v, %v; want %+v", g.Facts(), err, p100)
	}
	want := device.Reading{Busy: 0.93, MemoryMB: 1000, ClockMHz: 1328, Watts: 182, Celsius: 71, Joules: 5000.5,
		Throttle: device.ThrottlePower | device.ThrottleHeat}
	if got := g.Read(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestOlderDriver: what a driver does not have is left out, and the process lives.
func TestOlderDriver(t *testing.T) {
	if !alone(t) {
		return
	}
	g, err := Open([]string{folder(t, true, "-DOLD")}, 0)
	if err != nil || g.Facts() != p100 { // the CUDA runtime knows the rest
		t.Errorf("%+v, %v; want %+v", g.Facts(), err, p100)
	}
	r := g.Read()
	if r.Busy != 0.93 || r.Watts != 182 || !math.IsNaN(r.Joules) || r.Throttle != 0 {
		t.Errorf("%+v", r)
	}
}

func TestInstance(t *testing.T) {
	if !alone(t) {
		return
	}
	t.Setenv("FAKE_MIG", "1")
	g, err := Open([]string{folder(t, true)}, 0)
	want := p100
	want.Name, want.UUID, want.MemoryMB, want.MIG =
		"NVIDIA A100-SXM4-40GB MIG 1g.5gb", "MIG-00010203-0405-0607-0809-0a0b0c0d0e0f", 4864, true
	if err != nil || g.Facts() != want {
		t.Errorf("%+v, %v; want %+v", g.Facts(), err, want)
	}
	reading := device.NoReading()
	reading.MemoryMB = 1000
	if got := g.Read(); !same(got, reading) {
		t.Errorf("%+v; want the memory of the instance, and nothing of the whole GPU", got)
	}
}

// TestFailures: whatever NVML answers, there is a GPU with what is known of it.
func TestFailures(t *testing.T) {
	if !alone(t) {
		return
	}
	t.Setenv("FAKE_FAIL", "1")
	g, err := Open([]string{folder(t, true)}, 0)
	want := device.GPUFacts{Name: "Tesla P100-PCIE-16GB", Capability: "6.0", MemoryMB: 16276, CUDADriver: "12.4", CUDA: "12.9", CUDNN: "9.10.2"}
	if err == nil || g.Facts() != want || !same(g.Read(), device.NoReading()) {
		t.Errorf("%+v, %v, %+v; want %+v and an error", g.Facts(), err, g.Read(), want)
	}
	t.Setenv("FAKE_FAIL", "0")
	t.Setenv("FAKE_NO_DRIVER", "1")
	if _, err := Open([]string{folder(t, false)}, 0); err == nil || !strings.Contains(err.Error(), "nvmlInit returns 9") {
		t.Errorf("%v", err)
	}
	g, err = Open([]string{folder(t, false, "-DOLD")}, 7)
	if err == nil || g.Facts().Name != "" || !strings.Contains(err.Error(), "GPU 7") || strings.Contains(err.Error(), `""`) {
		t.Errorf("a GPU that CUDA does not know: %+v, %v", g.Facts(), err)
	}
}

// TestNothing: without any of the libraries nothing is known, and nothing fails.
func TestNothing(t *testing.T) {
	if !alone(t) {
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, managementName), []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	g, err := Open([]string{dir}, 0)
	if err == nil || !strings.Contains(err.Error(), "has not loaded the CUDA runtime") || !strings.Contains(err.Error(), managementName) {
		t.Errorf("%v", err)
	}
	if g.Facts() != (device.GPUFacts{}) || !same(g.Read(), device.NoReading()) {
		t.Errorf("%+v, %+v", g.Facts(), g.Read())
	}
}

func TestVersions(t *testing.T) {
	for n, want := range map[int]string{0: "", 12090: "12.9", 13010: "13.1", 11080: "11.8"} {
		if got := cudaVersion(n); got != want {
			t.Errorf("CUDA %d is %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "", 91002: "9.10.2", 90100: "9.1.0", 8905: "8.9.5"} {
		if got := cudnnVersion(n); got != want {
			t.Errorf("cuDNN %d is %q, want %q", n, got, want)
		}
	}
}

// same compares readings, in which NaN is equal to NaN.
func same(a, b device.Reading) bool {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		x, y := va.Field(i), vb.Field(i)
		if x.CanFloat() && math.IsNaN(x.Float()) && math.IsNaN(y.Float()) {
			continue
		}
		if !x.Equal(y) {
			return false
		}
	}
	return true
}

// TestIncompleteLibrary: a copy of NVML that ends early is an error, and not the end of
// the process.
func TestIncompleteLibrary(t *testing.T) {
	path := filepath.Join(folder(t, false), managementName)
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	_, err := Open([]string{filepath.Dir(path)}, 0)
	if err == nil || !strings.Contains(err.Error(), path+" is incomplete: fetch it again") {
		t.Errorf("got %v, want an error that names %s", err, path)
	}
}

// TestNameIsClean: whatever the driver calls the GPU can be printed.
func TestNameIsClean(t *testing.T) {
	if !alone(t) {
		return
	}
	t.Setenv("FAKE_NAME", "P100\x1b]0;x\x07\xff\n"+strings.Repeat("x", 100))
	g, err := Open([]string{folder(t, true)}, 0)
	want := "P100�]0;x���" + strings.Repeat("x", 68)
	if err != nil || g.Facts().Name != want {
		t.Errorf("%q, %v; want %q", g.Facts().Name, err, want)
	}
}
