// Package row defines what the result of one image says and how it is written.
//
// A [Row] has columns that every job has (path, size, status, error) and an
// answer, whose columns belong to the job's [Task]. A task says which numbers it
// takes from a model, how they become an answer, which answers are valid, and how
// an answer is shown. Its columns are named once: that list writes and reads JSON
// Lines, CSV and Parquet and compares answers.
//
// A [Schema] is a task with all that a job's record decides about its rows. The
// pipeline makes rows with [Schema.Answers], and package output writes and reads them
// with [Schema.Encode] and [Schema.Decode].
//
// To add a task, write a file like classify.go and name its variable in tasks
// (task.go).
package row

import (
	"encoding/base64"
	"fmt"
	"unicode/utf8"
)

// Row is the one result of one image. Rows of a part are in manifest order.
type Row struct {
	Path string
	// PathBase64 holds the exact bytes of a path that is not valid UTF-8. Path
	// then has U+FFFD in place of what cannot be shown.
	PathBase64 string
	Size       int64  // bytes, as listed in the manifest
	Status     string // one of the Status constants or a codec.Status
	// Answer is a pointer to an answer of the job's task, such as
	// *Classification. Nil is the answer of an image that failed.
	Answer any
	Error  string // empty when Status is ok
}

// Name returns the path byte for byte, as the manifest has it. A PathBase64 that
// contradicts Path is an error.
func (r *Row) Name() (string, error) {
	if r.PathBase64 == "" {
		return r.Path, nil
	}
	b, err := base64.StdEncoding.DecodeString(r.PathBase64)
	if err != nil {
		return "", fmt.Errorf("path_base64 %q: %w", r.PathBase64, err)
	}
	name := string(b)
	if utf8.ValidString(name) || r.Path != name && r.Path != validText(name) {
		return "", fmt.Errorf("path_base64 %q is not the exact form of path %q", r.PathBase64, r.Path)
	}
	return name, nil
}

// written returns the row as the formats write it: a path that is not valid UTF-8
// moved to PathBase64, every text of the row itself valid UTF-8. The answer is
// made valid where its columns are written.
func (r Row) written() Row {
	if !utf8.ValidString(r.Path) {
		if r.PathBase64 == "" {
			r.PathBase64 = base64.StdEncoding.EncodeToString([]byte(r.Path))
		}
		r.Path = validText(r.Path)
	}
	r.Status, r.Error = validText(r.Status), validText(r.Error)
	return r
}

// validText replaces every byte that is not UTF-8 with U+FFFD.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
