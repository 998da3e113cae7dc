package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/batchscore/batchscore/models/ort"
)

// skipWithout skips a test because what is missing, and says how to install it. In
// CI, where nothing may be missing, it fails the test.
func skipWithout(t testing.TB, what, install string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: %s", what, install)
	}
	t.Skipf("%s is missing: %s", what, install)
}

// needRuntime skips a test if there is no ONNX Runtime.
func needRuntime(t testing.TB) {
	t.Helper()
	if _, err := ort.FindLibrary("", ort.Auto); err != nil {
		skipWithout(t, "ONNX Runtime", "make deps")
	}
}

// needMpirun skips a test if there is no mpirun.
func needMpirun(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("mpirun"); err != nil {
		skipWithout(t, "mpirun", "make deps")
	}
}
