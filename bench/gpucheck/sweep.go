package gpucheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/networks"
)

// setting is a model and how it is computed: what one child process measures.
type setting struct {
	model     string
	precision string // fp32, tf32, fp16
	nhwc      bool   // convolutions in the order of channels that tensor cores read
}

func (p setting) String() string {
	text := nameOf(p.model) + " " + p.precision
	if p.nhwc {
		text += " nhwc"
	}
	return text
}

// point is a cell of the sweep of a setting.
type point struct {
	setting
	Cell
	device string
	rate   float64 // images/s
	use    *device.GPUUse
}

// sweep is what was measured of all settings.
type sweep struct {
	points []point
	failed []failure // the points are valid all the same
}

// failure is a setting that could not be measured, or not to the end.
type failure struct {
	setting
	err error
}

// of returns the failure of a setting; nil if it can be measured.
func (w *sweep) of(p setting) error {
	for _, f := range w.failed {
		if f.setting == p {
			return f.err
		}
	}
	return nil
}

// The precisions of the sweep, the most important first.
const (
	fp32 = "fp32"
	tf32 = "tf32"
	fp16 = "fp16"
)

var precisions = []string{fp32, fp16, tf32}

// Cells of the sweep. The first ones tell most, and are measured of all settings before
// the others of any.
var (
	firstCells = []Cell{{32, 2}, {64, 2}, {128, 2}, {32, 1}}
	otherCells = cellsBut(firstCells, []int{8, 1, 64, 128, 32}, []int{2, 1, 3})
)

// cellsBut returns the cells of all batches and sessions, without those that are given.
func cellsBut(given []Cell, batches, sessions []int) []Cell {
	seen := map[Cell]bool{}
	for _, c := range given {
		seen[c] = true
	}
	var all []Cell
	for _, b := range batches {
		for _, n := range sessions {
			if c := (Cell{b, n}); !seen[c] {
				all = append(all, c)
			}
		}
	}
	return all
}

// reserve is what the sweep leaves of the budget for the claims after it.
const reserve = 25 * time.Second

// swept measures all settings, as many cells as the budget has time for, and lists the
// others as not measured. It measures once, for all claims. The error is that of ctx.
func (s *Session) swept(ctx context.Context) (*sweep, error) {
	if s.sweep != nil {
		s.commands = append(s.commands, s.sweepCommands...)
		return s.sweep, nil
	}
	before := len(s.commands)
	w := &sweep{}
	for _, cells := range [][]Cell{firstCells, otherCells} {
		for _, nhwc := range []bool{false, true} {
			for _, precision := range precisions {
				for _, model := range s.Speed {
					p := setting{model, precision, nhwc}
					if err := s.measureSetting(ctx, w, p, cells); err != nil && !errors.Is(err, errSkipped) {
						w.failed = append(w.failed, failure{p, err})
					}
					if ctx.Err() != nil {
						return w, ctx.Err()
					}
				}
			}
		}
	}
	s.sweep, s.sweepCommands = w, s.commands[before:]
	return w, nil
}

// measureSetting measures cells of a setting, and adds them to w.
func (s *Session) measureSetting(ctx context.Context, w *sweep, p setting, cells []Cell) error {
	within := s.left() - reserve
	var all []Reading
	var err error
	failed := w.of(p) // it would fail again
	if within > 0 && failed == nil {
		var file string
		if file, err = s.speedModel(ctx, p); err == nil {
			if p.precision == tf32 {
				err = s.capable(ctx, firstTF32)
			}
		}
		if err == nil {
			plan := p.plan(file, cells, s.Least)
			plan.Within = s.left() - reserve
			all, err = s.readings(ctx, plan)
		}
	}
	for i, c := range cells {
		why := noTime
		if i < len(all) {
			if r := all[i]; r.Error == "" {
				w.points = append(w.points, point{p, c, r.Device, r.Rate, r.Use})
				s.figures.samples = append(s.figures.samples, sampleOf(p, c, r))
				continue
			}
			why = all[i].Error
		} else if err := cmp.Or(err, failed); err != nil {
			why = err.Error()
		}
		s.figures.unmeasured = append(s.figures.unmeasured,
			fmt.Sprintf("%v, batch %d, %s: %s", p, c.Batch, counted(c.Sessions, "session"), oneLine(why)))
	}
	return err
}

// noTime is why a point was not measured that the budget had no time for.
const noTime = "there was no time"

// counted returns a number of things in words.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// nameOf returns the name of a model of the sweep: that of a network, or of a file.
func nameOf(model string) string { return strings.TrimSuffix(filepath.Base(model), ".onnx") }

// speedModel returns the file of the model of a setting.
func (s *Session) speedModel(ctx context.Context, p setting) (string, error) {
	file, err := p.model, error(nil)
	if slices.Contains(networks.Networks, networks.Network(p.model)) {
		file, err = s.once(ctx, p.model+".onnx", func(path string) error {
			_, err := s.must(ctx, 0, nil, "models", "build", p.model, "--variant", "keras", "--weights", "random", "-o", path)
			return err
		})
	}
	if err != nil || p.precision != fp16 {
		return file, err
	}
	return s.once(ctx, nameOf(p.model)+"-fp16.onnx", func(path string) error {
		images, err := s.few(ctx)
		if err != nil {
			return err
		}
		_, err = s.must(ctx, 0, nil, "models", "convert", "--precision", "fp16", "--accept-below", "0", "--check", images, "-o", path, file)
		return err
	})
}

// The names of samples: of the sweep, and of copying alone.
const (
	sweepName = "GPU"
	copyName  = "GPUCopy"
)

// sampleOf returns what was measured at a point as a sample.
func sampleOf(p setting, c Cell, r Reading) result.Sample {
	s := result.Sample{
		Name: sweepName, Iterations: r.Images,
		Keys: []result.Key{result.K("model", nameOf(p.model)), result.K("device", r.Device), result.K("precision", p.precision),
			result.K("nhwc", p.nhwc), result.K("sessions", c.Sessions), result.K("batch", c.Batch)},
		Values: []result.Value{{Value: r.Rate, Unit: compare.Rate}},
	}
	if u := r.Use; u != nil {
		if u.Busy != nil {
			s.Values = append(s.Values, result.Value{Value: *u.Busy, Unit: "gpu-busy"}, result.Value{Value: u.ThrottledSeconds, Unit: "gpu-throttled-s"})
		}
		if u.ClockMHz > 0 {
			s.Values = append(s.Values, result.Value{Value: u.ClockMHz, Unit: "gpu-MHz"})
		}
		if u.Watts > 0 {
			s.Values = append(s.Values, result.Value{Value: u.Watts, Unit: "gpu-watts"})
		}
	}
	return s
}
