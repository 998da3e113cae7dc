package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/disintegration/imaging"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/jpeg"
)

// The decoders that Decode compares.
const (
	// Ours decodes all pixels, resizes and packs. OursScaled lets libjpeg-turbo
	// shrink images while it decodes.
	Ours       = "ours"
	OursScaled = "ours-scaled"
	// Imaging is disintegration/imaging's decode and resize.
	Imaging = "imaging"
	// Go is the standard library's decoder, without resizing.
	Go = "go-image"
	// Limit is libjpeg-turbo's full decode alone.
	Limit = "libjpeg-turbo"
	// WithPillow is Pillow's decode and resize, in Python.
	WithPillow = "pillow"
	// OurDevice begins the name of Ours on a device: "ours-gpu:0".
	OurDevice = "ours-"
)

// decoder is one way to decode a picture.
type decoder struct {
	name    string
	decode  func(Picture) error
	garbage bool // its garbage is collected before another decoder is measured
	// clock returns the processor time that it has used; nil for that of this process.
	clock func() time.Duration
}

// time returns the processor time that the decoder has used.
func (d *decoder) time() time.Duration {
	if d.clock != nil {
		return d.clock()
	}
	return CPUTime()
}

// Decode measures how fast one core decodes pictures, by format, with each decoder.
// Each round gives one sample of each decoder. size describes the pictures in words.
// The units:
//
//   - images/s, of processor time of one core, that of helper processes included; on a
//     device that leaves out the device's own work;
//   - of-limit, for JPEG: the rate divided by that of the limit in the same round;
//   - of-pillow, the same for Pillow's rate;
//   - allocs/image, Go's allocations once the decoder is warm.
//
// device is a preprocess.Options.JPEG to compare as well; "" for none. pillow may be nil. imaging
// and the standard library are left out of formats of which they can read no picture.
func Decode(ctx context.Context, pictures []Picture, size string, spec preprocess.Spec, device string, pillow *Pillow, rounds int) ([]result.Sample, error) {
	// Otherwise imaging would use all cores.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var samples []result.Sample
	for _, group := range byFormat(pictures) {
		more, err := decodeGroup(ctx, group, size, spec, device, pillow, rounds)
		if err != nil {
			return nil, err
		}
		samples = append(samples, more...)
	}
	return samples, nil
}

// Readable returns the pictures that every decoder can read, which Decode requires,
// and the names of the others.
func Readable(pictures []Picture, spec preprocess.Spec, pillow *Pillow) (readable []Picture, others []string, err error) {
	for _, group := range byFormat(pictures) {
		decoders, closeAll, err := decodersFor(group, spec, "", pillow)
		if err == nil {
			for _, p := range group {
				if slices.ContainsFunc(decoders, func(d decoder) bool { return d.decode(p) != nil }) {
					others = append(others, p.Name)
				} else {
					readable = append(readable, p)
				}
			}
		}
		closeAll()
		if err != nil {
			return nil, nil, err
		}
	}
	return readable, others, nil
}

func decodeGroup(
	ctx context.Context, pictures []Picture, size string, spec preprocess.Spec, device string, pillow *Pillow, rounds int,
) ([]result.Sample, error) {
	decoders, closeAll, err := decodersFor(pictures, spec, device, pillow)
	defer closeAll()
	if err != nil {
		return nil, err
	}
	allocs := make([]float64, len(decoders))
	for k, d := range decoders {
		if allocs[k], err = allocations(pictures, d); err != nil {
			return nil, err
		}
	}
	var samples []result.Sample
	for round := range rounds {
		took := make([]time.Duration, len(decoders))
		// Each decoder processes all pictures in sequence, as in real use. In
		// alternation with others it would find the picture in the caches, or the
		// caches cold.
		for i := range decoders {
			k := (i + round) % len(decoders)
			for _, p := range pictures {
				start := decoders[k].time()
				err := decoders[k].decode(p)
				took[k] += decoders[k].time() - start
				if err = errors.Join(err, ctx.Err()); err != nil {
					return nil, err
				}
				if decoders[k].garbage {
					runtime.GC()
				}
			}
		}
		n := float64(len(pictures))
		for k, d := range decoders {
			s := result.Sample{
				Name: "Decode", Iterations: len(pictures),
				Keys:   []result.Key{result.K("format", pictures[0].Format), result.K("size", size), result.K("decoder", d.name)},
				Values: []result.Value{{Value: n / took[k].Seconds(), Unit: "images/s"}},
			}
			if last := len(decoders) - 1; decoders[last].name == Limit {
				s.Values = append(s.Values, result.Value{Value: took[last].Seconds() / took[k].Seconds(), Unit: "of-limit"})
			}
			if i := slices.IndexFunc(decoders, func(d decoder) bool { return d.name == WithPillow }); i >= 0 {
				s.Values = append(s.Values, result.Value{Value: took[i].Seconds() / took[k].Seconds(), Unit: "of-pillow"})
			}
			s.Values = append(s.Values, result.Value{Value: allocs[k], Unit: "allocs/image"})
			samples = append(samples, s)
		}
	}
	return samples, nil
}

