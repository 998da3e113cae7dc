package export

import (
	"context"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
)

// The files of an export as COCO.
const (
	cocoInstances = "annotations/instances_default.json"
	cocoResults   = "predictions.json"
)

var cocoFormat = Format{
	Name: "coco", What: "COCO: annotations of whole images, and the model's classes as results",
	Needs: Sizes,
	New:   func() Writer { return &cocoWriter{} },
}

// firstUnknownCategory is the id of the first category that is no class that the model gave any
// of the images.
const firstUnknownCategory = 1_000_000

// cocoWriter writes annotations and results as the API of COCO reads them. A label is an
// annotation whose box is the whole image. The annotations are the truth, if there is one, and
// else the labels of the model; the results are all classes that rows list.
//
// The id of a category is the number of the model's class.
type cocoWriter struct {
	c       Collection
	files   []io.WriteCloser
	images  jsonList // the file of the annotations, in its list of images
	results jsonList

	n           int64
	annotations []cocoAnnotation // written after the images
	names       map[int32]string // of classes
	labels      []string         // of the collection, sorted
}

// cocoAnnotation is an annotation until it is written.
type cocoAnnotation struct {
	image         uint32
	category      int32 // a class or, below zero, the complement of an index in labels
	width, height int32
	score         float32 // NaN for a truth
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
	Box      [4]int32   `json:"bbox"`
	Area     int64      `json:"area"`
	Crowd    int        `json:"iscrowd"`
	Outline  []int      `json:"segmentation"`
	Score    *jsonScore `json:"score,omitempty"`
}

type cocoResult struct {
	Image    int64     `json:"image_id"`
	Category int       `json:"category_id"`
	Box      [4]int    `json:"bbox"`
	Score    jsonScore `json:"score"`
}

type cocoCategory struct {
	ID    int32  `json:"id"`
	Name  string `json:"name"`
	Super string `json:"supercategory"`
}

func (w *cocoWriter) Begin(c Collection, to Folder) error {
	w.c, w.names, w.labels = c, map[int32]string{}, c.Labels
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
	a := cocoAnnotation{image: uint32(w.n), width: int32(it.Width), height: int32(it.Height)}
	answer, ok := it.Row.Answer.(*row.Classification)
	if ok && answer != nil && it.Row.Status == row.StatusOK {
		w.class(answer.ClassID, answer.Label)
		classes := answer.TopK
		if len(classes) == 0 {
			classes = []row.Class{{ClassID: answer.ClassID, Label: answer.Label, Score: answer.Score}}
		}
		for _, c := range classes {
			w.class(c.ClassID, c.Label)
			w.results.add(cocoResult{w.n, c.ClassID, [4]int{0, 0, it.Width, it.Height}, jsonScore(c.Score)})
		}
		if !w.c.HasTruth {
			a.category, a.score = int32(answer.ClassID), answer.Score
			w.annotations = append(w.annotations, a)
		}
	}
	for _, label := range it.Truth {
		i, ok := slices.BinarySearch(w.labels, label)
		if !ok {
			i, ok = slices.BinarySearch(w.labels, validText(label))
		}
		if ok {
			a.category, a.score = ^int32(i), float32(math.NaN())
			w.annotations = append(w.annotations, a)
		}
	}
	return w.fail()
}

// class takes down the name of a class.
func (w *cocoWriter) class(id int, name string) {
	if _, ok := w.names[int32(id)]; !ok {
		w.names[int32(id)] = strings.Clone(name)
	}
}

func (w *cocoWriter) End() error {
	ids := w.categories()
	boxes := jsonList{jsonWriter: w.images.jsonWriter}
	boxes.text("\n],\"annotations\":[")
	for i, a := range w.annotations {
		box := cocoBox{ID: int64(i) + 1, Image: a.image, Category: a.category, Box: [4]int32{0, 0, a.width, a.height},
			Area: int64(a.width) * int64(a.height), Outline: []int{}}
		if a.category < 0 {
			box.Category = ids[w.labels[^a.category]]
		} else {
			score := jsonScore(a.score)
			box.Score = &score
		}
		boxes.add(box)
	}
	categories := jsonList{jsonWriter: w.images.jsonWriter}
	categories.text("\n],\"categories\":[")
	order := make([]int32, 0, len(w.names))
	for id := range w.names {
		order = append(order, id)
	}
	slices.Sort(order)
	for _, id := range order {
		categories.add(cocoCategory{ID: id, Name: validText(w.names[id])})
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

// categories returns the ids of all labels: those of classes, the lowest where classes have the
// same name, and for all other labels ids of their own.
func (w *cocoWriter) categories() map[string]int32 {
	ids := map[string]int32{}
	for id, name := range w.names {
		if have, ok := ids[name]; !ok || id < have {
			ids[name] = id
		}
	}
	next := int32(firstUnknownCategory)
	for id := range w.names {
		next = max(next, id+1)
	}
	for _, label := range w.labels {
		if _, ok := ids[label]; !ok {
			ids[label], w.names[next] = next, label
			next++
		}
	}
	return ids
}

func (w *cocoWriter) fail() error {
	if w.images.jsonWriter.fail != nil {
		return w.images.jsonWriter.fail
	}
	return w.results.jsonWriter.fail
}
