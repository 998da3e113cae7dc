package export

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
)

// studioConfig is the file of the labelling configuration. Tasks are in files of their own.
const studioConfig = "label-config.xml"

// LabelStudio is the name of the format that the options about addresses and files are for.
const LabelStudio = "label-studio"

var labelStudioFormat = Format{
	Name: LabelStudio, What: "Label Studio: tasks with predictions, and the labelling configuration",
	Needs: Rows,
	New:   func() Writer { return &studioWriter{} },
	Boxes: func() Writer { return &studioWriter{boxes: true} },
}

const (
	// tasksPerFile is how many tasks a file has by default: some 5 MB. Label Studio takes
	// an import of up to 250 MB, as one transaction.
	tasksPerFile = 10_000
	// manyClasses is the number of classes above which people choose from a menu.
	manyClasses = 30
)

// The names in the labelling configuration. In exports without tasks, that of the choice
// is a key next to those of the data.
const (
	studioChoice = "label"
	studioImage  = "image"
)

// studioWriter writes tasks as Label Studio imports them.
type studioWriter struct {
	c       Collection
	to      Folder
	urls    urls
	model   string
	boxes   bool // of a detector
	n       int
	perFile int

	file  io.WriteCloser // nil before the first task and between files
	tasks jsonList
}

// studioTask is a task. Its path tells which image it is of, whatever the server calls it.
type studioTask struct {
	Data        studioData         `json:"data"`
	Predictions []studioPrediction `json:"predictions,omitempty"`
	Annotations []studioAnnotation `json:"annotations,omitempty"`
}

type studioData struct {
	Image      string     `json:"image"`
	Path       string     `json:"path"`
	PathBase64 string     `json:"path_base64,omitempty"`
	Predicted  string     `json:"predicted"`
	Score      jsonScore  `json:"score"`
	Margin     *jsonScore `json:"margin,omitempty"`
	Best       string     `json:"best"` // classes, for people
}

type studioPrediction struct {
	Model  string         `json:"model_version"`
	Score  jsonScore      `json:"score"`
	Result []studioResult `json:"result"`
}

type studioAnnotation struct {
	GroundTruth bool           `json:"ground_truth"`
	Result      []studioResult `json:"result"`
}

type studioResult struct {
	ID    string `json:"id"`
	From  string `json:"from_name"`
	To    string `json:"to_name"`
	Type  string `json:"type"`
	Value any    `json:"value"` // studioChoices or studioBox

	// Of a box: the sides of the picture as people see it, and the box's own score.
	Width    int        `json:"original_width,omitempty"`
	Height   int        `json:"original_height,omitempty"`
	Rotation *int       `json:"image_rotation,omitempty"`
	Score    *jsonScore `json:"score,omitempty"`
}

// studioBox is a box, in percent of the sides of the picture.
type studioBox struct {
	X        float64  `json:"x"`
	Y        float64  `json:"y"`
	Width    float64  `json:"width"`
	Height   float64  `json:"height"`
	Rotation int      `json:"rotation"`
	Labels   []string `json:"rectanglelabels"`
}

type studioChoices struct {
	Choices []string `json:"choices"`
}

func (w *studioWriter) Begin(c Collection, to Folder) error {
	var err error
	w.c, w.to, w.perFile = c, to, c.Options.PerFile
	if w.perFile == 0 {
		w.perFile = tasksPerFile
	}
	if w.urls, err = newURLs(&w.c); err != nil {
		return err
	}
	w.model = modelVersion(&c)
	file, err := to.Create(studioConfig)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(file, studioConfiguration(c.Classes, w.boxes)); err != nil {
		return err
	}
	return file.Close()
}

// modelVersion names the model: its name, and what its digest begins with.
func modelVersion(c *Collection) string {
	digest := strings.TrimPrefix(c.Job.ModelDigest, "sha256:")
	return validText(c.Job.Model) + " " + digest[:min(len(digest), 12)]
}

