package export

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"unicode"

	"github.com/batchscore/batchscore/scorer/row"
)

// The tables of an export as folders of labels.
const (
	yoloImages = "images.csv"
	yoloNames  = "names.csv"
)

var yoloFormat = Format{
	Name: "yolo", What: "folders of labels, train/LABEL and val/LABEL, as YOLO's classifiers and torchvision load them; boxes as its detectors do",
	Needs: Files, Splits: true, EachSplit: true,
	New:   func() Writer { return &yoloWriter{} },
	Boxes: func() Writer { return &yoloBoxWriter{} },
}

// yoloWriter puts each image in the folder of its label: that of the truth if the image has one,
// else that of the model. A table says which image a file is, another which label a folder is.
//
// Files are directly in the folder of their label, with a key of their name: loaders take
// folders in it for labels too, and images of the same name for one.
type yoloWriter struct {
	c       Collection
	to      Folder
	file    io.WriteCloser
	table   *csv.Writer
	folders map[string]string          // of labels
	splits  map[string]map[string]bool // that images of a label are in
}

// ImageName implements Namer.
func (w *yoloWriter) ImageName(it *Item) (string, error) {
	label, _, err := trainingLabel(it)
	if err != nil {
		return "", err
	}
	split := "train"
	if w.c.validates(it) {
		split = "val"
	}
	return path.Join(split, w.folders[label], withEnding(FlatName(it.Entry.Path))), nil
}

// labelFolders returns a folder for each label. Their names are different on systems that take
// a for A too: then the capital letters are written as % and two digits.
func labelFolders(labels []string) map[string]string {
	same := map[string]int{}
	for _, label := range labels {
		same[strings.ToLower(Component(label))]++
	}
	folders := map[string]string{}
	for _, label := range labels {
		folder := Component(label)
		if same[strings.ToLower(folder)] > 1 {
			folder = escapeCapitals(folder)
		}
		folders[label] = folder
	}
	return folders
}

