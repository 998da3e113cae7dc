package export

import (
	"context"
	"encoding/csv"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/batchscore/batchscore/scorer/row"
)

var csvFormat = Format{
	Name: "csv", What: "one table in a file: the columns of 'show', the address, and the truth",
	File: "rows.csv", OneFile: true, Needs: Rows, Failed: true,
	New: func() Writer { return &csvWriter{} },
}

// csvWriter writes rows as CSV. Texts are written as they are: one that begins with =, +, -
// or @ is a formula to a spreadsheet program, unless its import takes columns as text.
type csvWriter struct {
	c       Collection
	columns []row.Column
	file    io.WriteCloser
	table   *csv.Writer
	record  []string
}

func (w *csvWriter) Begin(c Collection, to Folder) error {
	w.c = c
	header := []string{}
	for _, column := range c.Job.Schema().Columns() {
		if column.Tabular() {
			w.columns = append(w.columns, column)
			header = append(header, column.Name)
		}
	}
	header = append(header, "address")
	if c.HasTruth {
		header = append(header, "truth")
	}
	var err error
	if w.file, err = to.Create(csvFormat.File); err != nil {
		return err
	}
	w.table = csv.NewWriter(w.file)
	return w.table.Write(header)
}

func (w *csvWriter) Add(_ context.Context, it *Item) error {
	w.record = w.record[:0]
	for _, column := range w.columns {
		w.record = append(w.record, column.Field(&it.Row))
	}
	w.record = append(w.record, validText(w.c.Address(it)))
	if w.c.HasTruth {
		w.record = append(w.record, truthField(it.Truth))
	}
	return w.table.Write(w.record)
}

func (w *csvWriter) End() error {
	w.table.Flush()
	if err := w.table.Error(); err != nil {
		return err
	}
	return w.file.Close()
}

// truthField returns labels as [truth.Read] reads them: one as it is, and several, any of which is
// right, as a list in JSON. One that begins as JSON does is a list, too.
func truthField(labels []string) string {
	switch {
	case len(labels) == 0:
		return ""
	case len(labels) == 1 && !strings.HasPrefix(labels[0], "[") && !strings.HasPrefix(labels[0], "{"):
		return validText(labels[0])
	}
	var list strings.Builder
	j := newJSONWriter(&list)
	j.value(labels)
	return list.String()
}

// validText replaces every byte that is not UTF-8 with U+FFFD.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
