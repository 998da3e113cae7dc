package weights

import (
	"fmt"
	"slices"
	"strings"
)

// maxTrouble is how many tensors an error names.
const maxTrouble = 20

// Check holds the tensors of s against those that are expected, by name and
// shape. All that are missing, misshapen or surplus are named in one error,
// which wraps models.ErrModel. A surplus tensor that spare accepts is left in
// peace; a nil spare accepts none.
func Check(s Source, expected []Tensor, spare func(Tensor) bool) error {
	there := map[string]Tensor{}
	for _, t := range s.Tensors() {
		there[t.Name] = t
	}
	wanted := map[string]bool{}
	var trouble []string
	for _, e := range expected {
		wanted[e.Name] = true
		t, ok := there[e.Name]
		switch {
		case !ok:
			trouble = append(trouble, fmt.Sprintf("%s %v is missing", e.Name, e.Shape))
		case !slices.Equal(t.Shape, e.Shape):
			trouble = append(trouble, fmt.Sprintf("%s has the shape %v, and should have %v", e.Name, t.Shape, e.Shape))
		}
	}
	for _, t := range s.Tensors() {
		if !wanted[t.Name] && (spare == nil || !spare(t)) {
			trouble = append(trouble, fmt.Sprintf("%s %v is surplus: no layer takes it", t.Name, t.Shape))
		}
	}
	if len(trouble) == 0 {
		return nil
	}
	n := len(trouble)
	if n > maxTrouble {
		trouble = append(trouble[:maxTrouble], fmt.Sprintf("and %d more", n-maxTrouble))
	}
	return bad("%d tensors do not fit the network:\n  %s", n, strings.Join(trouble, "\n  "))
}
