package truth

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// cvatImages is the form that CVAT calls "CVAT for images 1.1".
var cvatImages = form{
	name: "a CVAT export (CVAT for images 1.1)", unit: "image",
	is: func(in *input) bool {
		head := in.head[:min(len(in.head), 4096)]
		return !in.dir && bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(head, bom), " \t\r\n"), []byte("<")) && bytes.Contains(head, []byte("<annotations"))
	},
	read: readCVAT,
}

// deepest is how deep elements are in one another at most.
const deepest = 100

// readCVAT takes the tags of each image. Shapes, such as boxes, say nothing about the image
// as a whole, and a tag whose source is "auto" is a program's.
func readCVAT(_ context.Context, in *input, add adder) error {
	src := &bounded{r: in.file, what: "an element", most: longestElement}
	dec := xml.NewDecoder(src)
	name, images, depth := "", 0, 0
	for {
		src.mark(dec.InputOffset())
		t, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrForm, err)
		}
		if _, ok := t.(xml.EndElement); ok {
			depth--
		}
		start, ok := t.(xml.StartElement)
		if ok {
			if depth++; depth > deepest {
				return fmt.Errorf("%w: its elements are more than %d deep", ErrForm, deepest)
			}
		}
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "image":
			images++
			name = attribute(start, "name")
		case "tag":
			if attribute(start, "source") == "auto" && in.columns == "" {
				in.left++
				continue
			}
			if err := add(name, attribute(start, "label"), images); err != nil {
				return err
			}
		}
	}
	if images == 0 {
		return fmt.Errorf("%w: it has no element <image>: export as CVAT for images", ErrForm)
	}
	return nil
}

// attribute returns the value of an attribute.
func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
