package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/preprocess"
)

func newBenchDecode() *cobra.Command {
	var f benchFlags
	var images, python string
	var sizes []string
	var formats []string
	var target, rounds, count int
	var seed uint64
	var decode decodeFlag
	cmd := &cobra.Command{
		Use:   "decode [--images FOLDER]",
		Short: "Measure decoders: images/s of one core by format and size, compared with libjpeg-turbo alone",
		Long: `decode measures how many images one core turns into tensors in a second of processor
time: with batchscore's decoder, at full size and with scaled decoding; with
disintegration/imaging, decoding and resizing; and with Go's standard library, decoding
only. The limit is a full decode by libjpeg-turbo alone. All decoders take turns on the
same images: those in --images, or generated scenes. With --sizes they are resized to
that area and encoded again in each of --formats. With --pillow, Python's Pillow takes
its turns as well, in a process of its own; of images of a format that Go does not know,
it is the only other decoder.`,
		Example: `  batchscore bench decode
  batchscore bench decode --images photos
  batchscore bench decode --images scans --pillow python3
  batchscore bench decode --images photos --sizes 0.2,0.7,3 --formats jpeg,png --format bench`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(f.check(), decode.check(withoutAuto())); err != nil {
				return err
			}
			if err := localOnly("--images", images); err != nil {
				return err
			}
			if target < 1 || rounds < 1 || count < 1 {
				return usagef("--target, --rounds and --count must be above zero")
			}
			for _, format := range formats {
				if err := oneOf("formats", format, measure.Formats); err != nil {
					return err
				}
			}
			spec := preprocess.Spec{Width: target, Height: target, Layout: preprocess.HWC, DType: preprocess.Uint8,
				Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch}
			var pillow *measure.Pillow
			if python != "" {
				var err error
				if pillow, err = measure.StartPillow(python); err != nil {
					return config(fmt.Errorf("--pillow: %w", err))
				}
				defer pillow.Close()
			}
			var given []measure.Picture
			var unread []string
			if images != "" {
				var err error
				if given, err = measure.ReadSome(images, count); err != nil {
					return config(err)
				}
				if given, unread, err = measure.Readable(given, spec, pillow); err != nil {
					return err
				}
				if len(given) == 0 {
					return config(fmt.Errorf("%s has no image that all decoders can read: %s", images, strings.Join(unread, ", ")))
				}
			}
			device, err := decode.openDecoder(0, warningLog(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			versions := map[string]string{"jpeg": jpegName()}
			if decode.on() {
				versions["jpeg_device"] = device.name
			}
			if pillow != nil {
				versions["pillow"] = pillow.Version
			}
			nativeVersions(versions, given)
			run := result.Run{Provenance: provenance(seed, versions)}
			for _, size := range sizes {
				pictures := given
				if size != asTheyAre || images == "" {
					var err error
					if pictures, err = brought(given, size, formats, count, seed); err != nil {
						return err
					}
				}
				samples, err := measure.Decode(cmd.Context(), pictures, size, spec, device.device, pillow, rounds)
				if err != nil {
					return err
				}
				run.Samples = append(run.Samples, samples...)
			}
			notes := []string{fmt.Sprintf(
				"One core, to %dx%d pixels; sizes in megapixels; of-limit compares with a full decode by libjpeg-turbo alone.", target, target)}
			if decode.on() {
				notes = append(notes, "On a device, images/s tells how many images one core can check and resize,"+
					" not how many the device decodes: bench run measures that.")
			}
			if len(unread) > 0 {
				notes = append(notes, "Left out, because not all decoders can read them: "+strings.Join(unread, ", "))
			}
			return errors.Join(f.tell(cmd, run, result.TableOptions{Notes: notes}), f.draw(cmd.Context(), run, "decoder"))
		},
	}
	fs := cmd.Flags()
	f.register(cmd)
	registerChart(fs, &f.chart)
	fs.StringVar(&images, "images", "", "decode the first images in `FOLDER` (default generated scenes)")
	fs.StringSliceVar(&sizes, "sizes", nil, "resize images to these areas, in `MEGAPIXELS` (default 0.7, or \""+asTheyAre+"\" with --images)")
	fs.StringSliceVar(&formats, "formats", []string{"jpeg"}, "encode resized images in these `FORMATS`: "+strings.Join(measure.Formats, ", "))
	chooseSome(cmd, "formats", measure.Formats)
	decode.register(cmd, withoutAuto(), "compare decoding of JPEG on `DEVICE`, too: gpu; the processor time does not contain the GPU's work")
	fs.StringVar(&python, "pillow", "", "compare with Pillow in the Python interpreter `PYTHON`, too, with pillow-heif and pillow-jxl-plugin where it has them")
	fs.IntVar(&target, "target", 299, "decode to tensors with a side of `PIXELS`")
	fs.IntVar(&rounds, "rounds", 10, "measure `N` rounds, each a sample")
	fs.IntVar(&count, "count", 16, "decode `N` images of each format and size")
	fs.Uint64Var(&seed, "seed", 1, "generate scenes from this `SEED`")
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

// asTheyAre is the size of images that are not resized.
const asTheyAre = "as-is"

// brought returns at most count images of a size in megapixels in each format, made
// from those given or, if there are none, generated.
func brought(given []measure.Picture, size string, formats []string, count int, seed uint64) ([]measure.Picture, error) {
	area, err := strconv.ParseFloat(size, 64)
	if err != nil || !(area > 0 && area <= 100) {
		return nil, invalid("sizes", size, "an area in megapixels, at most 100")
	}
	pixels := max(int(area*1e6), 1)
	images := measure.Resample(given[:min(count, len(given))], pixels)
	if len(given) == 0 {
		images = measure.Scenes(count, pixels, seed)
	}
	if len(images) == 0 {
		return nil, usagef("--sizes %s: no image is that large", size)
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
