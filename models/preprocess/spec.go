package preprocess

import (
	"fmt"
	"slices"
	"strings"
)

// Layout is the order of the axes of one image in the tensor.
type Layout string

// DType is the element type of the input tensor.
type DType string

// Resize names a resampling policy after the library whose pixels it matches.
type Resize string

// Fit says how the source rectangle is mapped to the model's input.
type Fit string

// Grey says how a model of one channel gets it from red, green and blue.
type Grey string

// Position says where a picture is that does not fill the model's input.
type Position string

// Augment says which views of an image a model sees.
type Augment string

// TileRule says what becomes of the answers of an image's tiles.
type TileRule string

// The values that a Spec may hold.
const (
	HWC Layout = "HWC"
	CHW Layout = "CHW"

	Uint8   DType = "uint8"
	Float32 DType = "float32"

	// PillowBilinear is Pillow's antialiased triangle filter (support 1 at
	// scale 1), as used by torchvision on PIL images.
	PillowBilinear Resize = "pillow-bilinear"
	// PillowBicubic is Pillow's antialiased cubic filter (a = -0.5, support 2).
	PillowBicubic Resize = "pillow-bicubic"
	// PillowLanczos is Pillow's antialiased Lanczos filter (a = 3, support 3).
	PillowLanczos Resize = "pillow-lanczos"
	// PillowNearest is Pillow's nearest neighbour, the default of Keras's
	// load_img: the source pixel under the middle of the output's.
	PillowNearest Resize = "pillow-nearest"

	// TFBilinear is tf.image.resize(method="bilinear"), with half-pixel
	// centres. It and the two below take four taps without antialiasing, keep
	// fractions for Float32, and round half up for Uint8.
	TFBilinear Resize = "tf-bilinear"
	// TFBilinearLegacy is tf.compat.v1.image.resize_bilinear with neither
	// half-pixel centres nor aligned corners: output i is at i*inputs/outputs.
	// tf-slim's models were trained with it.
	TFBilinearLegacy Resize = "tf-bilinear-legacy"
	// TFBilinearAlignCorners is tf.image.resizeBilinear(alignCorners=true).
	TFBilinearAlignCorners Resize = "tf-bilinear-align-corners"

	// Area weighs each source pixel by how much of it the output pixel covers:
	// TensorFlow's method "area", and OpenCV's INTER_AREA where no side grows
	// (where one does, OpenCV takes two taps instead). Fractions are kept for
	// Float32 and rounded as OpenCV does for Uint8.
	Area Resize = "area"

	// OpenCVLinear and the three below it are cv2.resize with INTER_LINEAR, INTER_CUBIC,
	// INTER_LANCZOS4 and INTER_AREA, on images of bytes: 2, 4 or 8 taps with weights of
	// 11 bits, without antialiasing but for INTER_AREA where no side grows. Pixels are
	// rounded to bytes, for Float32 as well.
	OpenCVLinear  Resize = "opencv-linear"
	OpenCVCubic   Resize = "opencv-cubic"
	OpenCVLanczos Resize = "opencv-lanczos4"
	OpenCVArea    Resize = "opencv-area"

	// Stretch resizes the whole image to Width x Height, whatever its aspect.
	Stretch Fit = "stretch"
	// CenterCrop resizes the shortest side to ResizeTo and cuts Width x Height
	// from the middle, rounding as torchvision's Resize and CenterCrop do.
	// ResizeTo below Width or Height, where torchvision would pad with black,
	// is refused.
	CenterCrop Fit = "center-crop"
	// SlimCenterCrop is CenterCrop as tf-slim's VGG preprocessing rounds: the
	// long side to the nearest, in float32, and the offset of the crop down.
	SlimCenterCrop Fit = "slim-center-crop"
	// CentralFraction cuts the middle Fraction of both sides, as
	// tf.image.central_crop does, and stretches that to Width x Height: tf-slim's
	// Inception preprocessing, with a Fraction of 0.875.
	CentralFraction Fit = "central-fraction"
	// HFCenterCrop is CenterCrop as the image processors of Hugging Face's
	// transformers round: the offset of the crop down.
	HFCenterCrop Fit = "hf-center-crop"
	// PaddleCenterCrop is CenterCrop as PaddleClas's ResizeImage and CropImage round:
	// the long side to the nearest, in float64, and the offset of the crop down.
	PaddleCenterCrop Fit = "paddle-center-crop"
	// StretchCrop resizes the whole image to ResizeTo x ResizeTo, or ResizeTo x
	// ResizeToHeight, whatever its aspect, and cuts Width x Height from the middle.
	StretchCrop Fit = "stretch-crop"
	// Letterbox resizes the whole image to the largest size within Width x Height that
	// has its aspect, rounding as ultralytics's LetterBox does, and surrounds it with Pad.
	Letterbox Fit = "letterbox"
	// PillowPad is Letterbox as Pillow's ImageOps.pad rounds, but of an image at least one pixel
	// is shown, where Pillow 13 shows none of a very long one.
	PillowPad Fit = "pillow-pad"
	// SquarePad surrounds the image with Pad before the resize, to a square of its longer
	// side, as LLaVA's expand2square does, and stretches that.
	SquarePad Fit = "square-pad"
	// PaddlePadRight resizes the image to Height, and to a width of its aspect, rounded up,
	// but at most Width. Pad is to the right of it. PaddleOCR prepares lines of text so.
	PaddlePadRight Fit = "paddle-pad-right"

	// GreyPillow is Pillow's convert("L"): 19595 red, 38470 green and 7471 blue, of 65536,
	// rounded to the nearest before the resize.
	GreyPillow Grey = "pillow"
	// GreyOpenCV is cv2.cvtColor's: 9798 red, 19235 green and 3735 blue, of 32768.
	GreyOpenCV Grey = "opencv"

	// Flip is the image and its mirror image.
	Flip Augment = "flip"
	// FiveCrop is the four corners of the resized image and what the fit cuts out, in the
	// order of torchvision's FiveCrop. It needs a fit that crops.
	FiveCrop Augment = "five-crop"
	// TenCrop is FiveCrop, and then the mirror images of these, as torchvision's TenCrop.
	TenCrop Augment = "ten-crop"

	// TileMean is the mean of the numbers of all tiles, TileMax the largest of each number, and
	// TileTop the numbers of the tile whose best class is surest. Of classes, the numbers are
	// probabilities.
	TileMean TileRule = "mean"
	TileMax  TileRule = "max"
	TileTop  TileRule = "top"

	// Center puts a picture into the middle of its padding; the default.
	Center Position = "center"
	// TopLeft puts it into the corner.
	TopLeft Position = "top-left"
)

