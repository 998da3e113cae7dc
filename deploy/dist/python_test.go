package main

import (
	"os"
	"os/exec"
	"testing"
)

// TestPython reads rows with the package for Python, without a library for tables: those
// are part of make dist-check and make readers-check.
func TestPython(t *testing.T) {
	// -S leaves out what is installed besides Python itself.
	cmd := exec.Command("python3", "-S", "testdata/read.py", t.TempDir())
	cmd.Env = append(os.Environ(), "PYTHONPATH=../python", "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
