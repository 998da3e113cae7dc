package azblob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/batchscore/batchscore/scorer/store"
)

var _ store.Ranger = (*Store)(nil)

// Open implements store.Store.
func (s *Store) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	r, resp, err := s.download(ctx, name, etag, blob.HTTPRange{})
	if err != nil {
		return nil, store.Object{}, err
	}
	return r, downloaded(name, resp), nil
}

// OpenRange implements store.Ranger.
func (s *Store) OpenRange(ctx context.Context, name, etag string, offset, length int64) (io.ReadCloser, store.Object, error) {
	if err := store.CheckRange(name, etag, offset, length); err != nil {
		return nil, store.Object{}, err
	}
	if offset == 0 && length == store.ToEnd {
		return s.Open(ctx, name, etag)
	}
	asked := blob.HTTPRange{Offset: offset, Count: blob.CountToEnd}
	if length != store.ToEnd {
		asked.Count = length
	}
	r, resp, err := s.download(ctx, name, etag, asked)
	if err != nil {
		return nil, store.Object{}, err
	}
	o := downloaded(name, resp)
	whole, ok := total(value(resp.ContentRange))
	want := whole - offset
	if length != store.ToEnd {
		want = min(want, length)
	}
	if ok && offset >= whole { // Azure refuses such a range, emulators may not
		r.Close()
		return nil, store.Object{}, store.PastEnd(name, offset, whole)
	}
	if !ok || o.Size != want {
		r.Close()
		return nil, store.Object{}, fmt.Errorf("open %q in %s at byte %d: the service answered with %d bytes of the range %q, not with the range asked for",
			name, s, offset, o.Size, value(resp.ContentRange))
	}
	o.Size = whole
	return r, o, nil
}

// download asks for a range of a blob, or for all of it if the range is zero.
func (s *Store) download(ctx context.Context, name, etag string, asked blob.HTTPRange) (io.ReadCloser, blob.DownloadStreamResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, blob.DownloadStreamResponse{}, err
	}
	// A name with a backslash reaches another blob, which the ETag rules out.
	if err := checkName(s.place.Prefix + name); err != nil && (etag == "" || !errors.Is(err, errBackslash)) {
		return nil, blob.DownloadStreamResponse{}, fmt.Errorf("open %q in %s: %w: %w", name, s, store.ErrNotExist, err)
	}
	opt := &blob.DownloadStreamOptions{Range: asked}
	if etag != "" {
		opt.AccessConditions = ifMatch(etag)
	}
	resp, err := s.client.NewBlobClient(s.place.Prefix+name).DownloadStream(ctx, opt)
	if err != nil {
		return nil, resp, s.fail(ctx, opOpen, name, s.gone(ctx, name, err))
	}
	return &reader{ctx: ctx, store: s, name: name, body: resp.Body}, resp, nil
}

// downloaded describes a blob by an answer, whose size is that of its body.
func downloaded(name string, resp blob.DownloadStreamResponse) store.Object {
	return store.Object{
		Name: name, Size: value(resp.ContentLength), ETag: bare(resp.ETag), Modified: value(resp.LastModified).UTC(),
	}
}

// total returns the size of the whole blob in a Content-Range such as
// "bytes 5-9/10".
func total(contentRange string) (int64, bool) {
	_, size, _ := strings.Cut(contentRange, "/")
	n, err := strconv.ParseInt(size, 10, 64)
	return n, err == nil
}

// reader reads the body of an answer.
type reader struct {
	//nolint:containedctx // Read has no context of its own, and needs the call's to tell why it ended
	ctx   context.Context
	store *Store
	name  string
	body  io.ReadCloser
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if err != nil && err != io.EOF {
		err = r.store.fail(r.ctx, opRead, r.name, err)
	}
	return n, err
}

func (r *reader) Close() error { return r.body.Close() }
