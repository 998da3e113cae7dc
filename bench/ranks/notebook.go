package ranks

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// lookAhead is how much of a log is read to recognise a notebook.
const lookAhead = 4096

// plain returns the texts of a log: the log itself or, if it is a Jupyter notebook, what
// each of its cells printed.
func plain(log io.Reader) ([]io.Reader, error) {
	in := bufio.NewReaderSize(log, lookAhead)
	head, err := in.Peek(lookAhead)
	if err != nil && len(head) == 0 {
		return []io.Reader{in}, nil // the reader of its lines reports the error
	}
	if start := bytes.TrimLeft(head, " \t\r\n\uFEFF"); len(start) == 0 || start[0] != '{' ||
		!bytes.Contains(head, []byte(`"cells"`)) && !bytes.Contains(head, []byte(`"nbformat"`)) {
		return []io.Reader{in}, nil
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	var n notebook
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\uFEFF")), &n); err != nil {
		return nil, fmt.Errorf("it looks like a Jupyter notebook and is none: %w", err)
	}
	for _, sheet := range n.Worksheets {
		n.Cells = append(n.Cells, sheet.Cells...)
	}
	var texts []io.Reader
	for _, c := range n.Cells {
		var text strings.Builder
		for _, o := range c.Outputs {
			text.WriteString(string(o.Text) + string(o.Data.Plain) + "\n")
		}
		texts = append(texts, strings.NewReader(text.String()))
	}
	return texts, nil
}

// notebook is what a log has of a Jupyter notebook: its fourth format, and the third,
// which has its cells in worksheets.
type notebook struct {
	Cells      []cell `json:"cells"`
	Worksheets []struct {
		Cells []cell `json:"cells"`
	} `json:"worksheets"`
}

type cell struct {
	Outputs []struct {
		Text lines `json:"text"`
		Data struct {
			Plain lines `json:"text/plain"`
		} `json:"data"`
	} `json:"outputs"`
}

// lines is a text that a notebook holds whole, or as a list of its lines.
type lines string

// UnmarshalJSON reads either form.
func (l *lines) UnmarshalJSON(b []byte) error {
	var parts []string
	if err := json.Unmarshal(b, &parts); err == nil {
		*l = lines(strings.Join(parts, ""))
		return nil
	}
	return json.Unmarshal(b, (*string)(l))
}
