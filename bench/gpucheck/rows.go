package gpucheck

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

// scored is what a row says of its image, as far as it is compared.
type scored struct {
	Path   string  `json:"path"`
	Status string  `json:"status"`
	Class  *int    `json:"class_id"`
	TopK   []class `json:"topk"`
}

type class struct {
	ID    int     `json:"class_id"`
	Score float64 `json:"score"`
}

// readRows reads a file of rows in JSON lines.
func readRows(file string) ([]scored, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rows []scored
	d := json.NewDecoder(bufio.NewReader(f))
	for {
		var r scored
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		rows = append(rows, r)
	}
}

// likeness is how far the rows of the same images agree.
type likeness struct {
	images, same int // with scores; with the same first class
	difference   float64
	worst        string // the image of the largest difference
	statuses     string // the first image whose status differs, or ""
}

// agreement is the percentage of images that have the same first class.
func (l *likeness) agreement() float64 { return 100 * float64(l.same) / float64(max(l.images, 1)) }

func (l *likeness) String() string {
	text := fmt.Sprintf("%d of %d images have the same first class, largest difference %.2g", l.same, l.images, l.difference)
	if l.difference > 0 {
		text += " (" + l.worst + ")"
	}
	if l.statuses != "" {
		text += "; the status of " + l.statuses + " differs"
	}
	return text
}

// liken compares rows of the same images. A class that only one of two rows has counts
// with its whole score.
func liken(a, b []scored) (likeness, error) {
	var l likeness
	if len(a) != len(b) {
		return l, fmt.Errorf("%d rows and %d", len(a), len(b))
	}
	for i := range a {
		if a[i].Path != b[i].Path {
			return l, fmt.Errorf("row %d is of %s and of %s", i, a[i].Path, b[i].Path)
		}
		if a[i].Status != b[i].Status && l.statuses == "" {
			l.statuses = a[i].Path
		}
		if a[i].Class == nil || b[i].Class == nil {
			continue
		}
		l.images++
		if *a[i].Class == *b[i].Class {
			l.same++
		}
		if d := distance(a[i].TopK, b[i].TopK); d > l.difference {
			l.difference, l.worst = d, a[i].Path
		}
	}
	if l.images == 0 {
		return l, fmt.Errorf("no image has scores in both of %d rows", len(a))
	}
	return l, nil
}

// distance is the largest difference between two scores of a class.
func distance(a, b []class) float64 {
	scores := map[int]float64{}
	for _, c := range a {
		scores[c.ID] = c.Score
	}
	for _, c := range b {
		scores[c.ID] -= c.Score
	}
	most := 0.0
	for _, d := range scores {
		most = max(most, math.Abs(d))
	}
	return most
}

// sameBytes returns where two files differ first; "" if they are equal.
func sameBytes(a, b string) (string, error) {
	x, err := os.ReadFile(a)
	if err != nil {
		return "", err
	}
	y, err := os.ReadFile(b)
	if err != nil || bytes.Equal(x, y) {
		return "", err
	}
	xs, ys := bytes.Split(x, []byte("\n")), bytes.Split(y, []byte("\n"))
	differ, first := 0, -1
	for i := range min(len(xs), len(ys)) {
		if !bytes.Equal(xs[i], ys[i]) {
			differ++
			if first < 0 {
				first = i
			}
		}
	}
	if first < 0 || len(xs) != len(ys) {
		return fmt.Sprintf("one has %d lines, the other %d", len(xs)-1, len(ys)-1), nil
	}
	return fmt.Sprintf("%d of %d rows differ, the first in line %d: %.120s", differ, len(xs)-1, first+1, xs[first]), nil
}
