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
	ID    string        `json:"id"`
	From  string        `json:"from_name"`
	To    string        `json:"to_name"`
	Type  string        `json:"type"`
	Value studioChoices `json:"value"`
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
	if _, err := io.WriteString(file, studioConfiguration(c.Classes)); err != nil {
		return err
	}
	return file.Close()
}

// modelVersion names the model: its name, and what its digest begins with.
func modelVersion(c *Collection) string {
	digest := strings.TrimPrefix(c.Job.ModelDigest, "sha256:")
	return validText(c.Job.Model) + " " + digest[:min(len(digest), 12)]
}

// studioConfiguration returns the labelling configuration.
func studioConfiguration(classes []string) string {
	var b strings.Builder
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
	answer, ok := it.Row.Answer.(*row.Classification)
	if !ok || answer == nil {
		return fmt.Errorf("it has no answer")
	}
	if w.file == nil {
		var err error
		if w.file, err = w.to.Create(fmt.Sprintf("tasks-%04d.json", w.n/w.perFile+1)); err != nil {
			return err
		}
		w.tasks = jsonList{jsonWriter: newJSONWriter(w.file)}
		w.tasks.text("[")
	}
	w.n++
	path := it.Entry.Path
	t := studioTask{Data: studioData{Image: validText(w.urls.of(it)), Path: validText(path), PathBase64: exactName(path),
		Predicted: xmlValid(answer.Label), Score: jsonScore(answer.Score), Best: bestClasses(answer)}}
	if margin, ok := answer.Margin(); ok {
		m := jsonScore(margin)
		t.Data.Margin = &m
	}
	t.Predictions = []studioPrediction{{w.model, jsonScore(answer.Score), choiceOf(path, answer.Label)}}
	for _, label := range it.Truth {
		t.Annotations = append(t.Annotations, studioAnnotation{true, choiceOf(path, label)})
	}
	w.tasks.add(t)
	if w.n%w.perFile == 0 {
		return w.endFile()
	}
	return w.tasks.fail
}

// choiceOf returns what says that an image has a label.
func choiceOf(path, label string) []studioResult {
	return []studioResult{{Key(path), studioChoice, studioImage, "choices", studioChoices{[]string{xmlValid(label)}}}}
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
