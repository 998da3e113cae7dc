package measure

import (
	"bytes"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/disintegration/imaging"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	_ "golang.org/x/image/webp" // for image.DecodeConfig

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/budget"
)

// Picture is an encoded image.
type Picture struct {
	Name          string // of its file; empty if it has none
	Data          []byte
	Format        string // as package image names it: jpeg, png, ...; else as package preprocess does, in lower case
	Width, Height int    // as stored; 0 where package image does not know the format
}

// Formats are the formats that Encode writes.
var Formats = []string{"jpeg", "png", "gif", "bmp", "tiff"}

// quality is a usual quality of JPEGs that people share.
const quality = 85

// Encode returns an image as a Picture.
func Encode(img image.Image, format string) (Picture, error) {
	var b bytes.Buffer
	var err error
	switch format {
	case "jpeg":
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: quality})
	case "png":
		err = png.Encode(&b, img)
	case "gif":
		err = gif.Encode(&b, img, nil)
	case "bmp":
		err = bmp.Encode(&b, img)
	case "tiff":
		err = tiff.Encode(&b, img, nil)
	default:
		err = fmt.Errorf("there is no encoder for the format %q", format)
	}
	size := img.Bounds().Size()
	return Picture{Data: b.Bytes(), Format: format, Width: size.X, Height: size.Y}, err
}

// ReadFolder reads the pictures of a folder and of the folders in it, in order of
// their names. It skips files that are not an image of a known format.
func ReadFolder(folder string) ([]Picture, error) {
	return readFolder(folder, math.MaxInt, math.MaxInt)
}

// ReadSome is ReadFolder for at most n pictures of each format, among the first files
// of a folder that may hold a whole collection.
func ReadSome(folder string, most int) ([]Picture, error) { return readFolder(folder, most, lookedAt) }

// lookedAt is how many files ReadSome looks at.
const lookedAt = 10_000

func readFolder(folder string, most, files int) ([]Picture, error) {
	var all []Picture
	have := map[string]int{}
	err := filepath.WalkDir(folder, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		if files--; files < 0 {
			return fs.SkipAll
		}
		p, err := readPicture(name, func(format string) bool { return have[format] < most })
		if err == nil && p.Data != nil {
			p.Name, err = filepath.Rel(folder, name)
			have[p.Format]++
			all = append(all, p)
		}
		return err
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("there are no pictures in %s", folder)
	}
	return all, err
}

// readPicture reads a file if it is a picture of a wanted format.
func readPicture(name string, wanted func(format string) bool) (Picture, error) {
	f, err := os.Open(name)
	if err != nil {
		return Picture{}, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() > budget.Process().Limits().Largest {
		return Picture{}, err // no decoder here takes it
	}
	c, format, err := image.DecodeConfig(f)
	if err == nil && !wanted(format) {
		return Picture{}, nil
	}
	data, failed := os.ReadFile(name)
	if failed != nil {
		return Picture{}, failed
	}
	if err != nil {
		var known bool
		if format, known = preprocess.FormatOf(data); !known || !wanted(strings.ToLower(format)) {
			return Picture{}, nil
		}
		format = strings.ToLower(format)
	}
	return Picture{Data: data, Format: format, Width: c.Width, Height: c.Height}, nil
}

// Scenes generates n pictures of an area in pixels, with sides in the ratio 3:2. They
// have smooth shapes with hard edges and grain, which cost a decoder about as much as
// photographs do.
func Scenes(n, pixels int, seed uint64) []image.Image {
	height := int(math.Sqrt(float64(pixels) / 1.5))
	width := height * 3 / 2
	scenes := make([]image.Image, n)
	for i := range scenes {
		scenes[i] = scene(max(width, 1), max(height, 1), rand.New(rand.NewPCG(seed, uint64(i))))
	}
	return scenes
}

func scene(w, h int, rnd *rand.Rand) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	fx, fy := 9+20*rnd.Float64(), 9+20*rnd.Float64()
	for y := range h {
		for x := range w {
			v := 128 + 70*math.Sin(float64(x)/fx)*math.Cos(float64(y)/fy)
			if (x/61+y/47)%3 == 0 {
				v += 40
			}
			p := img.Pix[y*img.Stride+4*x:][:4]
			for c := range 3 {
				p[c] = uint8(min(max(int(v+12*float64(c)*math.Sin(float64(x+y)/31))+rnd.IntN(17)-8, 0), 255))
			}
			p[3] = 255
		}
	}
	return img
}

// Resample resizes pictures to an area in pixels, upright. Smaller ones are left out:
// enlarged, they would have less detail than photographs have.
func Resample(pictures []Picture, pixels int) []image.Image {
	var images []image.Image
	for _, p := range pictures {
		img, err := imaging.Decode(bytes.NewReader(p.Data), imaging.AutoOrientation(true))
		if err != nil || img.Bounds().Dx()*img.Bounds().Dy() < pixels {
			continue
		}
		size := img.Bounds().Size()
		f := math.Sqrt(float64(pixels) / float64(size.X*size.Y))
		images = append(images, imaging.Resize(img, max(int(float64(size.X)*f), 1), max(int(float64(size.Y)*f), 1), imaging.Lanczos))
	}
	return images
}

// byFormat groups pictures by format, in the order in which formats first occur.
func byFormat(pictures []Picture) [][]Picture {
	var groups [][]Picture
	for _, p := range pictures {
		i := slices.IndexFunc(groups, func(g []Picture) bool { return g[0].Format == p.Format })
		if i < 0 {
			i, groups = len(groups), append(groups, nil)
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}
