package export

import (
	"context"
	"fmt"
	"io"
	"path"
	"regexp"
)

var hfFormat = Format{
	Name: "hf", What: "an ImageFolder of Hugging Face's datasets: the images, and metadata.jsonl",
	Needs: Files, Splits: true,
	New: func() Writer { return &hfWriter{} },
}

// hfWriter writes a folder for each split, with the images and a line about each.
type hfWriter struct {
	c      Collection
	to     Folder
	splits map[string]*hfSplit
}

// hfSplit is the metadata.jsonl of a split.
type hfSplit struct {
	file  io.WriteCloser
	lines *jsonWriter
}

// hfLine has the same keys on every line, with values of the same types: the library takes the
// types of the first lines for those of all.
type hfLine struct {
	File       string    `json:"file_name"`
	Label      string    `json:"label"`
	LabelOf    string    `json:"label_of"`
	Predicted  string    `json:"predicted"`
	ClassID    int       `json:"class_id"`
	Score      jsonScore `json:"score"`
	Path       string    `json:"path"`
	PathBase64 string    `json:"path_base64"`
	Address    string    `json:"address"`
}

// line returns what the forms of Hugging Face say of an image.
func (c *Collection) line(it *Item) (hfLine, error) {
	label, of, err := trainingLabel(it)
	if err != nil {
		return hfLine{}, err
	}
	l := hfLine{Label: validText(label), LabelOf: of, ClassID: -1, Path: validText(it.Entry.Path), PathBase64: exactName(it.Entry.Path),
		Address: validText(c.Address(it))}
	if predicted, id, score, ok := it.class(); ok {
		l.Predicted, l.ClassID, l.Score = validText(predicted), id, jsonScore(score)
	}
	return l, nil
}

// hfSplitOf returns the name of the split that an image is in.
func (c *Collection) hfSplitOf(it *Item) string {
	if c.validates(it) {
		return "validation"
	}
	return "train"
}

// ImageName implements Namer.
func (w *hfWriter) ImageName(it *Item) (string, error) {
	return path.Join(w.c.hfSplitOf(it), hfName(withEnding(KeyedName(it.Entry.Path)))), nil
}

// splitWord is a word by which the library finds splits in names of folders and files.
var splitWord = regexp.MustCompile(`(^|[-._ 0-9/])(train|training|validation|valid|dev|val|test|testing|eval|evaluation)($|[-._ 0-9/])`)

// hfMetadata is a folder with the name of the file that says what images are.
var hfMetadata = regexp.MustCompile(`(?i)(^|/)(metadata\.(jsonl|csv|parquet))/`)

// hfName returns a name without words that the library takes for the name of a split, and without
// folders that are called as its metadata is: their first letter is written as % and two digits.
func hfName(name string) string {
	for at := hfMetadata.FindStringSubmatchIndex(name); at != nil; at = hfMetadata.FindStringSubmatchIndex(name) {
		name = fmt.Sprintf("%s%%%02X%s", name[:at[4]], name[at[4]], name[at[4]+1:])
	}
	for {
		at := splitWord.FindStringSubmatchIndex(name)
		if at == nil {
			return name
		}
		name = fmt.Sprintf("%s%%%02X%s", name[:at[4]], name[at[4]], name[at[4]+1:])
	}
}

func (w *hfWriter) Begin(c Collection, to Folder) error {
	w.c, w.to, w.splits = c, to, map[string]*hfSplit{}
	return nil
}

func (w *hfWriter) Add(_ context.Context, it *Item) error {
	name := w.c.hfSplitOf(it)
	split := w.splits[name]
	if split == nil {
		file, err := w.to.Create(name + "/metadata.jsonl")
		if err != nil {
			return err
		}
		split = &hfSplit{file, newJSONWriter(file)}
		w.splits[name] = split
	}
	l, err := w.c.line(it)
	if err != nil {
		return err
	}
	l.File = it.File[len(name)+1:]
	split.lines.value(&l)
	split.lines.text("\n")
	return split.lines.fail
}

func (w *hfWriter) End() error {
	for _, split := range w.splits {
		if err := split.file.Close(); err != nil {
			return err
		}
	}
	return nil
}
