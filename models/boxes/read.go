package boxes

import (
	"fmt"
	"math"

	"github.com/batchscore/batchscore/models"
)

// read appends the boxes whose scores reach the threshold.
func read(all []Box, c *models.Contract, numbers []float32) ([]Box, error) {
	if c.Preprocess.Tile != 0 {
		return listed(all, numbers), nil
	}
	switch s := &c.Settings; s.Detector {
	case models.YOLOv8:
		return yolov8(all, c, numbers)
	case models.YOLOv5, models.YOLOX:
		return yolov5(all, c, numbers)
	case models.DETR:
		return detr(all, c, numbers)
	case models.Boxes:
		return chosenBoxes(all, c, numbers)
	case models.BoxesLabelsScores:
		return boxesLabelsScores(all, c, numbers)
	default:
		return nil, fmt.Errorf("is of the detector %q, which this program does not know", s.Detector)
	}
}

// centred returns a box with that centre, width and height.
func centred(x, y, width, height float32) Box {
	return Box{Left: x - width/2, Top: y - height/2, Right: x + width/2, Bottom: y + height/2}
}

// sigmoidOf is sigmoid for one score.
func sigmoidOf(s float32) float32 { return float32(1 / (1 + math.Exp(-float64(s)))) }

// scoreOf returns the score that a number of the model is.
func scoreOf(c *models.Contract, s float32) (float32, error) {
	if c.Output == models.Sigmoid {
		return sigmoidOf(s), nil
	}
	if !models.IsScore(s) {
		return 0, fmt.Errorf("holds a score of %v, which is not from 0 to 1: its numbers are not those of a detector %s,"+
			" or not all of them are scores (key points, masks and angles are not)", s, c.Settings.Detector)
	}
	return s, nil
}

// yolov8 reads [4+C,M].
func yolov8(all []Box, c *models.Contract, numbers []float32) ([]Box, error) {
	m := len(numbers) / (4 + c.Classes)
	for i := range m {
		best, class := numbers[4*m+i], 0
		for k := 1; k < c.Classes; k++ {
			if s := numbers[(4+k)*m+i]; s > best {
				best, class = s, k
			}
		}
		score, err := scoreOf(c, best)
		if err != nil {
			return nil, err
		}
		if score >= c.Settings.Threshold {
			box := centred(numbers[i], numbers[m+i], numbers[2*m+i], numbers[3*m+i])
			box.Score, box.Class = score, class
			all = append(all, box)
		}
	}
	return all, nil
}

// yolov5 reads [M,5+C], and YOLOX, whose boxes are relative to the cells of grids.
func yolov5(all []Box, c *models.Contract, numbers []float32) ([]Box, error) {
	width := 5 + c.Classes
	g := grids{width: c.Preprocess.Width, height: c.Preprocess.Height}
	for ; len(numbers) >= width; numbers = numbers[width:] {
		x, y, w, h := numbers[0], numbers[1], numbers[2], numbers[3]
		if c.Settings.Detector == models.YOLOX {
			var err error
			if x, y, w, h, err = g.next(x, y, w, h); err != nil {
				return nil, err
			}
		}
		best, class := numbers[5], 0
		for k, s := range numbers[6:width] {
			if s > best {
				best, class = s, k+1
			}
		}
		object, err := scoreOf(c, numbers[4])
		if err != nil {
			return nil, err
		}
		score, err := scoreOf(c, best)
		if err != nil {
			return nil, err
		}
		if score *= object; score >= c.Settings.Threshold {
			box := centred(x, y, w, h)
			box.Score, box.Class = score, class
			all = append(all, box)
		}
	}
	return all, nil
}

// grids are those of YOLOX over an input: cells of 8 pixels, of 16 and of 32, row by row.
type grids struct {
	width, height int // of the input
	stride        int // of the present grid; 0 before the first
	cell, cells   int // the next one, and how many the grid has
}

