package simulate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
)

// profile is the speed of one network on one device.
type profile struct {
	// rates are the published rates, the smallest batch first. The time of a batch is
	// the linear function of its images that passes through the first and the last
	// rate. With a single rate, it is proportional to the images.
	rates []rateAt
	// outOfMemory is the smallest batch that is known not to fit; 0 if none is known.
	outOfMemory int
	// estimated reports whether the rate is an estimate and was never published.
	estimated bool
}

type rateAt struct {
	batch int
	rate  float64 // images per second
}

// devices are the named devices. All rates are of float32 on synthetic input,
// without reading or decoding, in images per second of one GPU (of a K80, one
// of its two dies).
//
// The sources are two versions of MXNet's performance page, "Some Tips for Improving
// MXNet Performance", section "Scoring", with results of benchmark_score.py: Inception V3
// on a K80 at batches 32 and 256, and on a P100 at batch 32; VGG-16 on a K80 at batches 32
// and 64, where 128 ran out of memory. No rate of VGG-16 on a P100 was published: 430 is an
// estimate. It is somewhat below what the K80's rate suggests: 115 times 4.2, the ratio
// for Inception V3, is 486, and times 4.4, the ratio for training in TensorFlow's
// benchmarks of May 2017, is 506.
var devices = map[string]map[models.Architecture]profile{
	"p100": {
		models.VGG16:       {rates: []rateAt{{32, 430}}, estimated: true},
		models.InceptionV3: {rates: []rateAt{{32, 494}}},
	},
	"k80": {
		models.VGG16:       {rates: []rateAt{{32, 115}, {64, 124}}, outOfMemory: 128},
		models.InceptionV3: {rates: []rateAt{{32, 117}, {256, 128}}},
	},
}

// Devices returns the names of the known devices.
func Devices() []string { return slices.Sorted(maps.Keys(devices)) }

// For completes the spec of a named device with what is known about a network in
// float32. A spec that has a rate is returned unchanged. If the rate is not known, the
// error wraps models.ErrProvider and says how to supply it.
func (s Spec) For(a models.Architecture, precision string) (Spec, error) {
	if s.Rate > 0 {
		return s, nil
	}
	p, ok := devices[s.Device][a]
	if !ok || precision != "" {
		what := "this model"
		if ok {
			what = "this model in " + precision
		}
		return s, fmt.Errorf("%w: %s%s: its speed for %s was not published, only for %s in float32; supply its rate, such as %s%s,rate=100",
			models.ErrProvider, Prefix, s.Device, what, strings.Join(networksOf(s.Device), " and "), Prefix, s.Device)
	}
	first, last := p.rates[0], p.rates[len(p.rates)-1]
	s.Rate = first.rate
	if last.batch > first.batch {
		// Seconds of both batches, and seconds per additional image.
		small, large := float64(first.batch)/first.rate, float64(last.batch)/last.rate
		perImage := (large - small) / float64(last.batch-first.batch)
		s.Rate = 1 / perImage
		s.call = small - perImage*float64(first.batch)
	}
	s.outOfMemory, s.estimated = p.outOfMemory, p.estimated
	return s, nil
}

func networksOf(device string) []string {
	var names []string
	for a := range devices[device] {
		names = append(names, string(a))
	}
	slices.Sort(names)
	return names
}
