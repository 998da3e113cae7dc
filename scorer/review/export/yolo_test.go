package export

import (
	"encoding/csv"
	"fmt"
	"path"
	"strings"
	"testing"
)

// TestYOLO checks that each image is in the folder of its label, and that the tables say which
// one it is.
func TestYOLO(t *testing.T) {
	items := hostile()
	for i := range 20 { // so that each label is in both splits
		for _, it := range hostile() {
			it.Entry.Path = fmt.Sprintf("more/%d/", i) + it.Entry.Path
			items = append(items, it)
		}
	}
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

// TestYOLOSplits checks that no label is in one split only.
func TestYOLOSplits(t *testing.T) {
	items := []*Item{image("a.jpg", nil, class(0, "cat", 1)), image("b.jpg", nil, class(0, "cat", 1)), image("c.jpg", nil, class(1, "dog", 1))}
	c := collect(items)
	c.Options.Validation = 0.5
	to, w := memory{}, yoloFormat.New()
	err := w.Begin(c, to)
	for _, it := range items {
		if err == nil {
			it.File, err = w.(Namer).ImageName(it)
		}
		if err == nil {
			err = w.Add(t.Context(), it)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.End(); err == nil || !strings.Contains(err.Error(), `"dog"`) {
		t.Errorf("the error is %v, want one that names dog", err)
	}
}
