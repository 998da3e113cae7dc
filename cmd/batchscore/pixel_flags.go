package main

import (
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// pixelFlags answer how few models have their pixels prepared.
type pixelFlags struct {
	resizeToHeight  int
	pad, background string
	padZero         bool
	position, grey  string
}

func (f *pixelFlags) register(fs *pflag.FlagSet) {
	fs.IntVar(&f.resizeToHeight, "resize-to-height", 0, "with stretch-crop, resize the height to `PIXELS` before cropping (default that of --resize-to)")
	fs.StringVar(&f.pad, "pad", "", "surround the image with this colour, `R,G,B` from 0 to 255, or one number for a grey model")
	fs.BoolVar(&f.padZero, "pad-zero", false, "surround the image with 0 in the model's input, as padding after mean and std does")
	fs.StringVar(&f.position, "position", "", "put the image into the `PLACE` of its padding: center (the default) or top-left")
	fs.StringVar(&f.background, "background-colour", "",
		"blend transparent pixels over the colour `R,G,B` from 0 to 255 (default: ignore transparency, as Pillow's convert(\"RGB\") does)")
	fs.StringVar(&f.grey, "grey", "", "make one channel of three as `LIBRARY` does: pillow (the default for a model of one channel) or opencv")
}

// answers adds what the flags that are set say.
func (f *pixelFlags) answers(set func(string) bool, a *models.Answers) error {
	if set("pad-zero") {
		a.PadZero = &f.padZero
	}
	if set("position") {
		v := preprocess.Position(f.position)
		a.Position = &v
	}
	if set("grey") {
		v := preprocess.Grey(f.grey)
		a.Grey = &v
	}
	if set("background-colour") {
		const want = "three whole numbers R,G,B from 0 to 255"
		parts := strings.Split(f.background, ",")
		for _, part := range parts {
			v, err := strconv.ParseUint(strings.TrimSpace(part), 10, 8)
			if err != nil || len(parts) != 3 {
				return invalid("background-colour", f.background, want)
			}
			a.BackgroundColour = append(a.BackgroundColour, int(v))
		}
	}
	return nil
}

// channels reads a number for each channel of a model.
func channels(flag, text string) (numbers []float32, err error) {
	const want = "three numbers R,G,B, or one for a grey model"
	parts := strings.Split(text, ",")
	if len(parts) != 3 && len(parts) != 1 {
		return nil, invalid(flag, text, want)
	}
	for _, part := range parts {
		v, err := models.ParseNumber(part)
		if err != nil {
			return nil, invalid(flag, text, want)
		}
		numbers = append(numbers, v)
	}
	return numbers, nil
}
