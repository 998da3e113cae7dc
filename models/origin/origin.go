// Package origin reads what comes with a model: the files that Hugging Face, timm,
// Custom Vision and others write next to it, and the metadata that they put into it.
//
// Read finds the ONNX file of a folder and turns what the other files say into
// answers, as models.OpenOptions takes them. It guesses nothing: what the files leave
// open stays open, and what they say that batchscore cannot do is a note.
package origin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/formats"
	"github.com/batchscore/batchscore/models/labels"
	"github.com/batchscore/batchscore/models/onnxfile"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// maxText is more bytes than any file of settings or labels has. A longer one is not
// read.
const maxText = 4 << 20

// Found is what a model is and what comes with it.
type Found struct {
	// File is the ONNX file.
	File string
	// What names where the model comes from: "Hugging Face's ViTForImageClassification".
	// Empty if nothing tells.
	What string
	// Kind is what the model is for; empty if nothing tells.
	Kind models.Kind
	// Given are the answers of the files and of the metadata, the strongest first.
	Given []models.Given
	// Notes are sentences about what the files say that the answers cannot.
	Notes []string
}

// Read reads what comes with the model at path, a folder or an ONNX file. An error
// about the content of the folder wraps models.ErrModel: it has no ONNX file, or
// several and nothing says which.
func Read(path string) (*Found, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open model: %w", err)
	}
	file := path
	if info.IsDir() {
		if file, err = modelIn(path); err != nil {
			return nil, err
		}
	}
	dir := ""
	if info.IsDir() {
		dir = filepath.Clean(path)
	}
	return ReadWith(file, dir)
}

// ReadWith is Read for an ONNX file and a further folder, "" for none, whose files come
// with it.
func ReadWith(file, dir string) (*Found, error) {
	f, err := onnxfile.Read(file)
	if err != nil {
		if kind := formats.DescribeFile(file); kind != "" && errors.Is(err, onnxfile.ErrNotONNX) {
			err = fmt.Errorf("%w: %s: %w: %s", models.ErrModel, file, onnxfile.ErrNotONNX, kind)
		}
		return nil, err
	}
	r := newReader(file, f)
	switch {
	case dir != "" && dir != r.dirs[0]:
		r.dirs = append(r.dirs, dir)
	case dir == "" && filepath.Base(r.dirs[0]) == "onnx":
		r.dirs = append(r.dirs, filepath.Dir(r.dirs[0])) // a folder of the hub has its ONNX files in onnx/
	}
	r.readAll()
	return &r.found, nil
}

// Size returns the pixels of the images that the files of a folder ask for, 0 where they do not
// say it, for a network that takes any size.
func Size(dir string) (width, height int) {
	r := &reader{file: &onnxfile.File{}, dirs: []string{filepath.Clean(dir)}}
	r.readHuggingFace()
	for _, g := range r.found.Given {
		if g.Width != nil && width == 0 {
			width = *g.Width
		}
		if g.Height != nil && height == 0 {
			height = *g.Height
		}
	}
	return width, height
}

// modelIn returns the ONNX file of a folder.
func modelIn(dir string) (string, error) {
	for _, pattern := range []string{
		"model.onnx", "onnx/model.onnx", "vision_model.onnx", "onnx/vision_model.onnx", "*.onnx", "onnx/*.onnx",
	} {
		files, err := filepath.Glob(filepath.Join(escaped(dir), pattern))
		if err != nil {
			return "", fmt.Errorf("%w: %s: %w", models.ErrModel, dir, err)
		}
		switch {
		case len(files) == 1:
			return files[0], nil
		case len(files) > 1:
			var names []string
			for _, file := range files[:min(len(files), 8)] {
				names = append(names, shellquote.Path(file))
			}
			return "", fmt.Errorf("%w: %s has %d ONNX files; give one of them instead of the folder: %s",
				models.ErrModel, dir, len(files), strings.Join(names, " or "))
		}
	}
	if what := Refused(dir); what != "" {
		return "", fmt.Errorf("%w: %s holds %s. Batchscore does not take such a model", models.ErrModel, dir, what)
	}
	return "", fmt.Errorf("%w: %s %s", models.ErrModel, dir, formats.DescribeFolder(dir))
}

// escaped returns a path that filepath.Glob takes as it is.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// reader collects what a model's files say.
type reader struct {
	found Found
	file  *onnxfile.File
	dirs  []string // the file's folder, and the one that was given if it is another
	// width and height are those of the graph's input; 0 where they are open. open reports
	// whether no axis tells the layout.
	width, height int
	open          bool
}

