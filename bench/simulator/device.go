package simulator

import (
	"time"

	"github.com/batchscore/batchscore/models/simulate"
)

// Simulated returns the device of a spec whose rate is known (see simulate.Spec.For).
func Simulated(s simulate.Spec) Device {
	return Device{
		Name: s.String(), Jitter: s.Jitter,
		Batch: func(n int) time.Duration { return time.Duration(s.Seconds(n) * float64(time.Second)) },
	}
}