// escapeCapitals writes each letter that has a small form as % and two digits for each byte,
// except in what is written so already.
func escapeCapitals(name string) string {
	var b strings.Builder
	escaped := 0 // bytes of an escape that are left
	for _, r := range name {
		switch {
		case escaped > 0:
			escaped--
			b.WriteRune(r)
		case r == '%' && len(name) > 1:
			escaped = 2
			b.WriteRune(r)
		case unicode.ToLower(r) != r:
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func (w *yoloWriter) Begin(c Collection, to Folder) error {
	w.c, w.to, w.folders, w.splits = c, to, labelFolders(c.Labels), map[string]map[string]bool{}
	var err error
	if w.file, err = to.Create(yoloImages); err != nil {
		return err
	}
	w.table = csv.NewWriter(w.file)
	return w.table.Write([]string{"file", "path", "path_base64", "label", "label_of", "predicted", "score", "address"})
}

func (w *yoloWriter) Add(_ context.Context, it *Item) error {
	label, of, err := trainingLabel(it)
	if err != nil {
		return err
	}
	split, _, _ := strings.Cut(it.File, "/")
	if w.splits[label] == nil {
		w.splits[strings.Clone(label)] = map[string]bool{}
	}
	w.splits[label][split] = true
	record := []string{it.File, validText(it.Entry.Path), exactName(it.Entry.Path), validText(label), of, "", "", validText(w.c.Address(it))}
	if predicted, score, ok := it.Label(); ok {
		record[5], record[6] = validText(predicted), strconv.FormatFloat(float64(score), 'f', -1, 32)
	}
	return w.table.Write(record)
}

// checkSplits returns an error if a label is in one of two splits only: loaders number the labels of
// each by themselves.
func (w *yoloWriter) checkSplits() error {
	if w.c.Options.Validation == 0 {
		return nil
	}
	for _, label := range w.c.Labels {
		if len(w.splits[label]) == 1 {
			return fmt.Errorf("the label %q has images for training only, or for validation only, and loaders number the labels of each by themselves: "+
				"leave it out with --label, or export without --validation", label)
		}
	}
	return nil
}

func (w *yoloWriter) End() error {
	if err := w.checkSplits(); err != nil {
		return errors.Join(err, w.file.Close())
	}
	w.table.Flush()
	if err := errors.Join(w.table.Error(), w.file.Close()); err != nil {
		return err
	}
	file, err := w.to.Create(yoloNames)
	if err != nil {
		return err
	}
	names := csv.NewWriter(file)
	if err := names.Write([]string{"folder", "label", "class_id"}); err != nil {
		return err
	}
	for i, label := range w.c.Labels {
		id := ""
		if n := w.c.ClassIDs[i]; n >= 0 {
			id = strconv.Itoa(n)
		}
		if err := names.Write([]string{w.folders[label], validText(label), id}); err != nil {
			return err
		}
	}
	names.Flush()
	return errors.Join(names.Error(), file.Close())
}

// yoloData is the file that YOLO's detectors are trained with.
const yoloData = "data.yaml"

// yoloBoxWriter puts images into images/train and images/val, and a text about the boxes of each into
// labels/train and labels/val: a line for each box, with the number of the model's class, the centre and
// the sides, in parts of the picture's. That of an image without boxes is empty.
type yoloBoxWriter struct {
	c      Collection
	to     Folder
	file   io.WriteCloser
	table  *csv.Writer
	names  map[int]string // of classes, by their numbers
	splits map[string]int // images in each
}

// ImageName implements Namer.
func (w *yoloBoxWriter) ImageName(it *Item) (string, error) {
	split := "train"
	if w.c.validates(it) {
		split = "val"
	}
	return path.Join("images", split, withEnding(FlatName(it.Entry.Path))), nil
}

func (w *yoloBoxWriter) Begin(c Collection, to Folder) error {
	w.c, w.to, w.names, w.splits = c, to, map[int]string{}, map[string]int{}
	var err error
	if w.file, err = to.Create(yoloImages); err != nil {
		return err
	}
	w.table = csv.NewWriter(w.file)
	return w.table.Write([]string{"file", "path", "path_base64", "boxes", "width", "height", "address"})
}

func (w *yoloBoxWriter) Add(_ context.Context, it *Item) error {
	found, ok := it.Row.Answer.(*row.Detection)
	if !ok || found == nil {
		return errors.New("it has no boxes")
	}
	name := strings.TrimPrefix(it.File, "images/")
	split, _, _ := strings.Cut(name, "/")
	w.splits[split]++
	text, err := w.to.Create("labels/" + strings.TrimSuffix(name, path.Ext(name)) + ".txt")
	if err != nil {
		return err
	}
	part := func(v float64, of int) string { return decimal(float32(min(max(v/float64(of), 0), 1))) }
	for i := range found.Boxes {
		b := &found.Boxes[i]
		if _, known := w.names[b.ClassID]; !known {
			w.names[b.ClassID] = strings.Clone(b.Label)
		}
		x, y, width, height := float64(b.X), float64(b.Y), float64(b.Width), float64(b.Height)
		if _, err = fmt.Fprintln(text, b.ClassID, part(x+width/2, found.Width), part(y+height/2, found.Height),
			part(width, found.Width), part(height, found.Height)); err != nil {
			break
		}
	}
	return errors.Join(err, text.Close(), w.table.Write([]string{it.File, validText(it.Entry.Path), exactName(it.Entry.Path), strconv.Itoa(len(found.Boxes)),
		strconv.Itoa(found.Width), strconv.Itoa(found.Height), validText(w.c.Address(it))}))
}

func (w *yoloBoxWriter) End() error {
	w.table.Flush()
	if err := errors.Join(w.table.Error(), w.file.Close()); err != nil {
		return err
	}
	file, err := w.to.Create(yoloData)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, w.data())
	return errors.Join(err, file.Close())
}

// data returns the text of yoloData. Names must be those of all numbers from 0; a class of which there
// is no box has its number for a name.
func (w *yoloBoxWriter) data() string {
	var b strings.Builder
	b.WriteString("train: images/train\n")
	if w.splits["train"] > 0 && w.splits["val"] > 0 {
		b.WriteString("val: images/val\n")
	} else {
		b.WriteString("val: images/train  # no image is put aside for validation\n")
	}
	b.WriteString("names:\n")
	most := -1
	for id := range w.names {
		most = max(most, id)
	}
	for id := range most + 1 {
		name := cmp.Or(validText(w.names[id]), fmt.Sprintf("class %d", id))
		fmt.Fprintf(&b, "  %d: %s\n", id, yamlText(name))
	}
	return b.String()
}

// yamlText returns a text as YAML has it in double quotes.
func yamlText(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r >= 0x7F && r <= 0x9F || r == 0x2028 || r == 0x2029 || r == 0xFEFF:
			fmt.Fprintf(&b, "\\u%04X", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
