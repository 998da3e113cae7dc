package models

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxLabelFile is far above the labels of any classifier, and far below what
// hurts: a model given as a labels file by mistake is not read whole.
const maxLabelFile = 16 << 20

// ReadLabels reads a file of one label a line, in the order of the classes:
// UTF-8, with or without a byte order mark, with either line ending. Blank
// lines are tolerated at the end only. Errors about its content wrap ErrModel.
func ReadLabels(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open labels: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxLabelFile+1))
	if err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	if len(text) > maxLabelFile {
		return nil, fmt.Errorf("%w: labels %s: more than %d bytes; is it a text file?", ErrModel, path, maxLabelFile)
	}
	labels, err := ParseLabels(text)
	if err != nil {
		return nil, fmt.Errorf("%w: labels %s: %w", ErrModel, path, err)
	}
	return labels, nil
}

// ParseLabels is ReadLabels for text at hand.
func ParseLabels(text []byte) ([]string, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	lines := strings.Split(strings.TrimRight(string(text), "\r\n\t "), "\n")
	if len(lines) == 1 && lines[0] == "" {
		return nil, fmt.Errorf("no label")
	}
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
		if err := checkLabel(lines[i]); err != nil {
			return nil, fmt.Errorf("line %d %w", i+1, err)
		}
	}
	return lines, nil
}