// next returns the box of the next cell, which has its centre at x, y cells from it and the
// logarithms of its sides.
func (g *grids) next(x, y, width, height float32) (_, _, _, _ float32, err error) {
	for g.cell == g.cells {
		if g.stride = max(2*g.stride, 8); g.stride > 32 {
			return 0, 0, 0, 0, fmt.Errorf("has more boxes than the grids of an input of %dx%d pixels have cells", g.width, g.height)
		}
		g.cell, g.cells = 0, (g.width/g.stride)*(g.height/g.stride)
	}
	side, columns := float32(g.stride), g.width/g.stride
	x, y = (x+float32(g.cell%columns))*side, (y+float32(g.cell/columns))*side
	width, height = float32(math.Exp(float64(width)))*side, float32(math.Exp(float64(height)))*side
	g.cell++
	return x, y, width, height, nil
}

// detr reads scores [M,C] or [M,C+1] and then boxes [M,4]. With scores that are independent of one
// another a box counts for each class whose score reaches the threshold, as transformers has it.
func detr(all []Box, c *models.Contract, numbers []float32) ([]Box, error) {
	width := c.Classes
	if c.Settings.Background {
		width++
	}
	m := len(numbers) / (width + 4)
	boxes := numbers[m*width:]
	w, h := float32(c.Preprocess.Width), float32(c.Preprocess.Height)
	for i := range m {
		scores := numbers[i*width:][:width]
		b := boxes[i*4:][:4]
		if b[2] == 0 && b[3] == 0 {
			continue // padding
		}
		box := centred(b[0]*w, b[1]*h, b[2]*w, b[3]*h)
		if c.Output == models.Logits {
			if box.Class, box.Score = likeliest(scores, c.Classes); box.Score >= c.Settings.Threshold {
				all = append(all, box)
			}
			continue
		}
		for k, s := range scores[:c.Classes] {
			var err error
			if box.Score, err = scoreOf(c, s); err != nil {
				return nil, err
			}
			if box.Class = k; box.Score >= c.Settings.Threshold {
				all = append(all, box)
			}
		}
	}
	return all, nil
}

// likeliest returns the first best of so many classes and its share of a softmax over all logits.
func likeliest(logits []float32, classes int) (class int, p float32) {
	peak, sum := logits[0], 0.0
	for k, v := range logits {
		if peak = max(peak, v); k < classes && v > logits[class] {
			class = k
		}
	}
	for _, v := range logits {
		sum += math.Exp(float64(v - peak))
	}
	return class, float32(math.Exp(float64(logits[class]-peak)) / sum)
}

// chosenBox appends a box that the graph has chosen.
func chosenBox(all []Box, c *models.Contract, corners []float32, score, number float32) ([]Box, error) {
	score, err := scoreOf(c, score)
	if err != nil || score < c.Settings.Threshold {
		return all, err
	}
	class := int(number) - c.Settings.FirstClass
	switch {
	case number != float32(int(number)):
		return nil, fmt.Errorf("holds a class %v, which is not a whole number", number)
	case class == -1: // the background
		return all, nil
	case class < 0 || class >= c.Classes:
		return nil, fmt.Errorf("holds the class %v, and the classes are numbered %d to %d; say first_class, or give all labels",
			number, c.Settings.FirstClass, c.Settings.FirstClass+c.Classes-1)
	}
	return append(all, Box{corners[0], corners[1], corners[2], corners[3], score, class}), nil
}

// chosenBoxes reads [M,6].
func chosenBoxes(all []Box, c *models.Contract, numbers []float32) (_ []Box, err error) {
	for ; len(numbers) >= 6; numbers = numbers[6:] {
		if numbers[4] == 0 {
			continue // padding
		}
		if all, err = chosenBox(all, c, numbers[:4], numbers[4], numbers[5]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// boxesLabelsScores reads boxes [M,4], classes [M] and scores [M].
func boxesLabelsScores(all []Box, c *models.Contract, numbers []float32) (_ []Box, err error) {
	m := len(numbers) / 6
	boxes, classes, scores := numbers[:4*m], numbers[4*m:5*m], numbers[5*m:]
	for i := range m {
		if scores[i] == 0 {
			continue // padding
		}
		if all, err = chosenBox(all, c, boxes[i*4:][:4], scores[i], classes[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
