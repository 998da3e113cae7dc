// Package labels reads files that name the classes of a model.
//
// Plain text with one label per line is read as it is. Other forms are recognised:
// JSON and YAML (a list, numbers with names, names with numbers, each also under a key
// such as names or id2label), ImageNet's index of pairs, JSON lines, tables with a
// header, numbered lists. A file that looks like another form is refused unless the
// order of its classes is certain, even if it has as many lines as there are classes.
// The error names the form.
package labels

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Keys are the keys of a graph's metadata under which exporters put the labels: lists of
// JSON or Python, or one label per line.
var Keys = []string{"names", "labels", "classes", "class_names", "classnames", "id2label", "categories", "character", "class_labels"}

// List is the labels of a file in the order of the classes.
type List struct {
	Names []string
	// Form says how the file was read: "JSON list".
	Form string
}

// Plain is the form of a file with one label per line.
const Plain = "plain text, one label per line"

// certain says how to write labels so that they cannot be read in another way.
const certain = `write one label per line without numbers, or a JSON list: ["cat", "dog"]`

const pickle = "a pickle of Python; write its labels as a JSON list"

// Parse parses text, the content of a label file of that name, for a model of that many
// classes; 0 means unknown. The names are never blank and contain no line breaks. The
// caller checks whether there is one for each class.
func Parse(name string, content []byte, classes int) (List, error) {
	text, err := decode(content)
	if err != nil {
		return List{}, err
	}
	p := parser{classes: classes}
	ending := strings.ToLower(filepath.Ext(name))
	begin := strings.TrimSpace(text)
	switch {
	case begin == "":
		return List{}, errors.New("no label: the file is empty")
	case strings.HasPrefix(begin, "version https://git-lfs"):
		return List{}, errors.New("it is a Git LFS pointer, not the file itself; fetch that with git lfs pull")
	case begin[0] == '<' && (strings.Contains(begin, "</") || strings.Contains(begin, "/>") || strings.HasPrefix(begin, "<!") || strings.HasPrefix(begin, "<?")):
		return List{}, fmt.Errorf("it is HTML or XML%s; %s", p.has(), certain)
	case strings.Contains(begin, "item {") || strings.Contains(begin, "item{"):
		n := strings.Count(begin, "item {") + strings.Count(begin, "item{")
		return List{}, p.refuse("a TensorFlow label map (pbtxt)", n, "which counts from 1 as a rule")
	case begin[0] == '{' || begin[0] == '[':
		return p.structured(begin)
	case ending == ".json":
		return List{}, fmt.Errorf("its name ends in .json, but it is not JSON%s; %s", p.has(), certain)
	case ending == ".yaml" || ending == ".yml" || yamlLike(text):
		return p.yaml(text)
	}
	l, err := p.lines(text)
	if err == nil {
		err = check(l.Names)
	}
	return l, err
}

// Check returns an error that says what is wrong with a label.
func Check(label string) error {
	switch {
	case strings.TrimSpace(label) == "":
		return errors.New("is blank")
	case !utf8.ValidString(label):
		return errors.New("is not UTF-8")
	case strings.ContainsRune(label, 0):
		return errors.New("contains a NUL byte")
	case strings.ContainsAny(label, "\r\n"):
		return errors.New("contains a line break")
	}
	return nil
}

func check(names []string) error {
	for class, l := range names {
		if err := Check(l); err != nil {
			return fmt.Errorf("the label of class %d %w", class, err)
		}
	}
	return nil
}

// decode returns text in UTF-8 without a byte order mark. For other bytes, the error says
// what they are.
func decode(content []byte) (string, error) {
	text := string(content)
	for _, k := range []struct{ begin, is string }{
		{"\x1f\x8b", "compressed (gzip); unpack it first"},
		{"PK\x03\x04", "a ZIP archive, as a spreadsheet is; save its column of labels as text"},
		{"\x80\x02", pickle}, {"\x80\x03", pickle}, {"\x80\x04", pickle}, {"\x80\x05", pickle},
		{"\x93NUMPY", "a NumPy array; write its labels as a JSON list"},
		{"\xff\xfe", "text in UTF-16; convert it: iconv -f UTF-16 -t UTF-8"},
		{"\xfe\xff", "text in UTF-16; convert it: iconv -f UTF-16 -t UTF-8"},
	} {
		if strings.HasPrefix(text, k.begin) {
			return "", errors.New("it is " + k.is)
		}
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if i := strings.IndexByte(text, 0); i >= 0 {
		line := 1 + strings.Count(text[:i], "\n")
		if zeros := strings.Count(text, "\x00"); zeros*3 > len(text) {
			return "", fmt.Errorf("line %d contains a NUL byte, as most lines do: it is text in UTF-16; convert it: iconv -f UTF-16LE -t UTF-8", line)
		}
		return "", fmt.Errorf("line %d contains a NUL byte: it is not a text file", line)
	}
	if !utf8.ValidString(text) {
		line := 1
		for l := range strings.Lines(text) {
			if !utf8.ValidString(l) {
				break
			}
			line++
		}
		return "", fmt.Errorf("line %d is not UTF-8; if it is Latin-1, convert it: iconv -f LATIN1 -t UTF-8", line)
	}
	if strings.Contains(text, "\r") && !strings.Contains(text, "\n") {
		return "", errors.New(`its lines end with CR alone, as on an old Macintosh; convert it: tr '\r' '\n'`)
	}
	return text, nil
}

// parser knows the model that the labels are for.
type parser struct{ classes int }

// has returns the number of the model's classes, for the middle of an error.
func (p parser) has() string {
	if p.classes == 0 {
		return ""
	}
	return fmt.Sprintf(" (the model has %d classes)", p.classes)
}

// refuse returns an error for a form of n labels that is not accepted.
func (p parser) refuse(form string, n int, why string, args ...any) error {
	return fmt.Errorf("it is %s of %d labels%s, %s; %s", form, n, p.has(), fmt.Sprintf(why, args...), certain)
}

// numbered sorts names by their numbers, which must be those of the classes, each
// exactly once.
func (p parser) numbered(form string, numbers []int, names []string) (List, error) {
	n := len(names)
	ordered := make([]string, n)
	taken := make([]bool, n)
	least, most := slices.Min(numbers), slices.Max(numbers)
	for i, at := range numbers {
		switch {
		case at >= n && least == 1 && most == n:
			return List{}, p.refuse(form, n, "numbered from 1 to %d: classes count from 0", n)
		case at < 0 || at >= n:
			return List{}, p.refuse(form, n, "numbered from %d to %d: %d labels have the numbers 0 to %d", least, most, n, n-1)
		case taken[at]:
			return List{}, p.refuse(form, n, "in which number %d occurs twice", at)
		}
		ordered[at], taken[at] = names[i], true
	}
	if err := check(ordered); err != nil {
		return List{}, fmt.Errorf("it is %s%s: %w", form, p.has(), err)
	}
	return List{ordered, form}, nil
}
