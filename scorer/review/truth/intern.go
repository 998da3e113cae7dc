package truth

import (
	"fmt"
	"strings"
)

// mostLabels is how many different labels, and sets of alternatives, a truth has at most.
const mostLabels = 1 << labelBits

// intern numbers labels, and sets of labels that are alternatives. The number of a label
// is that of the set which holds it alone.
type intern struct {
	numbers map[string]uint32 // by label
	several map[string]uint32 // by the numbers of the labels
	sets    [][]string
}

// of returns the number of the set that holds a label alone.
func (n *intern) of(label string) (uint32, error) {
	if number, ok := n.numbers[label]; ok {
		return number, nil
	}
	if n.numbers == nil {
		n.numbers, n.several = map[string]uint32{}, map[string]uint32{}
	}
	label = strings.Clone(label)
	number, err := n.add([]string{label})
	if err == nil {
		n.numbers[label] = number
	}
	return number, err
}

// with returns the number of a set and one more label.
func (n *intern) with(set uint32, label string) (uint32, error) {
	one, err := n.of(label)
	if err != nil {
		return 0, err
	}
	key := fmt.Sprint(set, " ", one)
	if number, ok := n.several[key]; ok {
		return number, nil
	}
	number, err := n.add(append(append([]string(nil), n.sets[set]...), n.sets[one]...))
	if err == nil {
		n.several[key] = number
	}
	return number, err
}

func (n *intern) add(set []string) (uint32, error) {
	if len(n.sets) == mostLabels {
		return 0, fmt.Errorf("%w: it has more than %d different labels, such as %.100q", ErrForm, mostLabels, set[0])
	}
	n.sets = append(n.sets, set)
	return uint32(len(n.sets) - 1), nil
}
