package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/preprocess"
)

func newBenchDecode() *cobra.Command {
	var f benchFlags
	var images string
	var sizes []string
	var formats []string
	var target, rounds, count int
	var seed uint64
	cmd := &cobra.Command{
		Use:   "decode [--images FOLDER]",
		Short: "Measure decoders: images/s of one core by format and size, against libjpeg-turbo alone",
		Long: `decode measures how many images one core turns into tensors in a second of
processor time: with our decoder, at full size and with scaled decoding; with
disintegration/imaging, decode and resize; with Go's standard library, decode
only. The limit is libjpeg-turbo's bare full decode. All take turns on the same
pictures. Pictures are those of --images, or generated scenes; with --sizes they
are brought to that area and encoded again in each of --formats.`,
		Example: `  batchscore bench decode
  batchscore bench decode --images photos
  batchscore bench decode --images photos --sizes 0.2,0.7,3 --formats jpeg,png --format bench`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if err := localOnly("--images", images); err != nil {
				return err
			}
			if target < 1 || rounds < 1 || count < 1 {
				return usagef("--target, --rounds and --count are above zero")
			}
			for _, format := range formats {
				if !slices.Contains(measure.Formats, format) {
					return usagef("--formats: %q is none of %s", format, strings.Join(measure.Formats, ", "))
				}
			}
			spec := preprocess.Spec{Width: target, Height: target, Layout: preprocess.HWC, DType: preprocess.Uint8,
				Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch}
			var given []measure.Picture
			var unread []string
			if images != "" {
				var err error
				if given, err = measure.ReadSome(images, count); err != nil {
					return config(err)
				}
				if given, unread, err = measure.Readable(given, spec); err != nil {
					return err
				}
				if len(given) == 0 {
					return config(fmt.Errorf("%s holds no picture that all decoders read: %s", images, strings.Join(unread, ", ")))
				}
			}
			run := result.Run{Provenance: provenance(seed, map[string]string{"jpeg": jpegName()})}
			for _, size := range sizes {
				pictures := given
				if size != asTheyAre || images == "" {
					var err error
					if pictures, err = brought(given, size, formats, count, seed); err != nil {
						return err
					}
				}
				samples, err := measure.Decode(cmd.Context(), pictures, size, spec, rounds)
				if err != nil {
					return err
				}
				run.Samples = append(run.Samples, samples...)
			}
			notes := []string{fmt.Sprintf("One core, to %dx%d pixels; sizes in megapixels; of-limit is against libjpeg-turbo's bare full decode.", target, target)}
			if len(unread) > 0 {
				notes = append(notes, "Left out, since not all decoders read them: "+strings.Join(unread, ", "))
			}
			return f.tell(cmd, run, result.TableOptions{Notes: notes})
		},
	}
	fs := cmd.Flags()
	f.register(cmd)
	fs.StringVar(&images, "images", "", "folder of pictures, the first of which are taken; by default scenes are generated")
	fs.StringSliceVar(&sizes, "sizes", nil, "areas in megapixels; by default 0.7, or \""+asTheyAre+"\" with --images")
	fs.StringSliceVar(&formats, "formats", []string{"jpeg"}, strings.Join(measure.Formats, ", ")+"; for pictures that are encoded again")
	fs.IntVar(&target, "target", 299, "side of the model's input in pixels")
	fs.IntVar(&rounds, "rounds", 10, "rounds, each a sample")
	fs.IntVar(&count, "count", 16, "pictures of each format and size")
	fs.Uint64Var(&seed, "seed", 1, "seed of the generated scenes")
	cmd.PreRun = func(*cobra.Command, []string) {
		if len(sizes) == 0 {
			sizes = []string{"0.7"}
			if images != "" {
				sizes = []string{asTheyAre}
			}
		}
	}
	return cmd
}

// asTheyAre is the size of pictures that are not brought to any other.
const asTheyAre = "as-is"

// brought are at most count pictures of a size in megapixels in each format,
// from those given or, without any, generated.
func brought(given []measure.Picture, size string, formats []string, count int, seed uint64) ([]measure.Picture, error) {
	area, err := strconv.ParseFloat(size, 64)
	if err != nil || !(area > 0 && area <= 100) {
		return nil, usagef("--sizes: %q is no area in megapixels", size)
	}
	pixels := max(int(area*1e6), 1)
	images := measure.Resample(given[:min(count, len(given))], pixels)
	if len(given) == 0 {
		images = measure.Scenes(count, pixels, seed)
	}
	if len(images) == 0 {
		return nil, usagef("--sizes %s: no picture is as large", size)
	}
	var pictures []measure.Picture
	for _, format := range formats {
		for _, img := range images {
			p, err := measure.Encode(img, format)
			if err != nil {
				return nil, err
			}
			pictures = append(pictures, p)
		}
	}
	return pictures, nil
}