// decodersFor returns the decoders for pictures of one format. The limit, if there is
// one, is the last. The caller must call closeAll, even after an error.
func decodersFor(pictures []Picture, spec preprocess.Spec, device string, pillow *Pillow) (list []decoder, closeAll func(), err error) {
	var open []interface{ Close() }
	closeAll = func() {
		for _, d := range open {
			d.Close()
		}
	}
	dst := make([]byte, spec.RowBytes())
	// Package image may know the format and not the kind, such as a TIFF in zstd.
	known := func(p Picture) bool {
		_, _, err := image.Decode(bytes.NewReader(p.Data))
		return err == nil
	}
	readable := slices.ContainsFunc(pictures, known)
	ours := func(name string, scaled bool, device string) error {
		spec.ScaledDecode = scaled
		d, err := preprocess.NewDecoder(spec, preprocess.Options{JPEG: device})
		if err != nil {
			return err
		}
		open = append(open, d)
		one := decoder{name: name, decode: func(p Picture) error { return d.Decode(dst, p.Data) }}
		if !readable { // by a helper process; to ask for its time takes time, too
			but := 0
			if pillow != nil {
				but = pillow.cmd.Process.Pid
			}
			one.clock = func() time.Duration { return CPUTime() + childrenTime(but) }
		}
		list = append(list, one)
		return nil
	}
	if err := ours(Ours, false, ""); err != nil {
		return nil, closeAll, err
	}
	isJPEG := pictures[0].Format == "jpeg"
	if isJPEG {
		if err := ours(OursScaled, true, ""); err != nil {
			return nil, closeAll, err
		}
	}
	if isJPEG && device != "" {
		if err := ours(OurDevice+device, false, device); err != nil {
			return nil, closeAll, err
		}
	}
	if pillow != nil {
		list = append(list, decoder{name: WithPillow, clock: func() time.Duration { return pillow.used },
			decode: func(p Picture) error { return pillow.decode(p.Data, spec.Width, spec.Height) }})
	}
	if !readable {
		return list, closeAll, nil
	}
	list = append(list,
		decoder{name: Imaging, garbage: true, decode: func(p Picture) error {
			img, err := imaging.Decode(bytes.NewReader(p.Data))
			if err != nil {
				return err
			}
			imaging.Resize(img, spec.Width, spec.Height, imaging.Linear)
			return nil
		}},
		decoder{name: Go, garbage: true, decode: func(p Picture) error {
			_, _, err := image.Decode(bytes.NewReader(p.Data))
			return err
		}})
	if _, err := jpeg.Backend(); isJPEG && err == nil {
		most := 0
		for _, p := range pictures {
			most = max(most, p.Width*p.Height*3)
		}
		bare, err := jpeg.NewTurbo()
		if err != nil {
			return nil, closeAll, err
		}
		open = append(open, bare)
		rgb := make([]byte, most)
		list = append(list, decoder{name: Limit, decode: func(p Picture) error {
			return bare.DecodeRGB(rgb, p.Data, p.Width, p.Height)
		}})
	}
	return list, closeAll, nil
}

// allocations returns Go's allocations per picture, for a decoder that has seen all
// of them before. It is the lowest number of several passes, since the runtime itself
// also allocates at times.
func allocations(pictures []Picture, d decoder) (float64, error) {
	var before, after runtime.MemStats
	least := uint64(math.MaxUint64)
	for pass := range 4 {
		runtime.ReadMemStats(&before)
		for _, p := range pictures {
			if err := d.decode(p); err != nil {
				return 0, fmt.Errorf("%s decoder: %w", d.name, err)
			}
		}
		runtime.ReadMemStats(&after)
		if pass > 0 {
			least = min(least, after.Mallocs-before.Mallocs)
		}
	}
	return float64(least) / float64(len(pictures)), nil
}
