package export

import (
	"encoding/binary"
	"strings"

	"github.com/batchscore/batchscore/scorer/review/choose"
)

// validationSeed is the seed by which images are chosen for validation.
const validationSeed = 0

// splitHash orders images for validation, lowest first.
func splitHash(name string) uint64 {
	sum := choose.Hash(name, validationSeed)
	return binary.BigEndian.Uint64(sum[:])
}

// ends are the lowest and the highest splitHash of the images of a label.
type ends struct{ low, high uint64 }

// ends of labels, by label.
type labelEnds map[string]ends

func (l labelEnds) add(label string, hash uint64) {
	e, ok := l[label]
	if !ok {
		l[strings.Clone(label)] = ends{hash, hash}
		return
	}
	l[label] = ends{min(e.low, hash), max(e.high, hash)}
}

// validates reports whether an image is for validation. That depends on its name alone, so that it
// stays there in every export, except for two images of each label: the first in the order of
// their hashes is always for validation, and the last for training, so that each has every label.
func (c *Collection) validates(it *Item) bool {
	if c.Options.Validation <= 0 {
		return false
	}
	hash := splitHash(it.Entry.Path)
	if label, _, err := trainingLabel(it); err == nil {
		if e, ok := c.ends[label]; ok && e.low != e.high {
			if hash == e.low || hash == e.high {
				return hash == e.low
			}
		}
	}
	return float64(hash>>32) < c.Options.Validation*(1<<32)
}

// single returns a label with one image only, which training and validation cannot both have.
func (c *Collection) single() (label string, ok bool) {
	if c.Options.Validation <= 0 {
		return "", false
	}
	for _, label := range c.Labels {
		if e, ok := c.ends[label]; ok && e.low == e.high {
			return label, true
		}
	}
	return "", false
}
