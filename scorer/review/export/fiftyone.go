package export

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"path"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
)

var fiftyoneFormat = Format{
	Name: "fiftyone", What: "a FiftyOneDataset folder with the images, the predictions and the truth",
	Needs: Files, Failed: true,
	New: func() Writer { return &fiftyoneWriter{} },
}

// fiftyoneVersion is the release of FiftyOne that the documents are of. Later releases bring
// them up to date when they import them.
const fiftyoneVersion = "1.0.0"

// fiftyoneWriter writes a dataset in the form in which FiftyOne stores one on disk: the document
// of the dataset, and one document for each image.
type fiftyoneWriter struct {
	c       Collection
	dataset fiftyoneID
	file    io.WriteCloser
	samples jsonList
	sample  fiftyoneSample
}

// fiftyoneID is an ObjectId of MongoDB.
type fiftyoneID struct {
	Hex string `json:"$oid"`
}

type fiftyoneSample struct {
	ID          fiftyoneID         `json:"_id"`
	Filepath    string             `json:"filepath"`
	Tags        []string           `json:"tags"`
	MediaType   string             `json:"_media_type"`
	Random      float64            `json:"_rand"`
	Dataset     fiftyoneID         `json:"_dataset_id"`
	Metadata    *fiftyoneMetadata  `json:"metadata"`
	Path        string             `json:"path"`
	PathBase64  string             `json:"path_base64,omitempty"`
	Address     string             `json:"address"`
	Status      string             `json:"status"`
	Error       string             `json:"error,omitempty"`
	Prediction  *fiftyoneLabel     `json:"prediction"`
	ClassID     *int               `json:"class_id"`
	Margin      *jsonScore         `json:"margin"`
	TopK        *fiftyoneLabelList `json:"topk"`
	GroundTruth *fiftyoneLabel     `json:"ground_truth"`
	Truth       []string           `json:"truth,omitempty"`
}

type fiftyoneMetadata struct {
	Class  string `json:"_cls"`
	Bytes  int64  `json:"size_bytes"`
	Mime   string `json:"mime_type,omitempty"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

type fiftyoneLabel struct {
	ID         fiftyoneID `json:"_id"`
	Class      string     `json:"_cls"`
	Tags       []string   `json:"tags"`
	Label      string     `json:"label"`
	Confidence *jsonScore `json:"confidence,omitempty"`
}

type fiftyoneLabelList struct {
	Class string          `json:"_cls"`
	All   []fiftyoneLabel `json:"classifications"`
}

// ImageName implements Namer.
func (w *fiftyoneWriter) ImageName(it *Item) (string, error) {
	return path.Join("data", KeyedName(it.Entry.Path)), nil
}

func (w *fiftyoneWriter) Begin(c Collection, to Folder) error {
	w.c, w.dataset = c, fiftyoneObject(c.Job.ID)
	file, err := to.Create("metadata.json")
	if err != nil {
		return err
	}
	j := newJSONWriter(file)
	j.value(w.document())
	j.text("\n")
	if j.fail != nil {
		return j.fail
	}
	if err := file.Close(); err != nil {
		return err
	}
	if w.file, err = to.Create("samples.json"); err != nil {
		return err
	}
	w.samples.jsonWriter = newJSONWriter(w.file)
	w.samples.text(`{"samples":[`)
	return w.samples.fail
}

func (w *fiftyoneWriter) Add(_ context.Context, it *Item) error {
	key := w.c.Job.ID + "\x00" + it.Entry.Path
	id := fiftyoneObject(key)
	sum := sha256.Sum256([]byte(key))
	w.sample = fiftyoneSample{
		ID: id, Filepath: it.File, Tags: []string{}, MediaType: "image", Dataset: w.dataset,
		Random:   float64(binary.BigEndian.Uint64(sum[16:])>>11) / (1 << 53),
		Metadata: &fiftyoneMetadata{"ImageMetadata", it.Entry.Size, mimeTypes[strings.ToLower(path.Ext(it.File))], it.Width, it.Height},
		Path:     validText(it.Entry.Path), PathBase64: exactName(it.Entry.Path), Address: validText(w.c.Address(it)),
		Status: it.Row.Status, Error: validText(it.Row.Error),
	}
	if it.Width == 0 {
		w.sample.Metadata = nil
	}
	if a, ok := it.Row.Answer.(*row.Classification); ok && a != nil && it.Row.Status == row.StatusOK {
		w.predict(key, a)
	}
	if len(it.Truth) > 0 {
		w.sample.GroundTruth = newFiftyoneLabel(key+"\x00truth", it.Truth[0], nil)
		for _, label := range it.Truth {
			w.sample.Truth = append(w.sample.Truth, validText(label))
		}
	}
	w.samples.add(&w.sample)
	return w.samples.fail
}

// predict gives the sample what the model says.
func (w *fiftyoneWriter) predict(key string, a *row.Classification) {
	score, class := jsonScore(a.Score), a.ClassID
	w.sample.Prediction = newFiftyoneLabel(key+"\x00prediction", a.Label, &score)
	w.sample.ClassID = &class
	if margin, ok := a.Margin(); ok {
		m := jsonScore(margin)
		w.sample.Margin = &m
	}
	w.sample.TopK = &fiftyoneLabelList{Class: "Classifications"}
	for _, c := range a.TopK {
		score := jsonScore(c.Score)
		w.sample.TopK.All = append(w.sample.TopK.All, *newFiftyoneLabel(key+"\x00"+c.Label, c.Label, &score))
	}
}

func (w *fiftyoneWriter) End() error {
	w.samples.text("\n]}\n")
	if w.samples.fail != nil {
		return w.samples.fail
	}
	return w.file.Close()
}

func newFiftyoneLabel(key, label string, score *jsonScore) *fiftyoneLabel {
	return &fiftyoneLabel{fiftyoneObject(key), "Classification", []string{}, validText(label), score}
}

// fiftyoneObject returns an ObjectId that depends on key alone.
func fiftyoneObject(key string) fiftyoneID {
	sum := sha256.Sum256([]byte(key))
	return fiftyoneID{hex.EncodeToString(sum[:12])}
}

// mimeTypes are those of the images that are decoded, by the ending of their names.
var mimeTypes = map[string]string{
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif",
	".webp": "image/webp", ".bmp": "image/bmp", ".tif": "image/tiff", ".tiff": "image/tiff",
}
