package truth

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// coco is the form of COCO: lists of images, of categories, and of annotations that say which
// image has which.
var coco = form{
	name: "COCO (JSON)", unit: "image",
	is: func(in *input) bool {
		keys, array := in.keys()
		return !array && slices.ContainsFunc(keys, func(key string) bool {
			return key == "images" || key == "annotations" || key == "categories"
		})
	},
	read: readCOCO,
}

// cocoOf says that an image has a category.
type cocoOf struct {
	Image    int64 `json:"image_id"`
	Category int64 `json:"category_id"`
}

// readCOCO reads the file twice: the lists may be in any order, and the names of images are not
// kept. The categories of an image are alternatives.
func readCOCO(_ context.Context, in *input, add adder) error {
	var all []cocoOf
	names := map[int64]string{}
	if err := object(in, func(key string, v *value) error {
		switch key {
		case "info":
			var info struct{ Annotations string }
			if v.decode(&info) == nil && strings.HasPrefix(info.Annotations, "labels of the model") {
				return fmt.Errorf("%w: its annotations are the labels of the model, as 'export' wrote them", ErrForm)
			}
		case "annotations":
			return valueElements(v, func(_ int, a *cocoOf) error {
				all = append(all, *a)
				return nil
			})
		case "categories":
			return valueElements(v, func(_ int, c *struct {
				ID   int64
				Name string
			}) error {
				names[c.ID] = c.Name
				return nil
			})
		}
		return nil
	}); err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b cocoOf) int {
		return cmp.Or(cmp.Compare(a.Image, b.Image), cmp.Compare(a.Category, b.Category))
	})
	all = slices.Compact(all)
	return object(in, func(key string, v *value) error {
		if key != "images" {
			return nil
		}
		return valueElements(v, func(n int, image *struct {
			ID         int64
			FileName   string `json:"file_name"`
			PathBase64 string `json:"path_base64"`
		}) error {
			name, err := exact(image.FileName, image.PathBase64)
			if err != nil {
				return fmt.Errorf("%w: image %d: %w", ErrForm, n, err)
			}
			i, _ := slices.BinarySearchFunc(all, image.ID, func(a cocoOf, id int64) int { return cmp.Compare(a.Image, id) })
			for ; i < len(all) && all[i].Image == image.ID; i++ {
				label, ok := names[all[i].Category]
				if !ok {
					return fmt.Errorf("%w: image %d has category %d, which is not in the list of categories", ErrForm, image.ID, all[i].Category)
				}
				if err := add(name, label, n); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// exact returns a name, or the exact bytes of one that is not valid UTF-8.
func exact(name, inBase64 string) (string, error) {
	if inBase64 == "" {
		return name, nil
	}
	b, err := base64.StdEncoding.DecodeString(inBase64)
	if err != nil {
		return "", fmt.Errorf("path_base64 %.200q: %w", inBase64, err)
	}
	return string(b), nil
}
