package bench

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/scale"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/scorer/store/fault"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/patient"
)

// BenchmarkFetch fetches blobs through a proxy that adds 20 ms to every request: with
// 64 bare GETs at a time, and with the pipeline of a simulated device that takes no
// time. One run is one of each, in turn. The ratio is that of the rates from the first
// GET to the end of the last; images/s-job counts from the listing to _SUCCESS. Since
// the emulator itself is slow, a server that only answers is measured as well.
func BenchmarkFetch(b *testing.B) {
	const latency = 20 * time.Millisecond
	for _, c := range []struct {
		server string
		images int
		serve  func(b *testing.B, images int) blobServer
	}{
		{server: "azurite", images: 2000, serve: serveAzurite},
		{server: "bare", images: 6000, serve: serveBare},
	} {
		b.Run("server="+c.server, func(b *testing.B) {
			s := c.serve(b, c.images)
			proxy, err := fault.NewProxy(s.host, fault.ProxyOptions{Latency: latency})
			if err != nil {
				b.Fatal(err)
			}
			defer proxy.Close()
			s.options.Endpoint = "http://" + proxy.Addr()
			window := &window{RoundTripper: manyConnections(b)}
			s.options.Transport = window
			// Connections are made before anything is measured.
			client := &http.Client{Transport: manyConnections(b)}
			get(b, client, proxy.Addr(), s, 128)
			var bare, pipeline, job time.Duration
			for b.Loop() {
				start := time.Now()
				get(b, client, proxy.Addr(), s, c.images)
				bare += time.Since(start)
				start = time.Now()
				scoreSimulated(b, patient.New(azuritetest.Open(b, s.options), patient.Options{}))
				job += time.Since(start)
				pipeline += window.take()
			}
			n := float64(b.N * c.images)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(n/bare.Seconds(), "images/s-bare")
			b.ReportMetric(n/pipeline.Seconds(), "images/s-pipeline")
			b.ReportMetric(n/job.Seconds(), "images/s-job")
			b.ReportMetric(bare.Seconds()/pipeline.Seconds(), "ratio")
		})
	}
}

// blobServer serves the images of a benchmark.
type blobServer struct {
	host    string
	options azblob.Options // open the folder of the images
	// target returns the path and query of image i, including its authorization.
	target func(i int) string
}

func serveAzurite(b *testing.B, images int) blobServer {
	b.Helper()
	server := azuritetest.Start(b)
	name := server.Container(b)
	o := server.Options(b, name, "")
	st := azuritetest.Open(b, o)
	var group errgroup.Group
	group.SetLimit(32)
	for i := range images {
		group.Go(func() error {
			_, err := st.Create(b.Context(), imageName(i), smallJPEG(b, i))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	signed, err := server.Client().NewContainerClient(name).GetSASURL(sas.ContainerPermissions{Read: true}, time.Now().Add(time.Hour), nil)
	if err != nil {
		b.Fatal(err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		b.Fatal(err)
	}
	return blobServer{host: u.Host, options: o,
		target: func(i int) string { return u.Path + "/" + imageName(i) + "?" + u.RawQuery }}
}

// serveBare answers listings and GETs like the service, with blobs in memory.
func serveBare(b *testing.B, images int) blobServer {
	b.Helper()
	const container = "/" + azuritetest.Account + "/photos"
	bodies := map[string][]byte{}
	var list strings.Builder
	list.WriteString(`<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>`)
	const modified = "Sun, 01 Mar 2020 00:00:00 GMT"
	for i := range images {
		body := smallJPEG(b, i)
		bodies[container+"/"+imageName(i)] = body
		fmt.Fprintf(&list, `<Blob><Name>%s</Name><Properties><Last-Modified>%s</Last-Modified><Etag>0x1</Etag>`+
			`<Content-Length>%d</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>`, imageName(i), modified, len(body))
	}
	list.WriteString(`</Blobs><NextMarker /></EnumerationResults>`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		switch {
		case r.URL.Path == container:
			w.Header().Set("Content-Type", "application/xml")
			body = []byte(list.String())
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", `"0x1"`)
		w.Header().Set("Last-Modified", modified)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body) // a client that has left needs no answer
	}))
	b.Cleanup(server.Close)
	place, err := azblob.ParsePlace("az:/" + container)
	if err != nil {
		b.Fatal(err)
	}
	env := map[string]string{azblob.Account: azuritetest.Account, azblob.Key: "a2V5"}
	return blobServer{host: strings.TrimPrefix(server.URL, "http://"),
		options: azblob.Options{Place: place, Credentials: azblob.FromEnvironment(
			func(name string) (string, bool) { v, ok := env[name]; return v, ok })},
		target: func(i int) string { return container + "/" + imageName(i) }}
}

func manyConnections(b *testing.B) *http.Transport {
	t := &http.Transport{MaxIdleConns: 512, MaxIdleConnsPerHost: 512, DisableCompression: true}
	b.Cleanup(t.CloseIdleConnections)
	return t
}

// window is the time from the first GET of an image to the end of the last.
type window struct {
	http.RoundTripper
	mu          sync.Mutex
	first, last time.Time
}

func (w *window) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := w.RoundTripper.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.URL.Path, ".jpg") {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.first.IsZero() || start.Before(w.first) {
			w.first = start
		}
		resp.Body = windowBody{resp.Body, w}
	}
	return resp, err
}

type windowBody struct {
	io.ReadCloser
	window *window
}

func (b windowBody) Close() error {
	b.window.mu.Lock()
	defer b.window.mu.Unlock()
	b.window.last = time.Now()
	return b.ReadCloser.Close()
}

// take returns the time and starts again from zero.
func (w *window) take() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.last.Sub(w.first)
	w.first, w.last = time.Time{}, time.Time{}
	return d
}

// get fetches the first n images, 64 at a time.
func get(b *testing.B, client *http.Client, host string, s blobServer, n int) {
	b.Helper()
	next := make(chan int)
	group, ctx := errgroup.WithContext(b.Context())
	for range 64 {
		group.Go(func() error {
			for i := range next {
				resp, err := client.Get("http://" + host + s.target(i)) //nolint:noctx // the test's own server
				if err != nil {
					return err
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK {
					return fmt.Errorf("%s: %w", resp.Status, err)
				}
			}
			return nil
		})
	}
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

// scoreSimulated scores a place on a device that takes no time.
func scoreSimulated(b *testing.B, images store.Store) {
	b.Helper()
	_, err := scorer.Run(b.Context(), measure.SimulatedWorker(b.Context(), simulate.Spec{Rate: math.Inf(1), Batch: 32}, scorer.Options{
		Images: images, Out: new(mem.Store), Contract: scale.Contract(), Job: output.Job{TopK: 3},
	}))
	if err != nil {
		b.Fatal(err)
	}
}

// smallJPEG returns image i, which costs little to decode.
func smallJPEG(b *testing.B, i int) []byte {
	b.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for p := range 32 * 32 {
		img.Set(p%32, p/32, color.RGBA{uint8(p + i), uint8(i * 7), uint8(p * i), 255})
	}
	var body bytes.Buffer
	if err := jpeg.Encode(&body, img, nil); err != nil {
		b.Fatal(err)
	}
	return body.Bytes()
}
