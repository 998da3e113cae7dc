package truth

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// lines is a file with an object in JSON on each line, such as the metadata.jsonl of an ImageFolder
// of Hugging Face.
var lines = form{
	name: "JSON Lines with a name and a label, such as metadata.jsonl", unit: "line",
	is: func(in *input) bool {
		keys, array := in.keys()
		return !array && slices.ContainsFunc(keys, func(key string) bool { return slices.Contains(nameColumns, strings.ToLower(key)) })
	},
	read: readLines,
}

// readLines takes the values of the columns that tables have. Labels that the line says are of the
// model are left out.
func readLines(_ context.Context, in *input, add adder) error {
	src := &bounded{r: in.file, what: "a line", most: longestLine + 8192}
	text := bufio.NewReaderSize(src, 4096)
	names, labels := nameColumns, labelColumns
	if a, b, ok := strings.Cut(in.columns, ","); ok {
		names, labels = []string{strings.TrimSpace(a)}, []string{strings.TrimSpace(b)}
	}
	offset := int64(0)
	for n := 1; ; n++ {
		src.mark(offset)
		line, err := text.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		offset += int64(len(line))
		if n == 1 {
			line = bytes.TrimPrefix(line, bom)
		}
		if line := bytes.TrimSpace(line); len(line) > 0 {
			var object map[string]json.RawMessage
			if err := json.Unmarshal(line, &object); err != nil {
				return fmt.Errorf("%w: line %d: %w", ErrForm, n, err)
			}
			took, err := addObject(object, names, labels, in.columns != "", n, add)
			if err != nil {
				return err
			}
			if !took {
				in.left++
			}
		}
		if err != nil {
			break
		}
	}
	return nil
}

// addObject adds what a line says. took is false if its label is the model's.
func addObject(object map[string]json.RawMessage, names, labels []string, named bool, at int, add adder) (took bool, err error) {
	value := func(keys ...string) (text string, ok bool) {
		for _, key := range keys {
			raw, ok := object[key]
			if !ok || string(raw) == "null" {
				continue
			}
			if json.Unmarshal(raw, &text) != nil {
				text = string(raw)
			}
			return text, true
		}
		return "", false
	}
	name, ok := value(names...)
	if !ok {
		return false, fmt.Errorf("%w: line %d has none of %s", ErrForm, at, strings.Join(names, ", "))
	}
	if bytes64, _ := value("path_base64"); bytes64 != "" {
		if name, err = exact(name, bytes64); err != nil {
			return false, fmt.Errorf("%w: line %d: %w", ErrForm, at, err)
		}
	}
	label, ok := value(labels...)
	if of, _ := value("label_of"); !named && (of == ofModel || isRow(object)) {
		return false, nil
	}
	if !ok || label == "" {
		return true, nil
	}
	return true, addLabels(add, name, label, at)
}

// isRow reports whether a line is a row of a result, whose label is the model's.
func isRow(object map[string]json.RawMessage) bool {
	has := func(key string) bool { _, ok := object[key]; return ok }
	return !has("truth") && !slices.ContainsFunc(resultColumns, func(key string) bool { return !has(key) })
}
