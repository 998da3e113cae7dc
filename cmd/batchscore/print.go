package main

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// printf prints a line or several of a format. Each text among the values is a printable.Line,
// so that none has a line or a column of a table of its own.
func printf(w io.Writer, format string, values ...any) (int, error) {
	for i, v := range values {
		switch text := v.(type) {
		case error:
			values[i] = printable.Line(text.Error())
		case fmt.Stringer:
			values[i] = printable.Line(text.String())
		default:
			if reflect.ValueOf(v).Kind() == reflect.String {
				values[i] = printable.Line(fmt.Sprint(v))
			}
		}
	}
	return fmt.Fprintf(w, format, values...)
}

// printJSON prints v as indented JSON, for programs to read.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printDocuments prints what would be sent to an engine, each document under a
// comment with its name.
func printDocuments(w io.Writer, documents []deploy.Document) error {
	for i, d := range documents {
		between := ""
		if i > 0 {
			between = "\n"
		}
		body := strings.TrimSuffix(string(d.Body), "\n")
		if _, err := fmt.Fprintf(w, "%s# %s\n%s\n", between, d.Name, body); err != nil {
			return err
		}
	}
	return nil
}

// newTable returns a writer that lines up cells ended by tabs. Flush prints them.
func newTable(w io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
}
