package measure

import (
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/device"
)

// Device returns how figures name a device: with the name of its GPU, if that is not
// empty. The device alone only numbers it.
func Device(device, gpu string) string {
	if gpu == "" {
		return device
	}
	return device + " (" + gpu + ")"
}

// gpuValues returns what a GPU reported while it scored that many images; nothing if u is
// nil.
func gpuValues(u *device.GPUUse, images float64) []result.Value {
	if u == nil {
		return nil
	}
	var values []result.Value
	if u.Busy != nil {
		values = append(values, result.Value{Value: *u.Busy, Unit: "gpu-busy"}, result.Value{Value: u.ThrottledSeconds, Unit: "gpu-throttled-s"})
	}
	if u.Joules > 0 {
		values = append(values, result.Value{Value: u.Watts, Unit: "gpu-watts"}, result.Value{Value: images / u.Joules, Unit: "images/J"})
	}
	return values
}
