package page

import (
	"math"

	"github.com/batchscore/batchscore/scorer/review"
)

// PixelChart is a drawing of the sides of images, both on a logarithmic scale from Least to Most
// pixels: a square of 300 with the origin at the bottom left.
type PixelChart struct {
	Points      string
	Ticks       []Tick
	N           int
	Shapes      []Shape
	Least, Most int
	Megapixels  float64 // of the median image
}

// Shape is how many images have a form.
type Shape struct {
	Name, What string
	Images     int
	Share      float64
	W          string
}

// PixelChart returns the drawing of the sides.
func (p *Page) PixelChart() *PixelChart {
	if p.Pixels == nil || len(p.Pixels.Sides) == 0 {
		return nil
	}
	return pixels(p.Pixels)
}

func pixels(all *review.Pixels) *PixelChart {
	c := &PixelChart{Least: math.MaxInt}
	shapes := []Shape{{Name: "tall", What: "height at least twice the width"}, {Name: "portrait", What: "higher than wide"}, {Name: "square",
		What: "sides equal to within 5%"},
		{Name: "landscape", What: "wider than high"}, {Name: "panorama", What: "width at least twice the height"}}
	var areas []float64
	for _, s := range all.Sides {
		w, h := s[0], s[1]
		if w <= 0 || h <= 0 {
			continue
		}
		c.N++
		c.Least, c.Most = min(c.Least, w, h), max(c.Most, w, h)
		areas = append(areas, float64(w)*float64(h)/1e6)
		shapes[form(float64(w)/float64(h))].Images++
	}
	if c.N == 0 {
		return nil
	}
	c.Megapixels = median(areas)
	low, high := math.Floor(math.Log2(float64(c.Least))), math.Ceil(math.Log2(float64(c.Most)))
	if high <= low {
		high = low + 1
	}
	at := func(pixels int) float64 { return square * (math.Log2(float64(pixels)) - low) / (high - low) }
	var points outline
	for _, s := range all.Sides {
		if s[0] > 0 && s[1] > 0 {
			points.box(at(s[0])-2, square-at(s[1])-2, 4, 4)
		}
	}
	c.Points = points.String()
	step := max(1, math.Ceil((high-low)/6))
	for exponent := low; exponent <= high; exponent += step {
		n := int(math.Pow(2, exponent))
		c.Ticks = append(c.Ticks, Tick{Text: count(n), X: short(at(n)), Y: short(square - at(n))})
	}
	for i := range shapes {
		shapes[i].Share = share(shapes[i].Images, c.N)
		shapes[i].W = short(100 * shapes[i].Share)
	}
	c.Shapes = shapes
	return c
}

// form returns the number of the shape of an aspect.
func form(aspect float64) int {
	switch {
	case aspect <= 0.5:
		return 0
	case aspect < 1/1.05:
		return 1
	case aspect <= 1.05:
		return 2
	case aspect < 2:
		return 3
	}
	return 4
}
