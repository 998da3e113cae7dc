package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/preprocess/jpeg"
	"github.com/batchscore/batchscore/models/preprocess/jpeg/nvimgcodec"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// Values of --decode-device.
const (
	decodeCPU  = "cpu"
	decodeGPU  = "gpu"
	decodeAuto = "auto"
)

var decodeDevices = []string{decodeCPU, decodeGPU, decodeAuto}

// A decodeFlag says where JPEG is decoded. Besides decodeDevices it takes
// jpeg.DeviceCPU, for tests and comparisons.
type decodeFlag struct{ device string }

func (f *decodeFlag) register(cmd *cobra.Command, values []string, help string) {
	cmd.Flags().StringVar(&f.device, "decode-device", decodeCPU, help)
	chooseOne(cmd, "decode-device", values)
}

func (f *decodeFlag) check(values []string) error {
	if f.device == jpeg.DeviceCPU {
		return nil
	}
	return oneOf("decode-device", f.device, values)
}

// on reports whether nvImageCodec decodes.
func (f *decodeFlag) on() bool { return f.device == decodeGPU || f.device == jpeg.DeviceCPU }

// refuse returns an error if nvImageCodec is to do what it cannot.
func (f *decodeFlag) refuse(scaled bool) error {
	if f.on() && scaled {
		return usagef("--decode-device %s and --scaled-decode exclude each other: nvImageCodec cannot shrink an image while it decodes it;"+
			" leave out one of them, or scaled_decode in the model's contract", f.device)
	}
	return nil
}

// settle replaces auto by what the job in out began with. A new job begins with the CPU:
// that a GPU is faster has not been measured.
func (f *decodeFlag) settle(ctx context.Context, out store.Store) error {
	if f.device != decodeAuto {
		return nil
	}
	f.device = decodeCPU
	job, err := output.ReadJob(ctx, out)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return nil
	case err != nil:
		return err
	case jpeg.DeviceOf(job.JPEGDecoder) != "":
		f.device = jpeg.DeviceOf(job.JPEGDecoder)
	}
	return nil
}

// A decodeChoice is what decodes JPEG.
type decodeChoice struct {
	device string // preprocess.Options.JPEG
	kind   string // as job records name it
	name   string // with its version and file
}

// onCPU returns the decoder of commands that decode a few images only.
func onCPU() decodeChoice { return decodeChoice{kind: jpegKind(), name: jpegName()} }

// openDecoder returns the decoder that the flag chooses, and logs it. local is the number by which
// this rank chooses its GPU.
func (f *decodeFlag) openDecoder(local int, log zerolog.Logger) (d decodeChoice, err error) {
	switch f.device {
	case jpeg.DeviceCPU:
		d.device = jpeg.DeviceCPU
	case decodeGPU:
		gpus := device.GPUs()
		if gpus.Visible() == 0 {
			return d, config(fmt.Errorf("--decode-device gpu: %s; it also needs nvImageCodec: %s; without a GPU, leave the flag out",
				gpus.Missing(), nvimgcodec.HowToInstall))
		}
		choice := gpus.Choose(local)
		if err := choice.Apply(); err != nil { // before CUDA is loaded
			return d, err
		}
		if err := ort.SleepOnGPU(choice.Index); err != nil { // it only costs time
			event.ThreadsUnknown.On(log).Err(err).Msg("the driver does not let threads sleep that wait for the GPU")
		}
		d.device = jpeg.DeviceGPU(choice.Index)
	default:
		return decodeChoice{kind: jpegKind(), name: logDecoder(log)}, nil
	}
	if _, err := jpeg.Backend(); err != nil {
		return d, config(fmt.Errorf("--decode-device %s: what nvImageCodec does not decode needs libjpeg-turbo: %w", f.device, err))
	}
	if d.kind, d.name, err = jpeg.Device(d.device); err != nil {
		return d, config(fmt.Errorf("--decode-device %s: %w", f.device, err))
	}
	event.JPEGOnGPU.On(log).Str("decoder", d.name).Str("device", d.device).
		Msg("JPEG is decoded by nvImageCodec, and by libjpeg-turbo where that does not decode an image")
	return d, nil
}

// decodersFor returns how many goroutines should decode on that many cores: with a device,
// a batch of them may wait for it while every core has work.
func (f *decodeFlag) decodersFor(cores int) int {
	if f.on() {
		return cores + nvimgcodec.Batch
	}
	return cores
}

// withoutAuto are the values where there is no job that began with one.
func withoutAuto() []string {
	return slices.DeleteFunc(slices.Clone(decodeDevices), func(s string) bool { return strings.EqualFold(s, decodeAuto) })
}
