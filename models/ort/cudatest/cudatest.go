package cudatest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/fetched"
)

// A Line is a major version of CUDA, with the release of ONNX Runtime that is built for
// it: 1.26.0 for CUDA 12, 1.31.1 for CUDA 13.
type Line int

// The lines of CUDA that ONNX Runtime is run over.
const (
	CUDA12 Line = 12
	CUDA13 Line = 13
)

// A Device is a simulated GPU. Zero fields have the values of an A100.
type Device struct {
	Name       string // as the driver spells it; it must not contain a colon
	UUID       string // GPU-...
	Capability string // compute capability, such as "8.0"
	MemoryMB   int
	Bus        string // PCI address, such as "00000000:3b:00.0"
	// MIG divides the GPU. Of these parts CUDA enumerates one.
	MIG []MIG
}

// MIG is a part of a divided GPU.
type MIG struct {
	UUID     string // MIG-...
	MemoryMB int
}

// Config describes a simulated machine. The zero Config is a machine with one A100 and
// the libraries for CUDA 12.
type Config struct {
	Line    Line
	Devices []Device
	// DriverCUDA is the newest CUDA that the driver serves, as 12080, and Driver its
	// version, as "570.124.06"; by default those of the line.
	DriverCUDA int
	Driver     string
	// Without names libraries that are missing, such as "libcudnn.so.9".
	Without []string
	// Vars are further variables of the stand-in, such as CUDATEST_PLAN_US=2000 or
	// CUDATEST_FAIL=cudaMalloc=2@40. They are listed in the package's comment.
	Vars []string
}

// A Machine is the folders of a simulated machine.
type Machine struct {
	// Folder holds ONNX Runtime's GPU library and the stand-in under the names of
	// NVIDIA's libraries.
	Folder string
	// Root holds the proc and dev of the machine's GPUs.
	Root string

	config Config
	log    string
}

// New makes a machine in a folder of the test. It skips the test where ONNX Runtime's GPU
// library has not been fetched, or fails it in CI.
func New(t testing.TB, c Config) *Machine {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("ONNX Runtime's GPU library is for Linux on x86-64")
	}
	_, err := fetchedFolder(c.line())
	fetched.NeedFrom(t, "make test-deps", err)
	m, err := Make(t.TempDir(), c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Make makes a machine in a folder that exists.
func Make(folder string, c Config) (*Machine, error) {
	from, err := fetchedFolder(c.line())
	if err != nil {
		return nil, err
	}
	built, err := build(c.line(), from, filepath.Join(filepath.Dir(from), "built"))
	if err != nil {
		return nil, fmt.Errorf("the stand-in for CUDA: %w", err)
	}
	c.Devices = complete(c.Devices)
	newest, driver := 12080, "570.124.06"
	if c.line() == CUDA13 {
		newest, driver = 13000, "580.65.06"
	}
	c.DriverCUDA, c.Driver = cmp.Or(c.DriverCUDA, newest), cmp.Or(c.Driver, driver)
	m := &Machine{Folder: filepath.Join(folder, "lib"), Root: filepath.Join(folder, "root"), config: c, log: filepath.Join(folder, "log")}
	if err := os.MkdirAll(m.Folder, 0o755); err != nil {
		return nil, err
	}
	for _, name := range onnxRuntime {
		if err := os.Symlink(filepath.Join(from, name), filepath.Join(m.Folder, name)); err != nil {
			return nil, err
		}
	}
	for _, name := range append(c.line().sonames(), core) {
		if slices.Contains(c.Without, name) {
			continue
		}
		if err := os.Symlink(filepath.Join(built, name), filepath.Join(m.Folder, name)); err != nil {
			return nil, err
		}
	}
	return m, writeRoot(m.Root, c.Devices, m.config.Driver)
}

func (c Config) line() Line {
	if c.Line == 0 {
		return CUDA12
	}
	return c.Line
}

// fetchedFolder returns the folder in which deploy/deps/fetch.sh cudatest puts a line's
// ONNX Runtime.
func fetchedFolder(line Line) (string, error) {
	cache := os.Getenv("BATCHSCORE_CACHE")
	if cache == "" {
		tree, err := os.Getwd()
		for ; err == nil && !exists(filepath.Join(tree, "go.mod")); tree = filepath.Dir(tree) {
			if tree == filepath.Dir(tree) {
				return "", errors.New("not in the source tree, and BATCHSCORE_CACHE is not set")
			}
		}
		if err != nil {
			return "", err
		}
		cache = filepath.Join(tree, ".cache")
	}
	cache, err := filepath.Abs(cache)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "cudatest", fmt.Sprintf("cuda%d", line))
	if _, err := os.Stat(filepath.Join(folder, "stamp")); err != nil {
		return "", fmt.Errorf("ONNX Runtime's GPU library is missing: %w", err)
	}
	return folder, nil
}

// complete returns the devices with all fields filled in; a machine has one if none is
// given.
func complete(devices []Device) []Device {
	if devices == nil {
		devices = make([]Device, 1)
	}
	devices = slices.Clone(devices)
	for i := range devices {
		d := &devices[i]
		set := func(to *string, value string) {
			if *to == "" {
				*to = value
			}
		}
		set(&d.Name, "NVIDIA A100-SXM4-40GB")
		set(&d.UUID, fmt.Sprintf("GPU-00000000-0000-4000-8000-%012x", i))
		set(&d.Capability, "8.0")
		set(&d.Bus, fmt.Sprintf("00000000:%02x:00.0", 0x10+i))
		if d.MemoryMB == 0 {
			d.MemoryMB = 40960
		}
	}
	return devices
}

// Library is the path of the machine's ONNX Runtime.
func (m *Machine) Library() string { return filepath.Join(m.Folder, onnxRuntime[0]) }

// Vars returns the variables that select the machine.
func (m *Machine) Vars() []string {
	var devices, parts []string
	for i, d := range m.config.Devices {
		devices = append(devices, fmt.Sprintf("%s:%s:%s:%d:%s", d.Name, d.UUID, d.Capability, d.MemoryMB, d.Bus))
		for _, p := range d.MIG {
			parts = append(parts, fmt.Sprintf("%d:%s:%d", i, p.UUID, p.MemoryMB))
		}
	}
	return append([]string{
		"ONNXRUNTIME_LIB=" + m.Library(),
		"BATCHSCORE_GPU_ROOT=" + m.Root,
		"CUDATEST_LOG=" + m.log,
		"CUDATEST_DEVICES=" + strings.Join(devices, ";"),
		"CUDATEST_MIG=" + strings.Join(parts, ";"),
		"CUDATEST_DRIVER=" + strconv.Itoa(m.config.DriverCUDA),
		"CUDATEST_DRIVER_NAME=" + m.config.Driver,
	}, m.config.Vars...)
}

// Env returns the environment of this process with the variables that select the
// machine, for a child process.
func (m *Machine) Env() []string {
	env := slices.DeleteFunc(os.Environ(), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return strings.HasPrefix(name, "CUDA") || name == "LD_LIBRARY_PATH"
	})
	if len(sanitize()) > 0 {
		// The search for leaks reads what the stand-in protects as a device's memory.
		env = append(env, "ASAN_OPTIONS=detect_leaks=0")
	}
	return append(env, m.Vars()...)
}
