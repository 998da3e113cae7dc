package export

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/scorer/review/truth"
)

// TestCSVTruth checks that the truth in a table is what the table is read as again, whatever labels
// have in them.
func TestCSVTruth(t *testing.T) {
	labels := [][]string{{"cat"}, {"cat", "dog"}, {"a|b"}, {"a|b", "c"}, {"[x]"}, {`["cat","dog"]`}, {`{"choices":["a"]}`}, {"<&>", "\"q\""},
		{"a,b\nc", "d"}, {"gr\u00fcn", "\u2028"}, {"[", "{"}, nil}
	var items []*Item
	var images []string
	for i, l := range labels {
		items = append(items, image(fmt.Sprintf("%02d.jpg", i), l, class(0, "other", 1)))
		images = append(images, items[i].Entry.Path)
	}
	file := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(file, []byte(write(t, "csv", items, collect(items))["rows.csv"]), 0o600); err != nil {
		t.Fatal(err)
	}
	known, err := truth.Read(t.Context(), truth.Options{}, file)
	if err != nil {
		t.Fatal(err)
	}
	if err := known.Bind(func(fn func(string) error) error {
		for _, name := range images {
			if err := fn(name); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, want := range labels {
		if got, ok := known.Of(images[i]); !slices.Equal(got, want) || ok != (want != nil) {
			t.Errorf("the truth %q comes back as %q, %v", want, got, ok)
		}
	}
}
