package ort

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPreload loads libraries from the folder of a library that is a link to another
// folder, where the provider lies. The versions exist nowhere else, because what is loaded
// stays in this process.
func TestPreload(t *testing.T) {
	folder, real := t.TempDir(), t.TempDir()
	library := filepath.Join(folder, "libonnxruntime.so.1")
	if err := os.WriteFile(filepath.Join(real, "libonnxruntime.so.1.99.0"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(real, "libonnxruntime.so.1.99.0"), library); err != nil {
		t.Fatal(err)
	}
	build := func(folder, name, code string, flags ...string) string {
		t.Helper()
		return sharedObject(t, filepath.Join(folder, name), code, append([]string{"-Wl,--no-as-needed,-soname," + name}, flags...)...)
	}
	cudart := build(folder, "libcudart.so.99", "int preload_cudart(void) { return 1; }")
	light := build(folder, "libcublasLt.so.99", "int preload_cudart(void); int preload_light(void) { return preload_cudart(); }", cudart)
	cublas := build(folder, "libcublas.so.99", "int preload_light(void); int preload_cublas(void) { return preload_light(); }", light)
	late := build(folder, "libcudnn_late.so.99", "int preload_late(void) { return 1; }")
	provider := build(real, "libonnxruntime_providers_cuda.so", "int preload_cublas(void); int preload_provider(void) { return preload_cublas(); }", cublas)

	if err := loadable(provider); err == nil || !strings.Contains(err.Error(), "libcublas.so.99") {
		t.Fatalf("before preload: %v, want an error that names libcublas.so.99", err)
	}
	if missing, err := missingLibraries(provider, homes(library)...); err != nil || len(missing) > 0 {
		t.Errorf("missing: %q, %v", missing, err)
	}
	if err := preload(library); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{provider, filepath.Base(cublas), filepath.Base(late)} {
		if err := loadable(path); err != nil {
			t.Errorf("after preload: %v", err)
		}
	}

	pipe := filepath.Join(real, "libcufft.so.99")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := preload(library); err == nil || !strings.Contains(err.Error(), pipe+" is not a regular file") {
		t.Errorf("got %v, want an error that names %s", err, pipe)
	}
	cut := cutObject(t, filepath.Join(folder, "libcurand.so.98"))
	if err := preload(library); err == nil || !strings.Contains(err.Error(), cut+" is incomplete: fetch it again") {
		t.Errorf("got %v, want an error that names %s", err, cut)
	}
	broken := filepath.Join(real, "libcurand.so.99")
	if err := os.WriteFile(broken, []byte("half a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := preload(library); err == nil || strings.Count(err.Error(), broken) == 0 {
		t.Errorf("got %v, want an error that names %s", err, broken)
	}
}
