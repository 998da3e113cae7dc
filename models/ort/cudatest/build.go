package cudatest

import (
	"crypto/sha256"
	"debug/elf"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// sources are the stand-in's libraries, in C. They are in a folder of their own because
// Go would compile them into this package.
//
//go:embed lib
var sources embed.FS

// core is the library that holds every function. The libraries with the names of
// NVIDIA's need it and hold nothing themselves, so that all of them share one state.
const core = "libcudatest.so"

// driverLibrary is the driver's library. Unloading it ends the driver's state.
const driverLibrary = "libcuda.so.1"

// onnxRuntime are the files of ONNX Runtime that run over the stand-in.
var onnxRuntime = []string{"libonnxruntime.so.1", "libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"}

// sonames returns the names of NVIDIA's libraries of a line.
func (l Line) sonames() []string {
	names := []string{driverLibrary, "libcudnn.so.9", "libcurand.so.10", "libnvidia-ml.so.1"}
	for _, name := range []string{"libcudart", "libcublas", "libcublasLt", "libnvrtc"} {
		names = append(names, fmt.Sprintf("%s.so.%d", name, l))
	}
	names = append(names, fmt.Sprintf("libcufft.so.%d", l-1))
	slices.Sort(names)
	return names
}

// libraryOf returns the library that a function belongs to.
func (l Line) libraryOf(function string) string {
	for _, p := range []struct{ prefix, library string }{
		{"cublasLt", fmt.Sprintf("libcublasLt.so.%d", l)},
		{"cublas", fmt.Sprintf("libcublas.so.%d", l)},
		{"cudnn", "libcudnn.so.9"},
		{"cufft", fmt.Sprintf("libcufft.so.%d", l-1)},
		{"curand", "libcurand.so.10"},
		{"nvml", "libnvidia-ml.so.1"},
		{"nvrtc", fmt.Sprintf("libnvrtc.so.%d", l)},
		{"cuda", fmt.Sprintf("libcudart.so.%d", l)},
		{"__cuda", fmt.Sprintf("libcudart.so.%d", l)},
		{"cu", driverLibrary},
	} {
		if strings.HasPrefix(function, p.prefix) {
			return p.library
		}
	}
	return ""
}

// build compiles the stand-in for the line's ONNX Runtime in the folder fetched, and
// returns the folder of the libraries. It compiles once for each version of the sources.
// Several processes may build at once.
func build(line Line, fetched, cache string) (string, error) {
	digest := sha256.New()
	fmt.Fprintln(digest, line)
	for _, flag := range sanitize() {
		fmt.Fprintln(digest, flag)
	}
	// The stamp names the packages, and so the headers, that were fetched.
	stamp, err := os.ReadFile(filepath.Join(fetched, "stamp"))
	if err != nil {
		return "", err
	}
	digest.Write(stamp)
	err = fs.WalkDir(sources, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := sources.ReadFile(path)
		fmt.Fprintln(digest, path, len(data))
		digest.Write(data)
		return err
	})
	if err != nil {
		return "", err
	}
	digest.Write([]byte(recipe))
	folder := filepath.Join(cache, fmt.Sprintf("cuda%d-%s", line, hex.EncodeToString(digest.Sum(nil))[:16]))
	if exists(folder) {
		now := time.Now()
		_ = os.Chtimes(folder, now, now) // so that removeOld keeps it
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	scratch, err := os.MkdirTemp(cache, "building-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	if err := os.CopyFS(scratch, sources); err != nil {
		return "", err
	}
	c := compiler{line: line, fetched: fetched, folder: filepath.Join(scratch, "lib"), out: filepath.Join(scratch, "out")}
	if err := c.all(); err != nil {
		return "", err
	}
	if err := os.Rename(c.out, folder); err != nil && !exists(folder) {
		return "", err
	}
	return folder, removeOld(cache, folder, time.Now().Add(-keptFor))
}

// keptFor is how long builds of other sources are kept: other source trees that share the
// cache may be testing with them.
const keptFor = 24 * time.Hour

// removeOld removes the builds in the cache, and what interrupted ones have left, that
// were made before a time, except one.
func removeOld(cache, except string, before time.Time) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(cache, e.Name())
		info, err := e.Info()
		if path == except || err != nil || !info.ModTime().Before(before) { // another process may have removed it
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// recipe is a part of the digest of what is built: raise it when this file changes what
// it builds.
const recipe = "2"

type compiler struct {
	line                 Line
	fetched, folder, out string
}

func (c compiler) all() error {
	if err := os.Mkdir(c.out, 0o755); err != nil {
		return err
	}
	objects, err := c.objects()
	if err != nil {
		return err
	}
	defined, err := definedBy(objects)
	if err != nil {
		return err
	}
	asked, err := c.askedFor()
	if err != nil {
		return err
	}
	stubs, err := c.stubs(asked, defined)
	if err != nil {
		return err
	}
	versions := filepath.Join(c.folder, "versions.map")
	if err := os.WriteFile(versions, []byte(c.versions(append(asked, defined...))), 0o600); err != nil {
		return err
	}
	args := []string{"-shared", "-o", filepath.Join(c.out, core), "-Wl,-soname," + core, "-Wl,--version-script=" + versions, stubs}
	if err := c.gcc(append(args, objects...)...); err != nil {
		return err
	}
	for _, soname := range c.line.sonames() {
		if err := c.named(soname); err != nil {
			return err
		}
	}
	return nil
}

// sanitize returns the compiler's flags for C code of tests under sanitizers, which "make
// asan" sets.
func sanitize() []string { return strings.Fields(os.Getenv("SANITIZE_C")) }

func (c compiler) gcc(args ...string) error {
	cmd := exec.Command("gcc", append(sanitize(), args...)...)
	cmd.Dir = c.folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("gcc %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// compile compiles one C file of the folder.
func (c compiler) compile(file string) (string, error) {
	object := filepath.Join(c.folder, strings.TrimSuffix(file, ".c")+".o")
	return object, c.gcc("-std=gnu11", "-O1", "-g", "-fPIC", "-Wall", "-Wextra", "-Werror", "-I.", "-isystem", filepath.Join(c.fetched, "include"),
		fmt.Sprintf("-DCUDATEST_LINE=%d", c.line), "-c", "-o", object, file)
}

func (c compiler) objects() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(c.folder, "*.c"))
	if err != nil {
		return nil, err
	}
	objects := make([]string, len(files))
	for i, file := range files {
		if objects[i], err = c.compile(filepath.Base(file)); err != nil {
			return nil, err
		}
	}
	return objects, nil
}

// definedBy returns the functions of NVIDIA's libraries that objects have a body for.
func definedBy(objects []string) ([]string, error) {
	var names []string
	for _, object := range objects {
		f, err := elf.Open(object)
		if err != nil {
			return nil, err
		}
		symbols, err := f.Symbols()
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", object, err)
		}
		for _, s := range symbols {
			if elf.ST_BIND(s.Info) == elf.STB_GLOBAL && s.Section != elf.SHN_UNDEF && CUDA12.libraryOf(s.Name) != "" && !strings.HasPrefix(s.Name, "cudatest") {
				names = append(names, s.Name)
			}
		}
	}
	return names, nil
}

// askedFor returns the functions of NVIDIA's libraries that ONNX Runtime needs.
func (c compiler) askedFor() ([]string, error) {
	f, err := elf.Open(filepath.Join(c.fetched, "libonnxruntime_providers_cuda.so"))
	if err != nil {
		return nil, err
	}
	symbols, err := f.ImportedSymbols()
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	var names []string
	for _, s := range symbols {
		if c.line.libraryOf(s.Name) != "" {
			names = append(names, s.Name)
		}
	}
	return names, nil
}

// stubs compiles a body for every function that has none: it says in the log that it
// was called.
func (c compiler) stubs(asked, defined []string) (string, error) {
	var b strings.Builder
	b.WriteString("#include \"cudatest.h\"\n")
	for _, name := range asked {
		if !slices.Contains(defined, name) {
			fmt.Fprintf(&b, "int %s(void) { return unexpected(__func__); }\n", name)
		}
	}
	if err := os.WriteFile(filepath.Join(c.folder, "stubs.c"), []byte(b.String()), 0o600); err != nil {
		return "", err
	}
	return c.compile("stubs.c")
}

// versions returns the linker's script: every function has the name of its library as
// its version, as in NVIDIA's libraries.
func (c compiler) versions(functions []string) string {
	var b strings.Builder
	slices.Sort(functions)
	functions = slices.Compact(functions)
	for _, soname := range c.line.sonames() {
		label := "global: "
		fmt.Fprintf(&b, "%s {\n", versionOf(soname))
		for _, name := range functions {
			if c.line.libraryOf(name) == soname {
				fmt.Fprintf(&b, "  %s%s;\n", label, name)
				label = ""
			}
		}
		b.WriteString("};\n")
	}
	b.WriteString("libcudatest {\n  local: *;\n};\n")
	return b.String()
}

// versionOf returns the name of a library in the linker's scripts, which have no hyphens.
func versionOf(soname string) string { return strings.ReplaceAll(soname, "-", "_") }

// named links a library with one of NVIDIA's names. It has that name as a version, which
// the dynamic linker looks for, and needs the core.
func (c compiler) named(soname string) error {
	script := filepath.Join(c.folder, soname+".map")
	symbol := "cudatest_" + strings.ReplaceAll(versionOf(soname), ".", "_")
	if err := os.WriteFile(script, fmt.Appendf(nil, "%s { global: %s; local: *; };\n", versionOf(soname), symbol), 0o600); err != nil {
		return err
	}
	source := symbol + ".c"
	text := fmt.Sprintf("const int %s = 1;\n", symbol)
	if soname == driverLibrary {
		text += "void cuUnloaded(void);\n__attribute__((destructor)) static void unloaded(void) { cuUnloaded(); }\n"
	}
	if err := os.WriteFile(filepath.Join(c.folder, source), []byte(text), 0o600); err != nil {
		return err
	}
	return c.gcc("-shared", "-fPIC", "-o", filepath.Join(c.out, soname), "-Wl,-soname,"+soname, "-Wl,--version-script="+script, source,
		"-Wl,--no-as-needed", "-L"+c.out, "-l:"+core, "-Wl,-rpath,$ORIGIN")
}
