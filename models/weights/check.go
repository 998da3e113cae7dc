package weights

import (
	"fmt"
	"slices"
	"strings"
)

// maxTrouble is how many tensors of a kind an error names.
const maxTrouble = 12

// Check compares the tensors of s with the expected ones by name and shape. One error,
// which wraps models.ErrModel, names all that are missing, unused or of another shape.
// Surplus tensors that spare accepts are ignored; a nil spare accepts none.
func Check(s Source, expected []Tensor, spare func(Tensor) bool) error {
	there := map[string]Tensor{}
	for _, t := range s.Tensors() {
		there[t.Name] = t
	}
	wanted := map[string]bool{}
	var lacking, surplus []string
	for _, e := range expected {
		wanted[e.Name] = true
		t, ok := there[e.Name]
		switch {
		case !ok:
			lacking = append(lacking, fmt.Sprintf("%s %v is missing", e.Name, e.Shape))
		case !slices.Equal(t.Shape, e.Shape):
			lacking = append(lacking, fmt.Sprintf("%s has the shape %v, and should have %v", e.Name, t.Shape, e.Shape))
		}
	}
	for _, t := range s.Tensors() {
		if !wanted[t.Name] && (spare == nil || !spare(t)) {
			surplus = append(surplus, fmt.Sprintf("%s %v is unused", t.Name, t.Shape))
		}
	}
	n := len(lacking) + len(surplus)
	if n == 0 {
		return nil
	}
	return bad("%d tensors do not fit the network:\n  %s", n, strings.Join(append(shorten(lacking), shorten(surplus)...), "\n  "))
}

func shorten(lines []string) []string {
	if n := len(lines); n > maxTrouble {
		return append(lines[:maxTrouble:maxTrouble], fmt.Sprintf("and %d more", n-maxTrouble))
	}
	return lines
}
