package main

import (
	"errors"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
)

// TestFault45_RecordedPlace: a record cannot send credentials to an address of its choice.
func TestFault45_RecordedPlace(t *testing.T) {
	for place, want := range map[string]bool{
		"/data/photos":               true,
		"az://acme/photos":           true,
		"az://acme/photos/2019/":     true,
		"az://acme/photos/2019":      true,
		"photos":                     false,
		"":                           false,
		"../../photos":               false,
		"s3://bucket/x":              false,
		"az:///x":                    false,
		"https://203.0.113.5/acme/c": false,
		"http://127.0.0.1:8080/a/c":  false,
		"http://localhost/acme/c":    false,
		"https://acme.blob.core.windows.net/photos": false,
		"https://evil.example.com/photos/x":         false,
	} {
		if err := checkRecorded("images", place); (err == nil) != want || err != nil && !errors.Is(err, output.ErrMismatch) {
			t.Errorf("checkRecorded(%q) = %v, want it accepted: %v", place, err, want)
		}
	}
}
