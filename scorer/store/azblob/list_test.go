package azblob_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/scorer/store/patient"
)

// put stores small blobs with the numbers from to n-1. name returns their names.
func put(t *testing.T, server *azuritetest.Server, container string, from, n int, name func(i int) string) {
	t.Helper()
	client := server.Client().NewContainerClient(container)
	var group errgroup.Group
	group.SetLimit(16)
	for i := from; i < n; i++ {
		group.Go(func() error {
			body := streaming.NopCloser(bytes.NewReader(make([]byte, i%7)))
			_, err := client.NewBlockBlobClient(name(i)).Upload(t.Context(), body, nil)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// listing returns what a store lists, and the error of List. A name that is listed
// twice fails the test.
func listing(t *testing.T, st store.Store) (map[string]store.Object, error) {
	t.Helper()
	all := map[string]store.Object{}
	err := st.List(t.Context(), "", func(o store.Object) error {
		if _, ok := all[o.Name]; ok {
			t.Errorf("%q is listed twice", o.Name)
		}
		all[o.Name] = o
		return nil
	})
	return all, err
}

// TestFault25_Counts lists numbers of blobs around the size of a page. Pages of 50
// come from the emulator. Pages of 5,000, the service's limit, are made here, since
// so many blobs take the emulator long.
func TestFault25_Counts(t *testing.T) {
	server := azuritetest.Start(t)
	container := server.Container(t)
	options := server.Options(t, container, "")
	count := func(t *testing.T, options azblob.Options, n int) {
		t.Helper()
		all, err := listing(t, azuritetest.Open(t, options))
		if err != nil || len(all) != n {
			t.Errorf("%d of %d blobs are listed, %v; want all", len(all), n, err)
		}
	}
	options.PageSize = 50
	have := 0
	for _, n := range []int{0, 1, 49, 50, 51} {
		put(t, server, container, have, n, func(i int) string { return fmt.Sprintf("%05d.jpg", i) })
		have = n
		count(t, options, n)
	}
	options.PageSize = 0
	for _, n := range []int{0, 1, 4999, 5000, 5001, 40_000} {
		options.Transport = roundTripper(func(r *http.Request) (*http.Response, error) { return page(r, n) })
		count(t, options, n)
	}
}

// page answers the request for a page of a container of n blobs.
func page(r *http.Request, n int) (*http.Response, error) {
	query := r.URL.Query()
	size, err := strconv.Atoi(query.Get("maxresults"))
	if err != nil || size > 5000 {
		return nil, fmt.Errorf("a page of %q blobs: %w", query.Get("maxresults"), err)
	}
	from := 0
	if marker := query.Get("marker"); marker != "" {
		if from, err = strconv.Atoi(marker); err != nil {
			return nil, err
		}
	}
	body := bytes.NewBufferString(`<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="c"><Blobs>`)
	to := min(n, from+size)
	for i := from; i < to; i++ {
		fmt.Fprintf(body, `<Blob><Name>%05d.jpg</Name><Properties><Last-Modified>Sat, 21 Nov 2026 23:00:00 GMT</Last-Modified>`+
			`<Etag>0x8D%d</Etag><Content-Length>%d</Content-Length></Properties></Blob>`, i, i, i)
	}
	body.WriteString(`</Blobs><NextMarker>`)
	if to < n {
		fmt.Fprint(body, to)
	}
	body.WriteString(`</NextMarker></EnumerationResults>`)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/xml"}}, Request: r, Body: io.NopCloser(body),
	}, nil
}

// TestListingWithoutEnd: a storage that names a page as its own successor is not listed
// for ever.
func TestListingWithoutEnd(t *testing.T) {
	server := azuritetest.Start(t)
	options := server.Options(t, server.Container(t), "")
	options.PageSize = 1
	requests := 0
	options.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		if requests++; requests > 10 {
			return nil, errors.New("a request too many")
		}
		query := r.URL.Query()
		query.Del("marker")
		r.URL.RawQuery = query.Encode()
		return page(r, 2) // of which it is always the first
	})
	err := azuritetest.Open(t, options).List(t.Context(), "", func(store.Object) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "would have no end") {
		t.Errorf("listing = %v, want that it would have no end", err)
	}
}

// roundTripper makes an http.RoundTripper of a function.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestFault25_FailsOnPageN lists in pages of 10, in one listing and by folders in
// parallel, and lets each request in turn fail in each way. The listing fails too,
// and never looks like a shorter one. Only the request for the next page may fail
// unnoticed, when the listing divides and no longer needs it.
func TestFault25_FailsOnPageN(t *testing.T) {
	server := azuritetest.Start(t)
	for layout, name := range map[string]func(i int) string{
		"Flat":    func(i int) string { return fmt.Sprintf("%03d.jpg", i) },
		"Folders": func(i int) string { return fmt.Sprintf("photos/%d/%03d.jpg", i%3, i) },
		"Both":    func(i int) string { return strings.Repeat("deep/", i%2) + fmt.Sprintf("%03d.jpg", i) },
		"Many":    func(i int) string { return fmt.Sprintf("%03d/x.jpg", i) },
	} {
		t.Run(layout, func(t *testing.T) {
			const blobs = 95
			container := server.Container(t)
			put(t, server, container, 0, blobs, name)
			options := server.Options(t, container, "")
			want, err := listing(t, azuritetest.Open(t, options))
			if err != nil || len(want) != blobs {
				t.Fatalf("on one page %d blobs are listed, %v; want %d", len(want), err, blobs)
			}

			options.PageSize = 10
			var requests atomic.Int64
			options.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
				requests.Add(1)
				return http.DefaultTransport.RoundTrip(r)
			})
			got, err := listing(t, azuritetest.Open(t, options))
			if err != nil || !maps.Equal(got, want) {
				t.Fatalf("on pages of 10, %d blobs are listed, or others, %v; want %d", len(got), err, blobs)
			}
			total := requests.Load()
			if total < blobs/10 {
				t.Fatalf("%d requests for %d blobs, want one for each ten", total, blobs)
			}
			for fault, fail := range map[string]func(*http.Response) (*http.Response, error){
				"status":     withStatus(http.StatusInternalServerError),
				"connection": func(*http.Response) (*http.Response, error) { return nil, errors.New("connection reset by peer") },
				"truncated":  cutOff,
			} {
				missed := 0
				for n := range total {
					var at atomic.Int64
					options.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
						resp, err := http.DefaultTransport.RoundTrip(r)
						if at.Add(1)-1 != n || err != nil {
							return resp, err
						}
						defer resp.Body.Close()
						return fail(resp)
					})
					got, err := listing(t, azuritetest.Open(t, options))
					if err == nil && maps.Equal(got, want) {
						missed++
					} else if _, ok := store.AsTransient(err); !ok {
						t.Errorf("%s at request %d of %d: %v with %d blobs, want a transient failure", fault, n, total, err, len(got))
					}
				}
				// A listing that divides drops the page that it requested ahead, whether
				// or not that request has ended.
				if missed > 0 && layout != "Folders" {
					t.Errorf("%s: %d failed requests gave no error, want none", fault, missed)
				}
			}
		})
	}
}

