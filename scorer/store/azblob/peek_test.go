package azblob

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestNextMarker(t *testing.T) {
	for page, want := range map[string]string{
		"<a><NextMarker>2!92!MDA</NextMarker></a>":                          "2!92!MDA",
		"<a><Name>&lt;NextMarker&gt;x</Name><NextMarker>m</NextMarker></a>": "m",
		"<a><NextMarker /></a>":                                             "",
		"<a><NextMarker></NextMarker></a>":                                  "",
		"<a><NextMarker>a&amp;b</NextMarker></a>":                           "", // left to the decoder
		"<a><NextMarker>cut of":                                             "",
		"<a></a>":                                                           "",
	} {
		if got, ok := nextMarker([]byte(page)); got != want || ok != (want != "") {
			t.Errorf("nextMarker(%q) = %q, %v; want %q", page, got, ok, want)
		}
	}
}

type answered func(*http.Request) (*http.Response, error)

func (a answered) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// TestPeekingKeepsThePage reads a page that arrives whole, and one that breaks off.
func TestPeekingKeepsThePage(t *testing.T) {
	const page = "<a><NextMarker>m</NextMarker></a>"
	reset := errors.New("reset")
	for name, c := range map[string]struct {
		body   io.Reader
		text   string
		err    error
		marker string
	}{
		"whole":      {body: strings.NewReader(page), text: page, err: nil, marker: "m"},
		"breaks off": {body: io.MultiReader(strings.NewReader(page), iotest.ErrReader(reset)), text: page, err: reset, marker: ""},
	} {
		t.Run(name, func(t *testing.T) {
			marker := ""
			req, err := http.NewRequestWithContext(withPeek(t.Context(), func(m string) { marker = m }), http.MethodGet, "http://127.0.0.1/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := peeking{answered(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(c.body)}, nil
			})}.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if string(text) != c.text || !errors.Is(err, c.err) || marker != c.marker {
				t.Errorf("read %q, %v, with the marker %q; want %q, %v, %q", text, err, marker, c.text, c.err, c.marker)
			}
		})
	}
}
