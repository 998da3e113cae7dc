package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/store"
)

const (
	// maxCopies is how many images are copied at the same time.
	maxCopies = 16
	// copiedWhole is the largest image in bytes that is held in memory. Larger ones pass
	// through in pieces, maxStreams at the same time: an upload holds up to 40 MiB.
	copiedWhole = 4 << 20
	maxStreams  = 2
)

// mostCopied is the size in bytes above which an image is not copied. A run with the
// default bounds does not decode it either.
var mostCopied = preprocess.DefaultMaxBytes(preprocess.DefaultMaxPixels)

// errTooLarge is the error of an image above mostCopied.
var errTooLarge = errors.New("too large")

// errLeftOut means that the sample lacks images, because of what they are called, how large
// they are, or because they cannot be read.
var errLeftOut = errors.New("images are not in the sample")

// leftOut are the errors of images that are wrong themselves, with what the summary says
// of them.
var leftOut = []struct {
	err  error
	what string
}{
	{store.ErrName, "could not keep their names there"},
	{store.ErrOutside, "are links that lead out of the collection (--follow-links copies them)"},
	{errTooLarge, "are too large"},
}

// isOfOneImage reports whether err concerns only the image that was being copied.
func isOfOneImage(err error) bool {
	for _, kind := range leftOut {
		if errors.Is(err, kind.err) {
			return true
		}
	}
	var u unreadImage
	return errors.As(err, &u) &&
		(errors.Is(err, store.ErrUnreadable) || errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrChanged))
}

// unreadImage marks errors of reading an image.
type unreadImage struct{ error }

func (u unreadImage) Unwrap() error { return u.error }

// copyObject copies one image. Errors of reading it are unreadImage.
func (c *copier) copyObject(ctx context.Context, o store.Object) error {
	if o.Size > mostCopied {
		return fmt.Errorf("read %q of %s: %w: %d bytes, more than %d", o.Name, c.from, errTooLarge, o.Size, mostCopied)
	}
	unread := func(err error) error { return unreadImage{fmt.Errorf("read %q of %s: %w", o.Name, c.from, err)} }
	r, _, err := c.from.Open(ctx, o.Name, o.ETag)
	if err != nil {
		return unread(err)
	}
	defer r.Close()
	var readErr error
	read := func(w io.Writer) error {
		n, err := io.Copy(onlyWriter{w}, &reading{r: io.LimitReader(r, o.Size+1), err: &readErr})
		if err == nil && n != o.Size {
			readErr = fmt.Errorf("%w: it has %d bytes or more instead of %d", store.ErrChanged, n, o.Size)
			err = readErr
		}
		return err
	}
	if o.Size <= copiedWhole {
		var body bytes.Buffer
		if err = read(&body); err == nil {
			_, err = c.to.Create(ctx, o.Name, body.Bytes())
		}
	} else {
		select {
		case c.streams <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		_, err = store.CreateFrom(ctx, c.to, o.Name, read)
		<-c.streams
	}
	switch {
	case readErr != nil:
		return unread(readErr)
	case err != nil:
		return fmt.Errorf("write %q to %s: %w", o.Name, c.to, err)
	}
	return nil
}

// reading keeps the error of a reader, so that nobody takes it for one of the writer.
type reading struct {
	r   io.Reader
	err *error
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		*r.err = err
	}
	return n, err
}

// onlyWriter hides that a writer can read from a reader by itself.
type onlyWriter struct{ io.Writer }
