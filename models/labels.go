package models

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/batchscore/batchscore/models/labels"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// maxLabelFile is more bytes than the labels of any classifier need. It keeps a
// model that was given as a labels file by mistake from being read whole.
const maxLabelFile = 16 << 20

// ReadLabels reads a file of labels in the order of the classes, in any of the
// forms that package labels knows, such as one label per line. The word labels.ImageNet
// in place of a path is the names of ImageNet's classes. Errors about the
// content wrap ErrModel.
func ReadLabels(path string) ([]string, error) {
	l, err := readLabels(path, 0, os.Open)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrModel, err)
	}
	return l.Names, err
}

// withNames adds the labels that the graph's metadata has for each of its classes, if no answer
// has any.
func (m *Model) withNames(f *onnxfile.File, layers []Given) []Given {
	task, classes := Classify, int(max(m.OutputShape[1], 0))
	for _, g := range slices.Backward(layers) {
		if g.Task != nil {
			task = *g.Task
		}
		if g.Labels != nil || g.LabelsPath != "" {
			return layers
		}
	}
	kind, _ := f.Lookup("task") // of Ultralytics, whose detectors may not show the number of classes
	if task != Classify && task != MultiLabel && task != Detect ||
		task != Detect && classes < 2 || task == Detect && classes == 0 && kind != "detect" {
		return layers
	}
	for _, key := range labels.Keys {
		text, ok := f.Lookup(key)
		if !ok {
			continue
		}
		l, err := labels.Parse(key, []byte(text), classes)
		if n := len(l.Names); err == nil && n > 0 && (n == classes || classes == 0) {
			return append(slices.Clip(layers), Given{From: "metadata " + key, Answers: Answers{Labels: l.Names}})
		}
	}
	return layers
}

// readLabels is ReadLabels for a model of that many classes; 0 means that the
// number is not known. Its errors do not wrap ErrModel.
func readLabels(path string, classes int, open func(string) (*os.File, error)) (labels.List, error) {
	if path == labels.ImageNet {
		l := labels.List{Names: labels.ImageNetNames(), Form: labels.Plain}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return l, fmt.Errorf("labels %s: there is a file of that name, and ImageNet's names have it too: the file is ./%[1]s;"+
				" for the names, rename it or run in another folder", path)
		}
		if classes > 0 && classes != len(l.Names) {
			return l, fmt.Errorf("labels %s: they are %d, for an output of %d classes; a file of that name is ./%[1]s", path, len(l.Names), classes)
		}
		return l, nil
	}
	f, err := open(path)
	if err != nil {
		return labels.List{}, fmt.Errorf("open labels: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxLabelFile+1))
	if err != nil {
		return labels.List{}, fmt.Errorf("read labels: %w", err)
	}
	if len(text) > maxLabelFile {
		return labels.List{}, fmt.Errorf("labels %s: more than %d bytes; is it a text file?", path, maxLabelFile)
	}
	l, err := labels.Parse(path, text, classes)
	if err != nil {
		return l, fmt.Errorf("labels %s: %w", path, err)
	}
	if n := len(l.Names); classes > 0 && n != classes && !(classes == 1 && n == 2) {
		return l, fmt.Errorf("labels %s: %d labels for an output of %d classes; the file was read as %s", path, n, classes, l.Form)
	}
	return l, nil
}
