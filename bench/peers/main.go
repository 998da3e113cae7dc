// Command peers compares batchscore with programs that do the same job with other
// tools that people use: with the same files, weights, precision and cores, in
// alternating rounds.
//
//		go run ./bench/peers -venvs .cache/peers -model inception.onnx -photos photos
//
//	 1. setup.sh has made a virtual environment for each peer. A peer that could not
//	    be installed is left out, with a message.
//	 2. Photographs are resized to one size and written to a folder.
//	 3. A short sweep finds the best form and batch for each peer.
//	 4. In every round each takes its turn, in an order that rotates. Models are
//	    loaded and workers started before the clock starts.
//	 5. All labels must agree with ours on nearly all images: a program that computes
//	    something else is not a peer.
//	 6. Decoding alone is compared with Pillow's, on one core.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/preprocess/jpeg"
)

type options struct {
	programs, venvs, model, photos, save string
	images, rounds, cores                int
	scaled                               bool
}

func main() {
	var o options
	flag.StringVar(&o.programs, "programs", "bench/peers", "folder of the peers' programs")
	flag.StringVar(&o.venvs, "venvs", ".cache/peers", "folder of the virtual environments")
	flag.StringVar(&o.model, "model", ".cache/models/classification.onnx", "ONNX model")
	flag.StringVar(&o.photos, "photos", ".cache/images/photos", "folder of photographs")
	flag.StringVar(&o.save, "save", "", "file to append the samples to")
	flag.IntVar(&o.images, "images", 384, "images of a round")
	flag.IntVar(&o.rounds, "rounds", 6, "rounds")
	flag.IntVar(&o.cores, "cores", device.CPUs(1).Usable, "cores for each")
	flag.BoolVar(&o.scaled, "scaled", false, "let all shrink JPEG while decoding (Pillow's draft mode)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// pixels is the area of the photographs, as in typical collections.
const pixels = 680_000

func run(ctx context.Context, o options) (err error) {
	folder, err := os.MkdirTemp("", "batchscore-peers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	photos := filepath.Join(folder, "photos")
	if err := writePhotos(o.photos, photos, o.images); err != nil {
		return err
	}
	m, err := models.Open(o.model, models.OpenOptions{})
	if err != nil {
		return err
	}
	m.Contract.Preprocess.ScaledDecode = o.scaled
	us, err := openOurs(m, photos)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, us.close()) }()
	if err := us.sweep(ctx); err != nil {
		return err
	}
	labels, err := us.labels(ctx)
	if err != nil {
		return err
	}
	var peers []*peer
	for _, p := range all {
		p.options, p.photos, p.rows = o, photos, filepath.Join(folder, p.name+".tsv")
		if err := p.sweep(ctx); err != nil {
			fmt.Fprintf(os.Stderr, "peer %s: skipped: %v\n", p.name, err)
			continue
		}
		if err := agree(p.rows, labels); err != nil {
			return fmt.Errorf("peer %s: %w", p.name, err)
		}
		peers = append(peers, p)
	}
	versions := map[string]string{"onnxruntime": us.version()}
	versions["jpeg"], _ = jpeg.Backend() // without libjpeg-turbo it names the decoder used instead
	r := result.Run{Provenance: result.Here(versions, 0)}
	for round := range o.rounds {
		samples, err := turn(ctx, us, peers, round, o.scaled)
		if err != nil {
			return err
		}
		decoding, err := decodeTurn(ctx, o, photos)
		if err != nil {
			return err
		}
		r.Samples = append(append(r.Samples, samples...), decoding...)
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
	}
	if o.save != "" {
		if err := result.Append(o.save, r); err != nil {
			return err
		}
	}
	return result.WriteTable(os.Stdout, r, result.TableOptions{Best: "images/s"})
}

// writePhotos resizes photographs to one size, and repeats them until there are n.
func writePhotos(from, to string, n int) error {
	given, err := measure.ReadFolder(from)
	if err != nil {
		return err
	}
	images := measure.Resample(given, pixels)
	if len(images) == 0 {
		return fmt.Errorf("%s: there is no photograph of %d pixels or more", from, pixels)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	encoded := make([]measure.Picture, len(images))
	for i, img := range images {
		if encoded[i], err = measure.Encode(img, "jpeg"); err != nil {
			return err
		}
	}
	for i := range n {
		name := filepath.Join(to, fmt.Sprintf("%05d.jpg", i))
		if err := os.WriteFile(name, encoded[i%len(encoded)].Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// turn runs each program once. The sample of a peer contains our rate of the same round
// divided by the peer's.
func turn(ctx context.Context, us *ours, peers []*peer, round int, scaled bool) ([]result.Sample, error) {
	order := make([]int, len(peers)+1) // the last is ours
	for i := range order {
		order[i] = (i + round) % len(order)
	}
	var mine result.Sample
	reports := make([]report, len(peers))
	for _, i := range order {
		var err error
		if i == len(peers) {
			mine, err = us.run(ctx)
		} else {
			reports[i], err = peers[i].run(ctx, peers[i].best, 0)
		}
		if err != nil {
			return nil, err
		}
	}
	decode := "full"
	if scaled {
		decode = "scaled"
	}
	rate := valueOf(mine, "images/s")
	keys := func(name, how string) []result.Key {
		return []result.Key{result.K("program", name), result.K("how", how), result.K("decode", decode)}
	}
	samples := []result.Sample{{Name: "Peers", Keys: keys("batchscore", fmt.Sprintf("batch-%d", us.batch)), Values: []result.Value{
		{Value: rate, Unit: "images/s"}, {Value: 1, Unit: "times-its-rate"}, {Value: valueOf(mine, "cpu-ms/image"), Unit: "cpu-ms/image"}}}}
	for i, p := range peers {
		s := result.Sample{Name: "Peers", Keys: keys(p.name, fmt.Sprintf("%s,batch-%d", p.best.form, p.best.batch)), Values: []result.Value{
			{Value: reports[i].rate(), Unit: "images/s"}, {Value: rate / reports[i].rate(), Unit: "times-its-rate"}}}
		if cpu := reports[i].CPU; cpu != nil {
			theirs := 1e3 * *cpu / float64(reports[i].Images)
			s.Values = append(s.Values, result.Value{Value: theirs, Unit: "cpu-ms/image"},
				result.Value{Value: theirs / valueOf(mine, "cpu-ms/image"), Unit: "its-cpu-to-ours"})
		}
		samples = append(samples, s)
	}
	return samples, nil
}

func valueOf(s result.Sample, unit string) float64 {
	if i := slices.IndexFunc(s.Values, func(v result.Value) bool { return v.Unit == unit }); i >= 0 {
		return s.Values[i].Value
	}
	return 0
}
