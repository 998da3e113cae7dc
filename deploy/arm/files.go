package arm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// File is a file that a service stores, with a signed link to it.
type File struct {
	// Name is a path with slashes, relative to the folder that was listed.
	Name string
	Link string
}

// Read writes a file's bytes from offset to its end and returns their number,
// which is 0 at or after the end. No token is sent, and no error shows the link.
func (c *Client) Read(ctx context.Context, f File, offset int64, w io.Writer) (int64, error) {
	what := "read " + f.Name
	u, err := url.Parse(f.Link)
	if err != nil || !secure(u) {
		return 0, fmt.Errorf("%s: the service's link does not use https", what)
	}
	req, err := runtime.NewRequest(ctx, http.MethodGet, f.Link)
	if err != nil {
		return 0, c.fail(ctx, "read", f.Name, err)
	}
	runtime.SkipBodyDownload(req)
	// Always a range: a file that is still written grows while it is read.
	req.Raw().Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	// Without an encoding, offsets count the file's own bytes.
	req.Raw().Header.Set("Accept-Encoding", "identity")
	req.Raw().Header.Set("x-ms-version", "2020-10-02")
	resp, err := c.bare.Do(req)
	if err != nil {
		return 0, c.fail(ctx, "read", f.Name, err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusPartialContent:
	case http.StatusOK: // a server without ranges sends everything
		if _, err := io.CopyN(io.Discard, resp.Body, offset); errors.Is(err, io.EOF) {
			return 0, nil
		} else if err != nil {
			return 0, c.fail(ctx, "read", f.Name, err)
		}
	case http.StatusRequestedRangeNotSatisfiable:
		return 0, nil
	default:
		return 0, c.fail(ctx, "read", f.Name, runtime.NewResponseError(resp))
	}
	to := &sink{w: w}
	n, err := io.Copy(to, resp.Body)
	if err != nil && to.err == nil {
		return n, c.fail(ctx, "read", f.Name, err)
	}
	return n, to.err
}

// sink remembers that writing failed: reading again would not help.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (n int, err error) {
	n, s.err = s.w.Write(p)
	return n, s.err
}

// Get decodes the JSON document behind a link that needs no token.
func (c *Client) Get(ctx context.Context, name, link string, out any) error {
	var b bytes.Buffer
	if _, err := c.Read(ctx, File{Name: name, Link: link}, 0, &b); err != nil {
		return err
	}
	if err := json.Unmarshal(b.Bytes(), out); err != nil {
		return fmt.Errorf("read %s: its JSON cannot be read: %w", name, err)
	}
	return nil
}

// Save downloads files into a folder, under their names. A file appears there once
// it is complete.
func (c *Client) Save(ctx context.Context, files []File, folder string) error {
	for _, f := range files {
		if err := c.save(ctx, f, folder); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) save(ctx context.Context, f File, folder string) error {
	name := filepath.FromSlash(f.Name)
	if !filepath.IsLocal(name) {
		return fmt.Errorf("the service names a file %q, which would be outside %s", f.Name, folder)
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	// With a dot at its end, the path is not that of a pipe, which would have to be waited for.
	below, err := root.OpenRoot(filepath.Dir(name) + "/.")
	if err != nil {
		return err
	}
	defer below.Close()
	return atomicfile.WriteIn(below, filepath.Base(name), 0o600, func(w io.Writer) error {
		// After a broken connection, reading continues where it ended.
		var at int64
		for try := 1; ; try++ {
			n, err := c.Read(ctx, f, at, w)
			at += n
			if err == nil || try >= triesUnanswered && n == 0 || !errors.Is(err, deploy.ErrUnreachable) {
				return err
			}
		}
	})
}

// Tail writes what is added to growing files, by whole lines.
type Tail struct {
	w    io.Writer
	seen map[string]*tailed
	tag  bool
}

// NewTail returns a Tail that has written nothing yet. With tag, every line begins
// with its file's name.
func NewTail(w io.Writer, tag bool) *Tail { return &Tail{w: w, seen: map[string]*tailed{}, tag: tag} }

// Step writes what was added to the files since the step before.
func (t *Tail) Step(ctx context.Context, c *Client, files []File) error {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range files {
		s := t.seen[f.Name]
		if s == nil {
			s = &tailed{w: t.w}
			if t.tag {
				s.tag = "[" + f.Name + "] "
			}
			t.seen[f.Name] = s
		}
		n, err := c.Read(ctx, f, s.at, s)
		s.at += n
		if err != nil && !IsStatus(err, http.StatusNotFound) { // it may be listed before it exists
			return err
		}
	}
	return nil
}

// End writes the last lines of files that do not end with a newline.
func (t *Tail) End() error {
	for _, name := range slices.Sorted(maps.Keys(t.seen)) {
		if s := t.seen[name]; len(s.rest) > 0 {
			if _, err := s.Write([]byte{'\n'}); err != nil {
				return err
			}
		}
	}
	return nil
}

// tailed is how far a file has been written.
type tailed struct {
	w    io.Writer
	tag  string
	at   int64
	rest []byte // a line without an end yet
}

func (s *tailed) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	for {
		i := bytes.IndexByte(s.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		if _, err := fmt.Fprintf(s.w, "%s%s", s.tag, s.rest[:i+1]); err != nil {
			return 0, err
		}
		s.rest = s.rest[i+1:]
	}
}

// Look returns the files of a job, whether it has ended, and how long the service
// asks to wait; negative if it does not say.
type Look func(context.Context) (files []File, ended bool, next time.Duration, err error)

// Follow writes what a job has printed so far, and with follow what it prints
// until it has ended. After a broken connection it continues at the next look.
func (c *Client) Follow(ctx context.Context, t *Tail, follow bool, look Look) error {
	for {
		files, ended, next, err := look(ctx)
		if err != nil {
			return err
		}
		switch err := t.Step(ctx, c, files); {
		case err == nil:
		case ended || !follow || !errors.Is(err, deploy.ErrUnreachable):
			return err
		}
		if ended || !follow {
			return t.End()
		}
		if err := c.Wait(ctx, next, pollEvery); err != nil {
			return err
		}
	}
}
