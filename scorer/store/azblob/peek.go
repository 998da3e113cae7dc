package azblob

import (
	"bytes"
	"context"
	"io"
	"net/http"
)

// Decoding a page of a listing takes as long as the service takes to produce it,
// and only the page says where the next one begins. So a page is searched for that
// before it is decoded, and the next one is requested meanwhile.

type peekKey struct{}

// withPeek returns a context in which found is called with the marker of the next
// page as soon as a page has arrived. It is not called for a page that breaks off,
// and may be called again if the page is requested again.
func withPeek(ctx context.Context, found func(marker string)) context.Context {
	return context.WithValue(ctx, peekKey{}, found)
}

// peeking searches pages for withPeek.
type peeking struct{ http.RoundTripper }

func (p peeking) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.RoundTripper.RoundTrip(req)
	found, asked := req.Context().Value(peekKey{}).(func(string))
	if err != nil || !asked || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		// The reader of the body gets the same error at the same byte.
		resp.Body = both{io.MultiReader(bytes.NewReader(page), broken{err}), resp.Body}
		return resp, nil
	}
	resp.Body = both{bytes.NewReader(page), resp.Body}
	if marker, ok := nextMarker(page); ok {
		found(marker)
	}
	return resp, nil
}

// nextMarker returns the marker in a page. It is false if that is not plain text.
func nextMarker(page []byte) (string, bool) {
	const open, end = "<NextMarker>", "</NextMarker>"
	i := bytes.LastIndex(page, []byte(open))
	if i < 0 {
		return "", false
	}
	marker, _, ok := bytes.Cut(page[i+len(open):], []byte(end))
	if !ok || len(marker) == 0 || bytes.ContainsAny(marker, "&<") {
		return "", false
	}
	return string(marker), true
}

type both struct {
	io.Reader
	io.Closer
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }
