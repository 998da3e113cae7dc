// Package boxes finds the boxes of a detector in the numbers that it gives for an image, and leaves
// out those that overlap better ones.
package boxes

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/batchscore/batchscore/models"
)

// Box is a box that a model proposes, in pixels of its input from the left upper corner, or
// where a picture has tiles of the picture.
type Box struct {
	Left, Top, Right, Bottom float32
	Score                    float32 // 0 to 1
	Class                    int     // from 0
}

// area returns that of the box; 0 if it is turned inside out.
func (b *Box) area() float32 { return max(b.Right-b.Left, 0) * max(b.Bottom-b.Top, 0) }

// both returns the area that two boxes share.
func (b *Box) both(o *Box) float32 {
	width := min(b.Right, o.Right) - max(b.Left, o.Left)
	height := min(b.Bottom, o.Bottom) - max(b.Top, o.Top)
	if width <= 0 || height <= 0 {
		return 0
	}
	return width * height
}

// Overlap returns the intersection of two boxes over their union, from 0 to 1.
func (b *Box) Overlap(o *Box) float32 {
	both := b.both(o)
	if both == 0 {
		return 0
	}
	return both / (b.area() + o.area() - both)
}

// Cover returns the intersection of two boxes over the smaller of them, from 0 to 1.
func (b *Box) Cover(o *Box) float32 {
	both := b.both(o)
	if both == 0 {
		return 0
	}
	return both / min(b.area(), o.area())
}

// mostSuppressed is how many boxes are compared with one another, the best ones: as many as
// Ultralytics does.
const mostSuppressed = 30_000

// TooLarge is the error of Work.Take for a box whose sides or area are not finite.
type TooLarge struct{ Box }

func (e *TooLarge) Error() string {
	return fmt.Sprintf("has a box from %v,%v to %v,%v, which is too large", e.Left, e.Top, e.Right, e.Bottom)
}

// A Work is memory for the boxes of one image after another.
type Work struct{ all, kept []Box }

// Take returns the boxes that count, the best first, at most Settings.MaxBoxes: those whose scores
// reach the threshold and, unless the detector has suppressed them itself, that overlap none that is
// better. numbers are the model's for an image, which it may change; with tiles, what Put has
// written. The boxes are valid until the next call. Its error is a *TooLarge, or completes "its output
// for image ...".
func (w *Work) Take(c *models.Contract, numbers []float32) ([]Box, error) {
	all, err := read(w.all[:0], c, numbers)
	w.all = all
	if err != nil {
		return nil, err
	}
	if c.Settings.Units == models.Parts && c.Settings.Detector != models.DETR && c.Preprocess.Tile == 0 {
		width, height := float32(c.Preprocess.Width), float32(c.Preprocess.Height)
		for i := range all {
			b := &all[i]
			b.Left, b.Top, b.Right, b.Bottom = b.Left*width, b.Top*height, b.Right*width, b.Bottom*height
		}
	}
	for i := range all {
		if b := &all[i]; !finite(b.Left) || !finite(b.Top) || !finite(b.Right) || !finite(b.Bottom) || !finite(b.area()) {
			return nil, &TooLarge{*b}
		}
	}
	if c.Preprocess.Tile != 0 {
		return all, nil // Join has chosen
	}
	s := &c.Settings
	sortBest(all)
	if !s.Detector.Suppresses() {
		return all[:min(len(all), s.MaxBoxes)], nil
	}
	w.kept = suppress(w.kept[:0], all[:min(len(all), mostSuppressed)], s)
	return w.kept, nil
}

// sortBest sorts boxes by their scores, and those with the same score as they come.
func sortBest(all []Box) {
	slices.SortStableFunc(all, func(x, y Box) int { return cmp.Compare(y.Score, x.Score) })
}

// suppress appends the boxes that overlap none that is better and kept, at most MaxBoxes, to
// kept. all are sorted by their scores.
func suppress(kept, all []Box, s *models.Settings) []Box {
	for i := range all {
		if len(kept) == s.MaxBoxes {
			break
		}
		better := 0
		for better < len(kept) && !((s.Agnostic || kept[better].Class == all[i].Class) && kept[better].Overlap(&all[i]) > s.Overlap) {
			better++
		}
		if better == len(kept) {
			kept = append(kept, all[i])
		}
	}
	return kept
}

func finite(v float32) bool { return v-v == 0 }