func withStatus(status int) func(*http.Response) (*http.Response, error) {
	return func(old *http.Response) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Request: old.Request,
			Body: io.NopCloser(strings.NewReader("")),
		}, nil
	}
}

// cutOff ends the body half way, without an error.
func cutOff(resp *http.Response) (*http.Response, error) {
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	cut := *resp
	cut.Body = io.NopCloser(bytes.NewReader(body[:len(body)/2]))
	return &cut, nil
}

// TestListingEndsWithItsCaller lets the caller end a listing that is divided into
// folders.
func TestListingEndsWithItsCaller(t *testing.T) {
	server := azuritetest.Start(t)
	container := server.Container(t)
	put(t, server, container, 0, 90, func(i int) string { return fmt.Sprintf("%d/%03d.jpg", i%3, i) })
	options := server.Options(t, container, "")
	options.PageSize = 10
	st := azuritetest.Open(t, options)
	enough := errors.New("enough")
	for _, after := range []int{1, 45, 89} {
		var mu sync.Mutex
		n := 0
		err := st.List(t.Context(), "", func(store.Object) error {
			if !mu.TryLock() {
				t.Error("two objects at once")
				return nil
			}
			defer mu.Unlock()
			if n++; n == after {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) || n != after {
			t.Errorf("%v after %d objects, want the caller's error after %d", err, n, after)
		}
	}
}

// TestMissingContainer opens a container that does not exist. That is an error of
// the configuration, not an image that was deleted.
func TestMissingContainer(t *testing.T) {
	server := azuritetest.Start(t)
	st := azuritetest.Open(t, server.Options(t, "nosuch", ""))
	if _, err := listing(t, st); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("List = %v, want ErrNotExist", err)
	}
	_, _, err := st.Open(t.Context(), "a.jpg", "")
	if !errors.Is(err, store.ErrDenied) || errors.Is(err, store.ErrNotExist) || !strings.Contains(err.Error(), "no container nosuch") {
		t.Errorf("Open = %v, want ErrDenied that names the container", err)
	}
	if _, err := st.Create(t.Context(), "a.jpg", nil); !errors.Is(err, store.ErrDenied) {
		t.Errorf("Create = %v, want ErrDenied", err)
	}
}

// TestLargeBlobs reads from the middle of blobs made of blocks, and creates them
// once.
func TestLargeBlobs(t *testing.T) {
	server := azuritetest.Start(t)
	st := azuritetest.Open(t, server.Options(t, server.Container(t), "x"))
	body := bytes.Repeat([]byte("0123456789abcdef!"), 40<<20/17)
	o, err := st.Create(t.Context(), "large", body)
	if err != nil || o.Size != int64(len(body)) {
		t.Fatalf("Create = %+v, %v; want %d bytes", o, err, len(body))
	}
	const offset = 17<<20 + 3
	r, again, err := st.OpenRange(t.Context(), "large", o.ETag, offset, store.ToEnd)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body[offset:]) || again != o {
		t.Errorf("read %d bytes of %+v, %v; want %d of %+v", len(got), again, err, len(body)-offset, o)
	}
	if _, _, err := st.OpenRange(t.Context(), "large", o.ETag+"0", offset, store.ToEnd); !errors.Is(err, store.ErrChanged) {
		t.Errorf("open another version: %v, want ErrChanged", err)
	}
	if _, _, err := st.OpenRange(t.Context(), "large", "", offset, store.ToEnd); err == nil {
		t.Error("two parts without an ETag may be of two versions")
	}
	if _, err := st.Create(t.Context(), "large", body[:len(body)-1]); !errors.Is(err, store.ErrExist) {
		t.Errorf("create again = %v, want ErrExist", err)
	}

	failed := errors.New("the writer failed")
	_, err = store.CreateFrom(t.Context(), patient.New(st, patient.Options{}), "never", func(w io.Writer) error {
		if _, err := w.Write(body); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Error(err)
	}
	if _, _, err := st.Open(t.Context(), "never", ""); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("Open of an upload that failed = %v, want ErrNotExist", err)
	}
}

