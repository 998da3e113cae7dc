package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
)

// The files of an export as COCO.
const (
	cocoInstances = "annotations/instances_default.json"
	cocoResults   = "predictions.json"
	cocoFolder    = "images/README.txt"
)

var cocoFormat = Format{
	Name: "coco", What: "COCO: annotations of whole images or a detector's boxes, and what the model says as results",
	Needs: Sizes,
	New:   func() Writer { return &cocoWriter{} },
	Boxes: func() Writer { return &cocoWriter{} },
}

// firstUnknownCategory is the id of the first category that is not a class of the model.
const firstUnknownCategory = 1_000_000

// cocoWriter writes annotations and results as the API of COCO reads them. A label is an
// annotation whose box is the whole image. The annotations are the truth, if there is one, and
// else the labels of the model; the results are all classes that rows list. A detector's boxes
// are both.
//
// The id of a category is the number of the model's class and 1, because some tools take 0 for the
// background. It is that of the lowest where classes have the same label: tools want categories of
// different names.
type cocoWriter struct {
	c       Collection
	files   []io.WriteCloser
	images  jsonList // the file of the annotations, in its list of images
	results jsonList

	n           int64
	annotations []cocoAnnotation // written after the images
	categories  map[string]int32 // ids by label
}

// cocoAnnotation is an annotation until it is written.
type cocoAnnotation struct {
	image    uint32
	category int32
	box      [4]float32 // left, top, width and height
	score    float32    // NaN for a truth
}

type cocoInfo struct {
	Description string `json:"description"`
	Annotations string `json:"annotations"` // what they are
}

type cocoImage struct {
	ID         int64  `json:"id"`
	FileName   string `json:"file_name"`
	Width      int    `json:"width"`
	Height     int    `json:"height"`
	URL        string `json:"coco_url"`
	PathBase64 string `json:"path_base64,omitempty"`
}

type cocoBox struct {
	ID       int64      `json:"id"`
	Image    uint32     `json:"image_id"`
	Category int32      `json:"category_id"`
	Box      [4]float32 `json:"bbox"`
	Area     float64    `json:"area"`
	Crowd    int        `json:"iscrowd"`
	Outline  []int      `json:"segmentation"`
	Score    *jsonScore `json:"score,omitempty"`
}

type cocoResult struct {
	Image    int64      `json:"image_id"`
	Category int32      `json:"category_id"`
	Box      [4]float32 `json:"bbox"`
	Score    jsonScore  `json:"score"`
}

type cocoCategory struct {
	ID    int32  `json:"id"`
	Name  string `json:"name"`
	Super string `json:"supercategory"`
}

// describeFolder makes the folder that tools look for images in, with a text about it.
func (w *cocoWriter) describeFolder(to Folder) error {
	file, err := to.Create(cocoFolder)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "The images are not in this folder. They are below\n%s\nunder the names that file_name has in the annotations. "+
		"Give that place to a tool\nthat asks for images, or put the images or a link here.\n", validText(w.c.Job.ImagesPlace()))
	return errors.Join(err, file.Close())
}

func (w *cocoWriter) Begin(c Collection, to Folder) error {
	w.c, w.categories = c, map[string]int32{}
	unknown := int32(firstUnknownCategory)
	for i, label := range c.Labels {
		if id := c.ClassIDs[i]; id >= 0 {
			w.categories[label] = int32(id) + 1
			continue
		}
		w.categories[label] = unknown
		unknown++
	}
	if err := w.describeFolder(to); err != nil {
		return err
	}
	for _, out := range []struct {
		name string
		list *jsonList
	}{{cocoInstances, &w.images}, {cocoResults, &w.results}} {
		file, err := to.Create(out.name)
		if err != nil {
			return err
		}
		w.files = append(w.files, file)
		out.list.jsonWriter = newJSONWriter(file)
	}
	what := "labels of the model " + c.Job.Model
	if c.HasTruth {
		what = "truth"
	}
	w.images.text(`{"info":`)
	w.images.value(cocoInfo{Description: "batchscore, job " + c.Job.ID, Annotations: what})
	w.images.text(`,"licenses":[],"images":[`)
	w.results.text("[")
	return w.fail()
}

