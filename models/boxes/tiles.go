package boxes

import (
	"errors"
	"math"
	"slices"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// joined is the part of the smaller of two boxes above which boxes of tiles show the same object: that
// of SAHI, https://github.com/obss/sahi.
const joined = 0.5

// A Joiner makes the boxes of a picture of those of its tiles.
type Joiner struct {
	c     *models.Contract // of a tile as an image
	work  Work
	all   []Box
	kept  []Box
	tiles int
	side  int              // the longest of a tile
	grid  map[cell][]int32 // the boxes of kept that touch each cell
	large bool             // a box is a TooLarge
}

// cell is a square of a picture whose sides are the longest of a tile, so that a box touches four at most.
type cell struct{ x, y int }

// NewJoiner returns a Joiner for tiles with the contract c, as of images.
func NewJoiner(c *models.Contract) *Joiner { return &Joiner{c: c, grid: map[cell][]int32{}} }

// Begin begins a picture.
func (j *Joiner) Begin() { j.all, j.tiles, j.large = j.all[:0], 0, false }

// Add adds the model's numbers for a tile at that place, which it may change. It keeps the memory for
// some hundred thousand boxes at most. Its error completes "its output for image ...".
func (j *Joiner) Add(numbers []float32, at preprocess.Tile) error {
	found, err := j.work.Take(j.c, numbers)
	if err != nil {
		if large := (*TooLarge)(nil); !errors.As(err, &large) {
			return err
		}
		j.large = true
	}
	j.tiles++
	j.side = max(j.side, at.Width, at.Height)
	place := j.c.Preprocess.Placement(at.Width, at.Height)
	for _, b := range found {
		if b, ok := Placed(&b, place); ok {
			left, top := float32(at.X), float32(at.Y)
			j.all = append(j.all, Box{b.Left + left, b.Top + top, b.Right + left, b.Bottom + top, b.Score, b.Class})
		}
	}
	if len(j.all) > mostJoined {
		j.join(mostSuppressed)
	}
	return nil
}

// mostJoined is how many boxes are collected before they are joined.
const mostJoined = 200_000

// join leaves out boxes that show the object of a better one, and keeps the best.
func (j *Joiner) join(most int) {
	sortBest(j.all)
	if j.tiles > 1 {
		j.suppress(most)
	}
	j.all = j.all[:min(len(j.all), most)]
}

// suppress leaves out boxes that share too much with one of their class that is better and kept.
func (j *Joiner) suppress(most int) {
	j.kept = j.kept[:0]
	clear(j.grid)
	for i := range j.all {
		if len(j.kept) == most {
			break
		}
		b := &j.all[i]
		from, to := cell{int(b.Left) / j.side, int(b.Top) / j.side}, cell{int(b.Right) / j.side, int(b.Bottom) / j.side}
		if j.known(b, from, to) {
			continue
		}
		for y := from.y; y <= to.y; y++ {
			for x := from.x; x <= to.x; x++ {
				j.grid[cell{x, y}] = append(j.grid[cell{x, y}], int32(len(j.kept)))
			}
		}
		j.kept = append(j.kept, *b)
	}
	j.all, j.kept = j.kept, j.all
}

// known reports whether a box that touches those cells shows the object of one that is kept.
func (j *Joiner) known(b *Box, from, to cell) bool {
	for y := from.y; y <= to.y; y++ {
		for x := from.x; x <= to.x; x++ {
			for _, k := range j.grid[cell{x, y}] {
				if o := &j.kept[k]; (j.c.Settings.Agnostic || o.Class == b.Class) && o.Cover(b) > joined {
					return true
				}
			}
		}
	}
	return false
}

// End writes the boxes of the picture into numbers, of which there are Numbers.
func (j *Joiner) End(numbers []float32) {
	j.join(j.c.Settings.MaxBoxes)
	if j.large {
		// Numbers are finite. Take refuses this box.
		j.all = append(j.all[:0], Box{Right: math.MaxFloat32, Bottom: math.MaxFloat32, Score: 1})
	}
	clear(numbers)
	for i, b := range j.all {
		copy(numbers[i*perBox:], []float32{b.Left, b.Top, b.Right, b.Bottom, b.Score, float32(b.Class)})
	}
}

// perBox is how many numbers a box of a picture in tiles has: the corners, the score and the class.
const perBox = models.NumbersOfBox

// listed reads what Joiner.End has written.
func listed(all []Box, numbers []float32) []Box {
	for b := range slices.Chunk(numbers, perBox) {
		if b[4] == 0 {
			break // padding
		}
		all = append(all, Box{b[0], b[1], b[2], b[3], b[4], int(b[5])})
	}
	return all
}

// Placed returns a box of the input in the picture, cut off at its edges; false if nothing of it is
// there.
func Placed(b *Box, at preprocess.Placement) (Box, bool) {
	left, top := at.Picture(float64(b.Left), float64(b.Top))
	right, bottom := at.Picture(float64(b.Right), float64(b.Bottom))
	left, right = max(left, 0), min(right, float64(at.Width))
	top, bottom = max(top, 0), min(bottom, float64(at.Height))
	p := Box{float32(left), float32(top), float32(right), float32(bottom), b.Score, b.Class}
	return p, p.Right > p.Left && p.Bottom > p.Top
}
