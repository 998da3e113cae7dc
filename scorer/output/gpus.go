package output

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

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
	// Joules is the energy of the whole GPUs, Images how many images the workers that
	// report it committed, and ImagesPerJoule the quotient of these two. All are 0 if no
	// GPU says so.
	Joules         float64 `json:"joules,omitempty"`
	Images         int     `json:"images,omitempty"`
	ImagesPerJoule float64 `json:"images_per_joule,omitempty"`
	// ThrottledSeconds is for how long their clocks were lowered, added up over the GPUs,
	// Throttle the same by reason, several of which may hold at a time.
	ThrottledSeconds float64            `json:"throttled_seconds,omitempty"`
	Throttle         map[string]float64 `json:"throttle_seconds,omitempty"`
}

// ThrottledText says for how long and why the clocks of the GPUs were lowered; empty if
// they were not.
func (t *GPUTotal) ThrottledText() string {
	if t.ThrottledSeconds == 0 {
		return ""
	}
	text := fmt.Sprintf("clocks lowered for %.3g GPU-seconds", t.ThrottledSeconds)
	if reasons := slices.Sorted(maps.Keys(t.Throttle)); len(reasons) > 0 {
		text += " (" + strings.Join(reasons, ", ") + ")"
	}
	return text
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
	var busy, watched float64
	// By GPU: what several workers of one report of the same time counts once.
	energy, throttled, reasons := map[string][]draw{}, map[string][]draw{}, map[string]map[string][]draw{}
	for i := range workers {
		w := &workers[i]
		u := w.GPUUse
		if u == nil {
			continue
		}
		t.Workers++
		if u.Busy != nil {
			busy += *u.Busy * u.Seconds
			watched += u.Seconds
		}
		which := w.Worker.ID // each has its own
		if w.GPU != nil && w.GPU.UUID != "" {
			which = w.GPU.UUID
		}
		end := w.Started.Add(duration(w.Seconds))
		of := func(amount float64) draw {
			return draw{span{end.Add(-duration(u.Seconds)), end}, amount}
		}
		if u.Joules > 0 {
			t.Images += w.Images
			energy[which] = append(energy[which], of(u.Joules))
		}
		throttled[which] = append(throttled[which], of(u.ThrottledSeconds))
		for reason, seconds := range u.Throttle {
			if reasons[reason] == nil {
				reasons[reason] = map[string][]draw{}
			}
			reasons[reason][which] = append(reasons[reason][which], of(seconds))
		}
	}
	if t.Workers == 0 {
		return nil
	}
	if watched > 0 {
		share := thousandths(busy / watched)
		t.Busy = &share
	}
	if t.Joules = summed(energy); t.Joules > 0 {
		t.ImagesPerJoule = math.Round(1e6*float64(t.Images)/t.Joules) / 1e6
	}
	t.ThrottledSeconds = summed(throttled)
	for reason, draws := range reasons {
		if seconds := summed(draws); seconds > 0 {
			if t.Throttle == nil {
				t.Throttle = map[string]float64{}
			}
			t.Throttle[reason] = seconds
		}
	}
	return &t
}

// draw is what a GPU reported of some time: the energy that it used, or for how long its
// clock was lowered.
type draw struct {
	span
	amount float64
}

// summed returns what all GPUs reported together, to a thousandth.
func summed(byGPU map[string][]draw) float64 {
	sum := 0.0
	for _, draws := range byGPU {
		sum += amount(draws)
	}
	return thousandths(sum)
}

// amount returns what one GPU reported in all. Of times that overlap it takes the
// average by time, and the time that they cover.
func amount(draws []draw) float64 {
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
			used += d.amount
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
