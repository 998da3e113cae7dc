// Package orttest opens model files for tests.
package orttest

import (
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/fetched"
	"github.com/batchscore/batchscore/models/ort"
)

// Options returns the options of a session on the CPU. Without ONNX Runtime it skips the
// test, or fails it in CI.
func Options(t testing.TB) ort.Options {
	t.Helper()
	library, err := ort.FindLibrary("", ort.Auto)
	fetched.Need(t, err)
	return ort.Options{Library: library, Provider: ort.CPU}
}

// Open opens a model file and a session on the CPU, which is closed when the test ends.
func Open(t testing.TB, file string) (*models.Model, *ort.Engine) {
	t.Helper()
	o := Options(t)
	m, err := models.Open(file, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := ort.Open(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, e
}
