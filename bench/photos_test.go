package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/scorer/store/patient"
)

// photoPixels is the size of the photographs that are scored, as in the
// collections this program is for.
const photoPixels = 680_000

// photographs returns files with the sample photographs, resized to photoPixels.
func photographs(b testing.TB) []string {
	b.Helper()
	given, err := measure.ReadFolder(filepath.Join(cache(), "images", "photos"))
	if err != nil {
		b.Skip("run \"make deps\" first: ", err)
	}
	made := b.TempDir()
	var files []string
	for i, photo := range measure.Resample(given, photoPixels) {
		p, err := measure.Encode(photo, "jpeg")
		if err != nil {
			b.Fatal(err)
		}
		files = append(files, filepath.Join(made, imageName(i)))
		if err := os.WriteFile(files[i], p.Data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return files
}

// linkedPhotos returns a folder of n images, which are links to the files in turn.
func linkedPhotos(b *testing.B, files []string, n int) store.Store {
	b.Helper()
	path := b.TempDir()
	for i := range n {
		if err := os.Link(files[i%len(files)], filepath.Join(path, imageName(i))); err != nil {
			b.Fatal(err)
		}
	}
	return folder(b, path)
}

// storedPhotos returns a container of the emulator with the files in it, under n names
// in all.
func storedPhotos(b *testing.B, files []string, n int) store.Store {
	b.Helper()
	server := azuritetest.Start(b)
	st := azuritetest.Open(b, server.Options(b, server.Container(b), ""))
	repeated := repeatedStore{Store: st, n: n}
	for i, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		blob, err := st.Create(b.Context(), imageName(i), body)
		if err != nil {
			b.Fatal(err)
		}
		repeated.blobs = append(repeated.blobs, blob)
	}
	return patient.New(repeated, patient.Options{})
}

// repeatedStore shows its blobs under n names in all, like hard links to files. For each
// request the emulator, unlike the service, searches all of its blobs: with thousands
// of them the benchmark would measure that search.
type repeatedStore struct {
	store.Store
	blobs []store.Object
	n     int
}

func (r repeatedStore) List(_ context.Context, prefix string, fn func(store.Object) error) error {
	for i := range r.n {
		o := r.blobs[i%len(r.blobs)]
		o.Name = fmt.Sprintf("%05d/%s", i, o.Name)
		if !strings.HasPrefix(o.Name, prefix) {
			continue
		}
		if err := fn(o); err != nil {
			return err
		}
	}
	return nil
}

func (r repeatedStore) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	_, blob, _ := strings.Cut(name, "/")
	return r.Store.Open(ctx, blob, etag)
}
