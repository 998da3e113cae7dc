package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/azblob"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// bucket is a collection of images in Azurite that changes.
type bucket struct {
	t      testing.TB
	server *azuritetest.Server
	place  string
}

func (b *bucket) put(name string, body []byte) {
	b.t.Helper()
	container, name := b.blob(name)
	_, err := b.server.Client().NewContainerClient(container).NewBlockBlobClient(name).Upload(b.t.Context(), streaming.NopCloser(bytes.NewReader(body)), nil)
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bucket) remove(name string) {
	b.t.Helper()
	container, name := b.blob(name)
	if _, err := b.server.Client().NewContainerClient(container).NewBlobClient(name).Delete(b.t.Context(), nil); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bucket) blob(name string) (container, whole string) {
	p, err := azblob.ParsePlace(b.place)
	if err != nil {
		b.t.Fatal(err)
	}
	return p.Container, strings.TrimSuffix(p.Prefix, "/") + "/" + name
}

// TestNightsOfBlobs plays nights from Azurite to Azurite: additions, replacements of the same size,
// removals, renames and failing images. Each merge is that of a run over all images.
func TestNightsOfBlobs(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	model, runs := tiny(t, graphtest.Options{}), newPlace(t, server)
	images := &bucket{t, server, upload(t, server, pictures(t, 10))}
	az := func(args ...string) processResult {
		t.Helper()
		r := withBlobs(t, server, server.Endpoint, args...)
		if r.code != 0 {
			t.Fatalf("batchscore %q: %v", args, r)
		}
		return r
	}
	night := func(name string, want output.Increment, more ...string) {
		t.Helper()
		out := runs + "/" + name
		run := []string{"run", "--images", images.place, "--model", model, "--chunk", "4"}
		az(append(append(run, "--out", out, "--after", runs, "--reuse-by-content"), more...)...)
		az("verify", out)
		once := newPlace(t, server)
		az(append(run, "--out", once)...)
		if have, all := az("merge", out, "-o", "-").stdout, az("merge", once, "-o", "-").stdout; have != all {
			t.Errorf("%s: the merge is not that of one run over all images:\n%s\nwant\n%s", name, have, all)
		}
		var s output.Success
		if err := json.Unmarshal([]byte(readBlob(t, server, out, "_SUCCESS")), &s); err != nil {
			t.Fatal(err)
		}
		got := s.Increment
		if want.Images == 0 && got == nil {
			return
		}
		if got == nil || got.Images != want.Images || got.New != want.New || got.Changed != want.Changed || got.Retried != want.Retried ||
			got.Renamed != want.Renamed || got.Kept != want.Kept || got.Gone != want.Gone || got.Failed != want.Failed {
			t.Errorf("%s: _SUCCESS has %+v, want %+v", name, got, want)
		}
	}
	one, two := picture(t, 70), picture(t, 71)
	most := max(len(one), len(two))
	one, two = append(one, make([]byte, most-len(one))...), append(two, make([]byte, most-len(two))...)
	broken := picture(t, 72)[:60]
	images.put("replaced.jpg", one)
	images.put("removed.jpg", picture(t, 73))
	images.put("before/renamed.jpg", picture(t, 74))
	images.put("broken.jpg", broken)
	night("2026-11-01", output.Increment{})

	images.put("replaced.jpg", two)
	images.remove("removed.jpg")
	images.put("new.jpg", picture(t, 75))
	images.remove("before/renamed.jpg")
	images.put("later/renamed.jpg", picture(t, 74))
	night("2026-11-02", output.Increment{Images: 14, New: 1, Changed: 1, Renamed: 1, Kept: 11, Gone: 2, Failed: 1})

	// A failed image has no row to give away, whatever its name.
	images.put("also broken.jpg", broken)
	images.put("copy.jpg", two)
	images.remove("new.jpg")
	night("2026-11-03", output.Increment{Images: 15, New: 1, Retried: 1, Renamed: 1, Kept: 12, Gone: 1, Failed: 2}, "--retry", "failed")
	night("2026-11-04", output.Increment{Images: 15, Kept: 15, Failed: 2})
	images.put("broken.jpg", picture(t, 72))
	night("2026-11-05", output.Increment{Images: 15, Changed: 1, Kept: 14, Failed: 1})

	if r := az("prune", runs, "--keep", "1", "--yes"); !strings.Contains(r.stdout, "gone  2026-11-04") || strings.Contains(r.stdout, "gone  2026-11-05") {
		t.Errorf("pruned: %v", r)
	}
	az("verify", runs+"/2026-11-05")
	night("2026-11-06", output.Increment{Images: 15, Kept: 15, Failed: 1})
}
