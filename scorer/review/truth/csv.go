package truth

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// table is a file of lines with a header: CSV with commas, semicolons, tabs or bars.
var table = form{
	name: "a table (CSV) with a header", unit: "line",
	is: func(in *input) bool {
		head := bytes.TrimPrefix(in.head, bom)
		text := bytes.TrimLeft(head, " \t\r\n")
		return len(text) > 0 && !bytes.ContainsRune(head[:min(len(head), 4096)], 0) &&
			!bytes.ContainsAny(text[:1], "{[<") && !bytes.HasPrefix(head, []byte("PAR1"))
	},
	read: readTable,
}

// The names that columns have, the most telling first.
var (
	nameColumns  = []string{"path", "image", "file", "filename", "file_name", "image_path", "filepath", "name", "url", "address", "id"}
	labelColumns = []string{"truth", "label", "class", "category", "choice", "y"}
)

// exactColumn is the column that exports have for names that are not valid UTF-8.
const exactColumn = "path_base64"

// resultColumns are columns that only rows of a result have.
var resultColumns = []string{"status", "score", "class_id"}

// longestLine is how many bytes a line has at most.
const longestLine = 1 << 20

func readTable(_ context.Context, in *input, add adder) error {
	src := &bounded{r: in.file, what: "a line", most: longestLine + 8192}
	lines := bufio.NewReaderSize(src, 4096)
	if head, err := lines.Peek(len(bom)); err == nil && bytes.Equal(head, bom) {
		_, _ = lines.Discard(len(bom))
	}
	r := csv.NewReader(lines)
	r.ReuseRecord, r.FieldsPerRecord, r.LazyQuotes = true, -1, false
	r.Comma = separator(in.head)
	header, err := r.Read()
	if err != nil {
		return tableError(err)
	}
	name, label, err := in.columnsOf(header)
	if err != nil {
		return err
	}
	want := len(header)
	exact, of := slices.Index(header, exactColumn), -1
	if in.columns == "" && header[label] == "label" {
		of = slices.Index(header, "label_of")
	}
	for {
		src.mark(r.InputOffset())
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return tableError(err)
		}
		line, _ := r.FieldPos(0)
		if len(record) != want {
			return fmt.Errorf("%w: line %d has %d columns, and the header %d", ErrForm, line, len(record), want)
		}
		if of >= 0 && record[of] == ofModel {
			in.left++
			continue
		}
		image := record[name]
		if exact >= 0 && record[exact] != "" {
			body, err := base64.StdEncoding.DecodeString(record[exact])
			if err != nil {
				return fmt.Errorf("%w: line %d: %s: %w", ErrForm, line, exactColumn, err)
			}
			image = string(body)
		}
		if err := addLabels(add, image, record[label], line); err != nil {
			return err
		}
	}
}

// tableError returns the error of a table, which names the line.
func tableError(err error) error {
	if errors.Is(err, ErrForm) {
		return err
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: it is empty", ErrForm)
	}
	return fmt.Errorf("%w: %w", ErrForm, err)
}

// separator returns the character between the columns of a table: of those that may be,
// the one that the first line has most of.
func separator(head []byte) rune {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	best, most := ',', 0
	for _, r := range ",;\t|" {
		quoted, n := false, 0
		for _, c := range string(line) {
			switch c {
			case '"':
				quoted = !quoted
			case r:
				if !quoted {
					n++
				}
			}
		}
		if n > most {
			best, most = r, n
		}
	}
	return best
}

// columnsOf returns the columns with the name and the label.
func (in *input) columnsOf(header []string) (name, label int, err error) {
	find := func(wanted ...string) int {
		for _, w := range wanted {
			if i := slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), w) }); i >= 0 {
				return i
			}
		}
		return -1
	}
	columns := strings.Join(header, ", ")
	if len(columns) > 500 {
		columns = strings.ToValidUTF8(columns[:500], "") + "..."
	}
	if in.columns != "" {
		a, b, ok := strings.Cut(in.columns, ",")
		if name, label = find(strings.TrimSpace(a)), find(strings.TrimSpace(b)); !ok || name < 0 || label < 0 {
			return 0, 0, fmt.Errorf("%w: --truth-columns wants two of its columns, that of the name and that of the label: %q has %s",
				ErrForm, in.path, columns)
		}
		return name, label, nil
	}
	name, label = find(nameColumns...), find(labelColumns...)
	if find("truth") < 0 && !slices.ContainsFunc(resultColumns, func(c string) bool { return find(c) < 0 }) {
		return 0, 0, errOfModel()
	}
	if name < 0 || label < 0 || name == label {
		return 0, 0, fmt.Errorf("%w: the first line names no column with the image (%s), or none with its label (%s); it has: %s. "+
			"Name them with --truth-columns IMAGE,LABEL", ErrForm, strings.Join(nameColumns, ", "), strings.Join(labelColumns, ", "), columns)
	}
	return name, label, nil
}

// addLabels adds a label, or each of a list in JSON, which annotation tools write where an
// image has several.
func addLabels(add adder, name, label string, at int) error {
	for _, one := range labelsIn(label) {
		if err := add(name, one, at); err != nil {
			return err
		}
	}
	return nil
}

// labelsIn returns the labels that a text holds: itself, or those of ["a","b"] or of
// {"choices":["a","b"]}.
func labelsIn(text string) []string {
	if !utf8.ValidString(text) || !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{") {
		return []string{text}
	}
	var list []string
	if json.Unmarshal([]byte(text), &list) == nil {
		return list
	}
	var choices struct{ Choices []string }
	if json.Unmarshal([]byte(text), &choices) == nil && len(choices.Choices) > 0 {
		return choices.Choices
	}
	return []string{text}
}
