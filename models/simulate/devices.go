package simulate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
)

// ResNet50 is ResNet-50 v1.5, the network that most rates of newer GPUs are published for.
const ResNet50 models.Architecture = "ResNet-50"

// profile is the published speed of one network on one device.
type profile struct {
	network models.Architecture
	// precision is that of a contract: empty for float32, "fp16" or "int8".
	precision string
	// rates are the published rates, the smallest batch first. The time of a batch is
	// the linear function of its images that passes through the first and the last
	// rate. With a single rate, it is proportional to the images.
	rates []rateAt
	// outOfMemory is the smallest batch that is known not to fit; 0 if none is known.
	outOfMemory int
	// source is where the rates were published, and what else they are rates of; empty
	// for an estimate.
	source string
}

type rateAt struct {
	batch int     // 0 if it was not published
	rate  float64 // images per second
}

// The sources of rates.
const (
	//
	// MXNet's page had several editions. The first is that of commit 0a03417 of its
	// repository; in it a K80 reaches 106 images/s with Inception V3. The last has no P100.
	mxnetFirst = `MXNet, "Some Tips for Improving MXNet Performance", section "Scoring", synthetic input, an older edition (cuDNN 5.1), in which a K80 reaches 106`
	mxnet      = `MXNet, "Some Tips for Improving MXNet Performance", section "Scoring", synthetic input, last edition (1.2.0rc1, cuDNN 7.0.5)`
	// NVIDIA's repository NVIDIA/DeepLearningExamples on GitHub, the sections "Inference
	// performance results" of the README.md of both frameworks.
	pytorch    = "NVIDIA DeepLearningExamples, PyTorch ResNet-50 v1.5, container 21.03"
	tensorflow = "NVIDIA DeepLearningExamples, TensorFlow ResNet-50 v1.5, container 20.06, with XLA"
	// The repositories mlcommons/inference_results_vX on GitHub, below
	// closed/NVIDIA/results: resnet50/Offline/performance/run_1/mlperf_log_summary.txt.
	mlperf = "MLPerf Inference v%s, ResNet-50 v1.5, Offline, closed division, NVIDIA %s with TensorRT"
)

// devices are the named devices. All rates are those of a network alone, without reading
// or decoding, in images per second of one GPU (of a K80, one of its two dies).
//
// K80 and V100 are from the last edition of MXNet's page, P100 from an older one. No rate of VGG-16
// on a P100 was published: 430 is an estimate. It is somewhat below what the K80's rate
// suggests: 115 times 4.2, the ratio for Inception V3, is 486, and times 4.4, the ratio
// for training in TensorFlow's benchmarks of May 2017, is 506. VGG-16 is slower on a
// V100 in larger batches, so it has one rate.
//
// On an A100, float32 is computed as TF32, as ONNX Runtime does by default. For H100, H200
// and L4 there are rates of ResNet-50 in 8 bits only, and none of VGG-16 or Inception V3.
// That of an H200 is an eighth of a machine's with eight.
var devices = map[string][]profile{
	"k80": {
		{network: models.VGG16, rates: []rateAt{{32, 115}, {64, 124}}, outOfMemory: 128, source: mxnet},
		{network: models.InceptionV3, rates: []rateAt{{32, 117}, {256, 128}}, source: mxnet},
	},
	"p100": {
		{network: models.VGG16, rates: []rateAt{{32, 430}}},
		{network: models.InceptionV3, rates: []rateAt{{32, 494}}, source: mxnetFirst},
	},
	"v100": {
		{network: models.VGG16, rates: []rateAt{{32, 708.43}}, source: mxnet},
		{network: models.InceptionV3, rates: []rateAt{{32, 814.59}, {256, 960.20}}, source: mxnet},
		{network: ResNet50, rates: []rateAt{{32, 1127}, {256, 1261}}, source: pytorch},
		{network: models.VGG16, precision: fp16, rates: []rateAt{{32, 1486.63}}, source: mxnet},
		{network: models.InceptionV3, precision: fp16, rates: []rateAt{{32, 1512.08}, {128, 1818.26}}, source: mxnet},
		{network: ResNet50, precision: fp16, rates: []rateAt{{32, 2146}, {256, 3382}}, source: pytorch + ", mixed precision"},
	},
	"t4": {
		{network: ResNet50, rates: []rateAt{{32, 420}, {128, 426}}, source: pytorch},
		{network: ResNet50, precision: fp16, rates: []rateAt{{32, 1128}, {256, 1198}}, source: pytorch + ", mixed precision"},
		{network: ResNet50, precision: int8, rates: []rateAt{{0, 6035.57}}, source: fmt.Sprintf(mlperf, "0.7", "T4")},
	},
	"a100": {
		{network: ResNet50, rates: []rateAt{{32, 1945.44}, {256, 2548.87}}, source: tensorflow + ", TF32, 40 GB"},
		{network: ResNet50, precision: fp16, rates: []rateAt{{32, 2363.70}, {256, 3676.14}}, source: tensorflow + ", mixed precision, 40 GB"},
		{network: ResNet50, precision: int8, rates: []rateAt{{0, 42379.3}}, source: fmt.Sprintf(mlperf, "3.0", "A100-SXM-80GB")},
	},
	"l4":   {{network: ResNet50, precision: int8, rates: []rateAt{{0, 12881.7}}, source: fmt.Sprintf(mlperf, "3.1", "L4")}},
	"h100": {{network: ResNet50, precision: int8, rates: []rateAt{{0, 88714.3}}, source: fmt.Sprintf(mlperf, "4.0", "H100-SXM-80GB")}},
	"h200": {{network: ResNet50, precision: int8, rates: []rateAt{{0, 756960. / 8}},
		source: fmt.Sprintf(mlperf, "4.1", "H200-SXM-141GB") + ", an eighth of the rate of eight"}},
}

