package timeline

import (
	"fmt"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// bound returns what kept a job from being faster, from what its workers reported; nil if
// none did. of is how many processes there were.
func bound(workers []output.WorkerSummary, of int, simulated bool) *Bound {
	sum := telemetry.Snapshot{BusySeconds: map[string]float64{}}
	took := 0.0
	b := &Bound{Busy: map[string]float64{}, Of: of}
	for i := range workers {
		s := workers[i].Stages
		if s == nil || s.Seconds <= 0 {
			continue
		}
		b.Workers++
		took += s.Seconds
		sum.Counts[telemetry.Images] += int64(workers[i].Scored)
		for stage, seconds := range s.BusySeconds {
			sum.BusySeconds[stage] += seconds / float64(goroutines(s, stage))
		}
	}
	if b.Workers == 0 {
		return nil
	}
	for stage, seconds := range sum.BusySeconds {
		b.Busy[stage] = seconds / took
	}
	stage, _ := telemetry.Binding(telemetry.Snapshot{}, sum, seconds(took), telemetry.Pools{Decoders: 1, Lanes: 1})
	if stage != telemetry.NoStage {
		b.Stage = stage.String()
	}
	b.Text = b.text(simulated)
	return b
}

// goroutines returns how many work at a stage. Fetches are counted as they are under way at
// once.
func goroutines(s *output.Stages, stage string) int {
	switch stage {
	case telemetry.Decode.String():
		return max(s.Decoders, 1)
	case telemetry.Infer.String():
		return max(s.Lanes, 1)
	}
	return 1
}

// text says what bound the job.
func (b *Bound) text(simulated bool) string {
	share := func(s telemetry.Stage) float64 { return 100 * min(b.Busy[s.String()], 1) }
	device := "device"
	if simulated {
		device = "simulated device"
	}
	waited := fmt.Sprintf("The %s waited for images %.0f%% of the time", device, 100-share(telemetry.Infer))
	switch b.Stage {
	case telemetry.Commit.String():
		return fmt.Sprintf("Writing parts bound the job: it took %.0f%% of the time, one part after the other.", share(telemetry.Commit))
	case telemetry.Infer.String():
		return fmt.Sprintf("The %s bound the job: it was busy %.0f%% of the time; the decoders were busy %.0f%% of it.",
			device, share(telemetry.Infer), share(telemetry.Decode))
	case telemetry.Decode.String():
		return fmt.Sprintf("Decoding bound the job: all decoders were busy %.0f%% of the time. %s.", share(telemetry.Decode), waited)
	case telemetry.Fetch.String():
		return fmt.Sprintf("Reading images bound the job: %.1f were being read at a time, and the decoders were busy %.0f%% of the time. %s.",
			b.Busy[telemetry.Fetch.String()], share(telemetry.Decode), waited)
	}
	return fmt.Sprintf("Nothing bound the job for most of the time: its start, its end and pauses count for much. "+
		"The %s was busy %.0f%% of the time, and the decoders %.0f%%.",
		device, share(telemetry.Infer), share(telemetry.Decode))
}
