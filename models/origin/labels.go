package origin

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/labels"
)

// labelFiles are files of labels, the most telling first. Other files whose names tell
// that they hold labels follow.
var labelFiles = []string{"class_indices.json", "labels.txt", "labels.json", "classes.txt", "classes.json", "class_names.txt", "class_names.json"}

// readLabels looks for labels in the metadata and next to the model. They count only if
// there is one for each class, and the number of classes is known.
func (r *reader) readLabels() {
	switch r.found.Kind {
	case "", models.KindClassifier, models.KindMultiLabel:
	default:
		return
	}
	classes := r.columns(r.outputName())
	if r.labelled() || classes < 2 {
		return
	}
	for _, key := range labels.Keys {
		text, ok := r.file.Lookup(key)
		if !ok {
			continue
		}
		if l, err := labels.Parse(key, []byte(text), classes); err == nil && len(l.Names) == classes {
			r.answer("metadata "+key, models.Answers{Labels: l.Names})
			r.is("", models.KindClassifier)
			return
		}
	}
	found := map[string][]string{}
	var files []string
	for _, name := range r.labelNames() {
		path, text := r.text(name)
		if path == "" {
			continue
		}
		l, err := labels.Parse(name, text, classes)
		if err != nil || len(l.Names) != classes {
			continue
		}
		found[path] = l.Names
		files = append(files, path)
	}
	if len(files) > 0 {
		r.answer(files[0], models.Answers{Labels: found[files[0]]})
		r.is("", models.KindClassifier)
		r.note("the labels are those in %s, which has one for each of the %d classes", files[0], classes)
	}
}

// outputName returns the output that an origin has named; "" if there is none.
func (r *reader) outputName() string {
	for _, g := range r.found.Given {
		if g.OutputName != "" {
			return g.OutputName
		}
	}
	return ""
}

// labelNames lists the names of files that may hold labels.
func (r *reader) labelNames() []string {
	names := append([]string(nil), labelFiles...)
	entries, err := os.ReadDir(r.dirs[0])
	if err != nil {
		return names
	}
	for _, e := range entries {
		lower := strings.ToLower(e.Name())
		switch filepath.Ext(lower) {
		case ".json", ".txt", ".yaml", ".yml", ".csv":
			if strings.Contains(lower, "label") || strings.Contains(lower, "class") || strings.Contains(lower, "names") {
				names = append(names, e.Name())
			}
		}
		if len(names) > 32 {
			break
		}
	}
	return names
}