// TestLargeBlobsArePatient cuts off every third request of an upload in blocks,
// and loses the answer of its commit.
func TestLargeBlobsArePatient(t *testing.T) {
	server := azuritetest.Start(t)
	options := server.Options(t, server.Container(t), "")
	var requests, lost atomic.Int64
	options.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		reset := errors.New("connection reset by peer")
		if requests.Add(1)%3 == 0 {
			return nil, reset
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && r.URL.Query().Get("comp") == "blocklist" && r.Method == http.MethodPut && lost.Add(1) == 1 {
			resp.Body.Close()
			return nil, reset
		}
		return resp, err
	})
	st := patient.New(azuritetest.Open(t, options), patient.Options{First: time.Microsecond, Longest: time.Microsecond})
	body := bytes.Repeat([]byte("0123456789abcdef!"), 50<<20/17)
	o, err := store.CreateFrom(t.Context(), st, "large", func(w io.Writer) error {
		for piece := range slices.Chunk(body, 1<<20+1) {
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r, opened, err := st.Open(t.Context(), "large", o.ETag)
	if err != nil || opened != o {
		t.Fatalf("Open = %+v, %v; want %+v", opened, err, o)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, body) {
		t.Errorf("read %d bytes, %v; want %d", len(got), err, len(body))
	}
	if _, err := store.CreateFrom(t.Context(), st, "large", func(io.Writer) error { return nil }); !errors.Is(err, store.ErrExist) {
		t.Errorf("create again = %v, want ErrExist", err)
	}
	if lost.Load() < 2 {
		t.Errorf("%d commits, want 2 since an answer was lost", lost.Load())
	}
}
