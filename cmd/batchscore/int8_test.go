package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestFault39_TheRecordNamesTheArithmetic runs a float32 model and an 8-bit model that
// was made from it.
func TestFault39_TheRecordNamesTheArithmetic(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	in, model := pictures(t, 8), tiny(t, graphtest.Options{})
	int8 := filepath.Join(t.TempDir(), "int8.onnx")
	must(t, 0, "models", "convert", "--precision", "int8", "--calibrate", in, "--check", in, "--accept-below", "0", model, "-o", int8)
	device := "cpu"
	if ort.Int8Saturates() {
		device = "cpu/int8-precise"
	}
	for _, test := range []struct{ name, model, want, device string }{
		{name: "float32", model: model, want: "", device: "cpu"},
		{name: "int8", model: int8, want: output.ExactInt8, device: device},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			must(t, 0, "run", "--images", in, "--out", out, "--model", test.model)
			st, err := dir.New(out, dir.Options{})
			if err != nil {
				t.Fatal(err)
			}
			job, err := output.ReadJob(t.Context(), st)
			if err != nil || job.Int8 != test.want || job.Device != test.device {
				t.Errorf("the record has int8 %q on %q, want %q on %q (%v)", job.Int8, job.Device, test.want, test.device, err)
			}
			must(t, 0, "verify", out)
		})
	}
}

// TestFault39_OlderJobsGoOnAsTheyBegan checks how a run continues outputs of older and
// of current releases.
func TestFault39_OlderJobsGoOnAsTheyBegan(t *testing.T) {
	for _, test := range []struct {
		name   string
		int8   bool
		record *output.Job
		want   bool
	}{
		{name: "nothing", int8: true, record: nil, want: false},
		{name: "an older release's", int8: true, record: &output.Job{Format: row.JSONL}, want: true},
		{name: "ours", int8: true, record: &output.Job{Format: row.JSONL, Int8: output.ExactInt8}, want: false},
		{name: "of a float32 model", int8: false, record: &output.Job{Format: row.JSONL}, want: false},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := new(mem.Store)
			if test.record != nil {
				if _, _, err := output.Join(t.Context(), out, *test.record); err != nil {
					t.Fatal(err)
				}
			}
			var log bytes.Buffer
			got, err := beganSaturating(t.Context(), out, &models.Model{Int8: test.int8}, zerolog.New(&log))
			if err != nil || got != test.want {
				t.Errorf("%v, %v, want %v", got, err, test.want)
			}
			if warned := strings.Contains(log.String(), "an older release began this job"); warned != (test.want && ort.Int8Saturates()) {
				t.Errorf("said %q", log.String())
			}
		})
	}
}
