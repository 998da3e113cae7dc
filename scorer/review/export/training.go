package export

import (
	"cmp"
	"errors"
	"path"
	"slices"
	"strings"
)

// What the forms have in common that people train models with.

// trainingLabel returns the label that a model should learn for an image, and whose label that
// is: that of the truth if the image has one, else that of the model.
func trainingLabel(it *Item) (label, of string, err error) {
	if len(it.Truth) > 0 {
		return it.Truth[0], "truth", nil
	}
	label, _, ok := it.Label()
	if !ok {
		return "", "", errors.New("it has no label")
	}
	return label, "model", nil
}

// loadedEndings are the endings of files that loaders of folders take for pictures.
var loadedEndings = []string{".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}

// withEnding returns the name of a file with an ending that loaders take for that of a picture.
// They find out from the bytes which kind it is.
func withEnding(name string) string {
	if slices.Contains(loadedEndings, strings.ToLower(path.Ext(name))) {
		return name
	}
	return name + ".jpg"
}

// classNames returns the labels in the order of the model's classes, and after them those that the
// model does not have. Where all classes are among them, the place of each is its number.
func (c *Collection) classNames() []string {
	order := make([]int, len(c.Labels))
	for i := range order {
		order[i] = i
	}
	id := func(i int) int {
		if i < len(c.ClassIDs) && c.ClassIDs[i] >= 0 {
			return c.ClassIDs[i]
		}
		return firstUnknownCategory
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(id(a), id(b)) })
	names := make([]string, len(order))
	for i, n := range order {
		names[i] = c.Labels[n]
	}
	return names
}
