package main

import (
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/models/preprocess"
)

// valueFlags say what becomes of samples that have more than 8 bits or are more than three.
type valueFlags struct {
	rangeText, bandsText string
	limits               []float64
	bands                []int
}

func (f *valueFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.rangeText, "value-range", "", "of TIFFs and PNGs of more than 8 bits, make the value `LOW,HIGH` black and white, such as 0,10000 for the"+
		" reflectance of satellites (default: the upper 8 bits, so that values which are low for 16 bits look black)")
	fs.StringVar(&f.bandsText, "bands", "", "of TIFFs in grey or RGB, take the samples `R,G,B` as colours, counted from 1, or one of them as grey"+
		" (default those that the file says); one without such a sample has the status unsupported")
}

// check reads the flags.
func (f *valueFlags) check() error {
	f.limits, f.bands = nil, nil
	if f.rangeText != "" {
		const want = "two numbers LOW,HIGH, the first below the second"
		for _, part := range strings.Split(f.rangeText, ",") {
			v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
			if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
				return invalid("value-range", f.rangeText, want)
			}
			f.limits = append(f.limits, v)
		}
		if len(f.limits) != 2 || !(f.limits[0] < f.limits[1]) {
			return invalid("value-range", f.rangeText, want)
		}
	}
	if f.bandsText != "" {
		const want = "three numbers R,G,B of samples from 1 to 64, or one"
		for _, part := range strings.Split(f.bandsText, ",") {
			v, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil || v < 1 || v > preprocess.MaxBand {
				return invalid("bands", f.bandsText, want)
			}
			f.bands = append(f.bands, v)
		}
		if n := len(f.bands); n != 1 && n != 3 {
			return invalid("bands", f.bandsText, want)
		}
	}
	return nil
}

// apply adds what the flags say to how images are prepared.
func (f *valueFlags) apply(s *preprocess.Spec) {
	if f.limits != nil {
		s.ValueRange = f.limits
	}
	if f.bands != nil {
		s.Bands = f.bands
	}
}
