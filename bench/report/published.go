package main

import (
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/simulate"
)

// published is a row of the recipe's own table of 2018: minutes to label 100,000 images
// with VGG-16.
type published struct{ GPUs, K80, P100 int }

var recipe = []published{{1, 741, 255}, {8, 99, 32}, {16, 49, 19}, {32, 25, 10}}

// gpu is a device with its rate on a network, in images/s at batch 32.
type gpu struct {
	Name string
	Rate float64
}

// gpus are the devices that BENCHMARKS.md simulates.
func gpus() (list []gpu, err error) {
	for _, device := range []string{"k80", "p100"} {
		for _, network := range []models.Architecture{models.VGG16, models.InceptionV3} {
			spec, err := simulate.Parse(device)
			if err != nil {
				return nil, err
			}
			if spec, err = spec.For(network, ""); err != nil {
				return nil, err
			}
			g := gpu{device + ", " + string(network), spec.At(32)}
			if spec.Estimated() {
				g.Name += " (estimated)"
			}
			list = append(list, g)
		}
	}
	return list, nil
}
