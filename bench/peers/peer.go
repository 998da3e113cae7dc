package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/preprocess"
)

// peer is a program that does the same job.
type peer struct {
	name, venv, program string
	forms               []string
	batches             []int

	options
	photos, rows string
	best         way
}

// way is one configuration of a peer.
type way struct {
	form  string
	batch int
}

var all = []*peer{
	{name: "onnxruntime", venv: "onnxruntime", program: "peer_onnxruntime.py", forms: []string{"processes", "threads", "ahead"}, batches: []int{1, 4}},
	{name: "openvino", venv: "openvino", program: "peer_openvino.py", forms: []string{"processes", "streams"}, batches: []int{1, 4}},
	{name: "dataloader", venv: "torch", program: "peer_torch.py", forms: []string{"alone", "single"}, batches: []int{2, 8}},
	{name: "ray-data", venv: "ray", program: "peer_ray.py", forms: []string{"actors"}, batches: []int{2, 8}},
}

// report is the line that a peer prints.
type report struct {
	Images  int      `json:"images"`
	Seconds float64  `json:"seconds"`
	CPU     *float64 `json:"cpu_seconds"`
}

func (r report) rate() float64 { return float64(r.Images) / r.Seconds }

// patience is the time limit for one run of a peer, including its start.
const patience = 5 * time.Minute

// run runs a peer once, on that many of the first images or, with 0, on all.
func (p *peer) run(ctx context.Context, w way, first int) (report, error) {
	photos := p.photos
	if first > 0 {
		part, err := firstOf(photos, first)
		if err != nil {
			return report{}, err
		}
		photos = part
	}
	args := []string{filepath.Join(p.programs, p.program), "--model", p.model, "--images", photos, "--rows", p.rows,
		"--cores", strconv.Itoa(p.cores), "--batch", strconv.Itoa(w.batch), "--form", w.form}
	if p.scaled {
		args = append(args, "--draft")
	}
	var r report
	if err := python(ctx, filepath.Join(p.venvs, p.venv), args, &r); err != nil {
		return r, err
	}
	if r.Images == 0 || r.Seconds <= 0 {
		return r, fmt.Errorf("%s says that it scored %d images in %g s", p.program, r.Images, r.Seconds)
	}
	return r, nil
}

// firstOf returns a folder next to photos with its first images.
func firstOf(photos string, n int) (string, error) {
	part := photos + "-first"
	if _, err := os.Stat(part); err == nil {
		return part, nil
	}
	entries, err := os.ReadDir(photos)
	if err == nil {
		err = os.Mkdir(part, 0o755)
	}
	for i := 0; i < min(n, len(entries)) && err == nil; i++ {
		name := entries[i].Name()
		err = os.Link(filepath.Join(photos, name), filepath.Join(part, name))
	}
	return part, err
}

const (
	// sweepImages are enough to tell good configurations from bad ones.
	sweepImages = 64
	// sweepRounds is how often each configuration is tried. Its best try counts,
	// since other processes can only slow it down.
	sweepRounds = 2
)

// sweep finds the best configuration of a peer.
func (p *peer) sweep(ctx context.Context) error {
	best := 0.0
	for range sweepRounds {
		for _, form := range p.forms {
			for _, batch := range p.batches {
				r, err := p.run(ctx, way{form, batch}, sweepImages)
				if err != nil {
					return err
				}
				fmt.Fprintf(os.Stderr, "peer %s, %s, batch %d: %.2f images/s\n", p.name, form, batch, r.rate())
				if r.rate() > best {
					best, p.best = r.rate(), way{form, batch}
				}
			}
		}
	}
	return nil
}

// python runs a program and reads the JSON that it prints.
func python(ctx context.Context, venv string, args []string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(venv, "bin", "python"), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", args[0], err), errors.New(tail(stderr.String())))
	}
	if err := json.Unmarshal(stdout.Bytes(), into); err != nil {
		return fmt.Errorf("%s prints %q: %w", args[0], tail(stdout.String()), err)
	}
	return nil
}

func tail(text string) string { return text[max(0, len(text)-1000):] }

// decodeTurn compares decoding on one core with Pillow's.
func decodeTurn(ctx context.Context, o options, photos string) ([]result.Sample, error) {
	var pillow struct{ Plain, Draft float64 }
	venv := filepath.Join(o.venvs, "onnxruntime")
	if _, err := os.Stat(venv); err != nil {
		return nil, nil //nolint:nilerr // setup.sh has said why it is missing
	}
	part, err := firstOf(photos, sweepImages)
	if err != nil {
		return nil, err
	}
	if err := python(ctx, venv, []string{filepath.Join(o.programs, "decode_pillow.py"), part}, &pillow); err != nil {
		return nil, err
	}
	pictures, err := measure.ReadFolder(part)
	if err != nil {
		return nil, err
	}
	spec := preprocess.Spec{Width: 299, Height: 299, Layout: preprocess.HWC, DType: preprocess.Uint8,
		Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch}
	samples, err := measure.Decode(ctx, pictures, "0.68", spec, "", nil, 1)
	if err != nil {
		return nil, err
	}
	rates := map[string]float64{}
	for _, s := range samples {
		rates[s.Keys[len(s.Keys)-1].Value] = valueOf(s, "images/s")
	}
	compare := func(decode string, ours, theirs float64) result.Sample {
		return result.Sample{Name: "PeersDecode", Keys: []result.Key{result.K("decode", decode)}, Values: []result.Value{
			{Value: ours, Unit: "images/s"}, {Value: theirs, Unit: "pillow-images/s"}, {Value: ours / theirs, Unit: "times-its-rate"}}}
	}
	return []result.Sample{
		compare("full", rates[measure.Ours], pillow.Plain),
		compare("scaled", rates[measure.OursScaled], pillow.Draft),
	}, nil
}