func newReader(path string, f *onnxfile.File) *reader {
	r := &reader{found: Found{File: path}, file: f, dirs: []string{filepath.Dir(path)}}
	if image := imageInput(f); image != nil {
		s := image.Shape
		switch {
		case len(s) != 4:
			r.open = !image.Shaped
		case s[3] == 3 || s[3] == 1 && s[1] != 1:
			r.height, r.width = max(int(s[1]), 0), max(int(s[2]), 0)
		default:
			r.height, r.width = max(int(s[2]), 0), max(int(s[3]), 0)
			r.open = s[1] < 0 && s[3] < 0
		}
	}
	return r
}

// imageInput returns the input that may be an image, nil if none may be.
func imageInput(f *onnxfile.File) *onnxfile.ValueInfo {
	for i := range f.Inputs {
		if in := &f.Inputs[i]; len(in.Shape) == 4 || !in.Shaped && len(f.Inputs) == 1 {
			return in
		}
	}
	return nil
}

// readAll asks each kind of origin. The first that answers a question is believed.
func (r *reader) readAll() {
	r.readKnown()
	r.readUltralytics()
	r.readHuggingFace()
	r.readCustomVision()
	r.readKeras()
	if r.found.Kind == "" {
		r.found.Kind = models.KindOf(r.file)
	}
	r.readLabels()
}

// answer adds what a source says.
func (r *reader) answer(from string, a models.Answers) {
	r.found.Given = append(r.found.Given, models.Given{From: from, Answers: a})
}

// answered reports whether a source has said what has returns.
func (r *reader) answered(has func(models.Answers) bool) bool {
	return slices.ContainsFunc(r.found.Given, func(g models.Given) bool { return has(g.Answers) })
}

func (r *reader) labelled() bool {
	return r.answered(func(a models.Answers) bool { return a.Labels != nil })
}

func (r *reader) note(format string, args ...any) {
	r.found.Notes = append(r.found.Notes, fmt.Sprintf(format, args...))
}

// is names the origin and the kind, unless a stronger source has.
func (r *reader) is(what string, kind models.Kind) {
	if r.found.What == "" {
		r.found.What = what
	}
	if r.found.Kind == "" {
		r.found.Kind = kind
	}
}

// text returns a file of the model's folders; an empty path if there is none.
func (r *reader) text(name string) (path string, text []byte) {
	for _, dir := range r.dirs {
		path := filepath.Join(dir, name)
		text, err := readText(path)
		if err == nil {
			return path, text
		}
		if !errors.Is(err, fs.ErrNotExist) {
			r.note("%s was not read: %v", path, err)
		}
	}
	return "", nil
}

func readText(path string) ([]byte, error) {
	f, err := atomicfile.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err == nil && len(text) > maxText {
		err = fmt.Errorf("it has more than %d bytes", maxText)
	}
	return text, err
}

// json reads a file of JSON into v. It returns an empty path if there is none, or if it
// cannot be read, which is noted.
func (r *reader) json(name string, v any) (path string, text []byte) {
	path, text = r.text(name)
	if path == "" {
		return "", nil
	}
	if err := json.Unmarshal(text, v); err != nil {
		r.note("%s was not read: %v", path, err)
		return "", nil
	}
	return path, text
}

// output returns the first of the named outputs that the graph has; "" if it has only
// one output, or none of these.
func (r *reader) output(names ...string) string {
	if len(r.file.Outputs) < 2 {
		return ""
	}
	for _, name := range names {
		for _, out := range r.file.Outputs {
			if out.Name == name {
				return name
			}
		}
	}
	return ""
}

// columns returns how many scores the named output has for an image, or the only one if
// the name is empty; 0 if the graph does not say.
func (r *reader) columns(output string) int {
	for _, out := range r.file.Outputs {
		if output != "" && out.Name != output || output == "" && len(r.file.Outputs) != 1 {
			continue
		}
		n := int64(1)
		for _, d := range out.Shape[min(1, len(out.Shape)):] {
			if d < 0 {
				return 0
			}
			n *= d
		}
		if len(out.Shape) > 1 {
			return int(n)
		}
	}
	return 0
}

// labels parses labels of that many classes; 0 is any number. Those that do not fit are
// noted and left out.
func (r *reader) labels(from, name string, text []byte, classes int) []string {
	l, err := labels.Parse(name, text, classes)
	if n := len(l.Names); err == nil && classes > 0 && n != classes && !(classes == 1 && n == 2) {
		err = fmt.Errorf("%d labels for an output of %d classes", n, classes)
	}
	if err != nil {
		r.note("the labels in %s are not used: %v", from, err)
		return nil
	}
	return l.Names
}
