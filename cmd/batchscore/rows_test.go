package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// jsonRow is a row of a job of classes as a reader of JSON Lines sees it.
type jsonRow struct {
	Path, Status, Label, Error string
	ClassID                    int `json:"class_id"`
	Score                      float32
	TopK                       []struct {
		ClassID int `json:"class_id"`
		Label   string
		Score   float32
	}
}

// rowsOf returns the rows of a complete output, in order.
func rowsOf(t testing.TB, out string) []jsonRow {
	t.Helper()
	var rows []jsonRow
	for line := range strings.Lines(merged(t, out)) {
		r := jsonRow{ClassID: -1} // which null leaves
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}
