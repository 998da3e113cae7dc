package export

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
)

// The files of an export for CVAT.
const (
	cvatAnnotations = "annotations.xml"
	cvatLabels      = "labels.json"    // as the SDK and its command line take labels
	cvatManifest    = "manifest.jsonl" // as the server reads the images of a cloud storage
	cvatScript      = "create_task.py" // makes the task with the SDK
)

//go:embed create_task.py
var cvatScriptText string

var cvatFormat = Format{
	Name: "cvat", What: "CVAT: tags, or a detector's boxes, in CVAT for images 1.1, and a task for its SDK",
	File: cvatAnnotations, Needs: Sizes,
	New:   func() Writer { return &cvatWriter{kind: "tag"} },
	Boxes: func() Writer { return &cvatWriter{kind: "rectangle"} },
}

// cvatWriter writes a tag for each image: its truth, or else the label of the model. Of a detector it
// writes the boxes.
type cvatWriter struct {
	kind     string // of the labels: what they are given to
	n        int
	tags     io.WriteCloser
	manifest io.WriteCloser
}

// cvatLabel is a label as CVAT's API takes it.
type cvatLabel struct {
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Attributes []cvatAttribute `json:"attributes"`
}

// cvatAttribute is an attribute of tags and boxes. It is a text, because numbers are whole there.
type cvatAttribute struct {
	Name    string   `json:"name"`
	Mutable bool     `json:"mutable"`
	Type    string   `json:"input_type"`
	Default string   `json:"default_value"`
	Values  []string `json:"values"`
}

// cvatScore is the attribute with the score.
var cvatScore = cvatAttribute{Name: "score", Type: "text", Values: []string{""}}

func (w *cvatWriter) Begin(c Collection, to Folder) error {
	var labels []cvatLabel
	for _, class := range c.Classes {
		labels = append(labels, cvatLabel{xmlValid(class), w.kind, []cvatAttribute{cvatScore}})
	}
	body, err := json.MarshalIndent(labels, "", " ")
	if err != nil {
		return err
	}
	for _, one := range []struct{ name, text string }{{cvatLabels, string(body) + "\n"}, {cvatScript, cvatScriptText}} {
		file, err := to.Create(one.name)
		if err != nil {
			return err
		}
		if _, err = io.WriteString(file, one.text); err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	if w.manifest, err = to.Create(cvatManifest); err != nil {
		return err
	}
	if _, err = io.WriteString(w.manifest, "{\"version\":\"1.1\"}\n{\"type\":\"images\"}\n"); err != nil {
		return err
	}
	if w.tags, err = to.Create(cvatAnnotations); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<annotations>\n<version>1.1</version>\n<meta><task><name>%s</name>"+
		"<size>%d</size><mode>annotation</mode><labels>\n", xmlText(modelVersion(&c)), c.Images)
	for _, label := range labels {
		fmt.Fprintf(&b, "<label><name>%s</name><type>%s</type><attributes><attribute><name>%s</name><mutable>False</mutable>"+
			"<input_type>text</input_type><default_value></default_value><values></values></attribute></attributes></label>\n",
			xmlText(label.Name), w.kind, cvatScore.Name)
	}
	b.WriteString("</labels></task></meta>\n")
	_, err = io.WriteString(w.tags, b.String())
	return err
}

// cvatFrame is an image in the manifest of a cloud storage.
type cvatFrame struct {
	Name      string `json:"name"` // without the ending
	Extension string `json:"extension"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
}

func (w *cvatWriter) Add(_ context.Context, it *Item) error {
	name := xmlValid(it.Entry.Path)
	ending := path.Ext(name)
	line, err := json.Marshal(cvatFrame{strings.TrimSuffix(name, ending), ending, it.Width, it.Height})
	if err != nil {
		return err
	}
	if _, err := w.manifest.Write(append(line, '\n')); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<image id=\"%d\" name=\"%s\" width=\"%d\" height=\"%d\">\n", w.n, xmlText(name), it.Width, it.Height)
	w.n++
	if found, ok := it.Row.Answer.(*row.Detection); ok && found != nil {
		cvatBoxes(&b, found)
	} else if len(it.Truth) > 0 {
		for _, label := range it.Truth {
			fmt.Fprintf(&b, "  <tag label=\"%s\" source=\"manual\"></tag>\n", xmlText(label))
		}
	} else if label, score, ok := it.Label(); ok {
		fmt.Fprintf(&b, "  <tag label=\"%s\" source=\"auto\">%s</tag>\n", xmlText(label), scoreElement(score))
	}
	b.WriteString("</image>\n")
	_, err = io.WriteString(w.tags, b.String())
	return err
}

// scoreElement is the attribute of a label that the model gives.
func scoreElement(score float32) string {
	value, _ := jsonScore(score).MarshalJSON() // which has no error
	return fmt.Sprintf("<attribute name=%q>%s</attribute>", cvatScore.Name, value)
}

// cvatBoxes writes those that a detector has found, with two corners in pixels of the picture as
// people see it.
func cvatBoxes(b *strings.Builder, found *row.Detection) {
	for i := range found.Boxes {
		box := &found.Boxes[i]
		right, bottom := min(box.X+box.Width, float32(found.Width)), min(box.Y+box.Height, float32(found.Height))
		fmt.Fprintf(b, "  <box label=\"%s\" source=\"auto\" occluded=\"0\" xtl=\"%s\" ytl=\"%s\" xbr=\"%s\" ybr=\"%s\" z_order=\"0\">%s</box>\n",
			xmlText(box.Label), decimal(box.X), decimal(box.Y), decimal(right), decimal(bottom), scoreElement(box.Score))
	}
}

// decimal returns a number with the fewest digits that tell it from others, without an exponent.
func decimal(v float32) string { return strconv.FormatFloat(float64(v), 'f', -1, 32) }

func (w *cvatWriter) End() error {
	_, err := io.WriteString(w.tags, "</annotations>\n")
	return errors.Join(err, w.tags.Close(), w.manifest.Close())
}
