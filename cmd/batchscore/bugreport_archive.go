package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

const (
	mostOfFile   = 1 << 20  // bytes that a report takes of one file
	mostOfReport = 32 << 20 // and of all
	mostLogs     = 40       // files
	contentsFile = "CONTENTS.txt"
)

// reportFile is one file of a bug report.
type reportFile struct {
	name, what string
	body       []byte
}

// bugReport is what goes into an archive.
type bugReport struct {
	files []reportFile
	// out says what was left out, and why.
	out  []string
	size int
	made time.Time
	// lacks are flags and their values, of which nothing could be read.
	lacks []string
	// output is what --out names, if it was found.
	output store.Store
}

// add adds a file. what says what it is.
func (r *bugReport) add(name, what, text string) {
	if r.size+len(text) > mostOfReport {
		r.leave(name, fmt.Sprintf("the report would have more than %s", formatBytes(mostOfReport)))
		return
	}
	r.size += len(text)
	r.files = append(r.files, reportFile{name: name, what: what, body: []byte(text)})
}

func (r *bugReport) leave(what, why string) {
	r.out = append(r.out, fmt.Sprintf("%s: %s", what, why))
}

// lack says why nothing was read of what a flag names.
func (r *bugReport) lack(flag, value, why string) {
	value = printable.Field(redact(value))
	r.lacks = append(r.lacks, flag+" "+value)
	r.leave(flag+" "+value, why)
}

// contents is the text that is printed, and a file of the archive.
func (r *bugReport) contents() string {
	var b bytes.Buffer
	w := newTable(&b)
	for _, f := range r.files {
		printf(w, "  %s\t%s\t%s\n", f.name, formatBytes(int64(len(f.body))), f.what)
	}
	_ = w.Flush() // to memory
	if len(r.out) > 0 {
		printf(&b, "Left out:\n")
		for _, line := range r.out {
			printf(&b, "  %s\n", line)
		}
	}
	return b.String()
}

// write writes the archive to a file that nobody else may read and that must not exist.
func (r *bugReport) write(file string) error {
	err := atomicfile.Create(file, 0o600, r.pack)
	switch {
	case errors.Is(err, fs.ErrExist):
		return config(fmt.Errorf("%s: there is such a file, which is not replaced; name another one, or none", file))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return config(err)
	}
	return err
}

func (r *bugReport) pack(w io.Writer) error {
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	files := append([]reportFile{{name: contentsFile, body: []byte(r.contents())}}, r.files...)
	folder := "batchscore-bug-report"
	for _, f := range files {
		h := tar.Header{Typeflag: tar.TypeReg, Name: path.Join(folder, f.name), Mode: 0o600, Size: int64(len(f.body)), ModTime: r.made.UTC().Truncate(time.Second)}
		if err := t.WriteHeader(&h); err != nil {
			return err
		}
		if _, err := t.Write(f.body); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

// tail returns the last whole lines of a file, at most mostOfFile bytes of them. cut
// reports whether it has more.
func tail(ctx context.Context, f *os.File) (text string, cut bool, err error) {
	info, err := f.Stat()
	if err == nil && info.Size() > mostOfFile {
		cut = true
		_, err = f.Seek(-mostOfFile, io.SeekEnd)
	}
	if err != nil {
		return "", cut, err
	}
	// A file of /proc has no size, and one that grows has no end.
	body, err := io.ReadAll(io.LimitReader(f, mostOfFile))
	if err := errors.Join(err, ctx.Err()); err != nil {
		return "", cut, err
	}
	text = string(body)
	if cut {
		// What is left of the first line may be the end of a secret.
		_, text, _ = strings.Cut(text, "\n")
	}
	if !isText([]byte(text)) {
		return "", cut, errNotText
	}
	return strings.ToValidUTF8(text, "\uFFFD"), cut, nil
}

// errNotText is of a file that is not a log, such as an image.
var errNotText = errors.New("not a text")

// isText reports whether the first bytes are UTF-8 without NUL.
func isText(body []byte) bool {
	const block = 4096
	start := body[:min(len(body), block)]
	for i := 0; i < utf8.UTFMax && len(start) == block && !utf8.Valid(start); i++ {
		start = body[:block-i-1] // the end may be within a character
		if utf8.Valid(start) {
			break
		}
	}
	return utf8.Valid(start) && !bytes.Contains(start, []byte{0})
}

// entryName returns the name of a file as one of an archive.
func entryName(name string) string {
	clean := strings.Map(func(c rune) rune {
		if c == '/' || c == '\\' || c > '~' || c <= ' ' {
			return '_'
		}
		return c
	}, printable.Field(name))
	return strings.TrimLeft(clean[:min(len(clean), 100)], ".")
}
