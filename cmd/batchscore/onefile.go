package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// oneFile is the file that the rows of an output are written to: that of merge -o and
// of run --merge.
type oneFile struct {
	flag   string // which names the file, for errors
	file   string
	format row.Format // empty is that of the parts
	// absolute gives images their full address.
	absolute bool
	// newRows leaves out the rows that an output keeps of others.
	newRows bool
	// bare leaves out vectors.
	bare bool
	// head is the only answer to write of rows with several; empty is all.
	head string
	// replace is whether to replace a file that holds something else.
	replace consent
	// after is the place of the output that a run continues, empty if it continues none. A file
	// that holds what that one delivered is replaced too.
	after string
	// written, unless nil, is called with the digest of the file before that appears.
	written func(digest string) error
}

// fileFormat returns the format to write a file in: the one given, else the one that its
// name ends in. It is empty for standard output, and for a device or a pipe.
func fileFormat(flag, file, given string) (row.Format, error) {
	formats := row.Formats
	if flag == "-o" { // merge
		formats = mergeFormats()
	}
	if given != "" {
		return row.Format(given), oneOf("format", given, asWords(formats))
	}
	ending := filepath.Ext(file)
	if file == "-" || ending == "" && isSpecial(file) {
		return "", nil
	}
	if _, err := spelled(file); err != nil {
		return "", usagef("%s: %w", flag, err)
	}
	if info, err := os.Stat(file); isLocal(file) && err == nil && info.IsDir() {
		return "", usagef("%s %s: this is a folder: name a file in it", flag, file)
	}
	var known []string
	for _, f := range formats {
		if strings.EqualFold(ending, "."+string(f)) {
			return f, nil
		}
		known = append(known, "."+string(f))
	}
	if ending == "" {
		more := ""
		if flag == "-o" {
			more = ", or --format"
		}
		return "", usagef("%s %s: the name has no ending, which says the format: want %s%s", flag, file, orList(known), more)
	}
	return "", usagef("%s %s: unknown ending %q: want %s%s", flag, file, ending, orList(known), didYouMean(ending, known))
}

// mergeFormats are those of one file of all rows.
func mergeFormats() []row.Format { return append(slices.Clone(row.Formats), row.Npy) }

// isSpecial reports whether a local file exists and is a device or a pipe.
func isSpecial(file string) bool {
	info, err := os.Stat(file)
	return isLocal(file) && err == nil && !info.IsDir() && !info.Mode().IsRegular()
}

// check returns what is wrong with the name of the file, for the output folder out.
func (o *oneFile) check(out string) error {
	if _, err := spelled(o.file); err != nil {
		return usagef("%s: %w", o.flag, err)
	}
	return notOwnedBy(o.flag, o.file, out)
}

// write writes the rows of an output, unless the file holds them already. It appears
// whole or not at all. A file that holds something else is replaced if the user wants
// that, and is an error otherwise.
func (o *oneFile) write(ctx context.Context, places *placeFlags, out store.Store) error {
	merge := func(w io.Writer) error {
		h := sha256.New()
		if err := o.mergeTo(ctx, out, io.MultiWriter(w, h)); err != nil || o.written == nil {
			return err
		}
		return o.written(hexOf(h.Sum(nil)))
	}
	return places.writeWhole(ctx, wholeFile{flag: o.flag, file: o.file, replace: &o.replace, write: merge,
		held: func(r io.Reader) (bool, error) { return o.heldBy(ctx, out, r) }})
}

// wholeFile is a file to write.
type wholeFile struct {
	flag, file string
	replace    *consent // whether to replace a file that holds something else
	write      func(io.Writer) error
	held       func(io.Reader) (bool, error) // reports whether a file holds that already
}

