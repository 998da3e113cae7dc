package chart

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"slices"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// pngScale is how many pixels of a PNG are one of an SVG, so that it is sharp on
// screens with small pixels and in print.
const pngScale = 2

// PNG returns the chart in the colours of light screens. Its font has the letters of
// European languages; others are boxes.
func (d *Drawing) PNG() ([]byte, error) {
	p := painter{
		img:     image.NewRGBA(image.Rect(0, 0, pngScale*width, int(math.Round(pngScale*d.height)))),
		colours: map[string]image.Image{},
	}
	var err error
	if p.regular, err = face(goregular.TTF); err != nil {
		return nil, err
	}
	if p.bold, err = face(gobold.TTF); err != nil {
		return nil, err
	}
	for _, c := range colours {
		light := color.RGBA{A: 0xff}
		if _, err := fmt.Sscanf(c.light, "#%02x%02x%02x", &light.R, &light.G, &light.B); err != nil {
			return nil, fmt.Errorf("the colour %s: %w", c.light, err)
		}
		p.colours[c.class] = image.NewUniform(light)
	}
	draw.Draw(p.img, p.img.Bounds(), p.colours["back"], image.Point{}, draw.Src)
	for _, s := range d.shapes {
		s.png(&p)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, p.img); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// face returns a font in the size of texts.
func face(ttf []byte) (font.Face, error) {
	parsed, err := opentype.Parse(ttf)
	if err != nil {
		return nil, err
	}
	return opentype.NewFace(parsed, &opentype.FaceOptions{Size: pngScale * fontSize, DPI: 72, Hinting: font.HintingNone})
}

// painter draws shapes into an image.
type painter struct {
	img           *image.RGBA
	regular, bold font.Face
	colours       map[string]image.Image // by class
	raster        vector.Rasterizer
}

// fill fills what is in at least one of the polygons.
func (p *painter) fill(class string, polygons ...[]Point) {
	low, high := Point{math.Inf(1), math.Inf(1)}, Point{math.Inf(-1), math.Inf(-1)}
	for _, polygon := range polygons {
		for _, at := range polygon {
			low, high = Point{min(low.X, at.X), min(low.Y, at.Y)}, Point{max(high.X, at.X), max(high.Y, at.Y)}
		}
	}
	box := image.Rect(int(math.Floor(pngScale*low.X)), int(math.Floor(pngScale*low.Y)),
		int(math.Ceil(pngScale*high.X)), int(math.Ceil(pngScale*high.Y))).Intersect(p.img.Bounds())
	if box.Empty() {
		return
	}
	p.raster.Reset(box.Dx(), box.Dy())
	for _, polygon := range polygons {
		polygon = slices.Clone(polygon)
		if turn(polygon) < 0 { // polygons that turn the other way would cancel others out
			slices.Reverse(polygon)
		}
		for i, at := range polygon {
			x, y := float32(pngScale*at.X-float64(box.Min.X)), float32(pngScale*at.Y-float64(box.Min.Y))
			if i == 0 {
				p.raster.MoveTo(x, y)
			} else {
				p.raster.LineTo(x, y)
			}
		}
		p.raster.ClosePath()
	}
	p.raster.Draw(p.img, box, p.colours[class], image.Point{})
}

// turn is positive or negative, depending on which way round a polygon goes.
func turn(polygon []Point) (twice float64) {
	for i, a := range polygon {
		b := polygon[(i+1)%len(polygon)]
		twice += a.X*b.Y - b.X*a.Y
	}
	return twice
}

func (l label) png(to *painter) {
	d := font.Drawer{Dst: to.img, Src: to.colours[strings.Fields(l.class)[0]], Face: to.regular}
	if l.class == titleClass {
		d.Face = to.bold
	}
	text := printable.Line(l.text)
	d.Dot = fixed.Point26_6{X: fixed.Int26_6(math.Round(64 * pngScale * l.at.X)), Y: fixed.Int26_6(math.Round(64 * pngScale * l.at.Y))}
	switch l.anchor {
	case "middle":
		d.Dot.X -= d.MeasureString(text) / 2
	case "end":
		d.Dot.X -= d.MeasureString(text)
	}
	d.DrawString(text)
}

func (b bar) png(to *painter) {
	r := min(barCorner, b.wide/2, b.high/2)
	var outline []Point
	for corner, middle := range []Point{
		{b.at.X + b.wide - r, b.at.Y + b.high - r}, {b.at.X + r, b.at.Y + b.high - r}, {b.at.X + r, b.at.Y + r}, {b.at.X + b.wide - r, b.at.Y + r},
	} {
		outline = append(outline, arc(middle, r, corner, corner+1)...)
	}
	to.fill(b.class, outline)
}

// arc returns points on a circle from one of its quarters to another.
func arc(middle Point, radius float64, from, to int) []Point {
	const steps = 8 // in a quarter
	var points []Point
	for i := from * steps; i <= to*steps; i++ {
		sin, cos := math.Sincos(float64(i) * math.Pi / 2 / steps)
		points = append(points, Point{middle.X + radius*cos, middle.Y + radius*sin})
	}
	return points
}

func (l line) png(to *painter) { to.fill(l.class, stroke(l.from, l.to, l.thick)) }

// stroke returns the outline of a straight line.
func stroke(from, to Point, thick float64) []Point {
	dx, dy := to.X-from.X, to.Y-from.Y
	long := math.Hypot(dx, dy)
	if long == 0 {
		return []Point{from}
	}
	x, y := -dy/long*thick/2, dx/long*thick/2
	return []Point{{from.X + x, from.Y + y}, {to.X + x, to.Y + y}, {to.X - x, to.Y - y}, {from.X - x, from.Y - y}}
}

func (c curve) png(to *painter) {
	var outlines [][]Point
	pieces := c.pieces()
	for i, piece := range pieces {
		outlines = append(outlines, stroke(piece[0], piece[1], c.look.width))
		if i > 0 && pieces[i-1][1] == piece[0] {
			outlines = append(outlines, arc(piece[0], c.look.width/2, 0, 4))
		}
	}
	if len(outlines) > 0 {
		to.fill(c.look.class, outlines...)
	}
}

// pieces returns the straight pieces of a line between its points and gaps.
func (c curve) pieces() (pieces [][2]Point) {
	drawing, left := true, math.Inf(1) // of the dash or gap
	if c.look.dash > 0 {
		left = float64(c.look.dash)
	}
	for i := 1; i < len(c.points); i++ {
		from, to := c.points[i-1], c.points[i]
		for from != to {
			long := math.Hypot(to.X-from.X, to.Y-from.Y)
			end := to
			if left < long {
				end = Point{from.X + (to.X-from.X)*left/long, from.Y + (to.Y-from.Y)*left/long}
			}
			if drawing {
				pieces = append(pieces, [2]Point{from, end})
			}
			if left -= long; left <= 0 {
				drawing = !drawing
				left = float64(c.look.gap)
				if drawing {
					left = float64(c.look.dash)
				}
			}
			from = end
		}
	}
	return pieces
}

func (d dot) png(to *painter) {
	if len(d.look.mark.corners) == 0 {
		to.fill(d.look.class, arc(d.at, d.look.radius, 0, 4))
		return
	}
	var outline []Point
	for _, corner := range d.look.mark.corners {
		outline = append(outline, Point{d.at.X + d.look.radius*corner.X, d.at.Y + d.look.radius*corner.Y})
	}
	to.fill(d.look.class, outline)
}
