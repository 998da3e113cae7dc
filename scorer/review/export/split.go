package export

import (
	"encoding/binary"
	"fmt"

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

// validates reports whether an image is for validation. That depends on its name alone, so that it
// stays there in every export, except for two images of each label: the first in the order of
// their hashes is always for validation, and the last for training, so that each has every label.
// These are the first and the last that can be read.
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

// checkLabels returns an error for a label with one image only, which training and validation
// cannot both have. which says of which images.
func (c *Collection) checkLabels(which string) error {
	if c.Options.Validation <= 0 {
		return nil
	}
	for _, label := range c.Labels {
		if e, ok := c.ends[label]; ok && e.low == e.high {
			return fmt.Errorf("one image only%s has the label %q, and training and validation each want one: "+
				"leave it out with --label, or export without --validation", which, label)
		}
	}
	return nil
}