// writeWhole writes a file, unless it holds that already. It appears whole or not at all. A file
// that holds something else is replaced if the user wants that, and is an error otherwise.
func (f *placeFlags) writeWhole(ctx context.Context, one wholeFile) error {
	to, err := f.destination(ctx, one.flag, one.file)
	if err != nil {
		return err
	}
	was, err := to.open(ctx)
	if errors.Is(err, store.ErrNotExist) || errors.Is(err, fs.ErrNotExist) {
		err := to.create(ctx, one.write)
		if !errors.Is(err, store.ErrExist) && !errors.Is(err, fs.ErrExist) {
			return err
		}
		was, err = to.open(ctx) // another process was faster
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if was == nil { // a device or a pipe
		return to.create(ctx, one.write)
	}
	defer was.Close()
	if !one.replace.given {
		same, err := one.held(was)
		if same || err != nil {
			return err
		}
		if err := one.replace.toReplace(one.file); err != nil {
			return err
		}
	}
	return to.replace(ctx, one.write)
}

// heldBy reports whether r holds the rows of an output.
func (o *oneFile) heldBy(ctx context.Context, out store.Store, r io.Reader) (bool, error) {
	return holds(r, func(w io.Writer) error { return o.mergeTo(ctx, out, w) })
}

// options say how the rows are written.
func (o *oneFile) options() output.MergeOptions {
	return output.MergeOptions{Format: o.format, Absolute: o.absolute, OnlyNew: o.newRows, Bare: o.bare, Head: o.head}
}

// mergeTo writes the rows of an output to w.
func (o *oneFile) mergeTo(ctx context.Context, out store.Store, w io.Writer) error {
	buffered := bufio.NewWriterSize(w, 1<<20)
	if err := output.Merge(ctx, out, buffered, o.options()); err != nil {
		return err
	}
	return buffered.Flush()
}

// digest returns the digest of the file; empty if there is none.
func (o *oneFile) digest(ctx context.Context, places *placeFlags) (string, error) {
	to, err := places.destination(ctx, o.flag, o.file)
	if err != nil {
		return "", err
	}
	was, err := to.open(ctx)
	if errors.Is(err, store.ErrNotExist) || errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if was == nil || err != nil {
		return "", err
	}
	defer was.Close()
	h := sha256.New()
	if _, err := io.Copy(h, was); err != nil {
		return "", err
	}
	return hexOf(h.Sum(nil)), nil
}

// hexOf returns a digest as records have it.
func hexOf(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }

// errDiffers ends a comparison.
var errDiffers = errors.New("the file holds something else")

// holds reports whether r holds exactly what write writes.
func holds(r io.Reader, write func(io.Writer) error) (bool, error) {
	c := matcher{r: bufio.NewReaderSize(r, 1<<20)}
	err := write(&c)
	switch {
	case c.err != nil:
		err = c.err
	case err == nil:
		if _, err = c.r.ReadByte(); errors.Is(err, io.EOF) {
			return true, nil
		}
		if err == nil {
			err = errDiffers // it is longer
		}
	}
	if errors.Is(err, errDiffers) {
		err = nil
	}
	return false, err
}

// matcher compares what is written to it with what a reader reads.
type matcher struct {
	r   *bufio.Reader
	buf []byte
	err error // that ended it
}

func (c *matcher) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	c.buf = append(c.buf[:0], p...)
	n, err := io.ReadFull(c.r, c.buf)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), err == nil && !bytes.Equal(c.buf, p):
		c.err = errDiffers
	case err != nil:
		c.err = err
	}
	return n, c.err
}

// destination is where one file is written.
type destination interface {
	// open opens what is there. Nil without an error is something that is written to
	// and never replaced: a device or a pipe.
	open(ctx context.Context) (io.ReadCloser, error)
	// create writes the file, unless it exists; replace writes it in place of the one
	// that open found. In both cases it appears whole or not at all.
	create(ctx context.Context, write func(io.Writer) error) error
	replace(ctx context.Context, write func(io.Writer) error) error
}

// destination returns where a file of that name is. It makes the container, if that was
// asked for.
func (f *placeFlags) destination(ctx context.Context, flag, file string) (destination, error) {
	scheme, p, err := storages.Parse(file)
	if err != nil {
		return nil, usagef("%s: %w", flag, err)
	}
	if scheme.Local() {
		return localFile(file), notOwned(flag, file)
	}
	folder, name := p.Split()
	if name == "" {
		return nil, usagef("%s: %s is a container, not an object in it", flag, p)
	}
	st, err := f.openPlace(flag, scheme, folder)
	if err != nil {
		return nil, err
	}
	if err := f.makeRoot(ctx, flag, st); err != nil {
		return nil, err
	}
	return &object{st: st, name: name}, f.notOwnedObject(ctx, flag, scheme, p)
}

// localFile is a file of this machine.
type localFile string

func (f localFile) open(context.Context) (io.ReadCloser, error) {
	switch info, err := os.Stat(string(f)); {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, usagef("%s is a folder: name a file in it", f)
	case !info.Mode().IsRegular():
		return nil, nil
	}
	return os.OpenFile(string(f), os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe may have its name by now
}

func (f localFile) create(ctx context.Context, write func(io.Writer) error) error {
	if info, err := os.Stat(string(f)); err == nil && !info.Mode().IsRegular() {
		return writeInto(ctx, string(f), info.Mode(), write)
	}
	err := atomicfile.Create(string(f), 0o666, write)
	if errors.Is(err, atomicfile.ErrNoExclusive) {
		return atomicfile.Write(string(f), 0o666, write)
	}
	return err
}

func (f localFile) replace(_ context.Context, write func(io.Writer) error) error {
	return atomicfile.Write(string(f), 0o666, write)
}

// object is an object in object storage.
type object struct {
	st   store.Store
	name string
	etag string // of the version that open found
}

func (o *object) open(ctx context.Context) (io.ReadCloser, error) {
	r, found, err := o.st.Open(ctx, o.name, "")
	o.etag = found.ETag
	return r, err
}

func (o *object) create(ctx context.Context, write func(io.Writer) error) error {
	_, err := store.CreateFrom(ctx, o.st, o.name, write)
	return err
}

func (o *object) replace(ctx context.Context, write func(io.Writer) error) error {
	_, err := store.ReplaceFrom(ctx, o.st, o.name, o.etag, write)
	return err
}
