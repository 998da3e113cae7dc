package export

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/dir"
)

// TestLinks checks that links lead to the place that images are read from, which need not be the
// one where they were scored, and that an image that is not there is left out.
func TestLinks(t *testing.T) {
	place := t.TempDir()
	items := []*Item{image("a/x.png", nil, class(0, "cat", 1)), image("gone.png", nil, class(0, "cat", 1))}
	body := picture(t, 7, 5)
	items[0].Entry.Size = int64(len(body))
	if err := os.Mkdir(filepath.Join(place, "a"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(place, "a", "x.png"), body, 0o600); err != nil {
		t.Fatal(err)
	}
	images, err := dir.New(place, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"yolo", "fiftyone", "hf"} {
		f, _ := Named(format)
		r := Request{Job: &output.Job{ID: "j", Images: "/somewhere else"}, Rows: rowsIn(items), Format: f, Images: images, AnyVersion: true}
		r.Options.Link = true
		folder := filepath.Join(t.TempDir(), "out")
		to, err := NewLocal(folder)
		if err != nil {
			t.Fatal(err)
		}
		report, err := Run(t.Context(), &r, to)
		if err := errors.Join(err, to.Keep(), to.Close()); err != nil {
			t.Fatal(err)
		}
		if report.Written != 1 || report.Gone != 1 {
			t.Errorf("%s: %+v", format, report)
		}
		links := 0
		err = filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
			if err != nil || e.Type()&os.ModeSymlink == 0 {
				return err
			}
			links++
			got, err := os.ReadFile(path)
			if err == nil && string(got) != string(body) {
				t.Errorf("%s leads to other bytes", path)
			}
			return err
		})
		if err != nil || links != 1 {
			t.Errorf("%s: %d links, %v", format, links, err)
		}
	}
}
