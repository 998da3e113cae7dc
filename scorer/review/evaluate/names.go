package evaluate

import (
	"cmp"
	"strings"
)

// MaxLabels is how many different labels are told apart. Images with further ones are counted
// together, so that an output with a new label in each row does not fill the memory.
const MaxLabels = 100_000

// MaxLabelBytes is how many bytes all labels may have together.
const MaxLabelBytes = 32 << 20

// MaxPairs is how many different pairs of labels are told apart.
const MaxPairs = 1 << 20

// folded is the number of all labels beyond MaxLabels.
const folded = -1

// names numbers labels.
type names struct {
	numbers map[string]int32
	all     []string
	bytes   int
	full    bool // no further label is numbered, whichever
	most    int  // 0 is MaxLabels; tests have less
}

// number returns the number of a label, or folded. Once a label is folded, so are all that were
// not there before: which ones are told apart depends on their first rows alone.
func (n *names) number(label string) int32 {
	if i, ok := n.numbers[label]; ok {
		return i
	}
	if n.full = n.full || len(n.all) == cmp.Or(n.most, MaxLabels) || n.bytes+len(label) > MaxLabelBytes; n.full {
		return folded
	}
	if n.numbers == nil {
		n.numbers = map[string]int32{}
	}
	i := int32(len(n.all))
	label = strings.Clone(label)
	n.numbers[label] = i
	n.all = append(n.all, label)
	n.bytes += len(label)
	return i
}

// pairs counts pairs of numbers.
type pairs struct {
	counts map[[2]int32]int
	beyond int // images of pairs beyond MaxPairs
	most   int // 0 is MaxPairs; tests have less
}

func (p *pairs) add(a, b int32) {
	if p.counts == nil {
		p.counts = map[[2]int32]int{}
	}
	key := [2]int32{a, b}
	if _, ok := p.counts[key]; !ok && len(p.counts) == cmp.Or(p.most, MaxPairs) {
		p.beyond++
		return
	}
	p.counts[key]++
}