// studioConfiguration returns the labelling configuration, for boxes or for labels of whole images.
func studioConfiguration(classes []string, boxes bool) string {
	var b strings.Builder
	if boxes {
		fmt.Fprintf(&b, "<View>\n  <Image name=%q value=\"$image\" zoom=\"true\"/>\n  <Text name=\"path\" value=\"$path\"/>\n"+
			"  <RectangleLabels name=%q toName=%q>\n", studioImage, studioChoice, studioImage)
		for _, class := range classes {
			fmt.Fprintf(&b, "    <Label value=\"%s\"/>\n", xmlText(class))
		}
		b.WriteString("  </RectangleLabels>\n</View>\n")
		return b.String()
	}
	layout := "inline"
	if len(classes) > manyClasses {
		layout = "select"
	}
	fmt.Fprintf(&b, "<View>\n  <Image name=%q value=\"$image\"/>\n  <Text name=\"path\" value=\"$path\"/>\n"+
		"  <Choices name=%q toName=%q choice=\"single\" layout=%q>\n", studioImage, studioChoice, studioImage, layout)
	for _, class := range classes {
		fmt.Fprintf(&b, "    <Choice value=\"%s\"/>\n", xmlText(class))
	}
	b.WriteString("  </Choices>\n</View>\n")
	return b.String()
}

func (w *studioWriter) Add(_ context.Context, it *Item) error {
	t, err := w.task(it)
	if err != nil {
		return err
	}
	if w.file == nil {
		if w.file, err = w.to.Create(fmt.Sprintf("tasks-%04d.json", w.n/w.perFile+1)); err != nil {
			return err
		}
		w.tasks = jsonList{jsonWriter: newJSONWriter(w.file)}
		w.tasks.text("[")
	}
	w.n++
	w.tasks.add(t)
	if w.n%w.perFile == 0 {
		return w.endFile()
	}
	return w.tasks.fail
}

// task returns the task of an image.
func (w *studioWriter) task(it *Item) (t studioTask, err error) {
	path := it.Entry.Path
	if found, ok := it.Row.Answer.(*row.Detection); ok && found != nil {
		label, score, _ := it.Label()
		t.Data = studioData{Image: validText(w.urls.of(it)), Path: validText(path), PathBase64: exactName(path),
			Predicted: xmlValid(label), Score: jsonScore(score), Best: xmlValid(found.Counts())}
		if len(found.Boxes) > 0 {
			t.Predictions = []studioPrediction{{w.model, jsonScore(score), boxesOf(path, found)}}
		}
		return t, nil
	}
	answer, ok := it.Row.Answer.(*row.Classification)
	if !ok || answer == nil {
		return t, fmt.Errorf("it has no answer")
	}
	t = studioTask{Data: studioData{Image: validText(w.urls.of(it)), Path: validText(path), PathBase64: exactName(path),
		Predicted: xmlValid(answer.Label), Score: jsonScore(answer.Score), Best: bestClasses(answer)}}
	if margin, ok := answer.Margin(); ok {
		m := jsonScore(margin)
		t.Data.Margin = &m
	}
	t.Predictions = []studioPrediction{{w.model, jsonScore(answer.Score), choiceOf(path, answer.Label)}}
	for _, label := range it.Truth {
		t.Annotations = append(t.Annotations, studioAnnotation{true, choiceOf(path, label)})
	}
	return t, nil
}

// boxesOf returns what says that an image has boxes.
func boxesOf(path string, found *row.Detection) (all []studioResult) {
	part := func(v float32, of int) float64 { return min(100*float64(v)/float64(of), 100) }
	for i := range found.Boxes {
		b, upright := &found.Boxes[i], 0
		score := jsonScore(b.Score)
		all = append(all, studioResult{ID: fmt.Sprintf("%s-%d", Key(path), i), From: studioChoice, To: studioImage, Type: "rectanglelabels",
			Value: studioBox{part(b.X, found.Width), part(b.Y, found.Height), part(b.Width, found.Width), part(b.Height, found.Height),
				0, []string{xmlValid(b.Label)}},
			Width: found.Width, Height: found.Height, Rotation: &upright, Score: &score})
	}
	return all
}

// choiceOf returns what says that an image has a label.
func choiceOf(path, label string) []studioResult {
	return []studioResult{{ID: Key(path), From: studioChoice, To: studioImage, Type: "choices", Value: studioChoices{[]string{xmlValid(label)}}}}
}

// bestClasses returns the best classes of an answer for people.
func bestClasses(a *row.Classification) string {
	var all []string
	for _, c := range a.TopK {
		all = append(all, fmt.Sprintf("%s %.4f", xmlValid(c.Label), c.Score))
	}
	return strings.Join(all, ", ")
}

func (w *studioWriter) endFile() error {
	w.tasks.text("\n]\n")
	if w.tasks.fail != nil {
		return w.tasks.fail
	}
	err := w.file.Close()
	w.file = nil
	return err
}

func (w *studioWriter) End() error {
	if w.file == nil {
		return nil
	}
	return w.endFile()
}
