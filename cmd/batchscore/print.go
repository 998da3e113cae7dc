package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/batchscore/batchscore/deploy"
)

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
