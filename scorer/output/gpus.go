package output

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	hardware "github.com/batchscore/batchscore/models/device"
)

// GPUTotal is what the GPUs of a job reported together, of those workers that stored a
// summary.
type GPUTotal struct {
	// Workers is the number of workers whose GPU reported anything.
	Workers int `json:"workers"`
	// Busy is the share of the workers' time in which their GPU computed; nil if none
	// says so.
	Busy *float64 `json:"busy,omitempty"`
	// Joules is the energy of the whole GPUs. What several workers of one GPU report of
	// the same time counts once. ImagesPerJoule are the images of those workers. Both are
	// 0 if no GPU says so.
	Joules         float64 `json:"joules,omitempty"`
	ImagesPerJoule float64 `json:"images_per_joule,omitempty"`
	// ThrottledSeconds is for how long their clocks were lowered, added up.
	ThrottledSeconds float64 `json:"throttled_seconds,omitempty"`
}

// GPUKind returns the kind of device that scores depend on: that of the GPU or, if it is
// not known, of a device's name. It is empty if only the name of a GPU is known, as in
// records of jobs that are Older.
func GPUKind(gpu *hardware.GPUFacts, name string) string {
	if gpu != nil {
		return gpu.Kind()
	}
	if name == "cpu" || strings.HasPrefix(name, "cpu/") {
		return "CPU"
	}
	return ""
}

// Runtime is the name of ONNX Runtime among the versions of a worker.
const Runtime = "onnxruntime"

// gpuKinds returns the kinds of the devices that made the rows, sorted; nil if none of
// them is a GPU that is known. If releases of ONNX Runtime differ, each kind has its own.
func gpuKinds(workers []WorkerSummary) []string {
	var kinds []string
	releases := map[string]bool{}
	for i := range workers {
		if w := &workers[i]; w.Images > 0 {
			releases[w.Versions[Runtime]] = true
		}
	}
	known := false
	for i := range workers {
		w := &workers[i]
		if w.Images == 0 {
			continue
		}
		known = known || w.GPU != nil
		kind := GPUKind(w.GPU, w.Device)
		if release := w.Versions[Runtime]; kind != "" && release != "" && len(releases) > 1 {
			kind += ", ONNX Runtime " + release
		}
		if kind != "" {
			kinds = append(kinds, kind)
		}
	}
	if !known {
		return nil
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// joined returns the kinds that are in either list, sorted.
func joined(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// gpuTotal returns what the workers' GPUs reported; nil if that is nothing.
func gpuTotal(workers []WorkerSummary) *GPUTotal {
	var t GPUTotal
	var busy, watched, images float64
	energy := map[string][]draw{}
	for i := range workers {
		w := &workers[i]
		u := w.GPUUse
		if u == nil {
			continue
		}
		t.Workers++
		t.ThrottledSeconds += u.ThrottledSeconds
		if u.Busy != nil {
			busy += *u.Busy * u.Seconds
			watched += u.Seconds
		}
		if u.Joules > 0 {
			images += float64(w.Images)
			which := w.Worker.ID // each has its own
			if w.GPU != nil && w.GPU.UUID != "" {
				which = w.GPU.UUID
			}
			end := w.Started.Add(time.Duration(w.Seconds * float64(time.Second)))
			energy[which] = append(energy[which], draw{span{end.Add(-time.Duration(u.Seconds * float64(time.Second))), end}, u.Joules})
		}
	}
	if t.Workers == 0 {
		return nil
	}
	if watched > 0 {
		share := thousandths(busy / watched)
		t.Busy = &share
	}
	for _, draws := range energy {
		t.Joules += joules(draws)
	}
	if t.Joules > 0 {
		t.ImagesPerJoule = math.Round(1e6*images/t.Joules) / 1e6
	}
	t.Joules, t.ThrottledSeconds = thousandths(t.Joules), thousandths(t.ThrottledSeconds)
	return &t
}

// draw is the energy that a GPU used in some time.
type draw struct {
	span
	joules float64
}

// joules returns the energy that one GPU used in all. Of times that overlap it takes the
// average power, and the time that they cover.
func joules(draws []draw) float64 {
	slices.SortFunc(draws, func(a, b draw) int { return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) })
	sum := 0.0
	for len(draws) > 0 {
		n, end := 1, draws[0].to
		for n < len(draws) && draws[n].from.Before(end) {
			if draws[n].to.After(end) {
				end = draws[n].to
			}
			n++
		}
		var used, seconds float64
		for _, d := range draws[:n] {
			used += d.joules
			seconds += d.to.Sub(d.from).Seconds()
		}
		if seconds > 0 {
			sum += used * (end.Sub(draws[0].from).Seconds() / seconds)
		}
		draws = draws[n:]
	}
	return sum
}

func thousandths(v float64) float64 { return math.Round(1000*v) / 1000 }

// gpuModels returns the models of the GPUs of a job, as its record and its workers say,
// sorted.
func gpuModels(job *Job, workers []WorkerSummary) []string {
	var models []string
	add := func(gpu *hardware.GPUFacts) {
		if gpu != nil && gpu.Name != "" {
			models = append(models, gpu.Name)
		}
	}
	add(job.GPU)
	for i := range workers {
		add(workers[i].GPU)
	}
	return joined(models, nil)
}
