package ort

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

func TestFindLibrary(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "libonnxruntime.so.1")
	other := filepath.Join(dir, "other.so")
	for _, path := range []string{file, other} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	empty, pipes := t.TempDir(), t.TempDir()
	pipe := filepath.Join(pipes, "libonnxruntime.so.1")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, explicit, variable, path string
		want                           string // empty: an error
	}{
		{name: "a file", explicit: other, want: other},
		{name: "a folder", explicit: dir, want: file},
		{name: "explicit before the variable", explicit: other, variable: file, want: other},
		{name: "the variable", variable: other, want: other},
		{name: "the variable before the loader's path", variable: other, path: dir, want: other},
		{name: "no such file", explicit: filepath.Join(empty, "x.so"), path: dir},
		{name: "an empty folder", variable: empty, path: dir},
		{name: "a pipe", variable: pipe, path: dir},
		{name: "a device", explicit: "/dev/zero", path: dir},
		{name: "a folder with a pipe", variable: pipes, path: dir},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(LibraryVariable, test.variable)
			t.Setenv("LD_LIBRARY_PATH", test.path)
			got, err := FindLibrary(test.explicit, Auto)
			if got != test.want || (err == nil) != (test.want != "") {
				t.Errorf("%q, %v; want %q", got, err, test.want)
			}
			if err != nil && (!errors.Is(err, models.ErrProvider) || !strings.Contains(err.Error(), LibraryVariable)) {
				t.Errorf("got %v, want ErrProvider and the variable to set", err)
			}
		})
	}
}

