package labels

import (
	_ "embed"
	"strings"
)

// ImageNet is the word for the names of ImageNet's 1,000 classes, in place of a file.
const ImageNet = "imagenet"

// imageNet has the first name of each class of ILSVRC 2012 in WordNet, in the order of the
// classes' identifiers there, which is that of networks of torchvision, timm, Keras and
// transformers. Two have a word more, as in torchvision, since another class has the same name.
//
//go:embed imagenet.txt
var imageNet string

// ImageNetNames returns the names of ImageNet's classes, in the order of their numbers.
func ImageNetNames() []string {
	return strings.Split(strings.TrimSuffix(imageNet, "\n"), "\n")
}
