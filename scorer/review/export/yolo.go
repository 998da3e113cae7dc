package export

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"unicode"
)

// The tables of an export as folders of labels.
const (
	yoloImages = "images.csv"
	yoloNames  = "names.csv"
)

var yoloFormat = Format{
	Name: "yolo", What: "folders of labels, train/LABEL and val/LABEL, as YOLO's classifiers and torchvision load them",
	Needs: Files, Splits: true, EachSplit: true,
	New: func() Writer { return &yoloWriter{} },
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
