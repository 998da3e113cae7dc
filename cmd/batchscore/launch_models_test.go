package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/deploy"
)

// TestModelsOfALaunchedJob: files among the models of a job are found from any folder, where ranks see
// the files of this machine; names of registered models stay.
func TestModelsOfALaunchedJob(t *testing.T) {
	folder := t.TempDir()
	t.Chdir(folder)
	for _, name := range []string{"a.onnx", "b.onnx", "c,d.onnx"} {
		writeFile(t, filepath.Join(folder, name), nil)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ engine, model, want string }{
		{engine: "slurm", model: "a.onnx", want: filepath.Join(wd, "a.onnx")},
		{engine: "slurm", model: "a.onnx,registered,b.onnx", want: filepath.Join(wd, "a.onnx") + ",registered," + filepath.Join(wd, "b.onnx")},
		{engine: "slurm", model: "c,d.onnx", want: filepath.Join(wd, "c,d.onnx")},
		{engine: "kubernetes", model: "a.onnx,b.onnx", want: "a.onnx,b.onnx"},
	} {
		job, err := settle(c.engine, deploy.Job{Images: "in", Out: "out", Model: c.model})
		if err != nil || job.Model != c.want {
			t.Errorf("%s on %s becomes %s, %v; want %s", c.model, c.engine, job.Model, err, c.want)
		}
	}
}
