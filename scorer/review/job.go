package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// jobOf returns what an output says of the job that made it.
func jobOf(ctx context.Context, st store.Store, record *output.Job) (Job, error) {
	j := Job{
		ID: record.ID, Images: record.ImagesPlace(), Model: record.Model, Task: record.Schema().Task.Name(), Precision: record.Precision,
		Simulated: record.Simulated(), Activation: record.Activation, TopK: record.TopK, Format: record.Format, Started: record.Created,
	}
	if record.After != nil {
		j.After = record.After.Previous
	}
	if record.Device != "" {
		j.Devices = []string{record.Device}
	}
	s, err := output.ReadSuccess(ctx, st)
	switch {
	case errors.Is(err, store.ErrNotExist):
	case err != nil:
		return Job{}, err
	default:
		if err := s.CountWorkers(ctx, st); err != nil {
			return Job{}, err
		}
		j.Success = &s
		j.Started, j.Ended, j.MakespanSeconds, j.WorkedSeconds = s.Started, s.Ended, s.MakespanSeconds, s.WorkedSeconds
		j.ImagesPerSecond, j.Workers = s.ImagesPerSecond, s.Workers
		if len(s.Devices) > 0 {
			j.Devices = s.Devices
		}
	}
	j.Facts = facts(record, j.Success)
	return j, nil
}

// facts returns what the record of a job and its _SUCCESS say, for people. s may be nil.
func facts(record *output.Job, s *output.Success) []Fact {
	var all []Fact
	put := func(name, value string) {
		if value != "" {
			all = append(all, Fact{Name: name, Value: value})
		}
	}
	exact := func(name, value string) {
		if value != "" {
			all = append(all, Fact{Name: name, Value: value, Exact: true})
		}
	}
	put("Images", record.ImagesPlace())
	put("Model", record.Model)
	exact("Model digest", record.ModelDigest)
	put("Labels file", record.LabelsFile)
	exact("Labels digest", record.LabelsDigest)
	put("Output of the model", cmp.Or(record.OutputName, strings.Join(record.Outputs, ", "), "its only one"))
	put("Scores", record.Activation)
	put("Precision", record.Precision)
	put("Preprocessing", preprocessing(record.Preprocess))
	exact("Preprocessing digest", record.PreprocessDigest)
	put("JPEG decoder", record.JPEGDecoder)
	pixels, bytes := record.Bounds()
	put("Largest image", fmt.Sprintf("%d pixels, %d bytes", pixels, bytes))
	put("Batch", strconv.Itoa(record.Batch))
	put("ONNX Runtime", record.ONNXRuntime)
	exact("Job", record.ID)
	put("Created", record.Created.UTC().Format(time.RFC3339))
	if record.After != nil {
		put("Continues", record.After.Previous)
	}
	if s == nil {
		return all
	}
	put("Complete", s.Ended.UTC().Format(time.RFC3339))
	put("Parts", fmt.Sprintf("%d of up to %d images each, as %s", s.Chunks, s.ChunkSize, s.Format))
	exact("Manifest digest", s.Digests.Manifest)
	exact("Digest of all parts", s.Digests.Parts)
	put("GPUs", strings.Join(s.GPUKinds, "; "))
	for _, name := range slices.Sorted(maps.Keys(s.Versions)) {
		put("Version of "+name, s.Versions[name])
	}
	return all
}

// preprocessing says how images become the model's input.
func preprocessing(s *preprocess.Spec) string {
	if s == nil {
		return ""
	}
	parts := []string{fmt.Sprintf("%d x %d pixels", s.Width, s.Height), string(s.Fit)}
	switch s.Fit {
	case preprocess.StretchCrop:
		parts = append(parts, fmt.Sprintf("from %d x %d", s.ResizeTo, cmp.Or(s.ResizeToHeight, s.ResizeTo)))
	case preprocess.CentralFraction:
		parts = append(parts, fmt.Sprintf("fraction %g", s.Fraction))
	default:
		if s.Fit.Crops() {
			parts = append(parts, fmt.Sprintf("shortest side %d", s.ResizeTo))
		}
	}
	parts = append(parts, s.Surroundings()...)
	parts = append(parts, string(s.Resize), string(s.Layout)+" "+string(s.DType))
	if s.BGR {
		parts = append(parts, "BGR")
	}
	if s.IgnoreOrientation {
		parts = append(parts, "as stored, not turned upright")
	}
	if s.ScaledDecode {
		parts = append(parts, "scaled decoding of JPEG")
	}
	if s.RawPreview {
		parts = append(parts, "previews of raw files")
	}
	if len(s.ValueRange) == 2 {
		parts = append(parts, fmt.Sprintf("values from %g to %g", s.ValueRange[0], s.ValueRange[1]))
	}
	if len(s.Bands) > 0 {
		parts = append(parts, "bands "+strings.Trim(fmt.Sprint(s.Bands), "[]"))
	}
	return strings.Join(parts, ", ")
}
