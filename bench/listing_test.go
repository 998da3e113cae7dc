package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// BenchmarkFreeze lists 20,000 small blobs of the emulator and freezes their manifest.
// It compares that with fetching only the pages of the listing, without reading them,
// which is the time of the network and the service. One run is one of each, in turn.
func BenchmarkFreeze(b *testing.B) {
	const blobs = 20_000
	server := azuritetest.Start(b)
	name := server.Container(b)
	client := server.Client().NewContainerClient(name)
	fill(b, client, blobs)
	pages, err := client.GetSASURL(sas.ContainerPermissions{List: true}, time.Now().Add(time.Hour), nil)
	if err != nil {
		b.Fatal(err)
	}
	images := azuritetest.Open(b, server.Options(b, name, ""))
	var bare, frozen time.Duration
	for b.Loop() {
		start := time.Now()
		if n := listBare(b, pages); n < blobs/5000 {
			b.Fatalf("%d pages", n)
		}
		bare += time.Since(start)
		start = time.Now()
		m, _, err := listing.Manifest(b.Context(), images, listing.Pictures, 0, zerolog.Nop())
		if err != nil || m.Len() != blobs {
			b.Fatalf("%d images, %v", m.Len(), err)
		}
		_, err = output.Freeze(b.Context(), new(mem.Store), func(context.Context) (*shard.Manifest, error) { return m, nil })
		if err != nil {
			b.Fatal(err)
		}
		frozen += time.Since(start)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bare.Seconds()/float64(b.N), "s-bare")
	b.ReportMetric(frozen.Seconds()/float64(b.N), "s-frozen")
	b.ReportMetric(frozen.Seconds()/bare.Seconds(), "ratio")
}

// fill stores small blobs. That takes the emulator minutes, because it searches
// everything that it stores for each blob.
func fill(b *testing.B, c *container.Client, blobs int) {
	b.Helper()
	var group errgroup.Group
	group.SetLimit(32)
	for i := range blobs {
		group.Go(func() error {
			_, err := c.NewBlockBlobClient(fmt.Sprintf("folder-%02d/image-%05d.jpg", i%20, i)).
				Upload(b.Context(), streaming.NopCloser(bytes.NewReader([]byte{byte(i)})), nil)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

// listBare fetches all pages of a listing one after the other and returns their
// number.
func listBare(b *testing.B, address string) (pages int) {
	b.Helper()
	for marker := ""; ; {
		resp, err := http.Get(address + "&restype=container&comp=list&maxresults=5000&marker=" + url.QueryEscape(marker)) //nolint:gosec,noctx // the emulator
		if err != nil {
			b.Fatal(err)
		}
		page, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status, err)
		}
		pages++
		_, rest, _ := strings.Cut(string(page[max(0, len(page)-4096):]), "<NextMarker>")
		marker, _, _ = strings.Cut(rest, "</NextMarker>")
		if marker == "" {
			return pages
		}
	}
}
