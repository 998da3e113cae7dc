package ort

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// quietVariable makes this test binary produce the errors for TestQuiet.
const quietVariable = "ORT_TEST_QUIET_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(quietVariable); folder != "" {
		os.Exit(troubles(folder))
	}
	os.Exit(m.Run())
}

// troubles makes ONNX Runtime fail in several ways, and returns how many of them did not
// return errors.
func troubles(folder string) (silent int) {
	model := func(name string, o graphtest.Options) *models.Model {
		path := folder + "/" + name
		if err := os.WriteFile(path, graphtest.Tiny(o), 0o644); err != nil {
			panic(err)
		}
		return &models.Model{Path: path, Contract: graphtest.Contract(o)}
	}
	nan := model("nan.onnx", graphtest.Options{NaN: true})
	broken := model("broken.onnx", graphtest.Options{})
	if err := os.Truncate(broken.Path, 1000); err != nil {
		panic(err)
	}
	good := model("good.onnx", graphtest.Options{})
	for _, try := range []struct {
		model *models.Model
		opt   Options
	}{{model: nan, opt: Options{Provider: CPU}}, {model: broken, opt: Options{Provider: CPU}}, {model: good, opt: Options{Provider: CUDA}}} {
		if e, err := Open(try.model, try.opt); err == nil {
			silent++
			_ = e.Close()
		}
	}
	e, err := Open(good, Options{Provider: CPU})
	if err != nil {
		panic(err)
	}
	defer e.Close()
	b, err := e.NewBatch(2)
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if e.Score(&endsInRun{Context: ctx, cancel: cancel}, b, 0, 2) == nil {
		silent++
	}
	return silent
}

// ONNX Runtime writes neither to stdout, which is for the results, nor to stderr what the
// errors already say.
func TestQuiet(t *testing.T) {
	needLibrary(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), quietVariable+"="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v, output %q", err, out)
	}
}