func (w *cocoWriter) Add(_ context.Context, it *Item) error {
	w.n++
	w.images.add(cocoImage{ID: w.n, FileName: validText(it.Entry.Path), Width: it.Width, Height: it.Height,
		URL: validText(w.c.Address(it)), PathBase64: exactName(it.Entry.Path)})
	a := cocoAnnotation{image: uint32(w.n), box: [4]float32{0, 0, float32(it.Width), float32(it.Height)}}
	if found, ok := it.Row.Answer.(*row.Detection); ok && found != nil && it.Row.Status == row.StatusOK {
		w.boxes(found, a)
	}
	if answer, ok := it.Row.Answer.(*row.Classification); ok && answer != nil && it.Row.Status == row.StatusOK {
		w.result(row.Class{ClassID: answer.ClassID, Label: answer.Label, Score: answer.Score}, a.box)
		for i, c := range answer.TopK {
			// The best class, and one of several with the same label, is written once.
			if !slices.ContainsFunc(append(answer.TopK[:i:i], row.Class{Label: answer.Label}), func(b row.Class) bool { return b.Label == c.Label }) {
				w.result(c, a.box)
			}
		}
		if !w.c.HasTruth {
			a.category, a.score = w.category(answer.Label, answer.ClassID), answer.Score
			w.annotations = append(w.annotations, a)
		}
	}
	for _, label := range it.Truth {
		a.category, a.score = w.category(label, firstUnknownCategory-1), float32(math.NaN())
		w.annotations = append(w.annotations, a)
	}
	return w.fail()
}

// result writes one class that the model gives an image, or a part of it.
func (w *cocoWriter) result(c row.Class, box [4]float32) {
	w.results.add(cocoResult{w.n, w.category(c.Label, c.ClassID), box, jsonScore(c.Score)})
}

// boxes writes those that a detector has found, as results and as annotations.
func (w *cocoWriter) boxes(found *row.Detection, a cocoAnnotation) {
	for i := range found.Boxes {
		b := &found.Boxes[i]
		a.box = [4]float32{b.X, b.Y, b.Width, b.Height}
		w.result(b.Class, a.box)
		a.category, a.score = w.category(b.Label, b.ClassID), b.Score
		w.annotations = append(w.annotations, a)
	}
}

// category returns the id of a label: that of its class unless the label has one already.
func (w *cocoWriter) category(label string, class int) int32 {
	known, ok := w.categories[label]
	if !ok {
		known = int32(class) + 1
		w.categories[strings.Clone(label)] = known
	}
	return known
}

func (w *cocoWriter) End() error {
	boxes := jsonList{jsonWriter: w.images.jsonWriter}
	boxes.text("\n],\"annotations\":[")
	for i, a := range w.annotations {
		box := cocoBox{ID: int64(i) + 1, Image: a.image, Category: a.category, Box: a.box,
			Area: float64(a.box[2]) * float64(a.box[3]), Outline: []int{}}
		if score := jsonScore(a.score); !math.IsNaN(float64(a.score)) {
			box.Score = &score
		}
		boxes.add(box)
	}
	categories := jsonList{jsonWriter: w.images.jsonWriter}
	categories.text("\n],\"categories\":[")
	labels := slices.SortedFunc(maps.Keys(w.categories), func(a, b string) int { return cmp.Compare(w.categories[a], w.categories[b]) })
	for _, label := range labels {
		name := validText(label)
		if name == "" { // no tool takes it
			name = fmt.Sprintf("class %d", w.categories[label]-1)
		}
		categories.add(cocoCategory{ID: w.categories[label], Name: name})
	}
	categories.text("\n]}\n")
	w.results.text("\n]\n")
	if err := w.fail(); err != nil {
		return err
	}
	for _, file := range w.files {
		if err := file.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (w *cocoWriter) fail() error {
	if w.images.jsonWriter.fail != nil {
		return w.images.jsonWriter.fail
	}
	return w.results.jsonWriter.fail
}