func TestFindLibrarySearches(t *testing.T) {
	t.Setenv(LibraryVariable, "")
	t.Setenv("BATCHSCORE_CACHE", "")
	tree := t.TempDir()
	write := func(name string) string {
		t.Helper()
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("go.mod")
	write("a/b/c.go")
	t.Chdir(filepath.Join(tree, "a", "b"))

	t.Setenv("LD_LIBRARY_PATH", filepath.Join(tree, "elsewhere"))
	want := write("elsewhere/libonnxruntime.so")
	if got, err := FindLibrary("", Auto); err != nil || got != want {
		t.Errorf("%q, %v; want %q from the loader's path", got, err, want)
	}
	if err := syscall.Mkfifo(filepath.Join(tree, "elsewhere/libonnxruntime.so.1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := FindLibrary("", Auto); err != nil || got != want {
		t.Errorf("%q, %v; want %q: a pipe is not a library", got, err, want)
	}
	want = write(".cache/onnxruntime/libonnxruntime.so.1")
	if got, err := FindLibrary("", Auto); err != nil || got != want {
		t.Errorf("%q, %v; want %q from the source tree", got, err, want)
	}
	want = write("cache/onnxruntime/libonnxruntime.so.1")
	t.Setenv("BATCHSCORE_CACHE", filepath.Join(tree, "cache"))
	if got, err := FindLibrary("", Auto); err != nil || got != want {
		t.Errorf("%q, %v; want %q from the cache that is named", got, err, want)
	}
}

// TestFindLibraryForGPU looks for libraries on machines with and without a GPU.
func TestFindLibraryForGPU(t *testing.T) {
	const (
		old, turing      = "Tesla V100-SXM2-16GB", "Tesla T4"
		cpu, cu12, cu13  = "onnxruntime", "onnxruntime-gpu/cuda12", "onnxruntime-gpu/cuda13"
		oldDriver, newer = "570.2", "580.1"
	)
	for _, test := range []struct {
		name, provider string
		gpu, driver    string // no GPU without a driver
		visible        string // CUDA_VISIBLE_DEVICES
		fetched        []string
		want           string
	}{
		{name: "no GPU", provider: Auto, fetched: []string{cpu, cu12}, want: cpu},
		{name: "no GPU but asked for", provider: CUDA, fetched: []string{cpu, cu12}, want: cu12},
		{name: "GPU hidden", provider: Auto, gpu: turing, driver: newer, visible: "-1", fetched: []string{cpu, cu12}, want: cpu},
		{name: "GPU not to be used", provider: CPU, gpu: turing, driver: newer, fetched: []string{cpu, cu12}, want: cpu},
		{name: "GPU without its libraries", provider: Auto, gpu: turing, driver: newer, fetched: []string{cpu}, want: cpu},
		{name: "new driver", provider: Auto, gpu: turing, driver: newer, fetched: []string{cu12, cu13}, want: cu13},
		{name: "old driver", provider: Auto, gpu: turing, driver: oldDriver, fetched: []string{cu12, cu13}, want: cu12},
		{name: "old GPU", provider: CUDA, gpu: old, driver: newer, fetched: []string{cu12, cu13}, want: cu12},
		{name: "only the other line", provider: Auto, gpu: turing, driver: newer, fetched: []string{cpu, cu12}, want: cu12},
	} {
		t.Run(test.name, func(t *testing.T) {
			cache, root := t.TempDir(), t.TempDir()
			write := func(path, text string) {
				t.Helper()
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if test.driver != "" {
				write(filepath.Join(root, "proc/driver/nvidia/version"),
					"NVRM version: NVIDIA UNIX x86_64 Kernel Module  "+test.driver+"  Mon Jan  1 00:00:00 UTC 2024\n")
				write(filepath.Join(root, "proc/driver/nvidia/gpus/0000:04:00.0/information"), "Model: \t\t "+test.gpu+"\n")
			}
			for _, folder := range test.fetched {
				write(filepath.Join(cache, folder, "libonnxruntime.so.1"), "")
			}
			t.Chdir(t.TempDir())
			t.Setenv(LibraryVariable, "")
			t.Setenv("LD_LIBRARY_PATH", "")
			t.Setenv("BATCHSCORE_CACHE", cache)
			t.Setenv("BATCHSCORE_GPU_ROOT", root)
			if test.visible != "" {
				t.Setenv("CUDA_VISIBLE_DEVICES", test.visible)
			}
			want := filepath.Join(cache, test.want, "libonnxruntime.so.1")
			if got, err := FindLibrary("", test.provider); err != nil || got != want {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
		})
	}
}

// On the CPU, an engine uses the library that the process runs already, such as the one
// for GPUs.
func TestOpenJoinsLibrary(t *testing.T) {
	library := needLibrary(t)
	m := tiny(t, graphtest.Options{})
	open(t, m, Options{Library: library, Provider: CPU})
	cache := t.TempDir()
	other := filepath.Join(cache, "onnxruntime", "libonnxruntime.so.1")
	if err := os.MkdirAll(filepath.Dir(other), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(LibraryVariable, "")
	t.Setenv("BATCHSCORE_CACHE", cache)
	open(t, m, Options{Provider: CPU})
	if e, err := Open(m, Options{Provider: CPU, Library: other}); err == nil {
		_ = e.Close()
		t.Error("a library that is named was not used")
	}
}

// TestFindLibraryNamesEachFolderOnce looks for a library where there is none.
func TestFindLibraryNamesEachFolderOnce(t *testing.T) {
	tree := t.TempDir()
	cache := filepath.Join(tree, ".cache")
	if err := os.MkdirAll(filepath.Join(cache, "onnxruntime"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "go.mod"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(cache, link); err != nil {
		t.Fatal(err)
	}
	t.Chdir(tree)
	t.Setenv("BATCHSCORE_CACHE", cache)
	runtime := filepath.Join(cache, "onnxruntime")
	t.Setenv("LD_LIBRARY_PATH", "/usr/lib:"+runtime+":"+filepath.Join(link, "onnxruntime")+":/usr/local/lib/")
	folders := searchFolders(Auto)
	names := map[string]string{}
	for _, folder := range folders {
		name, err := filepath.EvalSymlinks(folder)
		if err != nil {
			name = filepath.Clean(folder)
		}
		if names[name] != "" {
			t.Errorf("%s and %s are one folder", names[name], folder)
		}
		names[name] = folder
	}
	if names[runtime] == "" {
		t.Errorf("%s is not looked through: %q", runtime, folders)
	}
}

// sharedObject compiles C code into a shared library.
func sharedObject(t *testing.T, path, code string, flags ...string) string {
	t.Helper()
	source := filepath.Join(t.TempDir(), "code.c")
	if err := os.WriteFile(source, []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-shared", "-fPIC", "-o", path, source}, flags...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc %v: %v\n%s", args, err, out)
	}
	return path
}

// cutObject builds a library and cuts off its end, in a way that the loader does not
// notice: it maps the file, and the process would end with SIGBUS.
func cutObject(t *testing.T, path string) string {
	t.Helper()
	sharedObject(t, path, "char big[1000000] = {1}; int cut(void) { return big[0]; }")
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	return path
}

// oldRuntime builds a library that claims to be some release of ONNX Runtime.
const oldRuntime = `
#include <stdint.h>
#include <stddef.h>
static const void *api(uint32_t version) { return NULL; }
static const char *release(void) { return RELEASE; }
static const struct { const void *(*a)(uint32_t); const char *(*v)(void); } base = {api, release};
const void *OrtGetApiBase(void) { return &base; }
`

func TestOpenRefusesLibraries(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.so")
	if err := os.WriteFile(text, []byte("hello"), 0o644); err != nil {
		t.Fatal(err)
	}
	cut := cutObject(t, filepath.Join(dir, "cut.so"))
	if _, err := missingLibraries(cut); err == nil || !strings.Contains(err.Error(), "incomplete") {
		t.Errorf("of a provider's library that is cut short: %v", err)
	}
	m := tiny(t, graphtest.Options{})
	for _, test := range []struct{ name, path, want string }{
		{name: "cut short", path: cut, want: cut + " is incomplete: fetch it again"},
		{name: "missing", path: filepath.Join(dir, "none.so"), want: "no such file"},
		{name: "no library", path: text, want: text},
		{name: "another library", path: sharedObject(t, filepath.Join(dir, "other.so"), "int x;"), want: "OrtGetApiBase"},
		{name: "too old", path: sharedObject(t, filepath.Join(dir, "old.so"), oldRuntime, `-DRELEASE="1.16.3"`), want: "1.16.3; 1.24 or newer"},
		{name: "no version", path: sharedObject(t, filepath.Join(dir, "odd.so"), oldRuntime, `-DRELEASE="odd"`), want: "ONNX Runtime odd"},
		{name: "another interface", path: sharedObject(t, filepath.Join(dir, "new.so"), oldRuntime, `-DRELEASE="2.0.0"`), want: "2.0.0 does not offer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(m, Options{Provider: CPU, Library: test.path})
			if !errors.Is(err, models.ErrProvider) || !strings.Contains(err.Error(), test.want) ||
				!strings.Contains(err.Error(), LibraryVariable) {
				t.Errorf("got %v, want ErrProvider with %q and what to do", err, test.want)
			}
		})
	}
}

func TestOneLibraryAtATime(t *testing.T) {
	path := needLibrary(t)
	m := tiny(t, graphtest.Options{})
	open(t, m, Options{})
	other := sharedObject(t, filepath.Join(t.TempDir(), "libonnxruntime.so"), oldRuntime, `-DRELEASE="1.99.0"`)
	_, err := Open(m, Options{Provider: CPU, Library: other})
	if !errors.Is(err, models.ErrProvider) || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second library in addition to %s: got %v, want ErrProvider", path, err)
	}
	link := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	open(t, m, Options{Library: link})
}