// The precisions of contracts besides float32.
const (
	fp16 = "fp16"
	int8 = "int8"
)

// Devices returns the names of the known devices.
func Devices() []string { return slices.Sorted(maps.Keys(devices)) }

// For completes the spec of a named device with what is known about a network in a
// precision: empty for float32, "fp16" or "int8". A spec that has a rate is returned
// unchanged. If the rate is not known, the error wraps models.ErrProvider and says how
// to supply it.
func (s Spec) For(a models.Architecture, precision string) (Spec, error) {
	if s.Rate > 0 {
		return s, nil
	}
	i := slices.IndexFunc(devices[s.Device], func(p profile) bool { return p.network == a && p.precision == precision })
	if i < 0 || a == "" {
		return s, fmt.Errorf("%w: %s%s: its speed for %s in %s was not published, only for %s; supply its rate, such as %s%s,rate=100",
			models.ErrProvider, Prefix, s.Device, cmp.Or(string(a), "this model"), bits(precision), published(s.Device), Prefix, s.Device)
	}
	p := devices[s.Device][i]
	first, last := p.rates[0], p.rates[len(p.rates)-1]
	s.Rate = first.rate
	if last.batch > first.batch {
		// Seconds of both batches, and seconds per additional image.
		small, large := float64(first.batch)/first.rate, float64(last.batch)/last.rate
		perImage := (large - small) / float64(last.batch-first.batch)
		s.Rate = 1 / perImage
		s.call = small - perImage*float64(first.batch)
	}
	s.outOfMemory, s.estimated = p.outOfMemory, p.source == ""
	s.source, s.published = p.describe(s.Device), first.batch
	return s, nil
}

// describe says what the rate of a device is a rate of, and where it was published.
func (p *profile) describe(device string) string {
	first := p.rates[0]
	text := fmt.Sprintf("%s: %.6g images/s of %s in %s", device, first.rate, p.network, bits(p.precision))
	if first.batch > 0 {
		text += fmt.Sprintf(" at batch %d", first.batch)
	}
	if p.source == "" {
		return text + " is an estimate: none has been published"
	}
	return text + ": " + p.source
}

// bits names a precision.
func bits(precision string) string {
	switch precision {
	case "":
		return "float32"
	case fp16:
		return "float16"
	}
	return precision
}

// published lists what the rates of a device are of, such as "ResNet-50 in float16 and
// int8".
func published(device string) string {
	var networks []string
	in := map[string][]string{}
	for _, p := range devices[device] {
		name := string(p.network)
		if in[name] == nil {
			networks = append(networks, name)
		}
		in[name] = append(in[name], bits(p.precision))
	}
	slices.Sort(networks)
	var parts []string
	for _, name := range networks {
		part := name
		if next := len(parts) + 1; next == len(networks) || !slices.Equal(in[name], in[networks[next]]) {
			part += " in " + strings.Join(in[name], " and ")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " and ")
}
