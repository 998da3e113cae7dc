package bench

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/scorer/store/patient"
)

// photoPixels is the size of the photographs that are scored, as in the
// collections this program is for.
const photoPixels = 680_000

// photographs are files with the sample photographs, brought to photoPixels.
func photographs(b *testing.B) []string {
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

// linkedPhotos is a folder of n images, links to the files in turn.
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

// storedPhotos are n blobs of the emulator, the files in turn.
func storedPhotos(b *testing.B, files []string, n int) store.Store {
	b.Helper()
	server := azuritetest.Start(b)
	st := azuritetest.Open(b, server.Options(b, server.Container(b), ""))
	var g errgroup.Group
	g.SetLimit(16)
	for i := range n {
		g.Go(func() error {
			body, err := os.ReadFile(files[i%len(files)])
			if err != nil {
				return err
			}
			_, err = st.Create(b.Context(), imageName(i), body)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return patient.New(st, patient.Options{})
}
