package truth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// adder takes what a file says of one image: its name as the file spells it, and its label.
// at is the number of the line, the task or the like that says so, from 1: several labels
// of a name from one of them are alternatives, and from two a contradiction. The texts need
// not be valid after the call.
type adder func(name, label string, at int) error

// form is a form of files that hold truth.
type form struct {
	name string // in words, as in "a table with commas"
	unit string // what at of an adder counts: line, task, image
	// is reports whether a file or folder has the form, by its first bytes or its names.
	is func(in *input) bool
	// read calls add for each image.
	read func(ctx context.Context, in *input, add adder) error
}

// forms returns the forms of files and folders. The first that claims one reads it.
func forms() []form {
	return []form{
		labelStudio,
		labelStudioMin,
		cvatImages,
		coco,
		fiftyone,
		lines,
		parquetTable,
		folder(),
		table,
	}
}

// input is a file or folder that is read.
type input struct {
	path    string
	dir     bool
	head    []byte // the first bytes of a file
	columns string // that the user named, with a comma between them

	file *os.File // nil for a folder

	// left counts labels that are the model's, as 'export' wrote them. They are no truth.
	left int
}

// ofModel is what columns and attributes say of a label that the model gave.
const ofModel = "model"

// errOfModel is the error of a truth without a label that is not the model's.
func errOfModel() error {
	return fmt.Errorf("%w: its labels are those of a result, not of people; --truth-columns path,label takes them as truth", ErrForm)
}

// keys returns the keys of the first object of a file in JSON, as far as its head shows
// them. array reports whether that object is in an array.
func (in *input) keys() (keys []string, array bool) {
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(in.head, bom)))
	t, err := dec.Token()
	if array = t == json.Delim('['); array {
		t, err = dec.Token()
	}
	if err != nil || t != json.Delim('{') {
		return nil, array
	}
	for dec.More() {
		key, err := dec.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			break
		}
		keys = append(keys, name)
		if err := dec.Decode(new(json.RawMessage)); err != nil {
			break
		}
	}
	return keys, array
}

// bom is the mark that some programs begin a file with.
var bom = []byte("\xef\xbb\xbf")

// headSize is how many bytes of a file decide on its form.
const headSize = 1 << 20

// source is a file or folder with its form. It is opened for each reading.
type source struct {
	path, columns string
	form          form
}

// open finds the form of a file or folder.
func open(path, columns string) (source, error) {
	in, err := openInput(path, columns)
	if err != nil {
		return source{}, err
	}
	defer in.close()
	var known []string
	for _, f := range forms() {
		if f.is(in) {
			return source{path: path, columns: columns, form: f}, nil
		}
		known = append(known, f.name)
	}
	return source{}, fmt.Errorf("%w: %s is none of these: %s", ErrForm, path, strings.Join(known, ", "))
}

func openInput(path, columns string) (*input, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	in := &input{path: path, columns: columns, dir: info.IsDir()}
	if in.dir {
		return in, nil
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a regular file, which can be read more than once", ErrForm, path)
	}
	if in.file, err = os.Open(path); err != nil {
		return nil, err
	}
	in.head = make([]byte, min(headSize, info.Size()))
	n, err := io.ReadFull(in.file, in.head)
	in.head = in.head[:n]
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		_, err = in.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, in.file.Close())
	}
	return in, nil
}

func (in *input) close() {
	if in.file != nil {
		_ = in.file.Close() // which was only read
	}
}

// read reads the file from its beginning. It returns how many labels were left out because they are
// the model's.
func (s *source) read(ctx context.Context, add adder) (left int, err error) {
	in, err := openInput(s.path, s.columns)
	if err != nil {
		return 0, err
	}
	defer in.close()
	n := 0
	err = s.form.read(ctx, in, func(name, label string, at int) error {
		if n++; n%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return add(name, label, at)
	})
	return in.left, err
}

// bounded is a reader that ends with an error if more than most bytes are read since mark
// was called: for decoders, which hold one line or one element in memory.
type bounded struct {
	r           io.Reader
	what        string
	total, from int64
	most        int64
}

// mark says up to where what was read has been used.
func (b *bounded) mark(offset int64) { b.from = offset }

func (b *bounded) Read(p []byte) (int, error) {
	if b.total-b.from > b.most {
		return 0, fmt.Errorf("%w: %s of more than %d bytes, at byte %d", ErrForm, b.what, b.most, b.from)
	}
	n, err := b.r.Read(p)
	b.total += int64(n)
	return n, err
}