// Spec is all that decides the tensor row of an image, given its bytes. It is part of
// a model's contract. Digests are taken of its JSON form.
type Spec struct {
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Layout Layout `json:"layout"`
	DType  DType  `json:"dtype"`
	// BGR swaps red and blue.
	BGR    bool   `json:"bgr,omitempty"`
	Resize Resize `json:"resize"`
	Fit    Fit    `json:"fit"`
	// ResizeTo is the shortest side before the crop, in pixels, with the fits whose name
	// ends in CenterCrop, or the width before it, with StretchCrop.
	ResizeTo int `json:"resize_to,omitempty"`
	// ResizeToHeight is the height before the crop, where it is not ResizeTo;
	// StretchCrop only.
	ResizeToHeight int `json:"resize_to_height,omitempty"`
	// Pad is the colour around the picture, as red, green and blue pixels of 0 to 255, or
	// as one grey; Letterbox, PillowPad, SquarePad and PaddlePadRight only. Empty is
	// black. Uint8 needs whole numbers.
	Pad []float32 `json:"pad,omitempty"`
	// PadZero makes the padding 0 in the tensor, as padding after the normalisation does,
	// whatever Mean and Std say. It excludes Pad and SquarePad.
	PadZero bool `json:"pad_zero,omitempty"`
	// Position is where the picture is in its padding; Letterbox, PillowPad and SquarePad
	// only. Empty is Center.
	Position Position `json:"position,omitempty"`
	// Background is the colour, red, green and blue of 0 to 255, over which transparent
	// pixels are blended before the resize. Empty ignores transparency, as Pillow's
	// convert("RGB") does: the colours that such pixels have are used.
	Background []int `json:"background_colour,omitempty"`
	// Grey makes one channel of the pixels, before the resize; empty keeps three. With it,
	// Mean, Std and Pad have one value.
	Grey Grey `json:"grey,omitempty"`
	// Augment makes a row of several views of an image, one after another; empty makes one.
	Augment Augment `json:"augment,omitempty"`
	// Tile is the side, in pixels of the upright image, of the square tiles that are scored each as
	// an image; 0 is the whole image. A side of the image that is shorter is that of its tiles. The last
	// tile of a row or a column is moved inwards to end with the image. The tensor row is then the
	// numbers of Options.Tiles.
	Tile int `json:"tile,omitempty"`
	// TileOverlap is the part of a tile's side that the next one shares, from 0 to MaxTileOverlap.
	TileOverlap float32 `json:"tile_overlap,omitempty"`
	// TileRule is what becomes of the tiles' answers; needed with Tile, and only then.
	TileRule TileRule `json:"tile_rule,omitempty"`
	// Fraction is the part of each side that is kept, above 0 and at most 1;
	// CentralFraction only.
	Fraction float64 `json:"fraction,omitempty"`
	// IgnoreOrientation keeps the pixels as they are stored. By default they are
	// turned upright.
	IgnoreOrientation bool `json:"ignore_orientation,omitempty"`
	// ScaledDecode lets the JPEG decoder shrink to a half, a quarter or an
	// eighth by DCT scaling, never below the target size. It changes pixels, and is
	// therefore part of the Spec.
	ScaledDecode bool `json:"scaled_decode,omitempty"`
	// RawPreview decodes the preview that a camera's raw file holds as a JPEG, which is
	// what the camera made of it. Without it such files are not decoded.
	RawPreview bool `json:"raw_preview,omitempty"`
	// ValueRange is the value that is black and the one that is white, of TIFFs in grey or RGB, and of PNGs,
	// whose samples have more than 8 bits. Between them levels are rounded to the nearest. Empty is what
	// the format's own reader does, which keeps the upper 8 of 16 bits.
	ValueRange []float64 `json:"value_range,omitempty"`
	// Bands are the samples of a TIFF in grey or RGB that are red, green and blue, from 1, or the one
	// that is all three. Empty are those that the file says. A TIFF without such a sample fails.
	Bands []int `json:"bands,omitempty"`
	// Scale, Mean and Std apply to Float32 only, per RGB channel, before any
	// swap: value = (pixel*Scale - Mean[c]) / Std[c]. A zero Scale means 1;
	// empty Mean and Std mean 0 and 1.
	Scale float32   `json:"scale,omitempty"`
	Mean  []float32 `json:"mean,omitempty"`
	Std   []float32 `json:"std,omitempty"`
}

