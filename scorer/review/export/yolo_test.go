package export

import (
	"encoding/csv"
	"path"
	"strings"
	"testing"
)

// TestYOLO checks that each image is in the folder of its label, and that the tables say which
// one it is.
func TestYOLO(t *testing.T) {
	items := hostile()
	c := collect(items)
	c.Options.Validation = 0.5
	files := write(t, "yolo", items, c)
	read := func(name string) [][]string {
		all, err := csv.NewReader(strings.NewReader(files[name])).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return all[1:]
	}
	labels, splits := map[string]string{}, map[string]int{}
	folders := map[string]string{}
	for _, r := range read(yoloNames) {
		labels[r[0]] = r[1]
		if folded := foldCase(r[0]); len(folders[folded]) > 0 {
			t.Errorf("the folders of labels %q and %q are both %q", folders[folded], r[1], r[0])
		} else {
			folders[folded] = "label " + r[1]
		}
	}
	images := read(yoloImages)
	for i, it := range items {
		want, of, _ := trainingLabel(it)
		folder, r := path.Dir(it.File), images[i]
		if got, ok := labels[path.Base(folder)]; !ok || got != want {
			t.Errorf("%q is in folder %q, which is label %q, want %q", it.Entry.Path, folder, got, want)
		}
		if r[0] != it.File || r[1] != validText(it.Entry.Path) || r[2] != exactName(it.Entry.Path) || r[3] != want || r[4] != of {
			t.Errorf("row %q of %q", r, it.Entry.Path)
		}
		splits[path.Dir(folder)]++
	}
	if len(splits) != 2 || splits["train"]+splits["val"] != len(items) || splits["val"] < 3 || splits["train"] < 3 {
		t.Errorf("images: %v", splits)
	}
}