// RowBytes returns the size of all views of one image, or of one tile, in the tensor, in bytes.
func (s Spec) RowBytes() int {
	n := s.Width * s.Height * s.Channels() * s.Views()
	if s.DType == Float32 {
		n *= 4
	}
	return n
}

// Views returns how many views of an image a row has: 1, 2, 5 or 10.
func (s Spec) Views() int {
	switch s.Augment {
	case Flip:
		return 2
	case FiveCrop:
		return 5
	case TenCrop:
		return 10
	}
	return 1
}

// Augments returns all ways to make views.
func Augments() []Augment { return []Augment{Flip, FiveCrop, TenCrop} }

// TileRules returns all rules.
func TileRules() []TileRule { return []TileRule{TileMean, TileMax, TileTop} }

// Channels returns how many numbers of the tensor a pixel has: 3, or 1 with Grey.
func (s Spec) Channels() int {
	if s.Grey != "" {
		return 1
	}
	return 3
}

// fits are all fits, in the order in which people are told of them.
var fits = []Fit{
	Stretch, CenterCrop, SlimCenterCrop, HFCenterCrop, PaddleCenterCrop, CentralFraction, StretchCrop,
	Letterbox, PillowPad, SquarePad, PaddlePadRight,
}

// Fits returns all fits.
func Fits() []Fit { return slices.Clone(fits) }

// Crops reports whether a fit needs Spec.ResizeTo, of which it cuts the middle.
func (f Fit) Crops() bool {
	switch f {
	case CenterCrop, SlimCenterCrop, HFCenterCrop, PaddleCenterCrop, StretchCrop:
		return true
	}
	return false
}

// Pads reports whether a fit surrounds a picture with Spec.Pad.
func (f Fit) Pads() bool {
	switch f {
	case Letterbox, PillowPad, SquarePad, PaddlePadRight:
		return true
	}
	return false
}

// Surroundings says for people what is around a picture, behind its transparent pixels, and how
// it becomes grey.
func (s Spec) Surroundings() []string {
	var parts []string
	if s.Fit.Pads() {
		colour := "black"
		switch {
		case s.PadZero:
			colour = "zeros"
		case len(s.Pad) > 0:
			colour = strings.Trim(fmt.Sprint(s.Pad), "[]")
		}
		parts = append(parts, "padded with "+colour)
		if s.Position == TopLeft {
			parts = append(parts, "from the top left")
		}
	}
	if len(s.Background) > 0 {
		parts = append(parts, "transparent over "+strings.Trim(fmt.Sprint(s.Background), "[]"))
	}
	if s.Grey != "" {
		parts = append(parts, "grey as "+map[Grey]string{GreyPillow: "Pillow", GreyOpenCV: "OpenCV"}[s.Grey]+" makes it")
	}
	return parts
}
